// SPDX-License-Identifier: Apache-2.0
#include "controller/core/inventory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
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
using testing::gen_node;
using testing::gen_node_uuid;
using testing::gen_nodes;
using testing::gen_ports;
using testing::guid;
using ::testing::HasSubstr;
using testing::kNodes;
using testing::mac;
using testing::node_uuid;
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
  const auto found = inventory.find_port(address);
  return found ? found->node_uuid : "";
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
  ASSERT_NE(inventory->find_node("n1"), std::nullopt);
  EXPECT_EQ(*inventory->find_node("n1"), n);
  ASSERT_NE(inventory->find_port(mac(1)), std::nullopt);
  EXPECT_EQ(*inventory->find_port(mac(1)), p);
  EXPECT_EQ(inventory->find_port(mac(1)), inventory->find_port(guid(1)));
}

TEST(Inventory, WhatIronicDoesNotHaveIsNotFound) {
  const auto inventory =
      Inventory::make({node("n1")}, {port("p1", "n1", mac(1), guid(1))});
  ASSERT_TRUE(inventory);
  EXPECT_EQ(inventory->find_node("n2"), std::nullopt);
  EXPECT_EQ(inventory->find_node(""), std::nullopt);
  EXPECT_EQ(inventory->find_port(mac(2)), std::nullopt);
  EXPECT_EQ(inventory->find_port(guid(2)), std::nullopt);
  EXPECT_EQ(Inventory().find_port(mac(1)), std::nullopt);
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

TEST(Inventory, WhatAListingSaysAgainIsShared) {
  Port p = port("p1", "n1", mac(1), guid(1));
  p.local_link_connection = R"({"switch_id":"x"})";
  Node n = node("n1");
  n.name = "rack 1";
  const auto first =
      std::make_shared<const Inventory>(Inventory::make({n}, {p}).value());
  Inventory::Builder builder(first);
  builder.add(n);
  builder.add(p);
  const auto second = std::move(builder).finish();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->view_port(mac(1))->local_link_connection.data(),
            first->view_port(mac(1))->local_link_connection.data());
  EXPECT_EQ(second->view_node(Identifier("n1"))->name.data(),
            first->view_node(Identifier("n1"))->name.data());
}

TEST(Inventory, TextOfAnyLengthIsKept) {
  for (const std::size_t size : {0, 1, 127, 128, 129, 16383, 16384, 70000}) {
    Port p =
        port(std::string(size, 'u'), std::string(size, 'n'), mac(1), guid(1));
    p.local_link_connection = std::string(size, 'l');
    p.physical_network = std::string(size, 'p');
    Node n = node(std::string(size, 'n'), std::string(size, 's'));
    n.name = std::string(size, 'x');
    const auto inventory = Inventory::make({n}, {p}).value();
    EXPECT_EQ(inventory.find_port(guid(1)), p) << size;
    EXPECT_EQ(inventory.find_node(n.uuid), n) << size;
  }
}

// Ironic may tell of ever new states and networks.
TEST(Inventory, WhatNothingIsOfAnyMoreIsForgotten) {
  auto inventory = std::make_shared<const Inventory>();
  for (int round = 0; round < 5; ++round) {
    Inventory::Builder builder(inventory);
    for (int i = 0; i < 600; ++i) {
      const std::string n = std::to_string(i);
      builder.add(node(n, "state " + std::to_string(round) + " " + n));
    }
    auto next = std::move(builder).finish();
    ASSERT_TRUE(next);
    EXPECT_EQ(next->find_node("7")->provision_state,
              "state " + std::to_string(round) + " 7");
    EXPECT_LE(next->node_kinds(), 1600U);
    inventory = std::make_shared<const Inventory>(*std::move(next));
  }
}

// Lists and linear searches: too simple to be wrong.
class NaiveInventory {
 public:
  explicit NaiveInventory(const Inventory& from) {
    for (const PortView each : from.ports()) ports_.push_back(each.port());
    for (const NodeView each : from.nodes()) upsert(each.node());
  }

  void upsert(const Node& node) { nodes_[node.uuid] = node; }

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

  std::optional<Port> find(const HardwareAddress& address) const {
    for (const Port& each : ports_) {
      if (HardwareAddress(each.address) == address || each.guid == address) {
        return each;
      }
    }
    return std::nullopt;
  }
  std::optional<Node> find_node(const std::string& uuid) const {
    const auto it = nodes_.find(uuid);
    return it == nodes_.end() ? std::nullopt : std::optional(it->second);
  }
  std::vector<Port> ports() const {
    std::vector<Port> sorted = ports_;
    std::ranges::sort(sorted, {}, &Port::address);
    return sorted;
  }
  std::vector<Port> ports_of_node(const std::string& uuid) const {
    std::vector<Port> found = ports();
    std::erase_if(found,
                  [&](const Port& each) { return each.node_uuid != uuid; });
    return found;
  }
  std::size_t node_count() const { return nodes_.size(); }

 private:
  std::map<std::string, Node> nodes_;
  std::vector<Port> ports_;
};

template <typename Views>
std::vector<Port> ports_in(const Views& views) {
  std::vector<Port> ports;
  for (const auto& each : views) ports.push_back(each.port());
  return ports;
}

void assert_same(const Inventory& inventory, const NaiveInventory& naive) {
  RC_ASSERT(ports_in(inventory.ports()) == naive.ports());
  RC_ASSERT(inventory.ports().size() == naive.ports().size());
  for (const HardwareAddress& address : universe()) {
    RC_ASSERT(inventory.find_port(address) == naive.find(address));
  }
  std::size_t nodes = 0;
  for (const NodeView each : inventory.nodes()) {
    RC_ASSERT(naive.find_node(each.uuid.to_string()) == each.node());
    ++nodes;
  }
  RC_ASSERT(nodes == naive.node_count());
  RC_ASSERT(inventory.nodes().size() == nodes);
  for (int n = 0; n <= kNodes; ++n) {
    const std::string uuid = node_uuid(n);
    RC_ASSERT(inventory.find_node(uuid) == naive.find_node(uuid));
    RC_ASSERT(inventory.has_node(Identifier(uuid)) ==
              naive.find_node(uuid).has_value());
    RC_ASSERT(ports_in(inventory.ports_of_node(Identifier(uuid))) ==
              naive.ports_of_node(uuid));
  }
}

RC_GTEST_PROP(InventoryProperty, ChangesDoWhatANaiveListDoes, ()) {
  Inventory inventory = *gen_inventory();
  NaiveInventory naive(inventory);
  assert_same(inventory, naive);
  const int steps = *rc::gen::inRange(1, 12);
  for (int i = 0; i < steps; ++i) {
    const Inventory earlier = inventory;
    const NaiveInventory naive_earlier = naive;
    std::vector<Port> ports = *gen_any_ports();
    switch (*rc::gen::inRange(0, 3)) {
      case 0:
        inventory.add_ports(ports);
        naive.add(ports);
        break;
      case 1: {
        const std::string owner = *gen_node_uuid();
        ports = *gen_ports();
        for (Port& each : ports) each.node_uuid = owner;
        RC_ASSERT(inventory.replace_node_ports(owner, ports));
        naive.replace(owner, ports);
        break;
      }
      default: {
        const Node node = *gen_node(*rc::gen::inRange(0, kNodes));
        inventory.upsert_node(node);
        naive.upsert(node);
      }
    }
    assert_same(inventory, naive);
    // Copies share what they hold; a change of one is not seen in another.
    assert_same(earlier, naive_earlier);
  }
}

// What a listing says does not depend on what was there before.
RC_GTEST_PROP(InventoryProperty, AListingOverAnotherIsWhatItIsAlone, ()) {
  auto base = std::make_shared<Inventory>(*gen_inventory());
  base->add_ports(*gen_any_ports());
  const NaiveInventory naive_base(*base);
  // Partly what is there already.
  std::vector<Node> nodes = *gen_nodes();
  for (const NodeView each : base->nodes()) {
    if (*rc::gen::arbitrary<bool>()) nodes.push_back(each.node());
  }
  std::vector<Port> ports = *gen_any_ports();
  for (const PortView each : base->ports()) {
    if (*rc::gen::arbitrary<bool>()) ports.push_back(each.port());
  }
  std::minstd_rand random(*rc::gen::arbitrary<unsigned>());
  std::ranges::shuffle(nodes, random);
  std::ranges::shuffle(ports, random);

  Inventory::Builder builder(base);
  if (*rc::gen::arbitrary<bool>()) {
    for (const Node& each : *gen_nodes()) builder.add(each);
    builder.clear_nodes();
    for (const Port& each : *gen_any_ports()) builder.add(each);
    builder.clear_ports();
  }
  for (const Node& each : nodes) builder.add(each);
  for (const Port& each : ports) builder.add(each);
  const auto built = std::move(builder).finish();
  const auto alone = Inventory::make(nodes, ports);
  RC_ASSERT(built.has_value() == alone.has_value());
  if (built) {
    RC_ASSERT(*built == *alone);
    assert_same(*built, NaiveInventory(*alone));
  }
  assert_same(*base, naive_base);
}

// An inventory that got where it is by changes equals one that was listed.
RC_GTEST_PROP(InventoryProperty, ThePathToAContentLeavesNoTrace, ()) {
  Inventory inventory = *gen_inventory();
  inventory.add_ports(*gen_any_ports());
  std::vector<Node> nodes;
  for (const NodeView each : inventory.nodes()) nodes.push_back(each.node());
  std::vector<Port> ports;
  for (const PortView each : inventory.ports()) {
    ports.push_back(each.port());
    ports.back().uuid = each.address.to_string();  // add_ports() may repeat one
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
  std::vector<Node> nodes = *gen_nodes();
  if (*rc::gen::arbitrary<bool>()) {
    nodes.push_back(*gen_node(*rc::gen::inRange(0, kNodes)));
  }
  bool contradicts = false;
  for (const Node& one : nodes) {
    for (const Node& other : nodes) {
      contradicts |= one.uuid == other.uuid && one != other;
    }
  }
  for (std::size_t i = 0; i < ports.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      contradicts |= ports[i].uuid == ports[j].uuid ||
                     ports[i].address == ports[j].address ||
                     (ports[i].guid && ports[i].guid == ports[j].guid);
    }
  }
  RC_ASSERT(Inventory::make(nodes, ports).has_value() == !contradicts);
}

}  // namespace
}  // namespace pxegate
