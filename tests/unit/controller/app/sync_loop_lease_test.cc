// SPDX-License-Identifier: Apache-2.0
// Whether the policy's lease is renewed when, and only when, a controller is
// in working order.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/controller/app/sync_loop_fixture.h"

namespace pxegate::testing {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class SyncLoopLease : public SyncLoopFixture, public ::testing::Test {
 protected:
  std::size_t renewals() const { return filter_.renewals.size(); }
  // How many there are in that time.
  std::size_t renewals_in(std::chrono::seconds duration) {
    const std::size_t before = renewals();
    run_for(duration);
    return renewals() - before;
  }
};

TEST_F(SyncLoopLease, IsRenewedFromTheFirstSyncOn) {
  settle();
  ASSERT_THAT(filter_.syncs, Not(IsEmpty()));
  ASSERT_THAT(filter_.renewals, SizeIs(1));
  EXPECT_GE(filter_.renewals[0], filter_.syncs[0]);
  EXPECT_EQ(renewals_in(60s), 60u);
}

TEST_F(SyncLoopLease, IsNotRenewedBeforeTheFirstSync) {
  fail_calls("ports");
  run_for(120s);
  ASSERT_THAT(filter_.syncs, IsEmpty());
  EXPECT_THAT(filter_.renewals, IsEmpty());
  heal_calls();
  run_for(60s);
  EXPECT_THAT(filter_.renewals,
              AllOf(Not(IsEmpty()), Each(Ge(filter_.syncs[0]))));
}

TEST_F(SyncLoopLease, IsRenewedWhileIronicFails) {
  settle();
  fail_calls("");
  EXPECT_EQ(renewals_in(600s), 600u);
  EXPECT_TRUE(status().stale) << "visibly";
}

TEST_F(SyncLoopLease, IsRenewedBetweenAnswersThatTakeLong) {
  settle();
  ironic_.state_cost = 5s;
  ironic_.page_cost = 5s;
  const std::size_t renewed = renewals_in(100s);
  EXPECT_GE(renewed, 18u) << "once for each answer";
}

TEST_F(SyncLoopLease, IsRenewedBetweenTheRequestsOfOneStep) {
  settle();
  std::vector<std::size_t> renewed;
  ironic_.before_call = [&](const std::string&) -> std::optional<Error> {
    renewed.push_back(renewals());
    for (int request = 0; request < 3; ++request) {
      clock_.advance(5s);
      loop_->request_ended();
      loop_->request_ended();
      renewed.push_back(renewals());
    }
    return {};
  };
  while (renewed.empty()) {
    clock_.advance_to(loop_->next_due());
    loop_->step();
  }
  ASSERT_THAT(renewed, SizeIs(4));
  for (std::size_t i = 1; i < renewed.size(); ++i) {
    EXPECT_EQ(renewed[i], renewed[i - 1] + 1) << "once a second at most";
  }
}

TEST_F(SyncLoopLease, IsNotRenewedWhileTheDriverHasFailed) {
  settle();
  filter_.sync_error = Error("map is full");
  run_for(60s);
  EXPECT_EQ(renewals_in(300s), 0u);
  filter_.sync_error.reset();
  run_for(60s);
  EXPECT_EQ(renewals_in(10s), 10u);
}

TEST_F(SyncLoopLease, OfAnInventoryTakenOverIsRenewed) {
  fail_calls("");
  start();
  loop_->adopt(std::make_shared<const Inventory>(ironic_.truth.inventory()));
  settle();
  EXPECT_THAT(filter_.syncs, SizeIs(1));
  EXPECT_EQ(renewals_in(10s), 10u);
}

TEST_F(SyncLoopLease, ThatCannotBeRenewedIsToldAndLookedInto) {
  settle();
  const std::size_t synced = syncs();
  filter_.renew_error = Error("settings: gone");
  run_for(2s);
  EXPECT_GT(syncs(), synced) << "a sync puts right what somebody removed";
  EXPECT_THAT(status().notices, Contains(HasSubstr("settings: gone")));
  const std::size_t looked = syncs();
  run_for(10s);
  EXPECT_LE(syncs(), looked + 1) << "once, not at each attempt";
  filter_.renew_error.reset();
  run_for(2s);
  EXPECT_THAT(status().notices, IsEmpty());
}

TEST_F(SyncLoopLease, TheStatusTellsWhenItWasRenewed) {
  EXPECT_FALSE(status().last_renewal);
  run_for(10s);
  EXPECT_EQ(status().last_renewal, now(clock_));
}

}  // namespace
}  // namespace pxegate::testing
