// SPDX-License-Identifier: Apache-2.0
#include "drivers/iptables/ipset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <memory>
#include <string>

#include "tests/unit/drivers/iptables/fake_firewall.h"

namespace pxegate::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const MacAddress kOne({2, 0, 0, 0, 0, 1});
const MacAddress kTwo({2, 0, 0, 0, 0, 2});

TEST(Ipset, ASavedSetIsRead) {
  const auto set = parse_ipset_save(
      "create s hash:mac hashsize 1024 maxelem 70000 bucketsize 12 initval "
      "0x011a204f\nadd s 02:00:00:00:00:02\nadd s 02:00:00:00:00:01\n");
  ASSERT_TRUE(set);
  EXPECT_EQ(set->capacity, 70'000U);
  EXPECT_THAT(set->members, ElementsAre(kOne, kTwo));
}

TEST(Ipset, AnotherKindOfSetIsRefused) {
  for (const char* text :
       {"", "create s hash:ip hashsize 1024 maxelem 65536\n", "create s\n",
        "create s hash:mac maxelem 65536 timeout 60\n",
        "add s 02:00:00:00:00:01\n", "create s hash:mac\nadd s\n",
        "create s hash:mac\nadd s 02:00:00:00:00:01 timeout 5\n",
        "create s hash:mac\ncreate s hash:mac\n",
        "create s hash:mac\nadd s nonsense\n"}) {
    const auto set = parse_ipset_save(text);
    ASSERT_FALSE(set) << text;
    EXPECT_EQ(set.error().code(), ErrorCode::kInvalid);
  }
}

TEST(Ipset, ACapacityThatIsNoNumberIsNone) {
  for (const char* text : {"x", "99999999999999999999", "-1", ""}) {
    const auto set = parse_ipset_save("create s hash:mac maxelem " +
                                      std::string(text) + "\n");
    ASSERT_TRUE(set);
    EXPECT_EQ(set->capacity, 0U) << text;
  }
}

RC_GTEST_PROP(IpsetProperty, AnythingIsReadOrRefused,
              (const std::string& text)) {
  static_cast<void>(parse_ipset_save(text));
  static_cast<void>(parse_ipset_save("create s hash:mac\nadd s " + text));
}

TEST(Ipset, ASetOfSomebodyElsesChoosingIsNeverOurs) {
  const IpsetStore store("gate", 4, std::make_shared<FakeFirewall>());
  EXPECT_TRUE(store.owns("gate-4a"));
  EXPECT_TRUE(store.owns("gate-4b"));
  EXPECT_FALSE(store.owns("gate-6a"));
  EXPECT_FALSE(store.owns("gate"));
}

// A name that a rule uses which the caller does not know of.
TEST(Ipset, ASetInUseIsNeverFilledAnew) {
  auto firewall = std::make_shared<FakeFirewall>();
  IpsetStore store("gate", 4, firewall);
  ASSERT_EQ(store.make({kOne}, "").value(), "gate-4a");
  firewall->chains["FORWARD"] = {"-m set --match-set gate-4a src -j DROP"};
  ASSERT_EQ(store.make({kTwo}, "").value(), "gate-4b");
  EXPECT_THAT(firewall->sets.at("gate-4a").members,
              ElementsAre("02:00:00:00:00:01"));
  firewall->chains["FORWARD"].push_back(
      "-m set --match-set gate-4b src -j DROP");
  EXPECT_FALSE(store.make({kOne}, ""));
  const auto destroyed = store.destroy_unused("gate-4b");
  ASSERT_FALSE(destroyed);
  EXPECT_THAT(destroyed.error().message(), HasSubstr("set gate-4a"));
}

TEST(Ipset, TheLongestNameOfAChainLeavesRoomForTheSets) {
  auto firewall = std::make_shared<FakeFirewall>();
  IpsetStore store(std::string(23, 'x'), 6, firewall);
  store.probe();
  EXPECT_TRUE(store.available()) << store.problem();
  EXPECT_TRUE(store.make({kOne}, ""));
}

TEST(Ipset, WithoutTheTypeItSaysSo) {
  auto firewall = std::make_shared<FakeFirewall>();
  firewall->has_hash_mac = false;
  IpsetStore store("gate", 4, firewall);
  store.probe();
  EXPECT_FALSE(store.available());
  EXPECT_THAT(store.problem(), HasSubstr("set type not supported"));
  EXPECT_TRUE(store.clean());
}

}  // namespace
}  // namespace pxegate::testing
