// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_DNSMASQ_READERS_H_
#define PXEGATE_DRIVERS_DNSMASQ_READERS_H_

#include <sys/types.h>

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "controller/base/fd.h"
#include "controller/base/result.h"
#include "drivers/dnsmasq/hosts_dir.h"

namespace pxegate {

// One life of a process: numbers are used again.
struct ReaderId {
  pid_t pid = 0;
  std::uint64_t start_ticks = 0;  // since boot, field 22 of /proc/PID/stat
  auto operator<=>(const ReaderId&) const = default;
};

// A dnsmasq that watches the directory, and a descriptor of its inotify queue
// (pidfd_getfd(2)): what is still in there dnsmasq has not read yet. Nothing
// is ever read from it.
class Reader {
 public:
  Reader(ReaderId id, UniqueFd process, UniqueFd queue)
      : id_(id), process_(std::move(process)), queue_(std::move(queue)) {}

  const ReaderId& id() const { return id_; }
  bool alive() const;
  // Bytes of events that it has not read.
  std::size_t unread() const;
  // What it consumed of the CPU, in ticks: a stopped or sleeping process
  // consumes nothing.
  std::uint64_t cpu_ticks() const;
  // When it started, by the clock that stamps files; what was changed later
  // it may not have read itself.
  FileTime started() const;
  // Why its user cannot read what is in `directory`; nullopt: it can, as far
  // as users, groups and modes tell.
  std::optional<std::string> barred_from(const std::string& directory) const;

 private:
  ReaderId id_;
  UniqueFd process_;
  UniqueFd queue_;
};

struct ReaderScan {
  std::vector<Reader> readers;
  // Why a reader may have been missed, or may not be looked at: no privilege,
  // or processes that cannot be seen. Empty: these are all.
  std::string blind;
};

// Every process named dnsmasq that has an inotify watch on the directory that
// HostsDir::watch_identity() names. Costs one small read per process.
ReaderScan find_readers(const std::string& watch_identity);

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_DNSMASQ_READERS_H_
