// SPDX-License-Identifier: Apache-2.0
#include "controller/base/fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <string>
#include <utility>

#include "tests/support/temp_dir.h"

namespace pxegate {
namespace {

using testing::TempDir;

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) != -1; }

UniqueFd some_fd() { return UniqueFd(::open("/dev/null", O_RDONLY)); }

TEST(UniqueFd, OwnsNothingAtFirst) {
  const UniqueFd fd;
  EXPECT_FALSE(fd);
  EXPECT_EQ(fd.get(), -1);
}

TEST(UniqueFd, ClosesAtTheEndOfItsScope) {
  int number = -1;
  {
    const UniqueFd fd = some_fd();
    number = fd.get();
    ASSERT_TRUE(is_open(number));
  }
  EXPECT_FALSE(is_open(number));
}

TEST(UniqueFd, AMoveLeavesOneOwner) {
  UniqueFd a = some_fd();
  const int number = a.get();
  UniqueFd b = std::move(a);
  EXPECT_FALSE(a);  // NOLINT(bugprone-use-after-move): what the test is about
  EXPECT_EQ(b.get(), number);
  EXPECT_TRUE(is_open(number));
}

TEST(UniqueFd, AssignmentClosesWhatWasHeld) {
  UniqueFd a = some_fd();
  UniqueFd b = some_fd();
  const int old = a.get();
  const int kept = b.get();
  a = std::move(b);
  EXPECT_FALSE(is_open(old));
  EXPECT_EQ(a.get(), kept);
  EXPECT_TRUE(is_open(kept));
}

TEST(UniqueFd, AssignmentToItselfChangesNothing) {
  UniqueFd a = some_fd();
  UniqueFd& same = a;
  const int number = a.get();
  a = std::move(same);
  EXPECT_EQ(a.get(), number);
  EXPECT_TRUE(is_open(number));
}

TEST(UniqueFd, ReleaseGivesTheDescriptorAway) {
  UniqueFd a = some_fd();
  const UniqueFd b(a.release());
  EXPECT_FALSE(a);
  EXPECT_TRUE(is_open(b.get()));
}

TEST(ReadFile, ReturnsTheBytesAsTheyAre) {
  const TempDir dir;
  std::string content("a\0b\r\n\xff", 6);
  content += std::string(100'000, 'x');
  const auto read = read_file(dir.write("f", content));
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, content);
  EXPECT_EQ(read_file(dir.write("empty", "")).value(), "");
}

TEST(ReadFile, AFileMayBeAsLargeAsTheLimitButNoLarger) {
  const TempDir dir;
  const std::string path = dir.write("f", std::string(20'000, 'x'));
  EXPECT_TRUE(read_file(path, 20'000));
  const auto over = read_file(path, 19'999);
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error().code(), ErrorCode::kCapacity);
  EXPECT_EQ(over.error().message(), path + ": larger than 19999 bytes");
}

TEST(ReadFile, AnEndlessFileIsCutOffAtTheLimit) {
  const auto read = read_file("/dev/zero", 1'000'000);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), ErrorCode::kCapacity);
}

TEST(ReadFile, WhatStatCallsEmptyIsReadAllTheSame) {
  const auto read = read_file("/proc/self/status");
  ASSERT_TRUE(read);
  EXPECT_NE(read->find("Pid:"), std::string::npos);
}

TEST(ReadFile, AMissingFileIsNotFoundAndNamed) {
  const TempDir dir;
  const auto read = read_file(dir / "none");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(read.error().message(),
            (dir / "none") + ": No such file or directory");
}

TEST(ReadFile, ADirectoryIsAnErrorThatNamesIt) {
  const TempDir dir;
  const auto read = read_file(dir.path());
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), ErrorCode::kFailed);
  EXPECT_EQ(read.error().message(), dir.path().string() + ": Is a directory");
}

}  // namespace
}  // namespace pxegate
