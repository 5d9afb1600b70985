// SPDX-License-Identifier: Apache-2.0
#include "controller/core/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/controller/core/generators.h"

// How a failing property shows its values.
namespace pxegate {

void showValue(const HardwareAddress& address, std::ostream& os) {
  os << address.to_string();
}
void showValue(const Policy& policy, std::ostream& os) {
  for (const auto& entry : policy.entries()) {
    os << entry.address.to_string() << '=' << to_string(entry.verdict) << ' ';
  }
  os << "unknown=" << to_string(policy.unknown());
}

namespace {

using testing::gen_entries;
using testing::gen_inventory;
using testing::gen_options;
using testing::gen_policy;
using testing::guid;
using ::testing::HasSubstr;
using testing::mac;
using testing::universe;
using Words = std::vector<std::string>;

constexpr Rule kAllRules[] = {
    Rule::kBeingInspected,     Rule::kIntrospected,
    Rule::kManagedNotYetKnown, Rule::kManagedSkipped,
    Rule::kNotInspected,       Rule::kUnsupportedInterface,
    Rule::kNodeMissing,        Rule::kUnknownInspection,
    Rule::kUnknownDiscovery,   Rule::kUnknownDenied,
    Rule::kUnknownIdle,        Rule::kManagedUnknown,
    Rule::kOtherNetwork,
};
static_assert(std::size(kAllRules) == kRuleCount);

TEST(Rule, EachHasANameASentenceAndOneVerdict) {
  std::set<std::string_view> names;
  std::set<std::string_view> sentences;
  for (const Rule rule : kAllRules) {
    names.insert(to_string(rule));
    sentences.insert(describe(rule));
    EXPECT_GT(describe(rule).size(), to_string(rule).size());
  }
  EXPECT_EQ(names.size(), kRuleCount);
  EXPECT_EQ(sentences.size(), kRuleCount);
}

TEST(Rule, AllowsOnlyWhatThePolicyTableAllows) {
  const std::set<Rule> allowing = {
      Rule::kBeingInspected, Rule::kIntrospected, Rule::kManagedNotYetKnown,
      Rule::kUnknownInspection, Rule::kUnknownDiscovery};
  for (const Rule rule : kAllRules) {
    EXPECT_EQ(verdict_of(rule) == Verdict::kAllow, allowing.contains(rule))
        << to_string(rule);
  }
}

TEST(Verdict, HasAName) {
  EXPECT_EQ(to_string(Verdict::kDeny), "deny");
  EXPECT_EQ(to_string(Verdict::kAllow), "allow");
}

TEST(PolicyOptions, DiscoveryExcludesDenyingTheUnknown) {
  for (const bool deny : {false, true}) {
    for (const bool discovery : {false, true}) {
      PolicyOptions options;
      options.deny_unknown_macs = deny;
      options.discovery = discovery;
      const auto valid = validate(options);
      EXPECT_EQ(valid.has_value(), !(deny && discovery));
      if (valid) continue;
      EXPECT_EQ(valid.error().code(), ErrorCode::kInvalid);
      for (const char* name :
           {"deny_unknown_macs", "[auto_discovery]", "node_not_found_hook"}) {
        EXPECT_THAT(valid.error().message(), HasSubstr(name));
      }
    }
  }
}

// What the operator set beside the defaults.
PolicyOptions defaults() { return {}; }
PolicyOptions skip_managed() {
  PolicyOptions options;
  options.skip_managed = true;
  return options;
}
PolicyOptions open_states(Words states) {
  PolicyOptions options;
  options.open_provision_states = std::move(states);
  return options;
}
PolicyOptions interfaces(Words names) {
  PolicyOptions options;
  options.supported_inspect_interfaces = std::move(names);
  return options;
}
PolicyOptions general_gate() {
  return open_states({"inspecting", "inspect wait", "clean wait",
                      "wait call-back", "rescue wait"});
}
PolicyOptions skipping(PolicyOptions options) {
  options.skip_managed = true;
  return options;
}

struct NodeCase {
  std::string state;
  std::string interface;
  std::optional<bool> manage_boot;
  bool introspected;
  PolicyOptions options;
  Rule rule;
  Verdict verdict;
};

TEST(Policy, ANodesStateInterfaceAndBootManagerDecide) {
  constexpr Verdict kAllow = Verdict::kAllow;
  constexpr Verdict kDeny = Verdict::kDeny;
  const auto absent = std::nullopt;
  const NodeCase cases[] = {
      // Open state, supported interface.
      {"inspecting", "agent", absent, false, defaults(), Rule::kBeingInspected,
       kAllow},
      {"inspecting", "inspector", absent, false, defaults(),
       Rule::kBeingInspected, kAllow},
      {"inspect wait", "agent", absent, false, defaults(),
       Rule::kBeingInspected, kAllow},
      {"inspect wait", "inspector", false, false, defaults(),
       Rule::kBeingInspected, kAllow},

      // Every other provision state of Ironic.
      {"enroll", "agent", absent, false, defaults(), Rule::kNotInspected,
       kDeny},
      {"verifying", "agent", absent, false, defaults(), Rule::kNotInspected,
       kDeny},
      {"manageable", "agent", absent, false, defaults(), Rule::kNotInspected,
       kDeny},
      {"inspect failed", "agent", absent, false, defaults(),
       Rule::kNotInspected, kDeny},
      {"cleaning", "agent", absent, false, defaults(), Rule::kNotInspected,
       kDeny},
      {"clean wait", "agent", absent, false, defaults(), Rule::kNotInspected,
       kDeny},
      {"clean failed", "agent", absent, false, defaults(), Rule::kNotInspected,
       kDeny},
      {"available", "agent", absent, false, defaults(), Rule::kNotInspected,
       kDeny},
      {"deploying", "agent", absent, false, defaults(), Rule::kNotInspected,
       kDeny},
      {"wait call-back", "agent", absent, false, defaults(),
       Rule::kNotInspected, kDeny},
      {"active", "agent", absent, false, defaults(), Rule::kNotInspected,
       kDeny},
      {"deleting", "agent", absent, false, defaults(), Rule::kNotInspected,
       kDeny},
      {"error", "agent", absent, false, defaults(), Rule::kNotInspected, kDeny},
      {"rescue", "agent", absent, false, defaults(), Rule::kNotInspected,
       kDeny},
      {"rescue wait", "agent", absent, false, defaults(), Rule::kNotInspected,
       kDeny},

      // States are compared as they stand.
      {"", "agent", absent, false, defaults(), Rule::kNotInspected, kDeny},
      {"Inspecting", "agent", absent, false, defaults(), Rule::kNotInspected,
       kDeny},
      {"inspecting ", "agent", absent, false, defaults(), Rule::kNotInspected,
       kDeny},
      {"inspect", "agent", absent, false, defaults(), Rule::kNotInspected,
       kDeny},

      // Interfaces that need no boot from the inspection network.
      {"inspecting", "redfish", absent, false, defaults(),
       Rule::kUnsupportedInterface, kDeny},
      {"inspect wait", "idrac-redfish", absent, false, defaults(),
       Rule::kUnsupportedInterface, kDeny},
      {"inspecting", "", absent, false, defaults(), Rule::kUnsupportedInterface,
       kDeny},
      {"inspecting", "Agent", absent, false, defaults(),
       Rule::kUnsupportedInterface, kDeny},
      {"inspecting", "redfish", absent, false, interfaces({"redfish"}),
       Rule::kBeingInspected, kAllow},
      {"inspecting", "agent", absent, false, interfaces({"redfish"}),
       Rule::kUnsupportedInterface, kDeny},
      {"inspecting", "agent", absent, false, interfaces({}),
       Rule::kUnsupportedInterface, kDeny},
      {"active", "redfish", absent, false, defaults(), Rule::kNotInspected,
       kDeny},

      // open_provision_states as the operator set them.
      {"inspecting", "agent", absent, false, open_states({"inspect wait"}),
       Rule::kNotInspected, kDeny},
      {"inspect wait", "agent", absent, false, open_states({"inspect wait"}),
       Rule::kBeingInspected, kAllow},
      {"inspecting", "agent", absent, false, open_states({}),
       Rule::kNotInspected, kDeny},

      // A general PXE gate: a node that cleans, deploys or is rescued boots
      // whatever inspects it.
      {"clean wait", "agent", absent, false, general_gate(),
       Rule::kBeingInspected, kAllow},
      {"wait call-back", "redfish", absent, false, general_gate(),
       Rule::kBeingInspected, kAllow},
      {"rescue wait", "", absent, false, general_gate(), Rule::kBeingInspected,
       kAllow},
      {"inspecting", "redfish", absent, false, general_gate(),
       Rule::kUnsupportedInterface, kDeny},
      {"active", "agent", absent, false, general_gate(), Rule::kNotInspected,
       kDeny},

      // Managed inspection is allowed like the rest ...
      {"inspecting", "agent", true, false, defaults(), Rule::kBeingInspected,
       kAllow},
      {"inspect wait", "inspector", true, false, defaults(),
       Rule::kBeingInspected, kAllow},
      // ... unless skip_managed.
      {"inspecting", "agent", true, false, skip_managed(),
       Rule::kManagedSkipped, kDeny},
      {"inspect wait", "agent", true, false, skip_managed(),
       Rule::kManagedSkipped, kDeny},
      {"inspecting", "agent", false, false, skip_managed(),
       Rule::kBeingInspected, kAllow},
      {"inspect wait", "agent", false, false, skip_managed(),
       Rule::kBeingInspected, kAllow},
      // Nobody has said yet: provisionally, and only while `inspecting`.
      {"inspecting", "agent", absent, false, skip_managed(),
       Rule::kManagedNotYetKnown, kAllow},
      // By then Ironic has said it, but not to everybody.
      {"inspect wait", "agent", absent, false, skip_managed(),
       Rule::kManagedUnknown, kDeny},
      {"inspect wait", "agent", absent, false, defaults(),
       Rule::kBeingInspected, kAllow},
      {"inspecting", "redfish", absent, false, skip_managed(),
       Rule::kUnsupportedInterface, kDeny},
      {"inspecting", "agent", absent, false,
       skipping(open_states({"inspect wait"})), Rule::kNotInspected, kDeny},
      // What an earlier inspection left in the node says nothing of now.
      {"active", "agent", true, false, skip_managed(), Rule::kNotInspected,
       kDeny},
      {"clean wait", "agent", true, false, skipping(general_gate()),
       Rule::kBeingInspected, kAllow},

      // ironic-inspector lists it as unfinished.
      {"manageable", "agent", absent, true, defaults(), Rule::kIntrospected,
       kAllow},
      {"active", "redfish", absent, true, defaults(), Rule::kIntrospected,
       kAllow},
      {"inspecting", "redfish", absent, true, defaults(), Rule::kIntrospected,
       kAllow},
      // Ironic says the same, and more.
      {"inspect wait", "agent", true, true, defaults(), Rule::kBeingInspected,
       kAllow},
      {"inspecting", "agent", absent, true, open_states({}),
       Rule::kIntrospected, kAllow},
      // skip_managed speaks of these too, while the node is in inspection.
      {"inspecting", "inspector", true, true, skip_managed(),
       Rule::kManagedSkipped, kDeny},
      {"inspect wait", "inspector", true, true, skip_managed(),
       Rule::kManagedSkipped, kDeny},
      {"inspect wait", "inspector", absent, true, skip_managed(),
       Rule::kManagedUnknown, kDeny},
      {"inspecting", "inspector", absent, true, skip_managed(),
       Rule::kManagedNotYetKnown, kAllow},
      {"manageable", "inspector", true, true, skip_managed(),
       Rule::kIntrospected, kAllow},
  };
  std::set<Rule> seen;
  for (const NodeCase& row : cases) {
    Node node;
    node.uuid = "n1";
    node.provision_state = row.state;
    node.inspect_interface = row.interface;
    node.inspector_manage_boot = row.manage_boot;
    const std::string what =
        "state \"" + row.state + "\", interface \"" + row.interface +
        "\", manage_boot " +
        (row.manage_boot ? (*row.manage_boot ? "true" : "false") : "absent") +
        (row.introspected ? ", introspected" : "") +
        (row.options.skip_managed ? ", skip_managed" : "");
    const Rule rule = decide_node(node, row.introspected, row.options);
    EXPECT_EQ(to_string(rule), to_string(row.rule)) << what;
    EXPECT_EQ(verdict_of(rule), row.verdict) << what;
    seen.insert(rule);

    // The same through an inventory, for the MAC address and for the GUID.
    Port port;
    port.node_uuid = "n1";
    port.address = mac(1);
    port.guid = guid(1);
    auto inventory = Inventory::make({node}, {port}).value();
    if (row.introspected) inventory.set_introspected({"n1"});
    const Policy policy = compute_policy(inventory, row.options);
    EXPECT_EQ(policy.find(mac(1)), row.verdict) << what;
    EXPECT_EQ(policy.find(guid(1)), row.verdict) << what;
    EXPECT_EQ(policy.unknown(), row.verdict)
        << what << ": unknown machines may boot while a node is inspected";
  }
  EXPECT_EQ(seen.size(), 7U) << "a rule about nodes has no row";
}

struct UnknownCase {
  std::string name;
  std::vector<Node> nodes;
  std::set<std::string, std::less<>> introspected;
  bool deny_unknown_macs;
  bool discovery;
  Rule rule;
};

Node node_in(std::string uuid, std::string state,
             std::optional<bool> manage_boot = std::nullopt) {
  Node node;
  node.uuid = std::move(uuid);
  node.provision_state = std::move(state);
  node.inspect_interface = "agent";
  node.inspector_manage_boot = manage_boot;
  return node;
}

TEST(Policy, UnknownMachinesFollowOneRule) {
  const auto inspecting = node_in("n2", "inspect wait");
  const auto active = node_in("n1", "active");
  const UnknownCase cases[] = {
      {"empty Ironic", {}, {}, false, false, Rule::kUnknownIdle},
      {"idle", {active}, {}, false, false, Rule::kUnknownIdle},
      {"one of two is inspected",
       {active, inspecting},
       {},
       false,
       false,
       Rule::kUnknownInspection},
      {"introspected",
       {active},
       {"n1"},
       false,
       false,
       Rule::kUnknownInspection},
      {"introspected, and Ironic does not have the node",
       {active},
       {"n9"},
       false,
       false,
       Rule::kUnknownInspection},
      {"discovery", {active}, {}, false, true, Rule::kUnknownDiscovery},
      {"discovery in an empty Ironic",
       {},
       {},
       false,
       true,
       Rule::kUnknownDiscovery},
      {"discovery and inspection",
       {inspecting},
       {},
       false,
       true,
       Rule::kUnknownDiscovery},
      {"denied, idle", {active}, {}, true, false, Rule::kUnknownDenied},
      {"denied, inspection",
       {inspecting},
       {},
       true,
       false,
       Rule::kUnknownDenied},
      {"denied, introspection", {}, {"n9"}, true, false, Rule::kUnknownDenied},
      {"denied wins over discovery, which validate() refuses",
       {},
       {},
       true,
       true,
       Rule::kUnknownDenied},
  };
  for (const UnknownCase& row : cases) {
    auto inventory = Inventory::make(row.nodes, {}).value();
    inventory.set_introspected(row.introspected);
    PolicyOptions options;
    options.deny_unknown_macs = row.deny_unknown_macs;
    options.discovery = row.discovery;
    for (const HardwareAddress& address : {HardwareAddress(mac(1)), guid(1)}) {
      const Explanation why = explain(address, inventory, options);
      EXPECT_EQ(to_string(why.rule), to_string(row.rule)) << row.name;
      EXPECT_EQ(why.verdict, verdict_of(row.rule)) << row.name;
      EXPECT_EQ(why.port, std::nullopt) << row.name;
      EXPECT_EQ(why.node, std::nullopt) << row.name;
    }
    const Policy policy = compute_policy(inventory, options);
    EXPECT_EQ(policy.unknown(), verdict_of(row.rule)) << row.name;
  }
}

TEST(Policy, AnInspectionThatMayNotPassDoesNotLetTheUnknownIn) {
  const auto managed =
      Inventory::make({node_in("n1", "inspecting", true)}, {}).value();
  EXPECT_EQ(compute_policy(managed, defaults()).unknown(), Verdict::kAllow);
  EXPECT_EQ(compute_policy(managed, skip_managed()).unknown(), Verdict::kDeny);
}

TEST(Policy, APortWhoseNodeIsMissingIsDenied) {
  Port port;
  port.node_uuid = "gone";
  port.address = mac(1);
  port.guid = guid(1);
  auto inventory =
      Inventory::make({node_in("n1", "inspecting")}, {port}).value();
  const Policy policy = compute_policy(inventory, defaults());
  EXPECT_EQ(policy.find(mac(1)), Verdict::kDeny);
  EXPECT_EQ(policy.find(guid(1)), Verdict::kDeny);
  EXPECT_EQ(policy.unknown(), Verdict::kAllow);
  const Explanation why = explain(mac(1), inventory, defaults());
  EXPECT_EQ(why.rule, Rule::kNodeMissing);
  ASSERT_NE(why.port, std::nullopt);
  EXPECT_EQ(why.port->node_uuid, "gone");
  EXPECT_EQ(why.node, std::nullopt);

  inventory.set_introspected({"gone"});
  EXPECT_EQ(explain(mac(1), inventory, defaults()).rule, Rule::kIntrospected);
}

TEST(Policy, WhoseNodesAreAPartOnlyTheInspectorOpensNoOthers) {
  Port port;
  port.node_uuid = "elsewhere";
  port.address = mac(1);
  auto inventory = Inventory::make({node_in("n1", "active")}, {port}).value();
  inventory.set_introspected({"elsewhere"});
  PolicyOptions options;
  EXPECT_EQ(compute_policy(inventory, options).find(mac(1)), Verdict::kAllow);
  EXPECT_EQ(compute_policy(inventory, options).unknown(), Verdict::kAllow);

  options.narrowed = true;
  EXPECT_EQ(explain(mac(1), inventory, options).rule, Rule::kNodeMissing);
  EXPECT_EQ(compute_policy(inventory, options).find(mac(1)), Verdict::kDeny);
  EXPECT_EQ(compute_policy(inventory, options).unknown(), Verdict::kDeny);
  // What it says of a node that is listed holds.
  inventory.set_introspected({"n1"});
  EXPECT_EQ(compute_policy(inventory, options).unknown(), Verdict::kAllow);
}

TEST(Policy, APortOnAnotherPhysicalNetworkIsDenied) {
  std::vector<Port> ports;
  for (const char* network : {"provisioning", "tenants", ""}) {
    Port& port = ports.emplace_back();
    port.uuid = network;
    port.node_uuid = "n1";
    port.address = mac(static_cast<std::uint8_t>(ports.size()));
    port.physical_network = network;
  }
  auto inventory = Inventory::make({node_in("n1", "inspecting")}, ports);
  PolicyOptions options;
  EXPECT_EQ(compute_policy(*inventory, options).count(Verdict::kDeny), 0U);
  options.physical_network = "provisioning";
  const Policy policy = compute_policy(*inventory, options);
  EXPECT_EQ(policy.find(mac(1)), Verdict::kAllow);
  EXPECT_EQ(policy.find(mac(2)), Verdict::kDeny);
  EXPECT_EQ(policy.find(mac(3)), Verdict::kAllow) << "Ironic does not say";
  EXPECT_EQ(explain(mac(2), *inventory, options).rule, Rule::kOtherNetwork);
  inventory->set_introspected({"n1"});
  EXPECT_EQ(compute_policy(*inventory, options).find(mac(2)), Verdict::kDeny);
}

TEST(Policy, OfAnInspectedNodeEveryPortPassesAndOfOthersNone) {
  Port a;
  a.uuid = "a";
  a.node_uuid = "n1";
  a.address = mac(1);
  Port b = a;
  b.uuid = "b";
  b.address = mac(2);
  Port c = a;
  c.uuid = "c";
  c.node_uuid = "n2";
  c.address = mac(3);
  const auto inventory =
      Inventory::make({node_in("n1", "inspecting"), node_in("n2", "active")},
                      {a, b, c})
          .value();
  const Policy policy = compute_policy(inventory, defaults());
  EXPECT_EQ(policy.verdict(mac(1)), Verdict::kAllow);
  EXPECT_EQ(policy.verdict(mac(2)), Verdict::kAllow);
  EXPECT_EQ(policy.verdict(mac(3)), Verdict::kDeny);
  EXPECT_EQ(policy.count(Verdict::kAllow), 2U);
  EXPECT_EQ(policy.count(Verdict::kDeny), 1U);
  const Explanation why = explain(mac(2), inventory, defaults());
  EXPECT_EQ(why.node, inventory.find_node("n1"));
  EXPECT_EQ(why.port, inventory.find_port(mac(2)));
}

TEST(Policy, BeforeTheFirstSyncEverythingIsDenied) {
  const Policy policy;
  for (const auto& address : universe()) {
    EXPECT_EQ(policy.verdict(address), Verdict::kDeny);
  }
  EXPECT_TRUE(policy.entries().empty());
}

TEST(Policy, WhereAnAddressOccursTwiceDenyWins) {
  const Policy::Entry allow{mac(1), Verdict::kAllow};
  const Policy::Entry deny{mac(1), Verdict::kDeny};
  const Policy::Entry other{mac(0), Verdict::kAllow};
  for (const auto& entries : std::vector<std::vector<Policy::Entry>>{
           {allow, deny}, {deny, allow}, {allow, other, deny, allow}}) {
    const Policy policy(entries, Verdict::kAllow);
    EXPECT_EQ(policy.find(mac(1)), Verdict::kDeny);
    EXPECT_EQ(policy.count(Verdict::kDeny), 1U);
  }
}

// ---- Ethernet over InfiniBand ----

// A node being inspected with the port mac(0), guid(0), and one at rest with
// mac(1), guid(1).
class Eoib : public ::testing::Test {
 protected:
  Eoib() {
    std::vector<Node> nodes(2);
    std::vector<Port> ports(2);
    for (const std::uint8_t n : {0, 1}) {
      nodes[n].uuid = ports[n].node_uuid = testing::node_uuid(n);
      nodes[n].provision_state = n == 0 ? "inspect wait" : "active";
      nodes[n].inspect_interface = "agent";
      ports[n].uuid = "port-" + std::to_string(n);
      ports[n].address = mac(n);
      ports[n].guid = guid(n);
    }
    inventory_ = Inventory::make(nodes, ports).value();
  }
  Policy policy_with(EthernetNeighbours neighbours) {
    inventory_.set_ethernet_neighbours(std::move(neighbours));
    return compute_policy(inventory_, {});
  }
  Explanation why(const HardwareAddress& address) const {
    return explain(address, inventory_, {});
  }

  Inventory inventory_;
};

TEST_F(Eoib, ANeighbourHasTheVerdictOfThePortThatItBelongsTo) {
  const Policy policy =
      policy_with({{mac(5), guid(0)}, {mac(6), guid(1)}, {mac(7), guid(1)}});
  EXPECT_EQ(policy.find(mac(5)), Verdict::kAllow);
  EXPECT_EQ(policy.find(mac(6)), Verdict::kDeny);
  EXPECT_EQ(policy.find(mac(7)), Verdict::kDeny) << "a port may have several";
  EXPECT_EQ(policy.find(mac(0)), Verdict::kAllow) << "the port's own stays";
  ASSERT_NE(why(mac(6)).port, std::nullopt);
  EXPECT_EQ(why(mac(6)).port->uuid, "port-1");
  EXPECT_EQ(why(mac(6)).rule, Rule::kNotInspected);
}

TEST_F(Eoib, ANeighbourThatIsGoneIsUnknownAgain) {
  ASSERT_TRUE(policy_with({{mac(5), guid(1)}}).find(mac(5)));
  EXPECT_FALSE(policy_with({}).find(mac(5)));
  EXPECT_EQ(why(mac(5)).port, std::nullopt);
}

TEST_F(Eoib, ANeighbourOfNoPortIsUnknown) {
  EXPECT_FALSE(policy_with({{mac(5), guid(3)}}).find(mac(5)));
  EXPECT_EQ(why(mac(5)).rule, Rule::kUnknownInspection);
}

TEST_F(Eoib, WhereSeveralClaimAnAddressDenyWins) {
  // A port's own address and a neighbour's; either may be the denied one.
  EXPECT_EQ(policy_with({{mac(1), guid(0)}}).find(mac(1)), Verdict::kDeny);
  EXPECT_EQ(why(mac(1)).port->uuid, "port-1");
  EXPECT_EQ(policy_with({{mac(0), guid(1)}}).find(mac(0)), Verdict::kDeny);
  EXPECT_EQ(why(mac(0)).port->uuid, "port-1") << "the one that decides";
  // Two neighbours.
  EXPECT_EQ(policy_with({{mac(5), guid(0)}, {mac(5), guid(1)}}).find(mac(5)),
            Verdict::kDeny);
  EXPECT_EQ(why(mac(5)).port->uuid, "port-1");
}

RC_GTEST_PROP(PolicyProperty, EntriesAreSortedUniqueAndDenyWins, ()) {
  const std::vector<Policy::Entry> entries = *gen_entries();
  const Policy policy(entries, Verdict::kDeny);
  std::map<HardwareAddress, Verdict> expected;
  for (const auto& entry : entries) {
    const auto [at, fresh] = expected.emplace(entry.address, entry.verdict);
    if (entry.verdict == Verdict::kDeny) at->second = Verdict::kDeny;
  }
  RC_ASSERT(policy.entries().size() == expected.size());
  auto at = expected.begin();
  for (const auto& entry : policy.entries()) {
    RC_ASSERT(entry.address == at->first);
    RC_ASSERT(entry.verdict == at->second);
    ++at;
  }
}

RC_GTEST_PROP(PolicyProperty, ApplyingTheDifferenceArrives, ()) {
  const Policy from = *gen_policy();
  const Policy to = *gen_policy();
  RC_ASSERT(apply(from, diff(from, to)) == to);
}

RC_GTEST_PROP(PolicyProperty, NothingDiffersFromItself, ()) {
  const Policy policy = *gen_policy();
  RC_ASSERT(diff(policy, policy).empty());
  RC_ASSERT(apply(policy, PolicyDiff{}) == policy);
}

RC_GTEST_PROP(PolicyProperty, ADifferenceNamesOnlyWhatDiffers, ()) {
  const Policy from = *gen_policy();
  const Policy to = *gen_policy();
  const PolicyDiff delta = diff(from, to);
  RC_ASSERT(delta.empty() == (from == to));
  RC_ASSERT(delta.unknown.has_value() == (from.unknown() != to.unknown()));
  for (const auto& entry : delta.upserts) {
    RC_ASSERT(from.find(entry.address) != entry.verdict);
    RC_ASSERT(to.find(entry.address) == entry.verdict);
  }
  for (const auto& address : delta.removals) {
    RC_ASSERT(from.find(address).has_value());
    RC_ASSERT(!to.find(address).has_value());
  }
}

RC_GTEST_PROP(PolicyProperty, TheOrderOfPortsAndNodesNeverMatters, ()) {
  const Inventory inventory = *gen_inventory();
  const PolicyOptions options = *gen_options();
  std::vector<Node> nodes;
  for (const NodeView node : inventory.nodes()) nodes.push_back(node.node());
  std::vector<Port> ports;
  for (const PortView port : inventory.ports()) ports.push_back(port.port());
  std::minstd_rand random(*rc::gen::arbitrary<unsigned>());
  std::ranges::shuffle(nodes, random);
  std::ranges::shuffle(ports, random);
  auto shuffled = Inventory::make(nodes, ports).value();
  shuffled.set_introspected(inventory.introspected());
  shuffled.set_ethernet_neighbours(inventory.ethernet_neighbours());
  RC_ASSERT(compute_policy(shuffled, options) ==
            compute_policy(inventory, options));
}

RC_GTEST_PROP(PolicyProperty, TheExplanationIsWhatIsEnforced, ()) {
  const Inventory inventory = *gen_inventory();
  const PolicyOptions options = *gen_options();
  const Policy policy = compute_policy(inventory, options);
  for (const HardwareAddress& address : universe()) {
    const Explanation why = explain(address, inventory, options);
    RC_ASSERT(why.verdict == policy.verdict(address));
    RC_ASSERT(why.verdict == verdict_of(why.rule));
    RC_ASSERT(why.port.has_value() == policy.find(address).has_value());
    const auto claimants = inventory.find_ports(address);
    RC_ASSERT(why.port.has_value() == !claimants.empty());
    if (why.port) {
      RC_ASSERT(std::ranges::count_if(claimants, [&why](const PortView& each) {
                  return each.port() == *why.port;
                }) == 1);
    }
    if (why.node) RC_ASSERT(why.node->uuid == why.port->node_uuid);
  }
}

// No node that is in Ironic and not being inspected gets through, whatever
// else is in the inventory: the product's first promise, said without the
// rules.
RC_GTEST_PROP(PolicyProperty, AKnownNodeOutsideInspectionIsDenied, ()) {
  const Inventory inventory = *gen_inventory();
  const PolicyOptions options = *gen_options();
  const Policy policy = compute_policy(inventory, options);
  for (const PortView port : inventory.ports()) {
    const auto node = inventory.view_node(port.node_uuid);
    const bool open = node && std::ranges::count(options.open_provision_states,
                                                 node->provision_state) > 0;
    const std::string uuid = port.node_uuid.to_string();
    if (open || inventory.introspected().contains(uuid)) continue;
    RC_ASSERT(policy.verdict(port.address) == Verdict::kDeny);
    if (!port.guid) continue;
    RC_ASSERT(policy.verdict(*port.guid) == Verdict::kDeny);
    for (const auto& [neighbour, guid] : inventory.ethernet_neighbours()) {
      if (guid != *port.guid) continue;
      RC_ASSERT(policy.verdict(neighbour) == Verdict::kDeny);
    }
  }
}

// The filter as a driver changes it: one entry at a time.
class ReferenceFilter {
 public:
  explicit ReferenceFilter(const Policy& policy) : unknown_(policy.unknown()) {
    for (const auto& entry : policy.entries()) {
      entries_[entry.address] = entry.verdict;
    }
  }
  void upsert(const Policy::Entry& entry) {
    entries_[entry.address] = entry.verdict;
  }
  void remove(const HardwareAddress& address) { entries_.erase(address); }
  void set_unknown(Verdict verdict) { unknown_ = verdict; }

  Verdict verdict(const HardwareAddress& address) const {
    const auto it = entries_.find(address);
    return it == entries_.end() ? unknown_ : it->second;
  }

 private:
  std::map<HardwareAddress, Verdict> entries_;
  Verdict unknown_;
};

// Whoever has the same verdict before and after has it at this instant.
void assert_nobody_suffers(const ReferenceFilter& now, const Policy& before,
                           const Policy& after) {
  for (const HardwareAddress& address : universe()) {
    const Verdict verdict = before.verdict(address);
    if (verdict != after.verdict(address)) continue;
    if (now.verdict(address) == verdict) continue;
    RC_FAIL(address.to_string() + " is " +
            std::string(to_string(now.verdict(address))) +
            " during the change, and is not before and after");
  }
}

RC_GTEST_PROP(PolicyProperty, AtNoInstantOfAChangeDoesAnyoneSuffer, ()) {
  const Policy before = *gen_policy();
  const Policy after = *gen_policy();
  PolicyDiff delta = diff(before, after);
  // Within a phase any order will do.
  std::minstd_rand random(*rc::gen::arbitrary<unsigned>());
  std::ranges::shuffle(delta.upserts, random);
  std::ranges::shuffle(delta.removals, random);

  ReferenceFilter filter(before);
  assert_nobody_suffers(filter, before, after);
  for (const auto& entry : delta.upserts) {
    filter.upsert(entry);
    assert_nobody_suffers(filter, before, after);
  }
  if (delta.unknown) {
    filter.set_unknown(*delta.unknown);
    assert_nobody_suffers(filter, before, after);
  }
  for (const auto& address : delta.removals) {
    filter.remove(address);
    assert_nobody_suffers(filter, before, after);
  }
  for (const HardwareAddress& address : universe()) {
    RC_ASSERT(filter.verdict(address) == after.verdict(address));
  }
}

// A controller that dies half-way leaves a filter whose next sync arrives.
RC_GTEST_PROP(PolicyProperty, AChangeCutOffIsCompletedByTheNext, ()) {
  const Policy before = *gen_policy();
  const Policy after = *gen_policy();
  PolicyDiff part = diff(before, after);
  part.upserts.resize(
      *rc::gen::inRange<std::size_t>(0, part.upserts.size() + 1));
  part.removals.clear();
  if (*rc::gen::arbitrary<bool>()) part.unknown.reset();
  const Policy half = apply(before, part);
  RC_ASSERT(apply(half, diff(half, after)) == after);
}

}  // namespace
}  // namespace pxegate
