// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_TESTS_UNIT_CONTROLLER_IRONIC_MANUAL_CLOCK_H_
#define PXEGATE_TESTS_UNIT_CONTROLLER_IRONIC_MANUAL_CLOCK_H_

#include <chrono>

#include "controller/base/clock.h"

namespace pxegate {

// Both clocks stand still until they are turned, each on its own.
class ManualClock final : public Clock {
 public:
  Monotonic now() const override { return monotonic; }
  WallTime wall() const override { return wall_time; }

  void advance(std::chrono::milliseconds by) {
    monotonic += by;
    wall_time += by;
  }

  Monotonic monotonic{std::chrono::hours{5}};
  WallTime wall_time{std::chrono::sys_days{std::chrono::year{2026} / 11 / 22}};
};

}  // namespace pxegate

#endif  // PXEGATE_TESTS_UNIT_CONTROLLER_IRONIC_MANUAL_CLOCK_H_
