// SPDX-License-Identifier: Apache-2.0
#include "drivers/dnsmasq/hosts_file.h"

#include <gtest/gtest.h>

namespace pxegate::hosts {
namespace {

constexpr std::string_view kMac = "aa:bb:cc:dd:ee:ff";

TEST(HostsFileTest, AMachinesFileIsNamedByItsAddressInOneSpellingOnly) {
  ASSERT_TRUE(mac_of_name(kMac));
  EXPECT_EQ(mac_of_name(kMac)->to_string(), kMac);
  for (const std::string_view other :
       {"AA:bb:cc:dd:ee:ff", "aa-bb-cc-dd-ee-ff", "aa:bb:cc:dd:ee:f",
        "aa:bb:cc:dd:ee:ff~", "unknown_hosts_filter", "ironic-1.conf", ""}) {
    EXPECT_FALSE(mac_of_name(other)) << other;
  }
}

TEST(HostsFileTest, ContentsAreThoseOfIronicInspector) {
  EXPECT_EQ(contents_for(kMac, Verdict::kAllow), "aa:bb:cc:dd:ee:ff\n");
  EXPECT_EQ(contents_for(kMac, Verdict::kDeny), "aa:bb:cc:dd:ee:ff,ignore\n");
  EXPECT_EQ(contents_for(kUnknownPattern, Verdict::kDeny),
            "*:*:*:*:*:*,ignore\n");
}

TEST(HostsFileTest, OnlyTheWholeTextCounts) {
  for (const Verdict verdict : {Verdict::kAllow, Verdict::kDeny}) {
    EXPECT_EQ(verdict_in(kMac, contents_for(kMac, verdict)), verdict);
  }
  for (const std::string_view other :
       {"", "aa:bb:cc:dd:ee:ff", "aa:bb:cc:dd:ee:ff,ignore",
        "aa:bb:cc:dd:ee:fe\n", "aa:bb:cc:dd:ee:ff,ignore\n\n",
        "AA:BB:CC:DD:EE:FF\n"}) {
    EXPECT_FALSE(verdict_in(kMac, other)) << other;
  }
}

TEST(HostsFileTest, DnsmasqPassesOverBackupsAndDotFiles) {
  for (const std::string_view name : {".x", "x~", "#x#", ""}) {
    EXPECT_TRUE(is_passed_over(name)) << name;
  }
  for (const std::string_view name : {"#x", "x", "x#", "~x"}) {
    EXPECT_FALSE(is_passed_over(name)) << name;
  }
}

TEST(HostsFileTest, AFileLetsInWhereALineDoesNotIgnore) {
  for (const std::string_view text :
       {"aa:bb:cc:dd:ee:ff\n", "aa:bb:cc:dd:ee:ff,set:ironic",
        "aa:bb:cc:dd:ee:ff,ignore\n*:*:*:*:*:*\n",
        "aa:bb:cc:dd:ee:ff #,ignore\n", "aa:bb:cc:dd:ee:ff,ignored\n"}) {
    EXPECT_TRUE(lets_in(text)) << text;
  }
  for (const std::string_view text :
       {"", "\n \n", "# aa:bb:cc:dd:ee:ff\n", "aa:bb:cc:dd:ee:ff,ignore",
        "aa:bb:cc:dd:ee:ff , ignore \r\n", "aa:bb:cc:dd:ee:ff,x,ignore\n"}) {
    EXPECT_FALSE(lets_in(text)) << text;
  }
}

}  // namespace
}  // namespace pxegate::hosts
