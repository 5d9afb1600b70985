// SPDX-License-Identifier: Apache-2.0
#include "controller/app/sync_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/controller/app/sync_loop_fixture.h"

namespace pxegate {
namespace {

using namespace std::chrono_literals;
using testing::mac;
using testing::make_node;
using testing::make_port;

class SyncLoopTest : public ::testing::Test, public testing::SyncLoopFixture {};

class SyncLoopWithInspectorTest : public ::testing::Test,
                                  public testing::SyncLoopFixture {
 protected:
  SyncLoopWithInspectorTest() : SyncLoopFixture(true) {}
};

TEST_F(SyncLoopTest, ACompleteListIsEnforcedAtTheStart) {
  ironic_.truth.set_state("n1", "inspecting");
  settle();
  EXPECT_EQ(filter_.policy,
            compute_policy(ironic_.truth.inventory(), options_.policy));
  EXPECT_TRUE(allows(1));
  EXPECT_FALSE(allows(3));
  const auto now = status();
  EXPECT_TRUE(now.synced);
  EXPECT_FALSE(now.stale);
  EXPECT_EQ(now.nodes, 2U);
  EXPECT_EQ(now.ports, 3U);
  EXPECT_EQ(now.being_inspected, 1U);
  EXPECT_EQ(now.allowed, 2U);
  EXPECT_EQ(now.denied, 1U);
  EXPECT_EQ(now.unknown, Verdict::kAllow);
  EXPECT_EQ(now.last_full_sync, pxegate::now(clock_));
  EXPECT_EQ(now.last_poll, pxegate::now(clock_));
}

TEST_F(SyncLoopTest, NothingIsEnforcedBeforeTheFirstListIsComplete) {
  fail_calls("ports ");
  ironic_.truth.set_state("n1", "inspecting");
  run_for(60s);
  EXPECT_EQ(syncs(), 0U);
  EXPECT_FALSE(status().synced);
  EXPECT_FALSE(loop_->policy_in_force().as_of);
}

TEST_F(SyncLoopTest, AnEmptyIronicIsACompleteList) {
  ironic_.truth = {};
  settle();
  EXPECT_TRUE(status().synced);
  EXPECT_EQ(filter_.policy, Policy());
}

TEST_F(SyncLoopTest, ANodeOpensAtThePollAndClosesAtThePoll) {
  settle();
  ironic_.truth.set_state("n1", "inspecting");
  run_for(1900ms);
  EXPECT_FALSE(allows(1));
  run_for(100ms);
  EXPECT_TRUE(allows(1));
  EXPECT_EQ(status().unknown, Verdict::kAllow);

  ironic_.truth.set_state("n1", "manageable");
  run_for(2s);
  EXPECT_FALSE(allows(1));
  EXPECT_EQ(status().unknown, Verdict::kDeny);
  // Which state it is in now only a full list tells.
  const auto in_force = loop_->policy_in_force();
  EXPECT_EQ(in_force.inventory->find_node("n1")->provision_state, "");
  run_for(15s);
  EXPECT_EQ(
      loop_->policy_in_force().inventory->find_node("n1")->provision_state,
      "manageable");
}

TEST_F(SyncLoopTest,
       PortsThatCameWithTheInspectionAreAllowedBeforeTheNextPoll) {
  settle();
  ironic_.truth.nodes.push_back(make_node("n3", "inspecting"));
  ironic_.truth.ports.push_back(make_port("p4", "n3", mac(4)));
  ironic_.truth.ports.push_back(make_port("p5", "n3", mac(5)));
  run_for(2s);
  EXPECT_EQ(ironic_.count("of n3"), 1);
  EXPECT_TRUE(filter_.policy.find(mac(4)).has_value());
  EXPECT_TRUE(allows(5));
}

TEST_F(SyncLoopTest, KnownPortsAreAllowedBeforeTheirNodeIsAskedAbout) {
  settle();
  ironic_.truth.set_state("n1", "inspecting");
  bool allowed_before_asking = false;
  ironic_.before_call = [&](const std::string& call) -> std::optional<Error> {
    if (call == "of n1") allowed_before_asking = allows(1);
    return std::nullopt;
  };
  run_for(2s);
  EXPECT_EQ(ironic_.count("of n1"), 1);
  EXPECT_TRUE(allowed_before_asking);
}

TEST_F(SyncLoopTest, PortsAreAskedForAgainWhenTheNodeMovesToInspectWait) {
  settle();
  ironic_.truth.set_state("n1", "inspecting");
  run_for(2s);
  ironic_.truth.set_state("n1", "inspect wait");
  ironic_.truth.ports.push_back(make_port("p4", "n1", mac(4)));
  run_for(2s);
  EXPECT_TRUE(filter_.policy.find(mac(4)).has_value());
  EXPECT_EQ(ironic_.count("of n1"), 2);
}

TEST_F(SyncLoopTest, AnInspectionWithoutNewsCostsNoSyncAndNoPortRequest) {
  ironic_.truth.set_state("n1", "inspect wait");
  settle();
  const auto before = syncs();
  run_for(14s);
  EXPECT_EQ(syncs(), before);
  EXPECT_EQ(ironic_.count("of "), 0);
  EXPECT_EQ(status().last_poll, pxegate::now(clock_));
}

TEST_F(SyncLoopTest, ANodeThatMovesBetweenTwoQueriesIsNotLost) {
  // Forwards, as an inspection starts, and backwards, as its ramdisk reports.
  settle();
  ironic_.truth.set_state("n1", "inspecting");
  run_for(2s);
  ASSERT_TRUE(allows(1));
  filter_.on_sync = [this] { EXPECT_TRUE(allows(1)); };
  ironic_.before_call =
      [this](const std::string& call) -> std::optional<Error> {
    if (call == "state inspect wait") {
      auto& state = ironic_.truth.node("n1").provision_state;
      state = state == "inspecting" ? "inspect wait" : "inspecting";
    }
    return std::nullopt;
  };
  run_for(60s);
  EXPECT_TRUE(allows(1));
}

TEST_F(SyncLoopTest, OfANodeSeenInTwoStatesTheLaterAnswerHolds) {
  settle();
  ironic_.truth.set_state("n1", "inspecting");
  ironic_.before_call =
      [this](const std::string& call) -> std::optional<Error> {
    if (call == "state inspect wait") {
      ironic_.truth.set_state("n1", "inspect wait");
    }
    return std::nullopt;
  };
  run_for(2s);
  EXPECT_EQ(
      loop_->policy_in_force().inventory->find_node("n1")->provision_state,
      "inspect wait");
}

TEST_F(SyncLoopTest, OfAPollThatFailsHalfwayNothingIsApplied) {
  settle();
  ironic_.truth.set_state("n1", "inspecting");
  fail_calls("state inspect wait");
  run_for(8s);
  EXPECT_FALSE(allows(1));
  heal_calls();
  run_for(30s);
  EXPECT_TRUE(allows(1));
}

TEST_F(SyncLoopTest, AThousandNodesAtOnceAreEnforcedAsTheirPortsCome) {
  settle();
  for (int i = 0; i < 1000; ++i) {
    const auto id = std::to_string(i);
    ironic_.truth.nodes.push_back(make_node("m" + id, "inspecting"));
    ironic_.truth.ports.push_back(
        make_port("q" + id, "m" + id,
                  MacAddress({2, 0, 0, 0, static_cast<std::uint8_t>(i >> 8),
                              static_cast<std::uint8_t>(i)})));
  }
  ironic_.node_ports_cost = 10ms;
  const auto before = syncs();
  run_for(2s);
  run_for(1s);  // a tenth of the time that it takes
  EXPECT_GT(filter_.policy.count(Verdict::kAllow), 80U);
  EXPECT_LT(filter_.policy.count(Verdict::kAllow), 200U);
  run_for(10s);
  EXPECT_EQ(filter_.policy.count(Verdict::kAllow), 1000U);
  EXPECT_LT(syncs() - before, 130U);
}

TEST_F(SyncLoopTest, APolicyChangeIsDatedAndAnUnchangedOneIsNot) {
  settle();
  const auto first = status().last_change;
  run_for(60s);
  EXPECT_EQ(status().last_change, first);
  ironic_.truth.set_state("n1", "inspecting");
  run_for(2s);
  EXPECT_GT(status().last_change, first);
}

TEST_F(SyncLoopTest, TheDriversWakeEnforcesWithoutAskingIronic) {
  settle();
  const auto calls = ironic_.calls.size();
  const auto before = syncs();
  loop_->request_driver_sync();
  EXPECT_LE(loop_->next_due(), clock_.now());
  loop_->step();
  EXPECT_EQ(syncs(), before + 1);
  EXPECT_EQ(ironic_.calls.size(), calls);
}

TEST_F(SyncLoopTest, TheDriversWakeBeforeTheFirstListInitializesItAgain) {
  fail_calls("");
  settle();
  loop_->request_driver_sync();
  loop_->step();
  EXPECT_EQ(syncs(), 0U);
  EXPECT_EQ(filter_.calls.back(), "initialize");
}

TEST_F(SyncLoopTest, NewPolicyOptionsHoldAtOnceWithoutAskingIronic) {
  ironic_.truth.set_state("n1", "inspecting");
  settle();
  EXPECT_EQ(filter_.policy.unknown(), Verdict::kAllow);
  const auto calls = ironic_.calls.size();
  options_.policy.deny_unknown_macs = true;
  loop_->reconfigure(options_);
  loop_->step();
  EXPECT_EQ(filter_.policy.unknown(), Verdict::kDeny);
  EXPECT_EQ(ironic_.calls.size(), calls);
  EXPECT_TRUE(loop_->policy_in_force().options.deny_unknown_macs);
}

TEST_F(SyncLoopTest, AStateThatBecomesOpenOpensNoNodeBeforeAPoll) {
  ironic_.truth.set_state("n1", "clean wait");
  settle();
  ironic_.truth.set_state("n1", "active");  // and no list has told
  ironic_.truth.set_state("n2", "clean wait");
  options_.policy.open_provision_states.emplace_back("clean wait");
  loop_->reconfigure(options_);
  filter_.on_sync = [this] { EXPECT_FALSE(allows(1)); };
  settle();
  EXPECT_TRUE(allows(3));
  options_.policy.open_provision_states.pop_back();
  loop_->reconfigure(options_);
  loop_->step();
  EXPECT_FALSE(allows(3));
}

TEST_F(SyncLoopTest, NewPeriodsHoldFromNowOn) {
  settle();
  options_.poll_interval = 1s;
  options_.sync_period = 5s;
  loop_->reconfigure(options_);
  const auto polls = ironic_.count("state inspecting");
  const auto lists = ironic_.count("nodes ");
  run_for(10s);
  EXPECT_GE(ironic_.count("state inspecting") - polls, 10);
  EXPECT_EQ(ironic_.count("nodes ") - lists, 2);
  EXPECT_EQ(status().full_sync_every, 5s);
}

TEST_F(SyncLoopWithInspectorTest, TheInspectorsUnfinishedNodesAreAllowed) {
  settle();
  EXPECT_FALSE(allows(3));
  inspector_.uuids = {"n2"};
  run_for(2s);
  EXPECT_TRUE(allows(3));
  EXPECT_EQ(ironic_.count("of n2"), 1);
  inspector_.uuids = {};
  run_for(2s);
  EXPECT_FALSE(allows(3));
}

TEST_F(SyncLoopWithInspectorTest, NothingIsEnforcedBeforeBothHaveAnswered) {
  inspector_.error = Error("refused", ErrorCode::kUnavailable);
  ironic_.truth.set_state("n1", "inspecting");
  run_for(60s);
  EXPECT_EQ(syncs(), 0U);
  EXPECT_FALSE(status().synced);
  inspector_.error.reset();
  run_for(30s);
  EXPECT_TRUE(allows(1));
  EXPECT_TRUE(status().synced);
}

TEST_F(SyncLoopWithInspectorTest, OneSourceThatFailsDoesNotHoldUpTheOther) {
  inspector_.uuids = {"n2"};
  settle();
  inspector_.error = Error("refused", ErrorCode::kUnavailable);
  ironic_.truth.set_state("n1", "inspecting");
  run_for(20s);
  EXPECT_TRUE(allows(1));
  EXPECT_TRUE(allows(3)) << "what the inspector said last still holds";
  auto now = status();
  EXPECT_TRUE(now.stale);
  ASSERT_EQ(now.sources.size(), 2U);
  EXPECT_EQ(now.sources[0].consecutive_failures, 0U);
  EXPECT_GT(now.sources[1].consecutive_failures, 0U);
  EXPECT_EQ(now.sources[1].last_error, "refused");

  inspector_.error.reset();
  run_for(30s);
  EXPECT_FALSE(status().stale);
  fail_calls("");
  inspector_.uuids = {};
  run_for(2s);
  EXPECT_FALSE(allows(3));
  EXPECT_TRUE(allows(1));
}

}  // namespace
}  // namespace pxegate
