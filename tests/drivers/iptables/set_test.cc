// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <utility>

#include "tests/drivers/iptables/iptables_fixture.h"

namespace pxegate::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// What the driver makes of the ipset that this host and kernel have: a set
// where there is hash:mac, a chain of rules where there is not.
class IptablesSetTest : public IptablesTest {
 protected:
  void SetUp() override {
    IptablesTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    runner_->with_ipset = true;
    SystemCommandRunner system;
    Command probe;
    probe.argv = {"ipset", "create", "probe", "hash:mac"};
    const auto done = system.run(probe);
    has_sets_ = done && done->exit_status == 0;
    if (has_sets_) output_of({"ipset", "destroy", "probe"});
  }
  std::string set(char letter) const {
    return fmt::format("gate-{}{}", GetParam().version, letter);
  }
  // The chain as it is with a set, or with a rule for one machine.
  std::vector<std::string> chain(char letter, const Mac& mac,
                                 const std::string& target,
                                 const std::string& last) const {
    return {has_sets_ ? fmt::format("-m set --match-set {} src -j {}",
                                    set(letter), target)
                      : rule(mac, target),
            "-j " + last};
  }
  // The names of all sets.
  std::string sets() const {
    return has_sets_ ? output_of({"ipset", "list", "-n"}) : "";
  }
  std::string one_set(char letter) const {
    return has_sets_ ? set(letter) + "\n" : "";
  }

  bool has_sets_ = false;
};
INSTANTIATE_TEST_SUITE_P(Backends, IptablesSetTest,
                         ::testing::ValuesIn(kVariants), variant_name);

TEST_P(IptablesSetTest, StatusTellsWhichOfTheTwoItIs) {
  auto driver = started(usual(kAllow));
  EXPECT_EQ(driver->status().targets.at(0).mode,
            GetParam().backend + (has_sets_ ? "+ipset" : ""));
}

TEST_P(IptablesSetTest, EachVerdictForUnknownsHasItsSet) {
  auto driver = started(usual(kAllow));
  EXPECT_EQ(rules("gate"), chain('a', kDenied, "DROP", "ACCEPT"));
  EXPECT_EQ(sets(), one_set('a'));
  ASSERT_THAT(driver->sync(usual(kDeny)), Succeeds());
  EXPECT_EQ(rules("gate"), chain('b', kAllowed, "ACCEPT", "DROP"));
  EXPECT_EQ(sets(), one_set('b'));
  ASSERT_THAT(driver->sync(usual(kAllow)), Succeeds());
  EXPECT_EQ(sets(), one_set('a'));
  ASSERT_THAT(driver->sync(snapshot({}, kDeny)), Succeeds());
  EXPECT_THAT(rules("gate"), ElementsAre("-j DROP"));
  EXPECT_EQ(sets(), "");
}

TEST_P(IptablesSetTest, WhatIsInForceIsReadBackAndUnchangedStaysSo) {
  auto driver = started(usual(kAllow));
  EXPECT_EQ(make()->installed().value(),
            Policy({{HardwareAddress(MacAddress(kDenied)), kDeny}}, kAllow));
  EXPECT_FALSE(driver->sync(usual(kAllow)).value().changed());
  driver->reset();
  auto next = make();
  ASSERT_THAT(next->initialize(), Succeeds());
  EXPECT_FALSE(next->sync(usual(kAllow)).value().changed());
}

TEST_P(IptablesSetTest, AFewOfManyMachinesChange) {
  auto driver = started(snapshot(many(0, 70'000, kDeny), kAllow));
  const auto before = rules("gate");
  const auto report = driver->sync(snapshot(many(1, 70'000, kDeny), kAllow));
  ASSERT_THAT(report, Succeeds());
  EXPECT_EQ(report->upserts, 1U);
  EXPECT_EQ(report->removals, 1U);
  EXPECT_EQ(rules("gate") == before, has_sets_);
  EXPECT_FALSE(
      driver->sync(snapshot(many(1, 70'000, kDeny), kAllow)).value().changed());
}

TEST_P(IptablesSetTest, ATeardownLeavesNoSet) {
  started(usual(kAllow))->shut_down();
  ASSERT_THAT(make()->tear_down(), Succeeds());
  EXPECT_THAT(rules("INPUT"), IsEmpty());
  EXPECT_FALSE(chain_exists("gate"));
  EXPECT_EQ(sets(), "");
}

}  // namespace
}  // namespace pxegate::testing
