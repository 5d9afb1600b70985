// SPDX-License-Identifier: Apache-2.0
#include "drivers/dnsmasq/dnsmasq_status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pxegate {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

DnsmasqFacts good() {
  DnsmasqFacts facts;
  facts.directory = "/hosts";
  facts.synced = true;
  facts.readers = {{.pid = 7, .vouched = true}};
  facts.rules = 10;
  facts.queue_limit = 16384;
  return facts;
}

TEST(DnsmasqStatusTest, AllIsWellWhereDnsmasqKnowsEverything) {
  const DriverStatus status = describe_dnsmasq(good());
  EXPECT_TRUE(status.healthy);
  EXPECT_THAT(status.notices, IsEmpty());
  EXPECT_EQ(status.targets.at(0).mode, "inotify");
  EXPECT_THAT(status.targets.at(0).detail, HasSubstr("pid 7"));
}

TEST(DnsmasqStatusTest, OneDnsmasqThatIsNotVouchedForIsEnoughToSaySo) {
  DnsmasqFacts facts = good();
  facts.readers.push_back({.pid = 8, .vouched = false, .unread = 96});
  const DriverStatus status = describe_dnsmasq(facts);
  EXPECT_FALSE(status.healthy);
  EXPECT_THAT(status.targets.at(0).detail,
              AllOf(HasSubstr("cannot vouch for dnsmasq (pid 8)"),
                    HasSubstr("96 bytes")));
}

TEST(DnsmasqStatusTest, NobodyThereIsUnhealthyAndNotSeeingIsNoticed) {
  DnsmasqFacts facts = good();
  facts.readers.clear();
  EXPECT_FALSE(describe_dnsmasq(facts).healthy);
  facts.blind = "no privilege";
  const DriverStatus status = describe_dnsmasq(facts);
  EXPECT_TRUE(status.healthy);
  EXPECT_THAT(status.notices, ElementsAre(AllOf(HasSubstr("cannot vouch"),
                                                HasSubstr("no privilege"))));
}

// Another dnsmasq may read the directory beside the one that is vouched for.
TEST(DnsmasqStatusTest, NotSeeingIsNoticedBesideOneThatIsVouchedFor) {
  DnsmasqFacts facts = good();
  facts.blind = "no privilege";
  EXPECT_THAT(describe_dnsmasq(facts).notices,
              ElementsAre(AllOf(HasSubstr("cannot vouch that every"),
                                HasSubstr("no privilege"))));
}

TEST(DnsmasqStatusTest, ManyMachinesNameTheBetterDrivers) {
  DnsmasqFacts facts = good();
  facts.rules = kManyFiles - 1;
  EXPECT_THAT(describe_dnsmasq(facts).notices, IsEmpty());
  facts.rules = kManyFiles;
  EXPECT_THAT(describe_dnsmasq(facts).notices,
              ElementsAre(AllOf(HasSubstr("xdp"), HasSubstr("nftables"))));
}

TEST(DnsmasqStatusTest, WithoutADirectoryTheReasonIsTold) {
  DnsmasqFacts facts = good();
  facts.missing = "/hosts: gone";
  EXPECT_FALSE(describe_dnsmasq(facts).healthy);
  EXPECT_EQ(describe_dnsmasq(facts).targets.at(0).detail, "/hosts: gone");
}

TEST(DnsmasqStatusTest, NamesAreQuotedAndCounted) {
  EXPECT_EQ(name_some({"a", "b\n"}), "\"a\", \"b\\x0a\"");
  EXPECT_EQ(name_some({"a", "b", "c", "d", "e"}),
            "\"a\", \"b\", \"c\" and 2 more");
}

}  // namespace
}  // namespace pxegate
