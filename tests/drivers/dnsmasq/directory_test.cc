// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/drivers/dnsmasq/dnsmasq_fixture.h"

namespace pxegate::testing {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using DnsmasqDirectoryTest = DnsmasqTest;

TEST_F(DnsmasqDirectoryTest, ForeignFilesAreLeftAloneAndNamed) {
  write("ironic-1.conf", "52:54:00:00:00:77,set:1,set:ironic\n");
  write("ironic-2.conf", "52:54:00:00:00:78,ignore\n");
  write("52-54-00-00-00-0D", "52:54:00:00:00:0d,ignore\n");
  write("5254.0000.000d", "# nothing\n");
  write("backup~", "52:54:00:00:00:0d\n");  // dnsmasq passes over it
  auto driver = started(usual());
  ASSERT_THAT(driver->sync(usual()), Succeeds());
  EXPECT_EQ(read("ironic-1.conf"), "52:54:00:00:00:77,set:1,set:ironic\n");
  EXPECT_EQ(read("ironic-2.conf"), "52:54:00:00:00:78,ignore\n");
  EXPECT_EQ(read("backup~"), "52:54:00:00:00:0d\n");
  EXPECT_THAT(
      driver->status().notices,
      ElementsAre(
          AllOf(HasSubstr("1 file "), HasSubstr("may let machines in"),
                HasSubstr("\"ironic-1.conf\"")),
          AllOf(HasSubstr("left alone"), HasSubstr("\"52-54-00-00-00-0D\""),
                HasSubstr("\"ironic-2.conf\""))));
  EXPECT_EQ(driver->installed().value(), *usual().policy);
  // The warning is true: this one dnsmasq answers.
  run();
  EXPECT_TRUE(answered(Mac{0x52, 0x54, 0, 0, 0, 0x77}));
}

TEST_F(DnsmasqDirectoryTest, LinksAreReplacedAndNeverFollowed) {
  const std::string target = state_.write("target", "precious\n");
  std::filesystem::create_directory(hostsdir_);
  for (const std::string& name :
       {text_of(kDenied), text_of(kUnknown), std::string("other"),
        std::string("unknown_hosts_filter"), std::string(".pxegate-read")}) {
    std::filesystem::create_symlink(target, path(name));
  }
  run();
  auto driver = started(usual());
  EXPECT_FALSE(answered(kDenied));
  EXPECT_FALSE(std::filesystem::is_symlink(path(text_of(kDenied))));
  EXPECT_FALSE(std::filesystem::is_symlink(path("unknown_hosts_filter")));
  EXPECT_TRUE(std::filesystem::is_symlink(path(text_of(kUnknown))));
  ASSERT_THAT(driver->tear_down(), Succeeds());
  EXPECT_THAT(files(), ElementsAre(text_of(kUnknown), "other"));
  EXPECT_EQ(std::filesystem::file_size(target), 9U);
}

TEST_F(DnsmasqDirectoryTest, NothingInTheDirectoryHoldsUpASync) {
  std::filesystem::create_directory(hostsdir_);
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  ASSERT_EQ(::mkfifo(path(text_of(kDenied)).c_str(), 0600), 0);
  ASSERT_EQ(::mkfifo(path(text_of(kUnknown)).c_str(), 0600), 0);
  std::filesystem::create_directory(path("folder"));
  std::filesystem::create_directory(path(text_of(machine(1))));
  write("huge", "x");
  std::filesystem::resize_file(path("huge"), std::uintmax_t{1} << 40);
  write(text_of(kAllowed), "x");
  std::filesystem::resize_file(path(text_of(kAllowed)),
                               std::uintmax_t{1} << 40);
  auto driver = started(usual());
  EXPECT_EQ(read(text_of(kDenied)), "52:54:00:00:00:0d,ignore\n");
  EXPECT_EQ(read(text_of(kAllowed)), "52:54:00:00:00:0a\n");
  EXPECT_TRUE(std::filesystem::is_fifo(path(text_of(kUnknown))));
  EXPECT_THAT(
      driver->status().notices,
      Contains(AllOf(HasSubstr("may let machines in"), HasSubstr("\"huge\""))));
}

TEST_F(DnsmasqDirectoryTest, ADirectoryInTheWayClosesUnknownMachinesAndIsTold) {
  std::filesystem::create_directories(path(text_of(kDenied)));
  auto driver = make();
  ASSERT_THAT(driver->initialize(), Succeeds());
  EXPECT_THAT(driver->sync(usual(kAllow)),
              FailsWith(ErrorCode::kConflict,
                        path(text_of(kDenied)) + " is a directory"));
  EXPECT_EQ(read(text_of(kAllowed)), "52:54:00:00:00:0a\n");
  EXPECT_EQ(read("unknown_hosts_filter"), "*:*:*:*:*:*,ignore\n");
  std::filesystem::remove(path(text_of(kDenied)));
  EXPECT_THAT(driver->sync(usual(kAllow)), Succeeds());
  EXPECT_EQ(read("unknown_hosts_filter"), "*:*:*:*:*:*\n");
  std::filesystem::remove(path(text_of(kDenied)));
  std::filesystem::create_directory(path(text_of(kDenied)));
  EXPECT_FALSE(driver->sync(usual(kAllow)));
  EXPECT_EQ(read("unknown_hosts_filter"), "*:*:*:*:*:*,ignore\n");
}

TEST_F(DnsmasqDirectoryTest, AHalfWrittenFileOfAKilledWriterIsOurs) {
  write(text_of(kDenied), "");
  write(text_of(kUnknown), "52:54:00");
  auto driver = started(usual());
  EXPECT_EQ(read(text_of(kDenied)), "52:54:00:00:00:0d,ignore\n");
  EXPECT_FALSE(std::filesystem::exists(path(text_of(kUnknown))));
  EXPECT_THAT(driver->status().notices, IsEmpty());
}

TEST_F(DnsmasqDirectoryTest, AnAddressFileOfAnAdminIsLeftAlone) {
  write(text_of(kUnknown), "52:54:00:00:00:0f,10.77.0.9,printer\n");
  auto driver = started(usual());
  EXPECT_EQ(read(text_of(kUnknown)), "52:54:00:00:00:0f,10.77.0.9,printer\n");
  EXPECT_THAT(driver->status().notices,
              ElementsAre(HasSubstr(text_of(kUnknown))));
}

TEST_F(DnsmasqDirectoryTest, WhatIsNoDirectoryIsRefused) {
  DnsmasqOptions options = this->options();
  options.hostsdir = state_.write("file", "");
  EXPECT_THAT(make(options)->initialize(),
              FailsWith(ErrorCode::kInvalid, "is not a directory"));
  options.hostsdir = state_ / "no/such";
  EXPECT_THAT(
      make(options)->initialize(),
      FailsWith(ErrorCode::kNotFound, "cannot make the hosts directory"));
  EXPECT_THAT(make()->installed(), FailsWith(ErrorCode::kNotFound, hostsdir_));
}

TEST_F(DnsmasqDirectoryTest, AnEmptyDirectoryHoldsNoPolicy) {
  std::filesystem::create_directory(hostsdir_);
  EXPECT_THAT(make()->installed(),
              FailsWith(ErrorCode::kNotFound, "unknown_hosts_filter"));
}

TEST_F(DnsmasqDirectoryTest, ADirectoryThatDnsmasqMayNotReadIsTold) {
  auto driver = started(usual());
  run();
  ASSERT_THAT(driver->sync(usual()), Succeeds());
  ASSERT_TRUE(target_of(*driver).active);
  std::filesystem::permissions(hostsdir_, std::filesystem::perms(0700));
  EXPECT_FALSE(driver->status().healthy);
  EXPECT_THAT(target_of(*driver).detail,
              HasSubstr("may not read " + hostsdir_));
}

// A tmpfs with few inodes, on a directory.
class SmallDisk {
 public:
  explicit SmallDisk(const std::string& path) : path_(path) {
    std::filesystem::create_directory(path_);
    EXPECT_EQ(
        ::mount("test", path_.c_str(), "tmpfs", 0, "mode=755,nr_inodes=64"), 0);
  }
  ~SmallDisk() { ::umount2(path_.c_str(), MNT_DETACH); }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  void fill() const {
    for (int i = 0; std::ofstream(filler(i)).is_open(); ++i) {
    }
  }
  void clear() const {
    for (int i = 0; std::filesystem::remove(filler(i)); ++i) {
    }
  }

 private:
  std::string filler(int number) const {
    return path_ + "/.filler-" + std::to_string(number);
  }
  const std::string path_;
};

TEST_F(DnsmasqDirectoryTest, AFullDiskDoesNotKeepWhatHasToCloseOpen) {
  const SmallDisk disk(hostsdir_);
  run();
  auto driver = started(usual(kAllow));
  ASSERT_TRUE(answered(kAllowed));
  disk.fill();
  EXPECT_FALSE(driver->sync(snapshot({{kDenied, kDeny}, {kAllowed, kDeny}})));
  EXPECT_FALSE(answered(kAllowed));
  EXPECT_FALSE(answered(kUnknown));
  driver->reset();
  ASSERT_THAT(driver->initialize(), Succeeds());
  EXPECT_FALSE(driver->sync(usual(kAllow)));
  EXPECT_FALSE(answered(kAllowed));
  disk.clear();
  driver->reset();
  ASSERT_THAT(driver->initialize(), Succeeds());
  ASSERT_THAT(driver->sync(usual(kAllow)), Succeeds());
  EXPECT_TRUE(answered(kAllowed));
  EXPECT_FALSE(answered(kDenied));
}

// As one that was restored from a backup, or written with another umask.
TEST_F(DnsmasqDirectoryTest, AFileThatDnsmasqMayNotReadIsPutRight) {
  write(text_of(kDenied), text_of(kDenied) + ",ignore\n");
  write("unknown_hosts_filter", "*:*:*:*:*:*\n");
  std::filesystem::permissions(path(text_of(kDenied)),
                               std::filesystem::perms(0600));
  run();
  ASSERT_TRUE(answered(kDenied)) << "dnsmasq reads it";
  auto driver = started(usual(kAllow));
  EXPECT_FALSE(answered(kDenied));
  std::filesystem::permissions(path(text_of(kDenied)),
                               std::filesystem::perms(0640));
  const auto report = driver->sync(usual(kAllow));
  ASSERT_THAT(report, Succeeds());
  EXPECT_THAT(report->repaired, ElementsAre(HasSubstr("1 file")));
  run();
  EXPECT_FALSE(answered(kDenied));
}

TEST_F(DnsmasqDirectoryTest, ADirectoryHasOneControllerThatPurges) {
  auto driver = started(usual());
  EXPECT_THAT(make()->initialize(),
              FailsWith(ErrorCode::kConflict, "another controller uses"));
  EXPECT_THAT(make()->tear_down(), FailsWith(ErrorCode::kConflict, hostsdir_));
  driver->reset();
  EXPECT_THAT(make()->initialize(), Succeeds());
}

class DnsmasqSharedTest : public DnsmasqTest {
 protected:
  std::unique_ptr<FilterDriver> shared(const Snapshot& policy) const {
    DnsmasqOptions sharing = options();
    sharing.purge = false;
    return started(policy, sharing);
  }
};

TEST_F(DnsmasqSharedTest, ControllersWithOnePolicyDoNotFight) {
  std::filesystem::create_directory(hostsdir_);
  run();
  auto one = shared(usual());
  auto two = shared(usual());
  const auto before = std::filesystem::last_write_time(hostsdir_);
  for (int round = 0; round < 3; ++round) {
    for (auto* driver : {one.get(), two.get()}) {
      const auto report = driver->sync(usual());
      ASSERT_THAT(report, Succeeds());
      EXPECT_FALSE(report->changed());
      EXPECT_TRUE(driver->status().healthy);
    }
  }
  EXPECT_EQ(std::filesystem::last_write_time(hostsdir_), before);
  // One sees a change before the other does.
  const Snapshot changed = snapshot({{kDenied, kAllow}, {kAllowed, kAllow}});
  ASSERT_THAT(one->sync(changed), Succeeds());
  const auto report = two->sync(changed);
  ASSERT_THAT(report, Succeeds());
  EXPECT_FALSE(report->changed());
  EXPECT_TRUE(answered(kDenied));
}

TEST_F(DnsmasqSharedTest, OthersFilesStayAsTheyAre) {
  write(text_of(machine(1)), text_of(machine(1)) + "\n");
  write(text_of(machine(2)), text_of(machine(2)) + ",ignore\n");
  auto driver = shared(usual());
  EXPECT_EQ(read(text_of(machine(1))), text_of(machine(1)) + "\n");
  EXPECT_EQ(read(text_of(machine(2))), text_of(machine(2)) + ",ignore\n");
  EXPECT_THAT(driver->status().notices,
              ElementsAre(HasSubstr("1 files of machines that this")));
}

TEST_F(DnsmasqSharedTest, WhoLeftThePolicyFollowsTheUnknownUntilTakenOver) {
  std::filesystem::create_directory(hostsdir_);
  run();
  auto driver = shared(usual(kAllow));
  ASSERT_THAT(driver->sync(snapshot({}, kAllow)), Succeeds());
  EXPECT_TRUE(answered(kDenied));
  // Another controller has these two in its policy now.
  write(text_of(kDenied), text_of(kDenied) + ",ignore\n");
  ASSERT_THAT(driver->sync(snapshot({}, kAllow)), Succeeds());
  EXPECT_FALSE(answered(kDenied));
  ASSERT_THAT(driver->sync(snapshot({}, kDeny)), Succeeds());
  EXPECT_FALSE(answered(kAllowed));
  ASSERT_THAT(driver->sync(snapshot({}, kAllow)), Succeeds());
  EXPECT_TRUE(answered(kAllowed));
  EXPECT_FALSE(answered(kDenied));
}

TEST_F(DnsmasqSharedTest, WhoLeftThePolicyFollowsTheUnknownAfterAnErrorToo) {
  std::filesystem::create_directory(hostsdir_);
  run();
  auto driver = shared(usual(kAllow));
  ASSERT_THAT(driver->sync(snapshot({}, kAllow)), Succeeds());
  driver->reset();
  ASSERT_THAT(driver->initialize(), Succeeds());
  ASSERT_THAT(driver->sync(snapshot({}, kDeny)), Succeeds());
  EXPECT_FALSE(answered(kAllowed));
}

TEST_F(DnsmasqSharedTest, ATeardownDisturbsNoOtherController) {
  auto one = shared(usual());
  auto two = shared(usual());
  EXPECT_THAT(one->tear_down(), FailsWith(ErrorCode::kConflict, hostsdir_));
  EXPECT_EQ(two->installed().value(), *usual().policy);
}

}  // namespace
}  // namespace pxegate::testing
