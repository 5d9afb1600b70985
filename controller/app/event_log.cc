// SPDX-License-Identifier: Apache-2.0
#include "controller/app/event_log.h"

#include <algorithm>
#include <utility>

namespace pxegate {

void EventLog::add(std::vector<EventRecord> events, Monotonic now,
                   WallTime wall) {
  if (events.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    for (EventRecord& record : events) {
      const auto age =
          std::chrono::nanoseconds(now.time_since_epoch()) - record.time;
      auto event = std::make_shared<LoggedEvent>();
      event->sequence = ++last_;
      event->time = wall - std::chrono::duration_cast<WallTime::duration>(
                               std::max(age, std::chrono::nanoseconds(0)));
      event->record = std::move(record);
      kept_.push_back(std::move(event));
      if (kept_.size() > kKeptEvents) kept_.pop_front();
    }
  }
  added_.notify_all();
}

EventPage EventLog::read(const EventQuery& query) const {
  EventPage page;
  page.run = run_;
  std::unique_lock lock(mutex_);
  // Of another run, or made up: everything is new.
  const bool known = query.run == run_ && query.after <= last_;
  const std::uint64_t after = known ? query.after : 0;
  added_.wait_for(lock, query.wait, [&] { return closed_ || last_ > after; });
  page.last = last_;
  const std::uint64_t first = last_ - kept_.size() + 1;
  // Who asks for the first time has not missed anything.
  if (known && after + 1 < first) page.missed = first - after - 1;
  const std::uint64_t skipped = after + 1 > first ? after + 1 - first : 0;
  page.events.assign(kept_.begin() + static_cast<std::ptrdiff_t>(skipped),
                     kept_.end());
  return page;
}

void EventLog::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  added_.notify_all();
}

}  // namespace pxegate
