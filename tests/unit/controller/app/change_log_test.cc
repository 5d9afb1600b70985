// SPDX-License-Identifier: Apache-2.0
#include "controller/app/change_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/controller/app/fake_sources.h"

namespace pxegate {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::mac;
using testing::make_node;
using testing::make_port;
using ::testing::SizeIs;
using testing::Truth;

PolicyInForce state_of(const Truth& truth, PolicyOptions options = {}) {
  auto inventory = std::make_shared<const Inventory>(truth.inventory());
  auto policy =
      std::make_shared<const Policy>(compute_policy(*inventory, options));
  return {std::move(inventory), std::move(policy), std::move(options), {}};
}

Truth some_truth() {
  Truth truth;
  truth.nodes = {make_node("n1", "active"), make_node("n2", "active")};
  truth.ports = {make_port("p1", "n1", mac(1)), make_port("p2", "n1", mac(2)),
                 make_port("p3", "n2", mac(3))};
  return truth;
}

TEST(ChangeLogTest, ANodeThatOpensIsToldWithItsAddresses) {
  const auto before = some_truth();
  auto after = before;
  after.set_state("n1", "inspecting");
  EXPECT_THAT(describe_change(state_of(before), state_of(after)),
              ElementsAre("node name-n1 (n1) is being inspected: allowed "
                          "52:54:00:00:00:01, 52:54:00:00:00:02",
                          "unknown machines are now allowed (some node is "
                          "being inspected)"));
}

TEST(ChangeLogTest, ANodeThatClosesIsToldWithItsAddresses) {
  auto before = some_truth();
  auto after = before;
  before.set_state("n2", "inspect wait");
  EXPECT_THAT(describe_change(state_of(before), state_of(after)),
              ElementsAre("node name-n2 (n2) is no longer being inspected: "
                          "denied 52:54:00:00:00:03",
                          "unknown machines are now denied (no node is being "
                          "inspected)"));
}

TEST(ChangeLogTest, PortsThatComeAndGoAreCounted) {
  const auto before = some_truth();
  auto after = before;
  after.ports[0].address = mac(9);
  after.ports.push_back(make_port("p4", "n2", mac(4)));
  EXPECT_THAT(describe_change(state_of(before), state_of(after)),
              ElementsAre("hardware addresses: 2 new, 1 gone"));
}

TEST(ChangeLogTest, APortThatComesToAnInspectedNodeIsTold) {
  auto before = some_truth();
  before.set_state("n1", "inspecting");
  auto after = before;
  after.ports.push_back(make_port("p4", "n1", mac(4)));
  EXPECT_THAT(describe_change(state_of(before), state_of(after)),
              ElementsAre("node name-n1 (n1): also allowed 52:54:00:00:00:04",
                          "hardware addresses: 1 new, 0 gone"));
}

TEST(ChangeLogTest, NothingChangedIsNothingToTell) {
  const auto truth = some_truth();
  EXPECT_THAT(describe_change(state_of(truth), state_of(truth)), IsEmpty());
}

TEST(ChangeLogTest, ManyChangesAreCutAndTheUnknownAreToldAllTheSame) {
  Truth before;
  for (int i = 0; i < 50; ++i) {
    before.nodes.push_back(make_node("n" + std::to_string(i), "active"));
  }
  auto after = before;
  for (Node& node : after.nodes) node.provision_state = "inspecting";
  const auto lines = describe_change(state_of(before), state_of(after), 10);
  ASSERT_THAT(lines, SizeIs(11));
  EXPECT_EQ(lines.front(),
            "unknown machines are now allowed (some node is being inspected)");
  EXPECT_EQ(lines.back(), "and 41 changes more");
}

TEST(ChangeLogTest, NodesOfTheInspectorThatIronicLacksAreCounted) {
  auto truth = some_truth();
  truth.set_state("n1", "inspecting");
  auto inventory = truth.inventory();
  inventory.set_introspected({"n1", "n2", "elsewhere"});
  EXPECT_EQ(count_inspected(inventory, {}), 3U);
}

}  // namespace
}  // namespace pxegate
