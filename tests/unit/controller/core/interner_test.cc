// SPDX-License-Identifier: Apache-2.0
#include "controller/core/interner.h"

#include <gtest/gtest.h>

#include <string>

namespace pxegate {
namespace {

TEST(Interner, AValueHasOneNumber) {
  Interner<std::string> names;
  const auto a = names.number("a");
  const auto b = names.number("b");
  EXPECT_NE(a, b);
  EXPECT_EQ(names.number("a"), a);
  EXPECT_EQ(names.size(), 2U);
  EXPECT_EQ(names[a], "a");
  EXPECT_EQ(names[b], "b");
}

TEST(Interner, WhatACopyLearnsIsItsOwn) {
  Interner<std::string> names;
  const auto a = names.number("a");
  Interner<std::string> copy = names;
  EXPECT_TRUE(copy.shares_all(names));
  const auto b = copy.number("b");
  const auto c = names.number("c");
  EXPECT_FALSE(copy.shares_all(names));
  EXPECT_EQ(names.size(), 2U);
  EXPECT_EQ(copy.size(), 2U);
  EXPECT_EQ(names[a], "a");
  EXPECT_EQ(names[c], "c");
  EXPECT_EQ(copy[a], "a");
  EXPECT_EQ(copy[b], "b");
}

}  // namespace
}  // namespace pxegate
