// SPDX-License-Identifier: Apache-2.0
// What notifications suggest, and how far they are relied on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/controller/app/sync_loop_fixture.h"

namespace pxegate {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::mac;
using testing::make_node;
using testing::make_port;

class SyncLoopHintsTest : public ::testing::Test,
                          public testing::SyncLoopFixture {
 protected:
  static Hint claim(std::string node, std::string state) {
    Hint hint;
    hint.node_uuid = std::move(node);
    hint.provision_state = std::move(state);
    return hint;
  }
  static Hint port_of(std::string node) {
    Hint hint;
    hint.node_uuid = std::move(node);
    hint.ports = true;
    return hint;
  }
  static Hint end_of(std::string node) {
    Hint hint;
    hint.node_uuid = std::move(node);
    hint.gone = true;
    return hint;
  }

  void hint(const Hint& hint) { loop_->take_hints({{hint}, false}); }
  void miss() { loop_->take_hints({{}, true}); }
  // Hints as a broker would have them that tells nothing.
  void note(bool connected, bool heard) {
    BrokerStatus status;
    status.endpoint = "rabbit1:5672";
    status.connected = connected;
    if (heard) status.last_message = now(clock_);
    loop_->note_broker(status);
  }

  // What was asked since the last time.
  std::vector<std::string> asked() {
    std::vector<std::string> what;
    for (const auto& call : std::exchange(ironic_.calls, {})) {
      what.push_back(call.what);
    }
    return what;
  }

  // `count` nodes more, each with a port.
  void add_nodes(int count, const std::string& state = "active") {
    for (int i = 0; i < count; ++i) {
      const auto id = std::to_string(i);
      ironic_.truth.nodes.push_back(make_node("m" + id, state));
      ironic_.truth.ports.push_back(make_port(
          "q" + id, "m" + id,
          MacAddress({0x52, 0x54, 1, 0, static_cast<std::uint8_t>(i >> 8),
                      static_cast<std::uint8_t>(i & 0xff)})));
    }
  }
};

TEST_F(SyncLoopHintsTest, AHintIsLookedIntoAtOnceAndThenThePorts) {
  settle();
  run_for(500ms);
  asked();
  ironic_.truth.set_state("n1", "inspecting");
  ironic_.truth.ports.push_back(make_port("p4", "n1", mac(4)));
  hint(claim("n1", "inspecting"));
  settle();
  EXPECT_THAT(asked(), ElementsAre("node n1", "of n1"));
  EXPECT_TRUE(allows(1));
  EXPECT_TRUE(allows(4)) << "a port that no list has told of";
  // What the conductor made meanwhile is asked for when the ramdisk reports.
  ironic_.truth.set_state("n1", "inspect wait");
  ironic_.truth.ports.push_back(make_port("p5", "n1", mac(5)));
  hint(claim("n1", "inspect wait"));
  settle();
  EXPECT_THAT(asked(), ElementsAre("node n1", "of n1"));
  EXPECT_TRUE(allows(5));
  ironic_.truth.set_state("n1", "manageable");
  hint(claim("n1", "manageable"));
  settle();
  EXPECT_THAT(asked(), ElementsAre("node n1"));
  EXPECT_FALSE(allows(1));
  EXPECT_EQ(filter_.policy.unknown(), Verdict::kDeny);
  EXPECT_EQ(
      loop_->policy_in_force().inventory->find_node("n1")->provision_state,
      "manageable");
}

TEST_F(SyncLoopHintsTest, KnownPortsAreOpenBeforeTheOthersAreAskedFor) {
  settle();
  ironic_.truth.set_state("n1", "inspecting");
  bool open = false;
  ironic_.before_call = [&](const std::string& call) -> std::optional<Error> {
    if (call == "of n1") open = allows(1);
    return std::nullopt;
  };
  hint(claim("n1", "inspecting"));
  settle();
  EXPECT_TRUE(open);
}

TEST_F(SyncLoopHintsTest, AClaimThatTheApiDoesNotConfirmChangesNothing) {
  ironic_.truth.set_state("n1", "inspect wait");
  settle();
  const auto in_force = filter_.policy;
  hint(claim("n2", "inspecting"));
  hint(claim("n1", "active"));
  hint(end_of("n1"));
  hint(claim("nobody", "inspecting"));
  hint(port_of("nobody"));
  settle();
  EXPECT_EQ(filter_.policy, in_force);
  EXPECT_TRUE(allows(1));
}

TEST_F(SyncLoopHintsTest, HintsThatCannotMatterCostNothing) {
  ironic_.truth.set_state("n1", "inspecting");
  settle();
  run_for(100ms);
  asked();
  hint(claim("n1", "inspecting"));  // known
  hint(claim("n2", "deploying"));   // closed, and stays it
  hint(claim("nobody", "enroll"));
  hint(claim("n2", ""));
  hint(end_of("n2"));
  hint({});
  settle();
  EXPECT_THAT(asked(), ElementsAre());
}

TEST_F(SyncLoopHintsTest, TheLastOfSeveralClaimsNeedNotBeTheLatest) {
  ironic_.truth.set_state("n1", "inspecting");
  settle();
  ironic_.truth.set_state("n1", "manageable");
  Hint both = claim("n1", "inspecting");
  both.differing = true;
  hint(both);
  settle();
  EXPECT_FALSE(allows(1));
}

TEST_F(SyncLoopHintsTest, WhoManagesTheBootIsLookedForWhereItMatters) {
  options_.policy.skip_managed = true;
  start();
  ironic_.truth.set_state("n1", "inspecting");
  settle();
  ASSERT_TRUE(allows(1)) << "for now";
  ironic_.truth.node("n1").inspector_manage_boot = true;
  hint(claim("n1", "inspecting"));
  settle();
  EXPECT_FALSE(allows(1));
}

TEST_F(SyncLoopHintsTest, ANodeThatIsGoneIsClosedAtOnce) {
  ironic_.truth.set_state("n1", "inspecting");
  settle();
  ASSERT_TRUE(allows(1));
  ironic_.truth.nodes.erase(ironic_.truth.nodes.begin());
  hint(end_of("n1"));
  settle();
  EXPECT_FALSE(allows(1));
  EXPECT_EQ(filter_.policy.find(mac(1)), Verdict::kDeny);
}

// Somebody may say so to hide that its inspection begins.
TEST_F(SyncLoopHintsTest, ANodeThatIsSaidToBeGoneAndNotGoneIsLookedAt) {
  settle();
  asked();
  ironic_.truth.nodes[0].provision_state = "inspecting";
  Hint both = end_of("n1");
  both.provision_state = "inspecting";
  both.differing = true;
  hint(both);
  settle();
  EXPECT_TRUE(allows(1));
}

TEST_F(SyncLoopHintsTest, APortHintBringsTheNodesPorts) {
  settle();
  run_for(100ms);
  asked();
  ironic_.truth.ports.push_back(make_port("p4", "n2", mac(4)));
  hint(port_of("n2"));
  settle();
  EXPECT_THAT(asked(), ElementsAre("of n2"));
  EXPECT_EQ(filter_.policy.find(mac(4)), Verdict::kDeny);
  ironic_.truth.ports.erase(ironic_.truth.ports.begin());
  hint(port_of("n1"));
  settle();
  EXPECT_FALSE(filter_.policy.find(mac(1)));
  EXPECT_TRUE(filter_.policy.find(mac(2)));
}

TEST_F(SyncLoopHintsTest, ThePortsOfAnUnknownNodeAreForTheNodeToTell) {
  settle();
  run_for(100ms);
  asked();
  // A node of another conductor group, say: the API shows its ports only.
  ironic_.truth.ports.push_back(make_port("p8", "foreign", mac(8)));
  hint(port_of("foreign"));
  settle();
  EXPECT_THAT(asked(), ElementsAre("node foreign"));
  EXPECT_FALSE(filter_.policy.find(mac(8)));
  ironic_.truth.nodes.push_back(make_node("n3", "enroll"));
  ironic_.truth.ports.push_back(make_port("p9", "n3", mac(9)));
  hint(port_of("n3"));
  settle();
  EXPECT_THAT(asked(), ElementsAre("node n3", "of n3"));
  EXPECT_EQ(filter_.policy.find(mac(9)), Verdict::kDeny);
}

TEST_F(SyncLoopHintsTest, AnIronicThatLostItsDatabaseOpensNothingByHints) {
  options_.policy.discovery = true;
  start();
  ironic_.truth.set_state("n1", "inspecting");
  settle();
  ironic_.truth = {};
  for (const char* node : {"n1", "n2"}) {
    Hint each = port_of(node);
    each.provision_state = "inspecting";
    hint(each);
  }
  run_for(2s);  // a poll ends the inspection
  for (const std::uint8_t each : {1, 2, 3}) {
    EXPECT_EQ(filter_.policy.find(mac(each)), Verdict::kDeny) << int{each};
  }
}

TEST_F(SyncLoopHintsTest, AListOlderThanALookChangesNothingAboutItsNode) {
  add_nodes(40);
  ironic_.page_size = 10;
  ironic_.page_cost = 300ms;
  ironic_.truth.set_state("n1", "inspecting");
  run_for(60s);
  ASSERT_TRUE(allows(1));
  // The list has read its nodes: after that n1 ends, and n2 begins.
  bool told = false;
  ironic_.before_call = [&](const std::string& call) -> std::optional<Error> {
    if (call == "ports q6" && !std::exchange(told, true)) {
      ironic_.truth.set_state("n1", "available");
      ironic_.truth.set_state("n2", "inspecting");
      ironic_.truth.ports.insert(ironic_.truth.ports.begin(),
                                 make_port("p9", "n2", mac(9)));
    }
    return std::nullopt;
  };
  bool closed = false;
  bool opened = false;
  filter_.on_sync = [&] {
    closed = closed || !allows(1);
    opened = opened || allows(9);
    EXPECT_FALSE(closed && allows(1));
    EXPECT_FALSE(opened && !allows(9));
  };
  request();
  while (!told) run_for(10ms);
  hint(claim("n1", "available"));
  hint(claim("n2", "inspecting"));
  while (!answer_) run_for(10ms);
  ASSERT_TRUE(*answer_);
  run_for(1s);
  EXPECT_TRUE(closed);
  EXPECT_TRUE(opened);
}

TEST_F(SyncLoopHintsTest, AStormIsAnsweredByPolls) {
  add_nodes(1000);
  settle();
  run_for(1s);
  asked();
  ironic_.state_cost = 20ms;
  ironic_.node_ports_cost = 5ms;
  Hints storm;
  for (int i = 0; i < 1000; ++i) {
    const std::string node = "m" + std::to_string(i);
    ironic_.truth.set_state(node, "inspecting");
    storm.hints.push_back(claim(node, "inspecting"));
  }
  loop_->take_hints(storm);
  run_for(500ms);
  EXPECT_LE(ironic_.count("node "), static_cast<long>(HintQueue::kRoom));
  EXPECT_EQ(ironic_.count("state inspecting"), 1);
  EXPECT_EQ(filter_.policy.count(Verdict::kAllow), 1000U);
}

TEST_F(SyncLoopHintsTest, AFloodOfForgedHintsStarvesNothing) {
  add_nodes(1000);
  ironic_.page_size = 100;
  ironic_.page_cost = 100ms;
  ironic_.state_cost = 50ms;
  ironic_.node_ports_cost = 100ms;
  run_for(30s);
  asked();
  filter_.renewals.clear();
  const Monotonic from = clock_.now();
  ironic_.truth.ports[0].address = mac(77);
  int round = 0;
  while (clock_.now() < from + 120s) {
    Hints flood;
    for (int i = 0; i < 200; ++i) {
      Hint forged =
          claim("m" + std::to_string((round * 200 + i) % 1000), "inspecting");
      forged.ports = i % 2 == 0;
      flood.hints.push_back(forged);
    }
    flood.missed = ++round % 7 == 0;
    loop_->take_hints(flood);
    run_for(20ms);
  }
  EXPECT_LE(ironic_.count("node "), 120 * HintQueue::kPerSecond + 40);
  EXPECT_GE(ironic_.count("state inspecting"), 120 / 2 - 5);
  EXPECT_LE(ironic_.count("state inspecting"), 120 * 2 + 5);
  EXPECT_TRUE(filter_.policy.find(mac(77))) << "a full list came through";
  EXPECT_GE(filter_.renewals.size(), 100U);
  EXPECT_FALSE(status().stale);
}

TEST_F(SyncLoopHintsTest, ForgedHintsBringFullListsAtTwiceTheirPriceAtMost) {
  add_nodes(100);
  ironic_.page_size = 10;
  ironic_.page_cost = 1s;  // 22 s, so every 220 s
  run_for(30s);
  asked();
  const Monotonic end = clock_.now() + 440s;
  while (clock_.now() < end) {
    miss();
    run_for(1s);
  }
  EXPECT_LE(ironic_.count("nodes m87"), 4);
  EXPECT_GE(ironic_.count("nodes m87"), 3);
}

TEST_F(SyncLoopHintsTest, WhatMayHaveBeenMissedIsAskedFor) {
  note(true, true);
  settle();
  run_for(10s);
  asked();
  ironic_.truth.set_state("n1", "inspecting");
  ironic_.truth.ports.push_back(make_port("p4", "n2", mac(4)));
  miss();
  settle();
  EXPECT_TRUE(allows(1)) << "by a poll at once";
  EXPECT_TRUE(filter_.policy.find(mac(4)))
      << "by a list that comes before its time";
}

TEST_F(SyncLoopHintsTest, WhileListsAreDearWhatWasMissedComesByTheMarker) {
  add_nodes(100);
  ironic_.page_size = 10;
  ironic_.page_cost = 1s;
  run_for(30s);
  ironic_.truth.ports.push_back(make_port("p4", "n2", mac(4)));
  miss();
  run_for(1500ms);
  EXPECT_TRUE(filter_.policy.find(mac(4)));
}

TEST_F(SyncLoopHintsTest, WhereALookFailsAPollTells) {
  settle();
  run_for(1s);
  fail_calls("node ");
  ironic_.truth.set_state("n1", "inspecting");
  hint(claim("n1", "inspecting"));
  settle();
  EXPECT_TRUE(allows(1));
}

TEST_F(SyncLoopHintsTest, WhileIronicFailsNobodyLooks) {
  settle();
  fail_calls("");
  run_for(10s);
  asked();
  hint(claim("n1", "inspecting"));
  run_for(100ms);
  EXPECT_EQ(ironic_.count("node "), 0);
  ironic_.truth.set_state("n1", "inspecting");
  heal_calls();
  run_for(40s);
  EXPECT_TRUE(allows(1));
  EXPECT_EQ(ironic_.count("node "), 0) << "the poll has told";
}

TEST_F(SyncLoopHintsTest, WithNotificationsPollsAreRare) {
  note(true, true);
  settle();
  run_for(1s);
  asked();
  run_for(150s);
  EXPECT_EQ(ironic_.count("state inspecting"), 10 + 10)
      << "one each sync_period, and one for each full list";
  EXPECT_EQ(status().polls_every, 15s);
  EXPECT_EQ(status().polls_every_why, "notifications tell sooner");
  EXPECT_FALSE(status().stale);
}

TEST_F(SyncLoopHintsTest, WithoutTheBrokerPollsGoOnAtOnce) {
  note(true, true);
  settle();
  run_for(4s);
  ASSERT_EQ(status().polls_every, 15s);
  asked();
  note(false, true);
  EXPECT_EQ(status().polls_every, 2s);
  EXPECT_EQ(status().polls_every_why, "notifications are lost");
  EXPECT_EQ(status().broker_lost_since, now(clock_));
  settle();
  EXPECT_EQ(ironic_.count("state inspecting"), 1) << "the last was 4 s ago";
  run_for(10s);
  EXPECT_GE(ironic_.count("state inspecting"), 6);
  EXPECT_TRUE(status().healthy() || !status().stale);
  note(true, true);
  EXPECT_EQ(status().polls_every, 15s);
  EXPECT_FALSE(status().broker_lost_since);
}

// Though the last poll was longer ago than what would be out of date now.
TEST_F(SyncLoopHintsTest, WithoutTheBrokerThePolicyIsNotOutOfDateAtOnce) {
  settle();
  note(true, true);
  run_for(options_.sync_period - 1ms);
  fail_calls("state");
  note(false, true);
  EXPECT_FALSE(status().stale);
  run_for(9s);
  EXPECT_FALSE(status().stale);
  run_for(2s);
  EXPECT_TRUE(status().stale);
  // Losing it again is no excuse.
  note(true, true);
  note(false, true);
  EXPECT_TRUE(status().stale);
}

TEST_F(SyncLoopHintsTest, ABrokerThatHasNeverToldAnythingIsNotReliedOn) {
  note(true, false);
  settle();
  run_for(30s);
  EXPECT_EQ(status().polls_every, 2s);
  EXPECT_THAT(status().polls_every_why, HasSubstr("notification_level"));
  note(true, true);
  EXPECT_EQ(status().polls_every, 15s);
}

TEST_F(SyncLoopHintsTest, NotificationsThatMissSomethingAreNotReliedOn) {
  note(true, true);
  settle();
  run_for(70s);
  ASSERT_EQ(status().polls_every, 15s);
  ironic_.truth.set_state("n1", "inspecting");
  run_for(40s);
  EXPECT_TRUE(allows(1));
  EXPECT_EQ(status().polls_every, 2s);
  EXPECT_THAT(status().polls_every_why, HasSubstr("every conductor"));
  run_for(11min);
  EXPECT_EQ(status().polls_every, 15s) << "another try";
}

TEST_F(SyncLoopHintsTest, AHintThatComesAfterThePollIsGoodEnough) {
  note(true, true);
  settle();
  run_for(74500ms);
  ironic_.truth.set_state("n1", "inspecting");
  miss();  // a poll now
  run_for(61s);
  ASSERT_TRUE(allows(1));
  ironic_.truth.set_state("n1", "active");
  loop_->request_full_sync({});
  settle();
  ASSERT_FALSE(allows(1));
  run_for(1s);
  hint(claim("n1", "active"));
  run_for(60s);
  EXPECT_EQ(status().polls_every, 15s);
}

TEST_F(SyncLoopHintsTest, PollsThatAreDearAreRare) {
  ironic_.state_cost = 1s;
  run_for(60s);
  EXPECT_EQ(status().polls_every, 10s);
  EXPECT_EQ(status().polls_every_why, "a poll takes Ironic 2.0 s");
  EXPECT_FALSE(status().stale);
  asked();
  run_for(300s);
  EXPECT_LE(ironic_.count("state inspecting"), 300 / 10 + 300 / 15 + 2);
  // One that is slow by chance puts off nothing.
  ironic_.state_cost = 0s;
  run_for(60s);
  ASSERT_EQ(status().polls_every, 2s);
  ironic_.before_call = [&](const std::string& call) -> std::optional<Error> {
    if (call == "state inspecting") clock_.advance(20s);
    ironic_.before_call = nullptr;
    return std::nullopt;
  };
  run_for(30s);
  EXPECT_EQ(status().polls_every, 2s);
}

}  // namespace
}  // namespace pxegate
