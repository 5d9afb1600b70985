// SPDX-License-Identifier: Apache-2.0
#include <filesystem>

#include "tests/drivers/dnsmasq/dnsmasq_fixture.h"

namespace pxegate::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using DnsmasqEnforcementTest = DnsmasqTest;

TEST_F(DnsmasqEnforcementTest, AMachineIsAnsweredAsItsVerdictSays) {
  auto driver = started(usual());
  run();
  EXPECT_FALSE(answered(kDenied));
  EXPECT_TRUE(answered(kAllowed));
  EXPECT_FALSE(answered(kUnknown));
  ASSERT_THAT(driver->sync(usual()), Succeeds());
  EXPECT_TRUE(target_of(*driver).active);
  EXPECT_TRUE(driver->status().healthy);
  EXPECT_THAT(driver->status().notices, IsEmpty());
  EXPECT_EQ(driver->installed().value(), *usual().policy);
}

TEST_F(DnsmasqEnforcementTest, TheFilesAreThoseOfIronicInspector) {
  auto driver = started(usual());
  EXPECT_THAT(files(), ElementsAre(text_of(kAllowed), text_of(kDenied),
                                   "unknown_hosts_filter"));
  EXPECT_EQ(read(text_of(kAllowed)), "52:54:00:00:00:0a\n");
  EXPECT_EQ(read(text_of(kDenied)), "52:54:00:00:00:0d,ignore\n");
  EXPECT_EQ(read("unknown_hosts_filter"), "*:*:*:*:*:*,ignore\n");
  EXPECT_THAT(driver->sync(usual(kAllow)), Succeeds());
  EXPECT_EQ(read("unknown_hosts_filter"), "*:*:*:*:*:*\n");
  const auto permissions =
      std::filesystem::status(path(text_of(kDenied))).permissions();
  EXPECT_EQ(permissions, std::filesystem::perms(0644));
}

TEST_F(DnsmasqEnforcementTest, ARunningDnsmasqLearnsOfEveryChangeInTheSync) {
  auto driver = started(usual());
  run();
  for (int round = 0; round < 3; ++round) {
    ASSERT_THAT(
        driver->sync(snapshot({{kDenied, kAllow}, {kAllowed, kDeny}}, kAllow)),
        Succeeds());
    EXPECT_TRUE(answered(kDenied));
    EXPECT_FALSE(answered(kAllowed));
    EXPECT_TRUE(answered(kUnknown));
    ASSERT_THAT(driver->sync(usual()), Succeeds());
    EXPECT_FALSE(answered(kDenied));
    EXPECT_TRUE(answered(kAllowed));
    EXPECT_FALSE(answered(kUnknown));
  }
}

TEST_F(DnsmasqEnforcementTest, WhoLeftThePolicyIsTreatedAsUnknownFromThenOn) {
  auto driver = started(usual(kAllow));
  run();
  ASSERT_FALSE(answered(kDenied));
  ASSERT_THAT(driver->sync(snapshot({}, kAllow)), Succeeds());
  EXPECT_TRUE(answered(kDenied));
  EXPECT_TRUE(answered(kAllowed));
  ASSERT_THAT(driver->sync(snapshot({}, kDeny)), Succeeds());
  EXPECT_FALSE(answered(kDenied));
  EXPECT_FALSE(answered(kAllowed));
  EXPECT_EQ(driver->installed().value(), Policy({}, kDeny));
  // And is enrolled again.
  ASSERT_THAT(driver->sync(usual(kDeny)), Succeeds());
  EXPECT_FALSE(answered(kDenied));
  EXPECT_TRUE(answered(kAllowed));
}

TEST_F(DnsmasqEnforcementTest, NothingIsTouchedWhereNothingChanges) {
  auto driver = started(usual());
  run();
  ASSERT_THAT(driver->sync(usual()), Succeeds());
  const auto before = std::filesystem::last_write_time(hostsdir_);
  const auto report = driver->sync(usual());
  ASSERT_THAT(report, Succeeds());
  EXPECT_FALSE(report->changed());
  EXPECT_EQ(std::filesystem::last_write_time(hostsdir_), before);
}

TEST_F(DnsmasqEnforcementTest, WhatSomebodyElseChangedIsPutRight) {
  auto driver = started(usual());
  run();
  write(text_of(kDenied), text_of(kDenied) + "\n");
  std::filesystem::remove(path(text_of(kAllowed)));
  write("unknown_hosts_filter", "*:*:*:*:*:*\n");
  const auto report = driver->sync(usual());
  ASSERT_THAT(report, Succeeds());
  EXPECT_THAT(report->repaired,
              ElementsAre(HasSubstr("2 files"), HasSubstr("unknown machines")));
  EXPECT_FALSE(answered(kDenied));
  EXPECT_TRUE(answered(kAllowed));
  EXPECT_FALSE(answered(kUnknown));
}

// As long as the right content, which is all ironic-inspector looks at.
TEST_F(DnsmasqEnforcementTest, ContentsAreComparedNotSizes) {
  auto driver = started(usual());
  write(text_of(kDenied), std::string(24, '#') + "\n");
  ASSERT_THAT(driver->sync(usual()), Succeeds());
  EXPECT_EQ(read(text_of(kDenied)), "52:54:00:00:00:0d,ignore\n");
}

TEST_F(DnsmasqEnforcementTest, ADirectoryThatWasReplacedIsFilledAgain) {
  auto driver = started(usual());
  std::filesystem::remove_all(hostsdir_);
  const auto report = driver->sync(usual());
  ASSERT_THAT(report, Succeeds());
  EXPECT_THAT(report->repaired, ElementsAre(HasSubstr("had been replaced")));
  run();
  EXPECT_FALSE(answered(kDenied));
  EXPECT_TRUE(answered(kAllowed));
}

// dnsmasq compares hardware addresses of six bytes with `*:*:*:*:*:*`; one of
// another length it does not find there.
TEST_F(DnsmasqEnforcementTest, InfinibandIsOutOfItsReachAndThatIsTold) {
  const std::array<std::uint8_t, 8> guid{2, 0, 0, 0, 0, 0, 0, 1};
  const Snapshot policy{std::make_shared<Inventory>(),
                        std::make_shared<Policy>(
                            std::vector<Policy::Entry>{
                                {HardwareAddress::infiniband(guid), kDeny}},
                            kDeny)};
  auto driver = started(policy);
  EXPECT_THAT(files(), ElementsAre("unknown_hosts_filter"));
  EXPECT_THAT(driver->status().notices,
              ElementsAre(HasSubstr("1 InfiniBand addresses have no file")));
  run();
  const Bytes frame =
      (Ethernet{} / Ipv4{} / Udp{} /
       Bootp{.htype = 32, .hlen = 0, .chaddr = {}} /
       DhcpOptions{.options = {message_type(1), infiniband_client_id(guid)}})
          .bytes();
  EXPECT_TRUE(Clients::open().answers(frame));
}

}  // namespace
}  // namespace pxegate::testing
