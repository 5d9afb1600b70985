// SPDX-License-Identifier: Apache-2.0
#include "drivers/dnsmasq/read_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pxegate {
namespace {

using ::testing::IsEmpty;

constexpr std::string_view kBoot = "0a1b";

ReaderStates some() {
  return {{{.pid = 7, .start_ticks = 99}, {FileTime(123456789), 5}},
          {{.pid = 8, .start_ticks = 100}, {FileTime(0), 0}}};
}

TEST(ReadRecordTest, ARecordIsReadAsItWasWritten) {
  EXPECT_EQ(parse_record(format_record(some(), kBoot), kBoot), some());
  EXPECT_THAT(parse_record(format_record({}, kBoot), kBoot), IsEmpty());
}

TEST(ReadRecordTest, ARecordOfAnotherBootIsNone) {
  EXPECT_THAT(parse_record(format_record(some(), "other"), kBoot), IsEmpty());
  EXPECT_THAT(parse_record(format_record(some(), ""), ""), IsEmpty());
}

TEST(ReadRecordTest, WhatIsNoRecordIsNone) {
  for (const std::string_view text :
       {"", "7 99 1 1\n", "pxegate-read 2 0a1b\n7 99 1 1\n",
        "pxegate-read 1 0a1b\nx y z\n"}) {
    EXPECT_THAT(parse_record(text, kBoot), IsEmpty()) << text;
  }
}

TEST(ReadRecordTest, TheBootIsKnown) {
  EXPECT_FALSE(current_boot_id().empty());
}

}  // namespace
}  // namespace pxegate
