// SPDX-License-Identifier: Apache-2.0
// When everything is listed, and what a list may and may not do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "tests/unit/controller/app/sync_loop_fixture.h"

namespace pxegate {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::mac;
using testing::make_node;
using testing::make_port;

class SyncLoopListsTest : public ::testing::Test,
                          public testing::SyncLoopFixture {
 protected:
  // 100 nodes with a port each, in pages that take their time.
  void make_dear(std::chrono::milliseconds page_cost) {
    for (int i = 0; i < 98; ++i) {
      const auto id = std::to_string(i);
      ironic_.truth.nodes.push_back(make_node("m" + id, "active"));
      ironic_.truth.ports.push_back(
          make_port("q" + id, "m" + id, mac(static_cast<std::uint8_t>(9 + i))));
    }
    ironic_.page_size = 10;
    ironic_.page_cost = page_cost;
  }
};

TEST_F(SyncLoopListsTest, EverySyncPeriodEverythingIsListedAndEnforced) {
  settle();
  const auto before = syncs();
  run_for(150s);
  EXPECT_EQ(ironic_.count("nodes "), 11);
  EXPECT_EQ(syncs() - before, 10U) << "though nothing changed";
}

TEST_F(SyncLoopListsTest, ADriverThatOptsOutIsCalledOnChangesOnly) {
  filter_.opts_out = true;
  start();
  settle();
  EXPECT_EQ(syncs(), 1U);
  run_for(600s);
  EXPECT_EQ(syncs(), 1U);
  ironic_.truth.set_state("n1", "inspecting");
  run_for(2s);
  EXPECT_EQ(syncs(), 2U);
  // What only a driver of switches reads is a change as well.
  ironic_.truth.ports[2].local_link_connection = R"({"switch_id":"s"})";
  run_for(15s);
  EXPECT_EQ(syncs(), 3U);
}

TEST_F(SyncLoopListsTest, PortsThatCameAndWentAreKnownAfterTheList) {
  settle();
  ironic_.truth.ports[0].address = mac(9);
  run_for(16s);
  EXPECT_FALSE(filter_.policy.find(mac(1)).has_value());
  EXPECT_TRUE(filter_.policy.find(mac(9)).has_value());
}

TEST_F(SyncLoopListsTest, APollIsLateByOnePageAtMost) {
  make_dear(700ms);
  run_for(120s);
  std::optional<Monotonic> last;
  for (const auto& call : ironic_.calls) {
    if (call.what != "state inspecting") continue;
    if (last) {
      EXPECT_LE(call.at - *last, 2s + 700ms);
    }
    last = call.at;
  }
  EXPECT_GT(ironic_.count("state inspecting"), 40);
}

TEST_F(SyncLoopListsTest, SlowPollsDoNotStarveTheList) {
  ironic_.state_cost = 3s;
  run_for(60s);
  EXPECT_TRUE(status().synced);
}

TEST_F(SyncLoopListsTest, AListThatFailsAtAnyPageIsNeverApplied) {
  make_dear(0ms);
  settle();
  const auto in_force = filter_.policy;
  const auto pages = ironic_.count("nodes ") + ironic_.count("ports ");
  for (std::uint8_t k = 0; k < pages; ++k) {
    // Another world from here on, which fails for good at page k.
    ironic_.truth.ports[0].address = mac(static_cast<std::uint8_t>(200 + k));
    int page = 0;
    ironic_.before_call = [&](const std::string& call) -> std::optional<Error> {
      if (!call.starts_with("nodes ") && !call.starts_with("ports ")) return {};
      if (page++ < k) return std::nullopt;
      return Error("cut off", ErrorCode::kUnavailable);
    };
    request();
    run_for(10s);
    EXPECT_EQ(filter_.policy, in_force) << k;
    ASSERT_TRUE(answer_) << k;
    ASSERT_FALSE(*answer_) << k;
    EXPECT_THAT(answer_->error().message(), HasSubstr("cut off"));
  }
  heal_calls();
  run_for(60s);
  EXPECT_EQ(filter_.policy,
            compute_policy(ironic_.truth.inventory(), options_.policy));
}

TEST_F(SyncLoopListsTest, AfterAFailureTheSamePageIsAskedForAgain) {
  make_dear(0ms);
  bool failed = false;
  ironic_.before_call = [&](const std::string& call) -> std::optional<Error> {
    if (call != "ports q6" || std::exchange(failed, true)) return {};
    return Error("busy", ErrorCode::kUnavailable);
  };
  run_for(2s);
  EXPECT_TRUE(status().synced);
  EXPECT_EQ(ironic_.count("nodes "), 10);
  EXPECT_EQ(ironic_.count("ports "), 12);
}

TEST_F(SyncLoopListsTest, AMarkerThatVanishesStartsTheListAgain) {
  make_dear(0ms);
  ironic_.before_call = [&](const std::string& call) -> std::optional<Error> {
    if (call == "ports q6")
      ironic_.truth.ports.erase(
          std::ranges::find(ironic_.truth.ports, "q6", &Port::uuid));
    return std::nullopt;
  };
  settle();
  EXPECT_TRUE(status().synced);
  EXPECT_EQ(filter_.policy,
            compute_policy(ironic_.truth.inventory(), options_.policy));
  EXPECT_EQ(status().sources[0].last_error, "");
}

TEST_F(SyncLoopListsTest, AMarkerThatAlwaysVanishesIsAnErrorAfterAWhile) {
  make_dear(0ms);
  settle();
  ironic_.before_call = [&](const std::string& call) -> std::optional<Error> {
    if (call == "nodes " || !call.starts_with("nodes ")) return std::nullopt;
    return Error("gone", ErrorCode::kNotFound);
  };
  const auto before = ironic_.count("nodes ");
  request();
  settle();
  ASSERT_TRUE(answer_);
  EXPECT_FALSE(*answer_);
  EXPECT_LE(ironic_.count("nodes ") - before, 12);
}

TEST_F(SyncLoopListsTest, AListThatContradictsItselfChangesNothing) {
  settle();
  const auto in_force = filter_.policy;
  ironic_.truth.ports.push_back(make_port("p4", "n2", mac(1)));
  ironic_.truth.ports.push_back(make_port("p5", "n2", mac(5)));
  run_for(60s);
  EXPECT_EQ(filter_.policy, in_force);
  EXPECT_THAT(status().sources[0].last_error, HasSubstr("on two ports"));
  EXPECT_TRUE(status().stale);
  std::erase_if(ironic_.truth.ports,
                [](const Port& port) { return port.uuid == "p4"; });
  run_for(60s);
  EXPECT_TRUE(filter_.policy.find(mac(5)).has_value());
  EXPECT_FALSE(status().stale);
}

TEST_F(SyncLoopListsTest, AListThatLostMostPortsIsHeldBack) {
  make_dear(0ms);  // 101 ports
  settle();
  const auto in_force = filter_.policy;
  const auto ports = std::exchange(ironic_.truth.ports, {});
  run_for(31s);  // two lists
  EXPECT_EQ(filter_.policy, in_force);
  EXPECT_TRUE(status().stale);
  EXPECT_EQ(status().ports, 101U);
  EXPECT_THAT(status().sources[0].last_error,
              HasSubstr("Ironic listed 0 ports, 101 were known: held back "
                        "until 3 lists in a row say so (this is number 2"));
  ASSERT_TRUE(status().held_back);
  EXPECT_EQ(status().held_back->lists, 2);
  EXPECT_EQ(status().held_back->known, 101U);
  ironic_.truth.ports = ports;
  run_for(16s);
  EXPECT_FALSE(status().stale);
  // That was a list in between: it counts from the start again.
  ironic_.truth.ports.resize(50);
  run_for(31s);
  EXPECT_EQ(filter_.policy, in_force);
  run_for(16s);
  EXPECT_EQ(status().ports, 50U);
  EXPECT_FALSE(status().stale);
  EXPECT_EQ(filter_.policy,
            compute_policy(ironic_.truth.inventory(), options_.policy));
}

TEST_F(SyncLoopListsTest, WhatComesBackIsListedBeforeItOpensAnything) {
  make_dear(0ms);
  ironic_.truth.set_state("n1", "inspect wait");
  settle();
  ASSERT_TRUE(allows(200)) << "unknown, and a node is being inspected";
  ASSERT_FALSE(allows(3));
  const auto truth = std::exchange(ironic_.truth, {});
  run_for(60s);
  ASSERT_EQ(status().ports, 0U) << "believed in the end";
  EXPECT_FALSE(allows(3));
  ironic_.truth = truth;
  for (int i = 0; i < 30; ++i) {
    run_for(100ms);
    EXPECT_FALSE(allows(3)) << "after " << i << " steps of 0.1 s";
  }
  EXPECT_TRUE(allows(1)) << "well before the next list was due";
  EXPECT_EQ(status().ports, 101U);
}

TEST_F(SyncLoopListsTest, APortThatIsThereWhenAskedForIsNotLost) {
  make_dear(0ms);
  ironic_.truth.set_state("n1", "inspect wait");
  settle();
  const auto in_force = filter_.policy;
  const auto ports = ironic_.truth.ports;
  // Every list of ports is empty, whatever else is asked for is there.
  ironic_.before_call = [&](const std::string& call) -> std::optional<Error> {
    ironic_.truth.ports = call == "ports " ? std::vector<Port>() : ports;
    return std::nullopt;
  };
  run_for(300s);
  EXPECT_EQ(filter_.policy, in_force);
  EXPECT_TRUE(status().stale);
  EXPECT_THAT(status().sources[0].last_error, HasSubstr("held back"));
}

TEST_F(SyncLoopListsTest, NodesThatComeBackWithoutTheirPortsOpenNothing) {
  make_dear(0ms);
  ironic_.truth.set_state("n1", "inspect wait");
  settle();
  const auto truth = std::exchange(ironic_.truth, {});
  run_for(60s);
  ASSERT_EQ(status().ports, 0U);
  // Two servers behind one address, one of which is still empty.
  ironic_.before_call = [&](const std::string& call) -> std::optional<Error> {
    ironic_.truth = truth;
    if (call == "ports ") ironic_.truth.ports.clear();
    return std::nullopt;
  };
  for (int i = 0; i < 1000; ++i) {
    run_for(100ms);
    ASSERT_FALSE(allows(3)) << "after " << i << " steps of 0.1 s";
  }
  ASSERT_TRUE(status().held_back);
  EXPECT_EQ(status().held_back->known, 101U);
  ironic_.before_call = nullptr;
  ironic_.truth = truth;
  run_for(20s);
  EXPECT_TRUE(allows(1));
  EXPECT_FALSE(allows(3));
}

TEST_F(SyncLoopListsTest, NodesThatLostTheirPortsForGoodAreBelievedInTheEnd) {
  make_dear(0ms);
  settle();
  auto truth = std::exchange(ironic_.truth, {});
  run_for(60s);
  ASSERT_EQ(status().nodes, 0U);
  truth.ports.resize(5);
  ironic_.truth = truth;
  run_for(60s);
  EXPECT_EQ(status().nodes, 100U);
  EXPECT_EQ(status().ports, 5U);
  EXPECT_FALSE(status().held_back);
  run_for(60s);
  EXPECT_FALSE(status().held_back) << "once and for all";
}

TEST_F(SyncLoopListsTest, WhatComesBackInPartsOpensWithItsList) {
  make_dear(0ms);
  ironic_.truth.set_state("n1", "inspect wait");
  settle();
  auto truth = std::exchange(ironic_.truth, {});
  run_for(60s);
  truth.nodes.resize(20);
  truth.ports.resize(20);
  ironic_.truth = truth;
  while (status().ports == 0) run_for(10ms);
  settle();
  EXPECT_TRUE(allows(1)) << "not a poll_interval later";
}

TEST_F(SyncLoopListsTest, WherePortsWereNeverKnownNodesWaitForTheList) {
  make_dear(0ms);
  ironic_.truth.set_state("n1", "inspect wait");
  settle();
  const auto truth = std::exchange(ironic_.truth, {});
  run_for(60s);
  ASSERT_EQ(status().ports, 0U);
  start();  // it does not know that there ever were any
  run_for(60s);
  ASSERT_TRUE(status().synced);
  ironic_.truth = truth;
  filter_.on_sync = [this] { EXPECT_FALSE(allows(3)); };
  run_for(3s);
  EXPECT_TRUE(allows(1));
}

TEST_F(SyncLoopListsTest, PollsKeepTheirTurnWhileLostPortsAreAskedFor) {
  make_dear(0ms);
  settle();
  ironic_.truth.ports.clear();
  ironic_.node_ports_cost = 1500ms;
  run_for(60s);
  EXPECT_EQ(status().ports, 0U);
  EXPECT_EQ(ironic_.count("of "), 3);
  std::optional<Monotonic> last;
  for (const auto& call : ironic_.calls) {
    if (call.what != "state inspecting") continue;
    if (last) {
      EXPECT_LE(call.at - *last, 2s + 1500ms);
    }
    last = call.at;
  }
}

TEST_F(SyncLoopListsTest, ThreeNodesAreAskedForTheirLostPorts) {
  make_dear(0ms);
  settle();
  ironic_.truth.ports.clear();
  run_for(46s);
  ASSERT_EQ(status().ports, 0U);
  std::set<std::string> asked;
  for (const auto& call : ironic_.calls) {
    if (call.what.starts_with("of ")) asked.insert(call.what);
  }
  EXPECT_EQ(asked.size(), 3U) << "and each of them once";
}

TEST_F(SyncLoopListsTest, WhatIsNewWhileLostPortsAreAskedForIsKept) {
  make_dear(0ms);
  settle();
  ironic_.truth.ports.clear();
  bool once = false;
  ironic_.before_call = [&](const std::string& call) -> std::optional<Error> {
    if (!call.starts_with("of ") || std::exchange(once, true)) return {};
    ironic_.node_ports_cost = 3s;  // a poll is due
    ironic_.truth.set_state("m7", "inspecting");
    ironic_.truth.ports = {make_port("p9", "m7", mac(9))};
    return std::nullopt;
  };
  run_for(60s);
  ASSERT_TRUE(once);
  EXPECT_TRUE(allows(9));
}

TEST_F(SyncLoopListsTest, AListThatCannotBeAskedAboutIsTriedAgain) {
  make_dear(0ms);
  settle();
  const auto in_force = filter_.policy;
  ironic_.truth.ports.clear();
  fail_calls("of ");
  run_for(300s);
  EXPECT_EQ(filter_.policy, in_force);
  EXPECT_THAT(status().sources[0].last_error, HasSubstr("503"));
  heal_calls();
  run_for(46s);
  EXPECT_EQ(status().ports, 0U) << "by the next list";
}

TEST_F(SyncLoopListsTest, ARequestDoesNotGoByAListThatIsAskedAbout) {
  make_dear(0ms);
  settle();
  const auto ports = std::exchange(ironic_.truth.ports, {});
  bool once = false;
  ironic_.before_call = [&](const std::string& call) -> std::optional<Error> {
    if (!call.starts_with("of ") || std::exchange(once, true)) return {};
    ironic_.truth.ports = ports;
    ironic_.truth.ports.resize(90);
    return std::nullopt;
  };
  while (!once) run_for(1s);
  ironic_.before_call = nullptr;
  request();
  settle();
  ASSERT_TRUE(answer_ && *answer_);
  EXPECT_EQ(status().ports, 90U);
}

TEST_F(SyncLoopListsTest, HalfOfThePortsOrAFewAreBelievedAtOnce) {
  make_dear(0ms);
  settle();
  ironic_.truth.ports.resize(51);
  run_for(15s);
  EXPECT_EQ(status().ports, 51U);
  ironic_.truth.ports.resize(26);
  run_for(15s);
  ironic_.truth.ports.resize(13);
  run_for(15s);
  ironic_.truth.ports.resize(9);
  run_for(15s);
  EXPECT_EQ(status().ports, 9U);
  ironic_.truth.ports.resize(1);
  run_for(15s);
  EXPECT_EQ(status().ports, 1U);
  EXPECT_FALSE(status().held_back);
}

TEST_F(SyncLoopListsTest, AnEmptyListIsHeldBackHoweverLittleWasKnown) {
  settle();
  const auto in_force = filter_.policy;
  ironic_.truth.ports.clear();
  run_for(31s);
  EXPECT_EQ(filter_.policy, in_force);
  ASSERT_TRUE(status().held_back);
  EXPECT_EQ(status().held_back->what, "ports");
  run_for(16s);
  EXPECT_EQ(status().ports, 0U);
  EXPECT_FALSE(status().held_back);
}

TEST_F(SyncLoopListsTest, AListThatLostMostNodesIsHeldBackToo) {
  make_dear(0ms);  // 100 nodes
  settle();
  ironic_.truth.nodes.resize(49);
  run_for(31s);
  ASSERT_TRUE(status().held_back);
  EXPECT_EQ(status().held_back->what, "nodes");
  EXPECT_EQ(status().held_back->listed, 49U);
  EXPECT_EQ(status().nodes, 100U);
  run_for(16s);
  EXPECT_EQ(status().nodes, 49U);
}

TEST_F(SyncLoopListsTest, HowShortIsTooShortCanBeSet) {
  options_.min_list_percent = 90;
  start();
  make_dear(0ms);
  settle();
  ironic_.truth.ports.resize(90);
  run_for(16s);
  EXPECT_TRUE(status().held_back);
  options_.min_list_percent = 0;
  loop_->reconfigure(options_);
  ironic_.truth = {};
  run_for(16s);
  EXPECT_EQ(status().ports, 0U);
  EXPECT_FALSE(status().held_back);
}

TEST_F(SyncLoopListsTest, AShortListIsBelievedByForce) {
  make_dear(0ms);
  settle();
  ironic_.truth.nodes.resize(2);
  ironic_.truth.ports.resize(3);
  run_for(16s);
  ASSERT_TRUE(status().held_back);
  loop_->request_full_sync(
      [this](Result<SyncOutcome> outcome) { answer_ = std::move(outcome); },
      true);
  settle();
  ASSERT_TRUE(answer_ && *answer_);
  EXPECT_TRUE((*answer_)->forced);
  EXPECT_EQ(status().ports, 3U);
  EXPECT_FALSE(status().held_back);
  // That holds for this list, not for the next one.
  ironic_.truth.ports.clear();
  run_for(16s);
  EXPECT_TRUE(status().held_back);
  EXPECT_EQ(status().ports, 3U);
}

TEST_F(SyncLoopListsTest, ForceEndsWithAnAnswerThatIsAFailure) {
  make_dear(0ms);
  ironic_.page_size = 2;
  settle();
  const auto in_force = filter_.policy;
  ironic_.truth.nodes.resize(2);
  ironic_.truth.ports.resize(3);
  // A page of the list, which goes on from there later; or the poll after it.
  for (const char* failing : {"ports p2", "state "}) {
    fail_calls(failing);
    answer_.reset();
    loop_->request_full_sync(
        [this](Result<SyncOutcome> outcome) { answer_ = std::move(outcome); },
        true);
    while (!answer_) run_for(100ms);
    ASSERT_FALSE(*answer_);
    EXPECT_THAT(answer_->error().message(),
                AllOf(HasSubstr("--force, which has to be asked for again"),
                      HasSubstr("503")));
    heal_calls();
    run_for(1500ms);
    EXPECT_EQ(filter_.policy, in_force) << failing;
    EXPECT_EQ(status().ports, 101U);
  }
}

TEST_F(SyncLoopListsTest, AForcedListThatTheDriverRefusedIsBelievedAllTheSame) {
  make_dear(0ms);
  settle();
  ironic_.truth.ports.resize(3);
  filter_.sync_error = Error("the driver broke");
  loop_->request_full_sync(
      [this](Result<SyncOutcome> outcome) { answer_ = std::move(outcome); },
      true);
  settle();
  ASSERT_TRUE(answer_);
  ASSERT_FALSE(*answer_);
  EXPECT_EQ(answer_->error().message(), "the driver broke");
  filter_.sync_error.reset();
  run_for(5s);
  EXPECT_EQ(status().ports, 3U);
}

TEST_F(SyncLoopListsTest, AListThatSaysSomethingElseAgainConfirmsNothing) {
  make_dear(0ms);
  settle();
  const auto in_force = filter_.policy;
  const auto ports = ironic_.truth.ports;
  // As a database does that is being filled.
  for (const std::size_t there : {0U, 8U, 20U, 45U, 0U, 45U, 0U, 45U}) {
    ironic_.truth.ports = ports;
    ironic_.truth.ports.resize(there);
    request();
    settle();
    ASSERT_TRUE(answer_ && !*answer_) << there;
    ASSERT_TRUE(status().held_back);
    EXPECT_EQ(status().held_back->lists, 1) << there;
    EXPECT_EQ(status().held_back->listed, there);
  }
  EXPECT_EQ(filter_.policy, in_force);
  ironic_.truth.ports.resize(30);
  run_for(16s);
  EXPECT_EQ(status().held_back->lists, 2) << "about as long";
  run_for(16s);
  EXPECT_EQ(status().ports, 30U);
}

TEST_F(SyncLoopListsTest, NodesThatAreGoneConfirmNothingOfPorts) {
  make_dear(0ms);
  settle();
  ironic_.truth.nodes.resize(10);
  run_for(31s);
  ASSERT_TRUE(status().held_back);
  ASSERT_EQ(status().held_back->lists, 2);
  ironic_.truth.ports.clear();
  run_for(16s);
  EXPECT_EQ(status().ports, 101U);
  EXPECT_EQ(status().nodes, 100U);
  run_for(31s);
  EXPECT_EQ(status().ports, 0U);
}

TEST_F(SyncLoopListsTest, ForceDoesNotReachTheListUnderWayForSomebodyElse) {
  make_dear(100ms);
  settle();
  run_for(5s);
  ironic_.truth.ports.resize(3);
  request();
  run_for(500ms);
  bool done = false;
  loop_->request_full_sync(
      [&](const Result<SyncOutcome>& outcome) { done = outcome.has_value(); },
      true);
  while (!answer_) run_for(10ms);
  EXPECT_FALSE(*answer_);
  EXPECT_FALSE(done);
  run_for(5s);
  EXPECT_TRUE(done);
  EXPECT_EQ(status().ports, 3U);
}

TEST_F(SyncLoopListsTest, ARestartBesideAnEmptyIronicChangesNothing) {
  options_.policy.discovery = true;
  start();
  settle();
  ASSERT_FALSE(allows(1));
  const auto truth = std::exchange(ironic_.truth, {});
  start();  // as after a restart: only the driver remembers
  const auto before = syncs();
  run_for(29s);
  EXPECT_EQ(syncs(), before) << "nothing may be enforced";
  EXPECT_FALSE(allows(1));
  EXPECT_FALSE(status().synced);
  ASSERT_TRUE(status().held_back);
  EXPECT_EQ(status().held_back->what, "rules");
  EXPECT_EQ(status().held_back->known, 3U);
  ironic_.truth = truth;
  run_for(16s);
  EXPECT_TRUE(status().synced);
  EXPECT_FALSE(allows(1));
  EXPECT_FALSE(status().held_back);
}

TEST_F(SyncLoopListsTest, WhatComesBackBehindTheListThatIsBelievedWaits) {
  ironic_.truth.set_state("n1", "inspect wait");
  settle();
  const auto truth = std::exchange(ironic_.truth, {});
  start();
  int lists = 0;
  ironic_.before_call = [&](const std::string& call) -> std::optional<Error> {
    if (call == "nodes ") ++lists;
    if (lists < 3) return std::nullopt;
    // The poll that confirms the third list finds what the list did not.
    if (lists > 3 || call.starts_with("state ")) ironic_.truth = truth;
    if (lists == 3 && call == "ports ") ironic_.truth.ports.clear();
    return std::nullopt;
  };
  filter_.on_sync = [this] { EXPECT_FALSE(allows(3)); };
  run_for(60s);
  EXPECT_TRUE(status().synced);
  EXPECT_TRUE(allows(1));
}

TEST_F(SyncLoopListsTest, ADriverThatComesLateIsAskedWhatWasLeftInForce) {
  options_.policy.discovery = true;
  start();
  settle();
  ASSERT_FALSE(allows(1));
  const auto truth = std::exchange(ironic_.truth, {});
  FilterHost late(std::make_unique<testing::EnforcingDriver>(filter_, clock_));
  filter_.initialize_error = Error("somebody else has it");
  loop_ = std::make_unique<SyncLoop>(options_, ironic_, nullptr, late, clock_,
                                     [] { return 0; });
  run_for(20s);
  const auto before = syncs();
  filter_.initialize_error.reset();
  run_for(14s);
  EXPECT_EQ(syncs(), before) << "nothing may be enforced";
  EXPECT_FALSE(allows(1));
  EXPECT_FALSE(status().synced);
  EXPECT_EQ(status().driver_error, "");
  ASSERT_TRUE(status().held_back);
  EXPECT_EQ(status().held_back->what, "rules");
  ironic_.truth = truth;
  run_for(31s);
  EXPECT_TRUE(status().synced);
  EXPECT_FALSE(allows(1));
  EXPECT_FALSE(status().held_back);
  loop_.reset();
}

TEST_F(SyncLoopListsTest, ARestartBelievesAnEmptyIronicThatWasConfirmedTwice) {
  settle();
  ironic_.truth = {};
  start();
  run_for(31s);
  EXPECT_TRUE(status().synced);
  EXPECT_EQ(status().ports, 0U);
}

TEST_F(SyncLoopListsTest, AnEmptyIronicClosesWhatIsOpenAtOnce) {
  ironic_.truth.set_state("n1", "inspecting");
  settle();
  ASSERT_TRUE(allows(1));
  ironic_.truth = {};
  run_for(2s);
  EXPECT_FALSE(allows(1));
  EXPECT_EQ(filter_.policy.unknown(), Verdict::kDeny);
}

TEST_F(SyncLoopListsTest, ARequestIsOneOfTheListsThatConfirmAShortOne) {
  make_dear(0ms);
  settle();
  ironic_.truth.ports.resize(3);
  for (int i = 1; i < 3; ++i) {
    request();
    settle();
    ASSERT_TRUE(answer_);
    ASSERT_FALSE(*answer_);
    EXPECT_THAT(answer_->error().message(), HasSubstr("held back"));
    EXPECT_EQ(status().ports, 101U);
  }
  request();
  settle();
  ASSERT_TRUE(answer_);
  EXPECT_TRUE(*answer_);
  EXPECT_EQ(status().ports, 3U);
}

TEST_F(SyncLoopListsTest, AListWithoutANodeThatIsOpenAllTheTimeIsNoList) {
  ironic_.truth.set_state("n1", "inspecting");
  settle();
  const auto in_force = filter_.policy;
  // The list of nodes is short, the polls are not.
  Node hidden;
  ironic_.before_call = [&](const std::string& call) -> std::optional<Error> {
    if (call == "nodes ") {
      hidden = ironic_.truth.node("n1");
      ironic_.truth.nodes.clear();
    } else if (ironic_.truth.nodes.empty()) {
      ironic_.truth.nodes = {hidden, make_node("n2", "active")};
    }
    return std::nullopt;
  };
  request();
  run_for(60s);
  ASSERT_TRUE(answer_);
  ASSERT_FALSE(*answer_);
  EXPECT_THAT(answer_->error().message(),
              HasSubstr("lacks node n1, which is in an open state"));
  EXPECT_EQ(filter_.policy, in_force);
  EXPECT_TRUE(status().stale);
  heal_calls();
  run_for(31s);
  EXPECT_FALSE(status().stale);
}

TEST_F(SyncLoopListsTest, AnOpenNodeThatIsDeletedIsNoContradiction) {
  ironic_.truth.set_state("n1", "inspecting");
  settle();
  ironic_.before_call = [&](const std::string& call) -> std::optional<Error> {
    if (call == "nodes ") {
      std::erase_if(ironic_.truth.nodes,
                    [](const Node& node) { return node.uuid == "n1"; });
    }
    return std::nullopt;
  };
  request();
  settle();
  ASSERT_TRUE(answer_);
  EXPECT_TRUE(*answer_);
  EXPECT_FALSE(allows(1));
}

TEST_F(SyncLoopListsTest, ANodeThatTurnsUpDuringAListIsNoContradiction) {
  settle();
  ironic_.before_call = [&](const std::string& call) -> std::optional<Error> {
    if (call == "ports ") {
      ironic_.truth.nodes.push_back(make_node("n3", "inspecting"));
    }
    return std::nullopt;
  };
  request();
  settle();
  ASSERT_TRUE(answer_);
  EXPECT_TRUE(*answer_);
}

TEST_F(SyncLoopListsTest, AListOlderThanAPollDoesNotCloseANode) {
  settle();
  // The nodes are read, then n1 starts, then the ports are read.
  ironic_.before_call = [&](const std::string& call) -> std::optional<Error> {
    if (call == "ports ") ironic_.truth.set_state("n1", "inspecting");
    return std::nullopt;
  };
  ironic_.page_cost = 1200ms;
  make_dear(1200ms);
  bool was_allowed = false;
  filter_.on_sync = [&] {
    EXPECT_FALSE(was_allowed && !allows(1));
    was_allowed = allows(1);
  };
  run_for(120s);
  EXPECT_TRUE(was_allowed);
}

TEST_F(SyncLoopListsTest, AListOlderThanAPollDoesNotOpenANode) {
  make_dear(1200ms);
  run_for(60s);
  // n1 is seen `inspecting` by the list, and has left before its end.
  ironic_.before_call = [&](const std::string& call) -> std::optional<Error> {
    if (call == "nodes ") ironic_.truth.set_state("n1", "inspecting");
    if (call == "nodes m7") ironic_.truth.set_state("n1", "active");
    return std::nullopt;
  };
  bool left = false;
  bool opened_again = false;
  bool was_open = false;
  filter_.on_sync = [&] {
    if (was_open && !allows(1)) left = true;
    if (left && allows(1)) opened_again = true;
    was_open = allows(1);
  };
  request();
  run_for(60s);
  ASSERT_TRUE(answer_ && *answer_);
  EXPECT_FALSE(opened_again);
  EXPECT_FALSE(allows(1));
}

TEST_F(SyncLoopListsTest, PortsAskedForWhileAListIsReadOutliveIt) {
  make_dear(1200ms);
  run_for(60s);
  // n1 gets a port after the page that it would have been on was read.
  bool once = false;
  ironic_.before_call = [&](const std::string& call) -> std::optional<Error> {
    if (call == "ports m7" || call == "ports q6") {
      ironic_.truth.set_state("n1", "inspecting");
      if (!std::exchange(once, true)) {
        ironic_.truth.ports.insert(ironic_.truth.ports.begin(),
                                   make_port("p0", "n1", mac(8)));
      }
    }
    return std::nullopt;
  };
  bool lost = false;
  bool known = false;
  filter_.on_sync = [&] {
    const bool knows = filter_.policy.find(mac(8)).has_value();
    lost = lost || (known && !knows);
    known = knows;
  };
  request();
  run_for(60s);
  ASSERT_TRUE(answer_ && *answer_);
  EXPECT_TRUE(known);
  EXPECT_FALSE(lost);
}

TEST_F(SyncLoopListsTest, ADearListIsReadLessOften) {
  make_dear(100ms);  // 21 pages
  run_for(2500ms);
  const auto now = status();
  EXPECT_EQ(now.full_sync_took, 2100ms);
  EXPECT_EQ(now.full_sync_every, 21s);
  run_for(200s);
  EXPECT_EQ(ironic_.count("nodes m87"), 1 + 200 / 21);
}

TEST_F(SyncLoopListsTest, WhileListsAreStretchedNewPortsComeAtEachPeriod) {
  make_dear(1s);  // 21 s, so every 210 s
  run_for(30s);
  ASSERT_EQ(status().full_sync_every, 210s);
  ironic_.truth.ports.push_back(make_port("p4", "n2", mac(4)));
  run_for(20s);
  EXPECT_TRUE(filter_.policy.find(mac(4)).has_value());
  EXPECT_EQ(ironic_.count("ports q97"), 1);
  ironic_.truth.ports.push_back(make_port("p5", "n2", mac(5)));
  run_for(16s);
  EXPECT_TRUE(filter_.policy.find(mac(5)).has_value());
  EXPECT_GE(ironic_.count("ports p4"), 1);
}

TEST_F(SyncLoopListsTest, WhatAHangingIronicCostDoesNotStretchLists) {
  settle();
  fail_calls("ports");
  ironic_.page_cost = 30s;
  run_for(120s);
  heal_calls();
  ironic_.page_cost = 0s;
  for (int i = 0; i < 600; ++i) {
    run_for(1s);
    ASSERT_EQ(status().full_sync_every, 15s) << "after " << i << " s";
  }
  EXPECT_FALSE(status().stale);
}

TEST_F(SyncLoopListsTest, AFullListMakesUpForNewPortsThatCouldNotBeAskedFor) {
  make_dear(1s);
  run_for(30s);
  fail_calls("ports q97");
  run_for(30s);
  ASSERT_TRUE(status().stale);
  // From now on lists are cheap, and nobody asks for new ports alone.
  heal_calls();
  ironic_.page_cost = 0s;
  request();
  settle();
  EXPECT_EQ(status().full_sync_every, 15s);
  EXPECT_FALSE(status().stale);
  EXPECT_EQ(status().sources[0].consecutive_failures, 0U);
}

TEST_F(SyncLoopListsTest, ALastPortThatVanishedBringsTheFullListForward) {
  make_dear(1s);
  run_for(30s);
  ironic_.truth.ports.pop_back();
  run_for(60s);
  EXPECT_EQ(ironic_.count("nodes m87"), 2);
  EXPECT_FALSE(filter_.policy.find(mac(106)).has_value());
}

TEST_F(SyncLoopListsTest, WhileListsAreStretchedTheFilterHealsAtEachPeriod) {
  make_dear(1s);
  run_for(30s);
  const auto from = syncs();
  run_for(300s);
  ASSERT_GT(syncs(), from + 10);
  for (std::size_t i = from + 1; i < syncs(); ++i) {
    EXPECT_LE(filter_.syncs[i] - filter_.syncs[i - 1], 17s);
  }
}

TEST_F(SyncLoopListsTest, ARequestIsAnsweredWithWhatWasDone) {
  settle();
  run_for(5s);
  ironic_.page_cost = 50ms;
  ironic_.truth.ports.push_back(make_port("p4", "n2", mac(4)));
  request();
  run_for(1s);
  ASSERT_TRUE(answer_);
  ASSERT_TRUE(*answer_) << answer_->error().message();
  EXPECT_EQ((*answer_)->report.upserts, 1U);
  EXPECT_EQ((*answer_)->took, 100ms);
}

TEST_F(SyncLoopListsTest, ARequestDuringAListIsAnsweredByAListThatBeganLater) {
  make_dear(100ms);
  run_for(1500ms);
  ironic_.truth.nodes.erase(ironic_.truth.nodes.begin());
  request();
  run_for(3s);
  ASSERT_TRUE(answer_ && *answer_);
  EXPECT_EQ(loop_->policy_in_force().inventory->find_node("n1"), std::nullopt);
}

TEST_F(SyncLoopListsTest, ManyRequestsDoNotKeepEachOtherFromTheirAnswer) {
  make_dear(100ms);
  run_for(30s);
  int answers = 0;
  for (int i = 0; i < 20; ++i) {
    loop_->request_full_sync([&](const Result<SyncOutcome>& outcome) {
      EXPECT_TRUE(outcome);
      ++answers;
    });
    run_for(500ms);
  }
  EXPECT_GT(answers, 10);
  run_for(10s);
  EXPECT_EQ(answers, 20);
}

}  // namespace
}  // namespace pxegate
