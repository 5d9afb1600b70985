// SPDX-License-Identifier: Apache-2.0
#include "controller/driver/plugin_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "tests/support/temp_dir.h"

namespace pxegate {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class PluginDirTest : public ::testing::Test {
 protected:
  // A file that passes all checks but that of its content.
  std::string add(const std::string& name) const {
    const std::string path = dir_.write(name, "a text");
    fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
    return path;
  }
  Error problem(const std::string& name) const {
    const auto checked = check_plugin(dir_.path(), name);
    return checked ? Error("none") : checked.error();
  }

  const testing::TempDir dir_;
};

TEST_F(PluginDirTest, ListsWhatEndsInSoByName) {
  for (const char* name : {"b.so", "a.so", "README", "a.so.1", "c.o"}) {
    add(name);
  }
  const auto plugins = list_plugins(dir_.path());
  ASSERT_TRUE(plugins);
  ASSERT_EQ(plugins->size(), 2U);
  EXPECT_EQ(plugins->at(0).name, "a");
  EXPECT_EQ(plugins->at(0).path, fs::canonical(dir_.path()) / "a.so");
  EXPECT_THAT(plugins->at(0).problem, HasSubstr("no ELF file"));
  EXPECT_EQ(plugins->at(1).name, "b");
}

TEST_F(PluginDirTest, AFolderThatIsNotThereIsNotFound) {
  const auto plugins = list_plugins(dir_ / "none");
  ASSERT_FALSE(plugins);
  EXPECT_EQ(plugins.error().code(), ErrorCode::kNotFound);
}

TEST_F(PluginDirTest, AFileThatIsNotThereIsNotFoundAndNamed) {
  EXPECT_EQ(problem("none").code(), ErrorCode::kNotFound);
  EXPECT_THAT(problem("none").message(), HasSubstr("none.so"));
}

TEST_F(PluginDirTest, ANameThatLeadsElsewhereIsInvalid) {
  for (const char* name : {"", "..", "../a", "a/b", "/etc/a", "A", "1a", "a b",
                           "a.b", "-a", "\xc3\xa4"}) {
    EXPECT_EQ(problem(name).code(), ErrorCode::kInvalid) << name;
  }
  EXPECT_EQ(problem(std::string(64, 'a')).code(), ErrorCode::kInvalid);
  EXPECT_EQ(problem(std::string(63, 'a')).code(), ErrorCode::kNotFound);
}

TEST_F(PluginDirTest, AFileThatOthersMayWriteIsRefused) {
  const std::string path = add("a.so");
  for (const fs::perms each :
       {fs::perms::group_write, fs::perms::others_write}) {
    fs::permissions(path, each, fs::perm_options::add);
    EXPECT_EQ(problem("a").code(), ErrorCode::kPermission);
    EXPECT_THAT(problem("a").message(), HasSubstr("chmod go-w"));
    fs::permissions(path, each, fs::perm_options::remove);
  }
  EXPECT_THAT(problem("a").message(), HasSubstr("no ELF file"));
}

TEST_F(PluginDirTest, AFolderThatOthersMayWriteIsRefusedWithAllThatIsInIt) {
  add("a.so");
  fs::permissions(dir_.path(), fs::perms::others_write, fs::perm_options::add);
  EXPECT_EQ(problem("a").code(), ErrorCode::kPermission);
  const auto plugins = list_plugins(dir_.path());
  ASSERT_TRUE(plugins);
  EXPECT_THAT(plugins->at(0).problem, HasSubstr("chmod go-w"));
}

TEST_F(PluginDirTest, AFolderAboveThatOthersMayWriteIsRefused) {
  fs::create_directory(dir_ / "below");
  dir_.write("below/a.so", "a text");
  EXPECT_EQ(check_plugin(dir_ / "below", "a").error().code(),
            ErrorCode::kInvalid);
  fs::permissions(dir_.path(), fs::perms::group_write, fs::perm_options::add);
  EXPECT_EQ(check_plugin(dir_ / "below", "a").error().code(),
            ErrorCode::kPermission);
}

TEST_F(PluginDirTest, ASymbolicLinkIsRefusedAlsoWithinTheFolder) {
  add("a.so");
  fs::create_symlink("a.so", dir_ / "b.so");
  EXPECT_THAT(problem("b").message(), HasSubstr("symbolic link"));
}

TEST_F(PluginDirTest, AFolderMayBeReachedThroughASymbolicLink) {
  fs::create_directory(dir_ / "real");
  fs::create_symlink("real", dir_ / "link");
  dir_.write("real/a.so", "a text");
  const auto checked = check_plugin(dir_ / "link", "a");
  ASSERT_FALSE(checked);
  EXPECT_THAT(checked.error().message(), HasSubstr("real/a.so"));
  EXPECT_THAT(checked.error().message(), HasSubstr("no ELF file"));
}

TEST_F(PluginDirTest, AFifoDoesNotBlock) {
  ASSERT_EQ(::mkfifo((dir_ / "a.so").c_str(), 0600), 0);
  EXPECT_THAT(problem("a").message(), HasSubstr("no regular file"));
}

}  // namespace
}  // namespace pxegate
