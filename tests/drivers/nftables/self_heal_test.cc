// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "tests/drivers/nftables/nftables_fixture.h"

namespace pxegate::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

struct Interference {
  std::string name;
  std::string script;    // for nft
  std::string repaired;  // what the next sync says of it
};

void PrintTo(const Interference& what, std::ostream* out) { *out << what.name; }

// Somebody with root's privileges interferes; the next sync puts it right and
// says so.
class NftablesSelfHealTest : public NftablesTest {
 protected:
  // Unknown machines are allowed, so that every hole shows.
  void SetUp() override {
    NftablesTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    driver_ = started(policy_);
    before_ = nft("list table netdev pxegate");
  }

  void expect_policy() {
    EXPECT_FALSE(passes(kDenied));
    EXPECT_TRUE(passes(kAllowed));
    EXPECT_TRUE(passes(kUnknown));
    EXPECT_EQ(driver_->installed().value(), *policy_.policy);
    EXPECT_TRUE(driver_->status().healthy);
    EXPECT_FALSE(driver_->sync(policy_).value().changed());
  }

  const Snapshot policy_ = usual(kAllow);
  std::unique_ptr<FilterDriver> driver_;
  std::string before_;
};

class NftablesInterferenceTest
    : public NftablesSelfHealTest,
      public ::testing::WithParamInterface<Interference> {};

TEST_P(NftablesInterferenceTest, IsPutRightAndReported) {
  nft(GetParam().script);
  auto report = driver_->sync(policy_);
  ASSERT_THAT(report, Succeeds());
  EXPECT_THAT(report->repaired, ElementsAre(HasSubstr(GetParam().repaired)));
  EXPECT_TRUE(report->changed());
  EXPECT_EQ(nft("list table netdev pxegate"), before_);
  expect_policy();
}

const Interference kInterferences[] = {
    {"ruleset_flushed", "flush ruleset",
     "table netdev pxegate had been removed"},
    {"table_removed", "delete table netdev pxegate",
     "table netdev pxegate had been removed"},
    {"table_asleep", "add table netdev pxegate { flags dormant; }",
     "the table's flags or comment had been changed"},
    {"rule_for_everybody", "insert rule netdev pxegate dhcp accept",
     "chain dhcp had been changed"},
    {"chain_flushed", "flush chain netdev pxegate client",
     "chain client had been changed"},
    {"ingress_flushed", "flush chain netdev pxegate ingress-eth1",
     "chain ingress-eth1 had been changed"},
    {"ingress_removed", "delete chain netdev pxegate ingress-eth1",
     "interface eth1 was no longer filtered"},
    {"ingress_policy", "add chain netdev pxegate ingress-eth1 { policy drop; }",
     "chain ingress-eth1 had been changed"},
    {"unknown_dropped",
     "flush chain netdev pxegate unknown; add rule netdev pxegate unknown drop",
     "chain unknown had been changed"},
    {"chain_added", "add chain netdev pxegate mine",
     "chain mine had been added"},
    {"set_added", "add set netdev pxegate mine { type ether_addr; }",
     "set mine had been added"},
    {"denied_removed",
     "delete element netdev pxegate denied { 0x52540000000d }",
     "1 rule had been changed"},
    {"denied_moved",
     "delete element netdev pxegate denied { 0x52540000000d }; "
     "add element netdev pxegate allowed { 0x52540000000d }",
     "1 rule had been changed"},
    {"allowed_too", "add element netdev pxegate allowed { 0x52540000000d }",
     "1 rule had been changed"},
    {"rules_added",
     "add element netdev pxegate denied { 0x52540000000f, 0x1, 0x2 }",
     "3 rules had been changed"},
    {"set_flushed", "flush set netdev pxegate denied",
     "1 rule had been changed"},
    {"element_with_a_comment",
     "add element netdev pxegate allowed { 0x52540000000f comment \"a, b\" }",
     "elements that pxegate does not make"},
};

std::string name_of(const ::testing::TestParamInfo<Interference>& info) {
  return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(By, NftablesInterferenceTest,
                         ::testing::ValuesIn(kInterferences), name_of);

TEST_F(NftablesSelfHealTest, ChangesBehindTheBackAndOursAreToldApart) {
  nft("delete element netdev pxegate denied { 0x52540000000d }");
  auto report = driver_->sync(snapshot(
      {{kDenied, kDeny}, {kAllowed, kAllow}, {machine(1), kDeny}}, kAllow));
  ASSERT_THAT(report, Succeeds());
  EXPECT_THAT(report->repaired, ElementsAre(HasSubstr("1 rule had been")));
  EXPECT_EQ(report->upserts, 2U);
}

TEST_F(NftablesSelfHealTest, AfterAnErrorItIsNotSaidToBeHealthy) {
  nft("delete table netdev pxegate; add table netdev pxegate");
  EXPECT_THAT(driver_->sync(policy_),
              FailsWith(ErrorCode::kConflict, "did not make"));
  driver_->reset();
  EXPECT_FALSE(driver_->status().healthy);
}

TEST_F(NftablesSelfHealTest, EachDifferenceIsASentence) {
  nft("flush chain netdev pxegate dhcp; flush chain netdev pxegate client");
  auto report = driver_->sync(policy_);
  ASSERT_THAT(report, Succeeds());
  EXPECT_THAT(report->repaired, SizeIs(2));
}

TEST_F(NftablesSelfHealTest, WritesOfOthersElsewhereAreNoReasonToWrite) {
  for (int i = 0; i < 3; ++i) {
    nft("add table netdev other; add table ip other");
    const std::uint32_t before = generation();
    EXPECT_FALSE(driver_->sync(policy_).value().changed());
    EXPECT_EQ(generation(), before);
  }
}

// After a change of our own, too, somebody else's is noticed.
TEST_F(NftablesSelfHealTest, AChangeRightAfterOursIsNoticed) {
  ASSERT_THAT(driver_->sync(usual(kDeny)), Succeeds());
  nft("delete element netdev pxegate allowed { 0x52540000000a }");
  ASSERT_FALSE(passes(kAllowed));
  EXPECT_THAT(driver_->sync(usual(kDeny))->repaired,
              ElementsAre(HasSubstr("1 rule")));
  EXPECT_TRUE(passes(kAllowed));
}

}  // namespace
}  // namespace pxegate::testing
