// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_BASE_RESULT_H_
#define PXEGATE_CONTROLLER_BASE_RESULT_H_

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace pxegate {

// What a caller may want to tell apart. Everything else is in the message.
enum class ErrorCode {
  kFailed,        // no finer class applies
  kInvalid,       // the input is wrong; retrying does not help
  kNotFound,      // the thing asked for does not exist
  kPermission,    // a privilege or a credential is missing
  kUnavailable,   // may work later: timeouts, refused connections, 503
  kInvalidState,  // the call does not fit the object's state
  kConflict,      // somebody else holds the resource
  kCapacity,      // a limit set by configuration was reached
  kCancelled,     // stopped on request
};

// Name of `code` in snake_case, as it appears in JSON. Never empty.
std::string_view to_string(ErrorCode code);

// One failure, told so that an operator can act: what failed, on what, why.
class Error {
 public:
  explicit Error(std::string message, ErrorCode code = ErrorCode::kFailed)
      : message_(std::move(message)), code_(code) {}

  const std::string& message() const { return message_; }
  ErrorCode code() const { return code_; }

  // How long the other side asked to be left alone (HTTP Retry-After).
  std::optional<std::chrono::seconds> retry_after() const {
    return retry_after_;
  }
  Error retry_after(std::optional<std::chrono::seconds> delay) && {
    retry_after_ = delay;
    return std::move(*this);
  }

  // The same failure seen one level up: "<what>: <message>".
  Error within(std::string_view what) const {
    Error outer(std::string(what) + ": " + message_, code_);
    outer.retry_after_ = retry_after_;
    return outer;
  }

 private:
  std::string message_;
  ErrorCode code_;
  std::optional<std::chrono::seconds> retry_after_;
};

// Either a value or an Error. Nothing in this project throws across a
// module's edge.
template <typename T = void>
using Result = tl::expected<T, Error>;

using Failure = tl::unexpected<Error>;

// For `return fail("…");` from any function that returns a Result.
inline Failure fail(std::string message, ErrorCode code = ErrorCode::kFailed) {
  return Failure(Error(std::move(message), code));
}
inline Failure fail(Error error) { return Failure(std::move(error)); }

// The one place that turns an errno value into words: "<what>: <strerror>".
// EPERM and EACCES become kPermission, ENOENT, ENODEV and ENXIO kNotFound,
// EBUSY and EEXIST kConflict, ENOSPC and E2BIG kCapacity, ETIMEDOUT, EAGAIN
// and ECONNREFUSED kUnavailable, EINVAL kInvalid, the rest kFailed. `errnum`
// is positive.
Error errno_error(std::string_view what, int errnum);
inline Failure fail_errno(std::string_view what, int errnum) {
  return Failure(errno_error(what, errnum));
}

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_BASE_RESULT_H_
