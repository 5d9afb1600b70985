// SPDX-License-Identifier: Apache-2.0
// What the loop tells of its work to whoever counts it.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/controller/app/sync_loop_fixture.h"

namespace pxegate {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

class Told final : public SyncObserver {
 public:
  void succeeded(SyncWork work, std::chrono::nanoseconds took) override {
    done.push_back(fmt::format("{} {}", name(work), took / 1ms));
  }
  void failed(SyncWork work) override { failures.push_back(name(work)); }
  void enforced_change(bool opened, std::chrono::nanoseconds delay) override {
    changes.push_back(
        fmt::format("{} {}", opened ? "open" : "close", delay / 1ms));
  }
  void took_hints(std::size_t count, bool lost) override {
    hints += count;
    missed += lost ? 1 : 0;
  }

  std::vector<std::string> done;
  std::vector<std::string> failures;
  std::vector<std::string> changes;
  std::size_t hints = 0;
  int missed = 0;

 private:
  static std::string name(SyncWork work) {
    return work == SyncWork::kFullSync ? "full"
           : work == SyncWork::kPoll   ? "poll"
                                       : "driver";
  }
};

class SyncLoopObserverTest : public ::testing::Test,
                             public testing::SyncLoopFixture {
 protected:
  SyncLoopObserverTest() {
    observer_ = &told_;
    start();
  }
  // Ironic changes a node's state now, by its clock.
  void set_state(const std::string& node, const std::string& state,
                 std::chrono::nanoseconds ahead = 0ns) {
    ironic_.truth.set_state(node, state);
    ironic_.truth.node(node).provision_updated_at =
        clock_.wall() + std::chrono::duration_cast<WallTime::duration>(ahead);
  }
  void hint(const std::string& node, const std::string& state) {
    Hint hint;
    hint.node_uuid = node;
    hint.provision_state = state;
    loop_->take_hints({{hint}, false});
  }

  Told told_;
};

TEST_F(SyncLoopObserverTest, TellsWhatSyncsTook) {
  ironic_.state_cost = 20ms;
  ironic_.page_cost = 300ms;
  run_for(5s);
  EXPECT_THAT(told_.done, Contains("poll 40")) << "two states were asked for";
  EXPECT_THAT(told_.done, Contains("driver 0"));
  // Two pages, and polls in between.
  EXPECT_THAT(told_.done, Contains(::testing::StartsWith("full ")));
  EXPECT_THAT(told_.done, Not(Contains("full 0")));
  EXPECT_THAT(told_.failures, IsEmpty());
}

TEST_F(SyncLoopObserverTest, TellsWhatFailed) {
  fail_calls("nodes");
  run_for(5s);
  EXPECT_THAT(told_.failures, Contains("full"));
  EXPECT_THAT(told_.failures, Not(Contains("poll")));
  EXPECT_THAT(told_.done, Not(Contains(::testing::StartsWith("full"))));
  heal_calls();
  run_for(60s);
  EXPECT_THAT(told_.done, Contains(::testing::StartsWith("full")));
  fail_calls("state");
  run_for(5s);
  EXPECT_THAT(told_.failures, Contains("poll"));
  EXPECT_THAT(told_.failures, Not(Contains("driver")));
}

TEST_F(SyncLoopObserverTest, TellsOfAHeldBackListAsOfAFailure) {
  settle();
  ironic_.truth = {};
  run_for(20s);
  EXPECT_TRUE(status().held_back);
  EXPECT_THAT(told_.failures, Contains("full"));
}

TEST_F(SyncLoopObserverTest, TellsOfADriverThatFails) {
  settle();
  filter_.sync_error = Error("the table is locked", ErrorCode::kUnavailable);
  ironic_.truth.set_state("n1", "inspecting");
  run_for(2s);
  EXPECT_THAT(told_.failures, Contains("driver"));
}

TEST_F(SyncLoopObserverTest, TellsHowLongAChangeTook) {
  settle();
  run_for(500ms);
  set_state("n1", "inspecting");
  run_for(3s);
  EXPECT_TRUE(allows(1));
  EXPECT_THAT(told_.changes, ElementsAre("open 1500"))
      << "the next poll was due in one and a half seconds";
  // From one open state to another nothing changes.
  set_state("n1", "inspect wait");
  run_for(3s);
  EXPECT_EQ(told_.changes.size(), 1U);
  // A poll does not say since when a node is gone.
  set_state("n1", "manageable");
  run_for(3s);
  EXPECT_FALSE(allows(1));
  EXPECT_EQ(told_.changes.size(), 1U);
}

TEST_F(SyncLoopObserverTest, TellsHowLongAChangeTookThatAHintToldOf) {
  settle();
  run_for(100ms);
  set_state("n1", "inspecting");
  ironic_.node_ports_cost = 30ms;
  hint("n1", "inspecting");
  settle();
  EXPECT_THAT(told_.changes, ElementsAre("open 30"));
  run_for(100ms);
  set_state("n1", "manageable");
  hint("n1", "manageable");
  settle();
  EXPECT_THAT(told_.changes, ElementsAre("open 30", "close 30"));
  EXPECT_EQ(told_.hints, 2U);
  loop_->take_hints({{}, true});
  EXPECT_EQ(told_.missed, 1);
}

TEST_F(SyncLoopObserverTest, AClockThatIsAheadShowsInTheDelay) {
  settle();
  set_state("n1", "inspecting", 10s);
  run_for(2s);
  EXPECT_THAT(told_.changes, ElementsAre("open -8000"));
}

TEST_F(SyncLoopObserverTest, AChangeCountsWhenTheDriverHasEnforcedIt) {
  settle();
  filter_.sync_error = Error("the table is locked", ErrorCode::kUnavailable);
  set_state("n1", "inspecting");
  run_for(5s);
  EXPECT_THAT(told_.changes, IsEmpty());
  filter_.sync_error.reset();
  run_for(60s);
  ASSERT_EQ(told_.changes.size(), 1U);
  EXPECT_GT(std::stoi(told_.changes[0].substr(5)), 5000);
}

TEST_F(SyncLoopObserverTest, WhatWasOpenBeforeTheStartDoesNotCount) {
  set_state("n1", "inspecting", -1h);
  start();
  run_for(60s);
  EXPECT_TRUE(allows(1));
  EXPECT_THAT(told_.changes, IsEmpty());
}

}  // namespace
}  // namespace pxegate
