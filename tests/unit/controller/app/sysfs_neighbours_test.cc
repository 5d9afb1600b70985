// SPDX-License-Identifier: Apache-2.0
#include "controller/app/sysfs_neighbours.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/temp_dir.h"

namespace pxegate {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* kFirst =
    "EMAC=02:00:02:97:00:01 "
    "IMAC=97:fe:80:00:00:00:00:00:00:7c:fe:90:03:00:29:26:52\n";
constexpr const char* kSecond =
    "EMAC=02:00:00:61:00:02 "
    "IMAC=61:fe:80:00:00:00:00:00:00:7c:fe:90:03:00:29:24:4f\n";

class SysfsNeighboursTest : public ::testing::Test {
 protected:
  std::filesystem::path file_of(const std::string& interface) const {
    return root_.path() / "class/net" / interface / "eth/neighs";
  }
  void write(const std::string& interface, const std::string& text) const {
    std::filesystem::create_directories(file_of(interface).parent_path());
    std::ofstream(file_of(interface)) << text;
  }
  // A directory cannot be read as a file, not even by root.
  void make_unreadable(const std::string& interface) const {
    std::filesystem::remove_all(file_of(interface));
    std::filesystem::create_directories(file_of(interface));
  }

  testing::TempDir root_;
  SysfsNeighbours neighbours_{{"eth6", "eth7"}, root_.path().string()};
};

TEST_F(SysfsNeighboursTest, AllInterfacesTogetherAreReadAnewEachTime) {
  write("eth6", kFirst);
  write("eth7", kSecond);
  write("eth8", "EMAC=02:00:00:00:00:09 IMAC=7c:fe:90:03:00:29:24:4f\n");
  EXPECT_THAT(neighbours_.read(), SizeIs(2));
  write("eth7", "");
  EXPECT_EQ(neighbours_.read(), parse_ethernet_neighbours(kFirst));
  EXPECT_THAT(neighbours_.problems(), IsEmpty());
}

TEST_F(SysfsNeighboursTest, AMissingInterfaceHasNone) {
  write("eth6", kFirst);
  EXPECT_THAT(neighbours_.read(), SizeIs(1));
  std::filesystem::remove_all(file_of("eth6").parent_path());
  EXPECT_THAT(neighbours_.read(), IsEmpty());
  EXPECT_THAT(neighbours_.problems(), IsEmpty());
}

TEST_F(SysfsNeighboursTest, WhatCannotBeReadStaysAsItWasAndIsTold) {
  write("eth6", kFirst);
  write("eth7", kSecond);
  ASSERT_THAT(neighbours_.read(), SizeIs(2));
  make_unreadable("eth6");
  EXPECT_THAT(neighbours_.read(), SizeIs(2));
  EXPECT_THAT(neighbours_.problems(),
              ElementsAre(AllOf(HasSubstr(file_of("eth6").string()),
                                HasSubstr("the last known ones of that "
                                          "interface stay (1)"))));
  std::filesystem::remove_all(file_of("eth6"));
  write("eth6", "");
  EXPECT_THAT(neighbours_.read(), SizeIs(1));
  EXPECT_THAT(neighbours_.problems(), IsEmpty());
}

}  // namespace
}  // namespace pxegate
