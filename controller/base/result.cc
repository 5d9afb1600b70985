// SPDX-License-Identifier: Apache-2.0
#include "controller/base/result.h"

#include <cerrno>
#include <system_error>

namespace pxegate {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::kFailed:
      return "failed";
    case ErrorCode::kInvalid:
      return "invalid";
    case ErrorCode::kNotFound:
      return "not_found";
    case ErrorCode::kPermission:
      return "permission";
    case ErrorCode::kUnavailable:
      return "unavailable";
    case ErrorCode::kInvalidState:
      return "invalid_state";
    case ErrorCode::kConflict:
      return "conflict";
    case ErrorCode::kCapacity:
      return "capacity";
    case ErrorCode::kCancelled:
      return "cancelled";
  }
  return "failed";
}

namespace {

ErrorCode classify(int errnum) {
  switch (errnum) {
    case EPERM:
    case EACCES:
      return ErrorCode::kPermission;
    case ENOENT:
    case ENODEV:
    case ENXIO:
      return ErrorCode::kNotFound;
    case EBUSY:
    case EEXIST:
      return ErrorCode::kConflict;
    case ENOSPC:
    case E2BIG:
      return ErrorCode::kCapacity;
    case ETIMEDOUT:
    case EAGAIN:
    case ECONNREFUSED:
      return ErrorCode::kUnavailable;
    case EINVAL:
      return ErrorCode::kInvalid;
    default:
      return ErrorCode::kFailed;
  }
}

}  // namespace

Error errno_error(std::string_view what, int errnum) {
  return Error(
      std::string(what) + ": " + std::generic_category().message(errnum),
      classify(errnum));
}

}  // namespace pxegate
