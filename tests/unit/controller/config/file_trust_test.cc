// SPDX-License-Identifier: Apache-2.0
#include "controller/config/file_trust.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pxegate {
namespace {

using ::testing::HasSubstr;

constexpr uid_t kUs = 990;

std::string writers(uid_t owner, mode_t mode) {
  struct stat file {};
  file.st_uid = owner;
  file.st_gid = 42;
  file.st_mode = S_IFREG | mode;
  return other_writers(file, kUs);
}

TEST(FileTrust, RootAndWeMayWrite) {
  EXPECT_EQ(writers(0, 0644), "");
  EXPECT_EQ(writers(kUs, 0600), "");
}

TEST(FileTrust, NobodyElseMay) {
  EXPECT_THAT(writers(1000, 0600), HasSubstr("belongs to user 1000"));
  EXPECT_THAT(writers(0, 0660), HasSubstr("group 42 can write"));
  EXPECT_THAT(writers(0, 0602), HasSubstr("every user can write"));
  EXPECT_THAT(writers(kUs, 0666), HasSubstr("every user can write"));
}

TEST(FileTrust, AFileThatIsNotThereIsForOthersToTell) {
  EXPECT_EQ(other_writers("/no/such/file"), "");
  EXPECT_FALSE(open_to_everybody("/no/such/file"));
}

}  // namespace
}  // namespace pxegate
