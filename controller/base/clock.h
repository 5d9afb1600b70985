// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_BASE_CLOCK_H_
#define PXEGATE_CONTROLLER_BASE_CLOCK_H_

#include <chrono>
#include <compare>

namespace pxegate {

// CLOCK_MONOTONIC: the clock of bpf_ktime_get_ns(), so that times written by
// the kernel program and by the controller compare.
using Monotonic = std::chrono::steady_clock::time_point;
using WallTime = std::chrono::system_clock::time_point;

// Where time comes from. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Monotonic now() const = 0;
  virtual WallTime wall() const = 0;
};

// One instant on both clocks. What is shown as a date goes by the one, what is
// shown as an age by the other: the wall clock may be set in between.
struct Instant {
  Monotonic monotonic;
  WallTime wall;

  auto operator<=>(const Instant&) const = default;
};

inline Instant operator-(const Instant& instant,
                         std::chrono::nanoseconds before) {
  return {
      instant.monotonic - before,
      instant.wall - std::chrono::duration_cast<WallTime::duration>(before)};
}

inline Instant now(const Clock& clock) { return {clock.now(), clock.wall()}; }

class SystemClock final : public Clock {
 public:
  Monotonic now() const override { return std::chrono::steady_clock::now(); }
  WallTime wall() const override { return std::chrono::system_clock::now(); }
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_BASE_CLOCK_H_
