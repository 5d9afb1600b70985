// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_SOURCE_HEALTH_H_
#define PXEGATE_CONTROLLER_APP_SOURCE_HEALTH_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "controller/base/clock.h"
#include "controller/base/result.h"
#include "controller/core/backoff.h"

namespace pxegate {

// Where the jitter of retries comes from.
using Random = std::function<std::uint64_t()>;

// How one kind of request has been going: counts its failures, says when to
// try again, and logs trouble once when it begins or becomes another, and
// once when it ends.
class SourceHealth {
 public:
  // `what` names the request in log lines: "the list of ports". The clock
  // outlives this.
  SourceHealth(std::string what, BackoffOptions backoff, const Clock& clock,
               Random random);

  void succeeded();
  // The delay before the next try: what backoff says, or `at_least`. Being
  // told to stop (kCancelled) is no failure.
  std::chrono::milliseconds failed(const Error& error,
                                   std::chrono::milliseconds at_least = {});
  // Somebody asked to try now: the next failure counts as the first as far as
  // the delay goes.
  void forget_delay() { backoff_.reset(); }

  bool failing() const { return failing_since_.has_value(); }
  std::optional<Monotonic> failing_since() const { return failing_since_; }
  unsigned failures() const { return failures_; }
  std::optional<Instant> last_success() const { return last_success_; }
  // Of the latest failure, also after it ended; nullopt: none so far.
  const std::optional<Error>& last_error() const { return last_error_; }
  std::optional<Instant> last_error_at() const { return last_error_at_; }

 private:
  std::string what_;
  Backoff backoff_;
  const Clock& clock_;
  Random random_;
  unsigned failures_ = 0;  // in a row
  std::optional<Monotonic> failing_since_;
  std::optional<Instant> last_success_;
  std::optional<Error> last_error_;
  std::optional<Instant> last_error_at_;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_SOURCE_HEALTH_H_
