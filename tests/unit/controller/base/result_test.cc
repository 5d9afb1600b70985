// SPDX-License-Identifier: Apache-2.0
#include "controller/base/result.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <set>
#include <string>

namespace pxegate {
namespace {

using namespace std::chrono_literals;

struct ErrnoCase {
  int errnum;
  ErrorCode code;
};

TEST(Result, AnErrnoValueHasAClass) {
  const ErrnoCase cases[] = {
      {EPERM, ErrorCode::kPermission},
      {EACCES, ErrorCode::kPermission},
      {ENOENT, ErrorCode::kNotFound},
      {ENODEV, ErrorCode::kNotFound},
      {ENXIO, ErrorCode::kNotFound},
      {EBUSY, ErrorCode::kConflict},
      {EEXIST, ErrorCode::kConflict},
      {ENOSPC, ErrorCode::kCapacity},
      {E2BIG, ErrorCode::kCapacity},
      {ETIMEDOUT, ErrorCode::kUnavailable},
      {EAGAIN, ErrorCode::kUnavailable},
      {ECONNREFUSED, ErrorCode::kUnavailable},
      {EINVAL, ErrorCode::kInvalid},
      {EIO, ErrorCode::kFailed},
      {EISDIR, ErrorCode::kFailed},
  };
  for (const ErrnoCase& row : cases) {
    EXPECT_EQ(errno_error("x", row.errnum).code(), row.code) << row.errnum;
  }
}

TEST(Result, AnErrnoMessageSaysWhatFailedAndWhy) {
  EXPECT_EQ(errno_error("/run/x", ENOENT).message(),
            "/run/x: No such file or directory");
}

TEST(Result, FailErrnoConvertsToAnyResult) {
  const Result<int> result = fail_errno("open", EACCES);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::kPermission);
}

TEST(Result, AFailureIsOfNoFinerClassUnlessSaid) {
  const Result<> result = fail("broken");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message(), "broken");
  EXPECT_EQ(result.error().code(), ErrorCode::kFailed);
  EXPECT_FALSE(result.error().retry_after());
}

TEST(Result, WithinPutsTheOuterThingFirstAndKeepsTheRest) {
  const Error inner = Error("503", ErrorCode::kUnavailable)
                          .retry_after(std::chrono::seconds(7));
  const Error outer = inner.within("GET /v1/nodes").within("sync");
  EXPECT_EQ(outer.message(), "sync: GET /v1/nodes: 503");
  EXPECT_EQ(outer.code(), ErrorCode::kUnavailable);
  EXPECT_EQ(outer.retry_after(), 7s);
  EXPECT_EQ(inner.message(), "503");
}

TEST(Result, RetryAfterCanBeTakenBack) {
  const Error error = Error("x").retry_after(3s).retry_after(std::nullopt);
  EXPECT_FALSE(error.retry_after());
}

TEST(Result, EachErrorCodeHasANameOfItsOwn) {
  std::set<std::string> names;
  const ErrorCode codes[] = {
      ErrorCode::kFailed,     ErrorCode::kInvalid,     ErrorCode::kNotFound,
      ErrorCode::kPermission, ErrorCode::kUnavailable, ErrorCode::kInvalidState,
      ErrorCode::kConflict,   ErrorCode::kCapacity,    ErrorCode::kCancelled};
  for (const ErrorCode code : codes) {
    const std::string name(to_string(code));
    EXPECT_FALSE(name.empty());
    EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"),
              std::string::npos)
        << name;
    names.insert(name);
  }
  EXPECT_EQ(names.size(), std::size(codes));
}

}  // namespace
}  // namespace pxegate
