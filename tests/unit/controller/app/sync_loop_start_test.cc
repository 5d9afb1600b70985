// SPDX-License-Identifier: Apache-2.0
// What a sync loop takes in beside Ironic's news: Ethernet over InfiniBand
// neighbours, and what another loop knew.
#include <gmock/gmock.h>

#include <utility>

#include "tests/unit/controller/app/sync_loop_fixture.h"

namespace pxegate {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr auto kGuid = HardwareAddress::infiniband({0, 2, 0xc9, 3, 0, 0, 0, 1});

// n2, which is active, has an InfiniBand port; n1 is being inspected, so that
// unknown machines are let in.
class NeighboursTest : public SyncLoopFixture, public ::testing::Test {
 protected:
  NeighboursTest() {
    ironic_.truth.ports[2].guid = kGuid;
    ironic_.truth.set_state("n1", "inspect wait");
    with_neighbours_ = true;
    start();
  }
};

TEST_F(NeighboursTest, NothingIsEnforcedWithoutThem) {
  neighbours_.found = {{mac(9), kGuid}};
  filter_.on_sync = [this] { EXPECT_FALSE(allows(9)); };
  settle();
  ASSERT_GT(syncs(), 0U);
  EXPECT_TRUE(allows(1));
  EXPECT_TRUE(allows(8)) << "unknown";
}

TEST_F(NeighboursTest, ANewOneIsEnforcedWithinThePollInterval) {
  settle();
  EXPECT_TRUE(allows(9)) << "unknown";
  neighbours_.found = {{mac(9), kGuid}};
  run_for(options_.poll_interval);
  EXPECT_FALSE(allows(9));
  neighbours_.found.clear();
  run_for(options_.poll_interval);
  EXPECT_TRUE(allows(9)) << "gone";
}

TEST_F(NeighboursTest, TheyAreReadWhileIronicIsDown) {
  settle();
  fail_calls("");
  run_for(20s);
  neighbours_.found = {{mac(9), kGuid}};
  run_for(options_.poll_interval + 1s);
  EXPECT_FALSE(allows(9));
}

TEST_F(NeighboursTest, TheSameOnesCauseNoSync) {
  neighbours_.found = {{mac(9), kGuid}};
  settle();
  const auto before = syncs();
  run_for(options_.poll_interval * 3);
  EXPECT_GE(neighbours_.reads, 3);
  EXPECT_EQ(syncs(), before);
}

TEST_F(NeighboursTest, WhatCannotBeReadIsInTheStatus) {
  neighbours_.troubles = {"cannot read eth6"};
  EXPECT_THAT(status().notices, ElementsAre("cannot read eth6"));
}

class AdoptTest : public SyncLoopFixture, public ::testing::Test {
 protected:
  explicit AdoptTest(bool with_inspector = false)
      : SyncLoopFixture(with_inspector) {
    ironic_.truth.set_state("n1", "inspect wait");
  }
  void adopt() {
    loop_->adopt(std::make_shared<const Inventory>(ironic_.truth.inventory()));
  }
};

TEST_F(AdoptTest, WhatAnotherLoopKnewIsEnforcedAtOnce) {
  adopt();
  fail_calls("");
  settle();
  EXPECT_TRUE(allows(1));
  EXPECT_FALSE(allows(3));
  EXPECT_FALSE(loop_->synced()) << "that takes a list of its own";
  heal_calls();
  run_for(60s);
  EXPECT_TRUE(loop_->synced());
}

TEST_F(AdoptTest, PollsGoOnFromThere) {
  adopt();
  fail_calls("nodes ");
  settle();
  ironic_.truth.set_state("n1", "manageable");
  run_for(options_.poll_interval);
  EXPECT_FALSE(allows(1)) << "closed by a poll, without a list";
  ironic_.truth.set_state("n2", "inspecting");
  run_for(options_.poll_interval);
  EXPECT_TRUE(allows(3));
  EXPECT_FALSE(loop_->synced());
}

TEST_F(AdoptTest, WhatHasClosedSinceIsClosedByTheFirstPoll) {
  adopt();
  ironic_.truth.set_state("n1", "manageable");
  fail_calls("nodes ");
  settle();
  EXPECT_FALSE(allows(1));
  EXPECT_FALSE(loop_->synced());
}

TEST_F(AdoptTest, AListThatLostMostPortsIsNotBelievedEither) {
  for (std::uint8_t n = 10; n < 30; ++n) {
    ironic_.truth.ports.push_back(
        make_port("p" + std::to_string(n), "n2", mac(n)));
  }
  adopt();
  ironic_.truth.ports.resize(3);
  settle();
  EXPECT_FALSE(loop_->synced());
  EXPECT_FALSE(allows(20)) << "known, and denied";
}

class AdoptWithInspectorTest : public AdoptTest {
 protected:
  AdoptWithInspectorTest() : AdoptTest(true) {}
};

TEST_F(AdoptWithInspectorTest, WhatInspectorSaidIsAdoptedToo) {
  Inventory inventory = ironic_.truth.inventory();
  inventory.set_introspected({"n2"});
  loop_->adopt(std::make_shared<const Inventory>(inventory));
  inspector_.error = Error("down");
  settle();
  EXPECT_TRUE(allows(3));
  inspector_.error.reset();
  run_for(60s);
  EXPECT_FALSE(allows(3)) << "it is not introspected any more";
}

}  // namespace
}  // namespace pxegate
