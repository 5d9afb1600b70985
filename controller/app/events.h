// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_EVENTS_H_
#define PXEGATE_CONTROLLER_APP_EVENTS_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "controller/base/clock.h"
#include "controller/driver/filter_driver.h"

namespace pxegate {

// How many events a controller keeps, and tells of at most.
inline constexpr std::size_t kKeptEvents = 1024;

// A verdict with its place in the sequence of one run of a controller.
struct LoggedEvent {
  std::uint64_t sequence = 0;  // from 1
  WallTime time;
  EventRecord record;
};

struct EventQuery {
  // The latest that the asker knows, of that run. Another run's say nothing.
  std::uint64_t after = 0;
  std::string run;
  // How long to wait where there are none.
  std::chrono::milliseconds wait{0};
};

struct EventPage {
  bool supported = true;   // by the driver, or it is not known yet
  std::string run;         // differs from one start of a controller to another
  std::uint64_t last = 0;  // what to ask for next
  // How many between the query's and the first here are not kept any more.
  std::uint64_t missed = 0;
  std::vector<std::shared_ptr<const LoggedEvent>> events;  // oldest first
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_EVENTS_H_
