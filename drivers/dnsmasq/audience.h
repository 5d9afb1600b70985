// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_DNSMASQ_AUDIENCE_H_
#define PXEGATE_DRIVERS_DNSMASQ_AUDIENCE_H_

#include <chrono>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "controller/base/result.h"
#include "drivers/dnsmasq/feed.h"
#include "drivers/dnsmasq/hosts_dir.h"
#include "drivers/dnsmasq/read_record.h"

namespace pxegate {

// Which dnsmasq is proved to know what. A dnsmasq that is met for the first
// time has read what was there when it started; of changes since then it knows
// where the record of an earlier controller says so, and the others are
// announced to it again.
//
// What nobody can see from outside: whether changes of others overflowed its
// queue while nobody waited for it.
class Audience {
 public:
  Audience() = default;
  // With what an earlier controller has proved.
  static Audience remembered(const HostsDir& directory);

  // Announces to readers that are met for the first time what they may have
  // missed of `found`.
  Result<> greet(Feed& feed, const HostsDir& directory,
                 const HostsListing& found);

  // From time to time during many changes: makes progress last.
  Result<> checkpoint(Feed& feed, const HostsDir& directory);

  // Returns when every reader, also one that turned up meanwhile, knows
  // everything. Touches nothing where nothing was changed.
  Result<> convince(Feed& feed, const HostsDir& directory);

  // Proved to know all that was written.
  bool knows(const ReaderId& id) const { return convinced_.contains(id); }
  // Files it was made to read.
  std::uint64_t changes(const ReaderId& id) const;

  // The end of a use of `feed`, successful or not.
  void count(const Feed& feed);
  // Leaves a record for the next controller.
  void remember(const HostsDir& directory, const Feed& feed);

 private:
  void all_know(const Feed& feed, FileTime until);

  ReaderStates states_;
  std::set<ReaderId> greeted_;
  std::set<ReaderId> convinced_;
  std::string recorded_;
  std::chrono::steady_clock::time_point checked_at_{};
};

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_DNSMASQ_AUDIENCE_H_
