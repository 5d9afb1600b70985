// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_DNSMASQ_FEED_H_
#define PXEGATE_DRIVERS_DNSMASQ_FEED_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "controller/base/result.h"
#include "drivers/dnsmasq/hosts_dir.h"
#include "drivers/dnsmasq/readers.h"

namespace pxegate {

// How many changes a dnsmasq whose queue cannot be looked at may be behind, by
// a rate that it always manages. Lives as long as the driver.
class BlindPace {
 public:
  using Time = std::chrono::steady_clock::time_point;
  // `limit`: events that the queue holds.
  explicit BlindPace(std::size_t limit) : burst_(limit / 4.0) {}

  // How long to wait before one more change.
  std::chrono::milliseconds wait(Time now);
  void count() { behind_ += 1; }
  // How long until all of it has been read, by that rate.
  std::chrono::milliseconds rest(Time now);

 private:
  void settle(Time now);

  double burst_;  // a change is two events; half of the queue stays free
  double behind_ = 0;
  Time then_{};
};

struct FeedLimits {
  std::chrono::steady_clock::time_point deadline;
  // Without any sign of life of dnsmasq.
  std::chrono::milliseconds stuck;
};

// fs.inotify.max_queued_events: what exceeds it is lost without a word. The
// kernel's default at most: a dnsmasq keeps the limit of the time it started,
// and raising it since does not help (inotify_init(2)).
std::size_t inotify_queue_limit();

// Changes files of the directory no faster than every dnsmasq that watches it
// reads them, in batches that are small beside its queue, and with pauses in
// which it can answer clients: it does not while events are waiting.
//
// Every call may wait. kUnavailable where the deadline is over; what was
// changed so far stays. A dnsmasq that shows no sign of life is given up: the
// others are told, and confirm() fails.
class Feed {
 public:
  Feed(const HostsDir& directory, std::string watch_identity, FeedLimits limits,
       BlindPace& blind_pace);

  Result<> write(std::string_view name, std::string_view contents);
  Result<> announce(std::string_view name);
  Result<> remove(std::string_view name);

  // Returns when every reader has acted on all that was changed before; the
  // time returned is one that all of that precedes. The proof: its queue was
  // empty, then a marker was put in, and the marker is gone as well. dnsmasq
  // takes events out a few at a time and acts on these before it takes more.
  // kUnavailable from the time on when a reader was given up, or may have lost
  // something. Where it is blind it waits as long as reading takes at most.
  Result<FileTime> confirm();

  // Looks again who reads the directory.
  void look();
  const ReaderScan& readers() const { return scan_; }
  bool blind() const { return !scan_.blind.empty(); }
  // Nobody reads it, for sure.
  bool unread() const { return scan_.readers.empty() && !blind(); }

  // Files that dnsmasq was made to read.
  std::size_t changes() const { return changes_; }

 private:
  Result<> before_change();
  Result<> until_read();

  const HostsDir& directory_;
  const std::string watch_identity_;
  const FeedLimits limits_;
  BlindPace& blind_pace_;
  ReaderScan scan_;
  std::set<ReaderId> given_up_;
  std::optional<Error> doubt_;  // why nothing can be proved any more
  std::size_t batch_;           // changes between two looks at the queues
  std::size_t crowded_;         // bytes unread that may stand for a full queue
  std::size_t look_again_;      // changes between two looks for a reader
  std::size_t in_batch_ = 0;
  std::size_t changes_ = 0;
};

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_DNSMASQ_FEED_H_
