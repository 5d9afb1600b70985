// SPDX-License-Identifier: Apache-2.0
#include "controller/base/namespace_lock.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <optional>
#include <string>

namespace pxegate {
namespace {

std::string own_name() { return fmt::format("test-{}", ::getpid()); }

TEST(NamespaceLock, OneHolderAtATime) {
  std::optional first = NamespaceLock::take(own_name(), "it", "wait");
  ASSERT_TRUE(*first) << first->error().message();
  const auto second = NamespaceLock::take(own_name(), "it", "wait");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::kConflict);
  EXPECT_EQ(second.error().message(),
            fmt::format("it is kept by process {}: stop that one, or wait",
                        ::getpid()));
  EXPECT_TRUE(NamespaceLock::take(own_name() + "-2", "it", "wait"));

  first.reset();
  EXPECT_TRUE(NamespaceLock::take(own_name(), "it", "wait"));
}

TEST(NamespaceLock, ANameThatNoSocketCanHaveIsRefused) {
  const auto lock = NamespaceLock::take(std::string(200, 'x'), "it", "wait");
  ASSERT_FALSE(lock);
  EXPECT_EQ(lock.error().code(), ErrorCode::kInvalid);
}

}  // namespace
}  // namespace pxegate
