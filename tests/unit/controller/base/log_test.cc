// SPDX-License-Identifier: Apache-2.0
#include "controller/base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>

#include "controller/base/fd.h"
#include "tests/support/temp_dir.h"

namespace pxegate {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

class LogTest : public ::testing::Test {
 protected:
  // Later tests log to standard error again.
  ~LogTest() override {
    static_cast<void>(log::configure(log::Level::kInfo, ""));
  }
  std::string logged() const { return read_file(file_).value(); }

  const testing::TempDir dir_;
  const std::string file_ = dir_ / "log";
};

TEST_F(LogTest, ALineHasTimeLevelAndMessage) {
  ASSERT_TRUE(log::configure(log::Level::kInfo, file_));
  log::info("node {} has {} ports", "n1", 2);
  EXPECT_THAT(logged(),
              MatchesRegex("....-..-..T..:..:..\\....[+-]..:.. info node n1 "
                           "has 2 ports\n"));
}

TEST_F(LogTest, WhatIsBelowTheLevelIsDropped) {
  const struct {
    log::Level level;
    int lines;
  } cases[] = {{log::Level::kDebug, 4},
               {log::Level::kInfo, 3},
               {log::Level::kWarning, 2},
               {log::Level::kError, 1}};
  for (const auto& row : cases) {
    const std::string file = dir_ / std::to_string(row.lines);
    ASSERT_TRUE(log::configure(row.level, file));
    log::debug("d");
    log::info("i");
    log::warning("w");
    log::error("e");
    const std::string text = read_file(file).value();
    EXPECT_EQ(std::ranges::count(text, '\n'), row.lines) << text;
    EXPECT_THAT(text, HasSubstr(" error e\n"));
  }
}

TEST_F(LogTest, WhatCameFromOutsideCannotForgeALineOrDriveATerminal) {
  ASSERT_TRUE(log::configure(log::Level::kInfo, file_));
  log::info("{}", "a\nb\r\x1b[2J\x7f\tc\xc2\x9b");
  EXPECT_THAT(logged(),
              EndsWith(" a\\x0ab\\x0d\\x1b[2J\\x7f\\x09c\\xc2\\x9b\n"));
  EXPECT_EQ(std::ranges::count(logged(), '\n'), 1);
}

TEST_F(LogTest, TextBeyondAsciiIsLeftAsItIs) {
  ASSERT_TRUE(log::configure(log::Level::kInfo, file_));
  log::info("{}", "Zürich\xc2\xa0…\xc2");
  EXPECT_THAT(logged(), EndsWith(" Zürich\xc2\xa0…\xc2\n"));
}

TEST_F(LogTest, BracesInAMessageAreNoPlaceholders) {
  ASSERT_TRUE(log::configure(log::Level::kInfo, file_));
  log::write(log::Level::kInfo, "{} {0} {bad} %v");
  EXPECT_THAT(logged(), EndsWith(" {} {0} {bad} %v\n"));
}

TEST_F(LogTest, AFileThatCannotBeOpenedIsAnErrorAndTheLogStaysWhereItWas) {
  ASSERT_TRUE(log::configure(log::Level::kInfo, file_));
  const std::string bad = file_ + "/below-a-file";
  const auto configured = log::configure(log::Level::kDebug, bad);
  ASSERT_FALSE(configured);
  EXPECT_THAT(configured.error().message(), HasSubstr(bad));
  log::info("still here");
  log::debug("level unchanged");
  EXPECT_THAT(logged(), HasSubstr("still here"));
  EXPECT_THAT(logged(), Not(HasSubstr("level unchanged")));
}

TEST_F(LogTest, AnExistingFileIsAppendedTo) {
  ASSERT_TRUE(log::configure(log::Level::kInfo, file_));
  log::info("one");
  ASSERT_TRUE(log::configure(log::Level::kInfo, file_));
  log::info("two");
  EXPECT_THAT(logged(), HasSubstr("one"));
  EXPECT_THAT(logged(), HasSubstr("two"));
}

TEST_F(LogTest, MayBeConfiguredAgainWhileOthersWrite) {
  ASSERT_TRUE(log::configure(log::Level::kInfo, file_));
  constexpr int kLines = 2'000;
  std::atomic<bool> done = false;
  std::jthread writer([&] {
    for (int i = 0; i < kLines; ++i) log::info("line {}", i);
    done = true;
  });
  while (!done) EXPECT_TRUE(log::configure(log::Level::kInfo, file_));
  writer.join();
  EXPECT_EQ(std::ranges::count(logged(), '\n'), kLines);
}

}  // namespace
}  // namespace pxegate
