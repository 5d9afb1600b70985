// SPDX-License-Identifier: Apache-2.0
#include "tests/drivers/nftables/nftables_fixture.h"

namespace pxegate::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

using NftablesInterfacesTest = NftablesTest;

TEST_F(NftablesInterfacesTest, EachIsFiltered) {
  ASSERT_THAT(add_veth("eth2"), Succeeds());
  auto driver = started(usual(), {"eth1", "eth2"});
  for (const char* interface : {"eth1", "eth2"}) {
    EXPECT_FALSE(passes(kDenied, interface));
    EXPECT_TRUE(passes(kAllowed, interface));
  }
}

TEST_F(NftablesInterfacesTest, OthersAreNot) {
  ASSERT_THAT(add_veth("eth2"), Succeeds());
  auto driver = started(usual());
  EXPECT_TRUE(passes(kDenied, "eth2"));
}

TEST_F(NftablesInterfacesTest, AMissingOneIsInactiveAndTheRestIsFiltered) {
  auto driver = started(usual(), {"eth1", "eth9"});
  EXPECT_FALSE(passes(kDenied));
  EXPECT_FALSE(driver->status().healthy);
  EXPECT_TRUE(target_of(*driver, "eth1").active);
  EXPECT_FALSE(target_of(*driver, "eth9").active);
  EXPECT_EQ(target_of(*driver, "eth9").mode, "");
  EXPECT_THAT(target_of(*driver, "eth9").detail, HasSubstr("does not exist"));
  EXPECT_FALSE(driver->sync(usual()).value().changed());
}

TEST_F(NftablesInterfacesTest, AllMayBeMissing) {
  auto driver = started(usual(), {"eth8", "eth9"});
  EXPECT_FALSE(driver->status().healthy);
  EXPECT_EQ(driver->installed().value(), *usual().policy);
}

TEST_F(NftablesInterfacesTest, OneThatAppearsIsFilteredBeforeAnySync) {
  auto driver = started(usual(), {"eth1", "eth9"});
  ASSERT_THAT(add_veth("eth9"), Succeeds());
  EXPECT_TRUE(wait_woken(*driver));
  EXPECT_FALSE(passes(kDenied, "eth9"));
  EXPECT_TRUE(passes(kAllowed, "eth9"));
  EXPECT_THAT(driver->sync(usual()), Succeeds());
  EXPECT_TRUE(driver->status().healthy);
  EXPECT_EQ(target_of(*driver, "eth9").detail, "");
}

TEST_F(NftablesInterfacesTest, OneMadeAnewIsFilteredBeforeAnySync) {
  auto driver = started(usual(kAllow));
  for (int i = 0; i < 3; ++i) {
    ASSERT_THAT(ip_command("link delete eth1"), Succeeds());
    ASSERT_TRUE(wait_woken(*driver));
    ASSERT_THAT(driver->sync(usual(kAllow)), Succeeds());
    EXPECT_FALSE(driver->status().healthy);
    ASSERT_THAT(add_veth("eth1"), Succeeds());
    ASSERT_TRUE(wait_woken(*driver));
    EXPECT_FALSE(passes(kDenied));
    EXPECT_TRUE(passes(kUnknown));
    ASSERT_THAT(driver->sync(usual(kAllow)), Succeeds());
    EXPECT_TRUE(driver->status().healthy);
    EXPECT_FALSE(driver->sync(usual(kAllow)).value().changed());
  }
}

TEST_F(NftablesInterfacesTest, ARenamedOneIsLetGoAndItsSuccessorFiltered) {
  auto driver = started(usual());
  ASSERT_THAT(ip_command("link set eth1 down"), Succeeds());
  ASSERT_THAT(ip_command("link set eth1-peer name old-peer"), Succeeds());
  ASSERT_THAT(ip_command("link set eth1 name old"), Succeeds());
  ASSERT_THAT(ip_command("link set old up"), Succeeds());
  ASSERT_THAT(add_veth("eth1"), Succeeds());
  ASSERT_TRUE(wait_woken(*driver));
  ASSERT_THAT(driver->sync(usual()), Succeeds());
  EXPECT_FALSE(passes(kDenied));
  EXPECT_TRUE(passes(kAllowed));
  EXPECT_TRUE(driver->status().healthy);
}

TEST_F(NftablesInterfacesTest, WhatWokenPutRightTheNextSyncReports) {
  auto driver = started(usual());
  nft("delete chain netdev pxegate ingress-eth1");
  ASSERT_TRUE(passes(kDenied));
  ASSERT_THAT(ip_command("link set eth1 mtu 1400"), Succeeds());
  ASSERT_TRUE(wait_woken(*driver));
  EXPECT_FALSE(passes(kDenied));
  EXPECT_THAT(driver->sync(usual())->repaired,
              ::testing::ElementsAre(HasSubstr("eth1 was no longer filtered")));
}

TEST_F(NftablesInterfacesTest, UncommonNamesAreNoProblem) {
  for (const char* name : {"br-x_1.100", "a@b", "0", "drop"}) {
    ASSERT_THAT(add_veth(name), Succeeds());
    auto driver = started(usual(), {name});
    EXPECT_FALSE(passes(kDenied, name)) << name;
    EXPECT_TRUE(passes(kAllowed, name)) << name;
    EXPECT_THAT(driver->sync(usual())->repaired, IsEmpty());
    EXPECT_THAT(driver->tear_down(), Succeeds());
  }
}

}  // namespace
}  // namespace pxegate::testing
