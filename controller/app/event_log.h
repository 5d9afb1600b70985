// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_EVENT_LOG_H_
#define PXEGATE_CONTROLLER_APP_EVENT_LOG_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "controller/app/events.h"

namespace pxegate {

// The last kKeptEvents verdicts, for any number of readers, each at its own
// place. None of them holds anybody up: one that is too slow misses some, and
// is told how many. Thread-safe.
class EventLog {
 public:
  explicit EventLog(std::string run) : run_(std::move(run)) {}

  // `events` as the filter gave them; `now` is one instant on both clocks.
  void add(std::vector<EventRecord> events, Monotonic now, WallTime wall);

  // What there is behind the query's place; waits as it says, and not at all
  // after close().
  EventPage read(const EventQuery& query) const;

  // Ends all waiting, for good.
  void close();

 private:
  const std::string run_;
  mutable std::mutex mutex_;
  mutable std::condition_variable added_;
  std::deque<std::shared_ptr<const LoggedEvent>> kept_;
  std::uint64_t last_ = 0;
  bool closed_ = false;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_EVENT_LOG_H_
