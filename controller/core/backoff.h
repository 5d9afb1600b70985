// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_CORE_BACKOFF_H_
#define PXEGATE_CONTROLLER_CORE_BACKOFF_H_

#include <chrono>
#include <cstdint>
#include <optional>

namespace pxegate {

// Exponential backoff with jitter. Pure: the caller gives the random bits, so
// that tests need no seed. All options are positive.
struct BackoffOptions {
  std::chrono::milliseconds first{500};
  std::chrono::milliseconds max{30'000};
  // A Retry-After is believed up to so many times `max`.
  int patience = 10;
};

class Backoff {
 public:
  explicit Backoff(BackoffOptions options = {}) : options_(options) {}

  // The delay before the next try after one more failure: between half of
  // min(max, first * 2^n) and all of it, n counting failures since reset().
  // `at_least` (a Retry-After) raises it, up to `patience` times `max`, so that
  // a lying server cannot park us.
  std::chrono::milliseconds next(
      std::uint64_t random_bits,
      std::optional<std::chrono::milliseconds> at_least = std::nullopt);

  void reset() { failures_ = 0; }
  unsigned failures() const { return failures_; }

 private:
  BackoffOptions options_;
  unsigned failures_ = 0;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_CORE_BACKOFF_H_
