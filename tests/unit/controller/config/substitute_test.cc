// SPDX-License-Identifier: Apache-2.0
#include "controller/config/substitute.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pxegate {
namespace {

// Shows which references were asked for, in angle brackets.
std::string marked(std::string_view text) {
  const auto done =
      substitute(text, [](std::string_view name) -> Result<std::string> {
        return "<" + std::string(name) + ">";
      });
  return done ? *done : done.error().message();
}

TEST(Substitute, NamesAreFoundWithAndWithoutBraces) {
  EXPECT_EQ(marked("$host:$port"), "<host>:<port>");
  EXPECT_EQ(marked("a${host}b"), "a<host>b");
  EXPECT_EQ(marked("$b.q ${b.q}"), "<b.q> <b.q>");
  EXPECT_EQ(marked("$_x1-$Y"), "<_x1>-<Y>");
}

TEST(Substitute, AnUnbracedNameTakesDotsAlong) {
  EXPECT_EQ(marked("$host.example.org/"), "<host.example.org>/");
  EXPECT_EQ(marked("$host."), "<host.>");
}

TEST(Substitute, TwoDollarsOrABackslashStandForOne) {
  EXPECT_EQ(marked("a$$b"), "a$b");
  EXPECT_EQ(marked("a\\$b"), "a$b");
  EXPECT_EQ(marked("$$$b"), "$<b>");
  EXPECT_EQ(marked("$\\$b"), "$<b>");
  EXPECT_EQ(marked("\\\\$b"), "\\$b");
}

TEST(Substitute, ADollarThatStartsNoNameIsKept) {
  EXPECT_EQ(marked("$"), "$");
  EXPECT_EQ(marked("$1 ${ ${x $-"), "$1 ${ ${x $-");
  EXPECT_EQ(marked("a\\b"), "a\\b");
}

TEST(Substitute, WhatAReferenceStandsForIsNotSearchedAgain) {
  const auto done = substitute(
      "$x", [](std::string_view) -> Result<std::string> { return "$x"; });
  ASSERT_TRUE(done);
  EXPECT_EQ(*done, "$x");
}

TEST(Substitute, AFailedLookupFails) {
  const auto done =
      substitute("$x", [](std::string_view name) -> Result<std::string> {
        return fail("no " + std::string(name));
      });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().message(), "no x");
}

TEST(Substitute, TheResultIsBounded) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "$x";
  const auto done =
      substitute(text, [](std::string_view) -> Result<std::string> {
        return std::string(kMaxSubstituted / 10, 'x');
      });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), ErrorCode::kCapacity);
}

}  // namespace
}  // namespace pxegate
