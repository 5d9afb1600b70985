// SPDX-License-Identifier: Apache-2.0
#include "controller/core/inventory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/controller/core/generators.h"

namespace pxegate {
namespace {

using testing::gen_any_ports;
using testing::gen_inventory;
using testing::gen_node_uuid;
using testing::gen_nodes;
using testing::gen_ports;
using testing::guid;
using ::testing::HasSubstr;
using testing::mac;
using testing::universe;

Node node(std::string uuid, std::string state = "active") {
  Node result;
  result.uuid = std::move(uuid);
  result.provision_state = std::move(state);
  return result;
}

Port port(std::string uuid, std::string node_uuid, const MacAddress& address,
          std::optional<HardwareAddress> with_guid = std::nullopt) {
  Port result;
  result.uuid = std::move(uuid);
  result.node_uuid = std::move(node_uuid);
  result.address = address;
  result.guid = with_guid;
  return result;
}

std::string node_of(const Inventory& inventory,
                    const HardwareAddress& address) {
  const Port* found = inventory.find_port(address);
  return found == nullptr ? "" : found->node_uuid;
}

TEST(Inventory, AListingIsTakenOverVerbatim) {
  Node n = node("n1", "inspect wait");
  n.name = "rack 1";
  n.inspect_interface = "agent";
  n.inspector_manage_boot = false;
  Port p = port("p1", "n1", mac(1), guid(1));
  p.physical_network = "physnet1";
  p.local_link_connection = R"({"switch_id":"x"})";
  const auto inventory = Inventory::make({n}, {p});
  ASSERT_TRUE(inventory);
  ASSERT_NE(inventory->find_node("n1"), nullptr);
  EXPECT_EQ(*inventory->find_node("n1"), n);
  ASSERT_NE(inventory->find_port(mac(1)), nullptr);
  EXPECT_EQ(*inventory->find_port(mac(1)), p);
  EXPECT_EQ(inventory->find_port(mac(1)), inventory->find_port(guid(1)));
}

TEST(Inventory, WhatIronicDoesNotHaveIsNotFound) {
  const auto inventory =
      Inventory::make({node("n1")}, {port("p1", "n1", mac(1), guid(1))});
  ASSERT_TRUE(inventory);
  EXPECT_EQ(inventory->find_node("n2"), nullptr);
  EXPECT_EQ(inventory->find_node(""), nullptr);
  EXPECT_EQ(inventory->find_port(mac(2)), nullptr);
  EXPECT_EQ(inventory->find_port(guid(2)), nullptr);
  EXPECT_EQ(Inventory().find_port(mac(1)), nullptr);
}

TEST(Inventory, APortMayNameANodeThatIsNotListed) {
  const auto inventory = Inventory::make({}, {port("p1", "gone", mac(1))});
  ASSERT_TRUE(inventory);
  EXPECT_EQ(node_of(*inventory, mac(1)), "gone");
}

TEST(Inventory, AListingThatContradictsItselfIsRefusedAndBothPortsAreNamed) {
  const struct {
    std::string name;
    std::vector<Port> ports;
    std::vector<std::string> named;
  } cases[] = {
      {"a port UUID twice",
       {port("p1", "n1", mac(1)), port("p1", "n1", mac(2))},
       {"\"p1\"", "listed twice"}},
      {"the same port twice",
       {port("p1", "n1", mac(1)), port("p1", "n1", mac(1))},
       {"\"p1\"", "listed twice"}},
      {"a MAC address on two nodes",
       {port("p1", "n1", mac(1)), port("p2", "n2", mac(1))},
       {"52:54:00:00:00:01", "\"p1\"", "\"n1\"", "\"p2\"", "\"n2\""}},
      {"a MAC address twice on one node",
       {port("p1", "n1", mac(1)), port("p2", "n1", mac(1))},
       {"52:54:00:00:00:01", "\"p1\"", "\"p2\""}},
      {"a GUID on two nodes",
       {port("p1", "n1", mac(1), guid(1)), port("p2", "n2", mac(2), guid(1))},
       {"00:02:c9:03:00:00:00:01", "\"p1\"", "\"n1\"", "\"p2\"", "\"n2\""}},
  };
  for (const auto& row : cases) {
    const auto inventory = Inventory::make({node("n1"), node("n2")}, row.ports);
    ASSERT_FALSE(inventory) << row.name;
    EXPECT_EQ(inventory.error().code(), ErrorCode::kInvalid) << row.name;
    for (const std::string& part : row.named) {
      EXPECT_THAT(inventory.error().message(), HasSubstr(part)) << row.name;
    }
  }
}

TEST(Inventory, ANodeListedTwiceIsRefusedOnlyWhereTheTwoDiffer) {
  EXPECT_TRUE(Inventory::make({node("n1"), node("n1")}, {}));
  const auto torn =
      Inventory::make({node("n1", "inspecting"), node("n1", "active")}, {});
  ASSERT_FALSE(torn);
  EXPECT_EQ(torn.error().code(), ErrorCode::kInvalid);
  EXPECT_THAT(torn.error().message(), HasSubstr("\"n1\""));
}

TEST(Inventory, ReplacingANodesPortsTouchesNoOtherNodes) {
  auto inventory = Inventory::make(
      {}, {port("p1", "n1", mac(1), guid(1)), port("p2", "n1", mac(2)),
           port("p3", "n2", mac(3), guid(3))});
  ASSERT_TRUE(inventory);
  ASSERT_TRUE(inventory->replace_node_ports(
      "n1", {port("p2", "n1", mac(2), guid(2)), port("p4", "n1", mac(4))}));
  EXPECT_EQ(node_of(*inventory, mac(1)), "");
  EXPECT_EQ(node_of(*inventory, guid(1)), "");
  EXPECT_EQ(node_of(*inventory, mac(2)), "n1");
  EXPECT_EQ(node_of(*inventory, guid(2)), "n1");
  EXPECT_EQ(node_of(*inventory, mac(4)), "n1");
  EXPECT_EQ(node_of(*inventory, mac(3)), "n2");
  EXPECT_EQ(node_of(*inventory, guid(3)), "n2");
}

TEST(Inventory, ANodeMayLoseAllItsPorts) {
  auto inventory = Inventory::make({}, {port("p1", "n1", mac(1), guid(1))});
  ASSERT_TRUE(inventory);
  ASSERT_TRUE(inventory->replace_node_ports("n1", {}));
  EXPECT_EQ(*inventory, Inventory());
}

TEST(Inventory, AnAddressMovesFromNodeToNode) {
  auto inventory = Inventory::make({}, {port("p1", "n1", mac(1), guid(1))});
  ASSERT_TRUE(inventory);
  ASSERT_TRUE(inventory->replace_node_ports("n2", {port("p2", "n2", mac(1))}));
  EXPECT_EQ(node_of(*inventory, mac(1)), "n2");
  EXPECT_EQ(inventory->ports().size(), 1U);
  EXPECT_EQ(node_of(*inventory, guid(1)), "") << "it was the old port's";
}

TEST(Inventory, AGuidMovesAlone) {
  auto inventory = Inventory::make({}, {port("p1", "n1", mac(1), guid(1))});
  ASSERT_TRUE(inventory);
  inventory->add_ports({port("p2", "n2", mac(2), guid(1))});
  EXPECT_EQ(node_of(*inventory, guid(1)), "n2");
  EXPECT_EQ(node_of(*inventory, mac(2)), "n2");
  EXPECT_EQ(node_of(*inventory, mac(1)), "n1") << "must not become unknown";
  EXPECT_FALSE(inventory->find_port(mac(1))->guid);
}

TEST(Inventory, ARefusedReplacementChangesNothing) {
  const auto before = Inventory::make(
      {node("n1")}, {port("p1", "n1", mac(1)), port("p2", "n2", mac(2))});
  ASSERT_TRUE(before);
  const std::vector<Port> refused[] = {
      {port("p3", "n1", mac(3)), port("p4", "n2", mac(4))},
      {port("p3", "n1", mac(3)), port("p3", "n1", mac(4))},
      {port("p3", "n1", mac(3)), port("p4", "n1", mac(3))},
      {port("p3", "n1", mac(3), guid(1)), port("p4", "n1", mac(4), guid(1))},
  };
  for (const auto& ports : refused) {
    Inventory inventory = *before;
    const auto replaced = inventory.replace_node_ports("n1", ports);
    ASSERT_FALSE(replaced);
    EXPECT_EQ(replaced.error().code(), ErrorCode::kInvalid);
    EXPECT_EQ(inventory, *before);
  }
}

TEST(Inventory, TheLatestOfANodeHolds) {
  auto inventory = Inventory::make({node("n1", "active")}, {});
  ASSERT_TRUE(inventory);
  inventory->upsert_node(node("n1", "inspecting"));
  inventory->upsert_node(node("n2", "manageable"));
  EXPECT_EQ(inventory->nodes().size(), 2U);
  EXPECT_EQ(inventory->find_node("n1")->provision_state, "inspecting");
  EXPECT_EQ(inventory->find_node("n2")->provision_state, "manageable");
}

TEST(Inventory, IntrospectionsReplaceTheEarlierOnes) {
  Inventory inventory;
  inventory.set_introspected({"a", "b"});
  inventory.set_introspected({"c"});
  EXPECT_THAT(inventory.introspected(), ::testing::ElementsAre("c"));
}

// A list of ports and linear searches: too simple to be wrong.
class NaiveInventory {
 public:
  explicit NaiveInventory(const Inventory& from) {
    for (const auto& [address, each] : from.ports()) ports_.push_back(each);
  }

  void add(const std::vector<Port>& ports) {
    for (const Port& added : ports) {
      std::erase_if(ports_, [&](const Port& old) {
        return old.address == added.address;
      });
      for (Port& old : ports_) {
        if (added.guid && old.guid == added.guid) old.guid.reset();
      }
      ports_.push_back(added);
    }
  }

  void replace(const std::string& node_uuid, const std::vector<Port>& ports) {
    std::erase_if(ports_,
                  [&](const Port& old) { return old.node_uuid == node_uuid; });
    add(ports);
  }

  const Port* find(const HardwareAddress& address) const {
    for (const Port& each : ports_) {
      if (HardwareAddress(each.address) == address || each.guid == address) {
        return &each;
      }
    }
    return nullptr;
  }
  std::size_t size() const { return ports_.size(); }

 private:
  std::vector<Port> ports_;
};

void assert_same(const Inventory& inventory, const NaiveInventory& naive) {
  RC_ASSERT(inventory.ports().size() == naive.size());
  for (const HardwareAddress& address : universe()) {
    const Port* got = inventory.find_port(address);
    const Port* want = naive.find(address);
    RC_ASSERT((got == nullptr) == (want == nullptr));
    if (want != nullptr) RC_ASSERT(*got == *want);
  }
}

RC_GTEST_PROP(InventoryProperty, ChangesDoWhatANaiveListDoes, ()) {
  Inventory inventory = *gen_inventory();
  NaiveInventory naive(inventory);
  assert_same(inventory, naive);
  const int steps = *rc::gen::inRange(1, 12);
  for (int i = 0; i < steps; ++i) {
    std::vector<Port> ports = *gen_any_ports();
    if (*rc::gen::arbitrary<bool>()) {
      inventory.add_ports(ports);
      naive.add(ports);
    } else {
      const std::string owner = *gen_node_uuid();
      ports = *gen_ports();
      for (Port& each : ports) each.node_uuid = owner;
      RC_ASSERT(inventory.replace_node_ports(owner, ports));
      naive.replace(owner, ports);
    }
    assert_same(inventory, naive);
  }
}

// An inventory that got where it is by changes equals one that was listed.
RC_GTEST_PROP(InventoryProperty, ThePathToAContentLeavesNoTrace, ()) {
  Inventory inventory = *gen_inventory();
  inventory.add_ports(*gen_any_ports());
  std::vector<Node> nodes;
  for (const auto& [uuid, each] : inventory.nodes()) nodes.push_back(each);
  std::vector<Port> ports;
  for (const auto& [address, each] : inventory.ports()) {
    ports.push_back(each);
    ports.back().uuid = address.to_string();  // add_ports() may repeat one
  }
  auto listed = Inventory::make(nodes, ports);
  RC_ASSERT(listed);
  listed->set_introspected(inventory.introspected());
  listed->set_ethernet_neighbours(inventory.ethernet_neighbours());
  inventory.add_ports(ports);
  RC_ASSERT(*listed == inventory);
}

RC_GTEST_PROP(InventoryProperty, TheOrderOfAListingDoesNotMatter, ()) {
  std::vector<Node> nodes = *gen_nodes();
  std::vector<Port> ports = *gen_ports();
  const auto one = Inventory::make(nodes, ports);
  std::minstd_rand random(*rc::gen::arbitrary<unsigned>());
  std::ranges::shuffle(nodes, random);
  std::ranges::shuffle(ports, random);
  const auto other = Inventory::make(nodes, ports);
  RC_ASSERT(one && other);
  RC_ASSERT(*one == *other);
}

RC_GTEST_PROP(InventoryProperty, AListingIsRefusedExactlyWhereItContradicts,
              ()) {
  const std::vector<Port> ports = *gen_any_ports();
  bool contradicts = false;
  for (std::size_t i = 0; i < ports.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      contradicts |= ports[i].uuid == ports[j].uuid ||
                     ports[i].address == ports[j].address ||
                     (ports[i].guid && ports[i].guid == ports[j].guid);
    }
  }
  RC_ASSERT(Inventory::make({}, ports).has_value() == !contradicts);
}

}  // namespace
}  // namespace pxegate
