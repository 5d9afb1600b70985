// SPDX-License-Identifier: Apache-2.0
#include "controller/core/policy.h"

#include <algorithm>
#include <array>
#include <utility>

namespace pxegate {
namespace {

struct RuleInfo {
  Rule rule;
  Verdict verdict;
  std::string_view name;
  std::string_view sentence;
};

constexpr std::array<RuleInfo, kRuleCount> kRules = {{
    {Rule::kBeingInspected, Verdict::kAllow, "being_inspected",
     "its node is being inspected"},
    {Rule::kIntrospected, Verdict::kAllow, "introspected",
     "ironic-inspector lists its node as being introspected"},
    {Rule::kManagedNotYetKnown, Verdict::kAllow, "managed_not_yet_known",
     "its node is starting inspection and Ironic has not yet said who "
     "manages its boot"},
    {Rule::kManagedSkipped, Verdict::kDeny, "managed_skipped",
     "Ironic itself manages the boot of this inspection, and skip_managed is "
     "set"},
    {Rule::kManagedUnknown, Verdict::kDeny, "managed_unknown",
     "Ironic does not tell who manages the boot of this inspection, and "
     "skip_managed is set: the account lacks the permission "
     "baremetal:node:get:driver_internal_info"},
    {Rule::kNotInspected, Verdict::kDeny, "not_inspected",
     "its node is in Ironic and is not being inspected"},
    {Rule::kUnsupportedInterface, Verdict::kDeny, "unsupported_interface",
     "its node is being inspected by an inspect_interface that is not in "
     "supported_inspect_interfaces"},
    {Rule::kNodeMissing, Verdict::kDeny, "node_missing",
     "its port is in Ironic but its node is not in the list of nodes"},
    {Rule::kOtherNetwork, Verdict::kDeny, "other_network",
     "Ironic says that its port is on another physical_network"},
    {Rule::kUnknownInspection, Verdict::kAllow, "unknown_inspection",
     "Ironic does not know it, and some node is being inspected"},
    {Rule::kUnknownDiscovery, Verdict::kAllow, "unknown_discovery",
     "Ironic does not know it, and discovery is on"},
    {Rule::kUnknownDenied, Verdict::kDeny, "unknown_denied",
     "Ironic does not know it, and deny_unknown_macs is set"},
    {Rule::kUnknownIdle, Verdict::kDeny, "unknown_idle",
     "Ironic does not know it, no node is being inspected and discovery is "
     "off"},
}};

constexpr bool rules_are_in_order() {
  for (std::size_t i = 0; i < kRules.size(); ++i) {
    if (static_cast<std::size_t>(kRules[i].rule) != i) return false;
  }
  return true;
}
static_assert(rules_are_in_order());

const RuleInfo& info(Rule rule) {
  return kRules[static_cast<std::size_t>(rule)];
}

bool contains(const std::vector<std::string>& list, std::string_view value) {
  return std::ranges::find(list, value) != list.end();
}

// supported_inspect_interfaces and skip_managed speak of inspections only: a
// node in `clean wait`, opened by open_provision_states, boots whatever its
// inspect_interface is.
bool is_inspection_state(std::string_view state) {
  return state == "inspecting" || state == "inspect wait";
}

// By what Ironic says of the node, ironic-inspector left aside.
Rule decide_by_state(const Node& node, const PolicyOptions& options) {
  const bool inspection = is_inspection_state(node.provision_state);
  if (options.skip_managed && inspection &&
      node.inspector_manage_boot.value_or(false)) {
    return Rule::kManagedSkipped;
  }
  if (!contains(options.open_provision_states, node.provision_state)) {
    return Rule::kNotInspected;
  }
  if (!inspection) return Rule::kBeingInspected;
  if (!contains(options.supported_inspect_interfaces, node.inspect_interface)) {
    return Rule::kUnsupportedInterface;
  }
  if (options.skip_managed && !node.inspector_manage_boot) {
    // Ironic decides while the node is `inspecting`. Who may not read what it
    // decided never sees it.
    return node.provision_state == "inspecting" ? Rule::kManagedNotYetKnown
                                                : Rule::kManagedUnknown;
  }
  return Rule::kBeingInspected;
}

using Identifiers = std::unordered_set<Identifier, Identifier::Hash>;

// The nodes that are being inspected; also such that Ironic does not have, but
// ironic-inspector.
Identifiers allowed_nodes(const Inventory& inventory,
                          const PolicyOptions& options) {
  Identifiers allowed;
  const NodeRules rules(inventory, options);
  for (const NodeView node : inventory.nodes()) {
    if (verdict_of(rules.of(node)) == Verdict::kAllow) {
      allowed.insert(node.uuid);
    }
  }
  if (options.narrowed) return allowed;
  for (const std::string& uuid : inventory.introspected()) {
    const Identifier id(uuid);
    if (!inventory.has_node(id)) allowed.insert(id);
  }
  return allowed;
}

// Ironic says that the port is not on the network that is filtered here.
bool is_elsewhere(const PortView& port, const PolicyOptions& options) {
  return !options.physical_network.empty() && !port.physical_network.empty() &&
         port.physical_network != options.physical_network;
}

Rule decide_port(const PortView& port, const Inventory& inventory,
                 const PolicyOptions& options) {
  if (is_elsewhere(port, options)) return Rule::kOtherNetwork;
  const auto node = inventory.view_node(port.node_uuid);
  const bool introspected =
      inventory.introspected().contains(port.node_uuid.to_string());
  if (node) return decide_node(node->node(), introspected, options);
  return introspected && !options.narrowed ? Rule::kIntrospected
                                           : Rule::kNodeMissing;
}

// The door opens to unknown machines while any node is being inspected: it may
// have no ports in Ironic yet.
Rule decide_unknown(bool anything_inspected, const PolicyOptions& options) {
  if (options.deny_unknown_macs) return Rule::kUnknownDenied;
  if (options.discovery) return Rule::kUnknownDiscovery;
  return anything_inspected ? Rule::kUnknownInspection : Rule::kUnknownIdle;
}

}  // namespace

std::string_view to_string(Verdict verdict) {
  return verdict == Verdict::kAllow ? "allow" : "deny";
}
std::string_view to_string(Rule rule) { return info(rule).name; }
std::string_view describe(Rule rule) { return info(rule).sentence; }
Verdict verdict_of(Rule rule) { return info(rule).verdict; }

Result<> validate(const PolicyOptions& options) {
  if (options.discovery && options.deny_unknown_macs) {
    return fail(
        "[pxe_filter] deny_unknown_macs = true contradicts discovery of "
        "unknown nodes: unset it, or unset [auto_discovery] enabled and "
        "[processing] node_not_found_hook",
        ErrorCode::kInvalid);
  }
  return {};
}

Rule decide_node(const Node& node, bool introspected,
                 const PolicyOptions& options) {
  const Rule rule = decide_by_state(node, options);
  // Ironic's own news tell more; ironic-inspector opens what they leave shut,
  // but not what the operator has it skip.
  const bool opens = introspected && verdict_of(rule) == Verdict::kDeny &&
                     rule != Rule::kManagedSkipped &&
                     rule != Rule::kManagedUnknown;
  return opens ? Rule::kIntrospected : rule;
}

NodeRules::NodeRules(const Inventory& inventory, const PolicyOptions& options)
    : options_(&options), kinds_(inventory.node_kinds()) {
  for (const std::string& uuid : inventory.introspected()) {
    introspected_.insert(Identifier(uuid));
  }
}

bool NodeRules::introspected(const Identifier& uuid) const {
  return !introspected_.empty() && introspected_.contains(uuid);
}

Rule NodeRules::of(const NodeView& node) const {
  const bool introspected = this->introspected(node.uuid);
  Kind& kind = kinds_.at(node.kind);
  auto& rule = introspected ? kind.introspected : kind.plain;
  if (!rule) rule = decide_node(node.node(), introspected, *options_);
  return *rule;
}

Policy::Policy(std::vector<Entry> entries, Verdict unknown)
    : entries_(std::move(entries)), unknown_(unknown) {
  std::ranges::sort(entries_, [](const Entry& a, const Entry& b) {
    return std::pair(a.address, a.verdict) < std::pair(b.address, b.verdict);
  });
  static_assert(Verdict::kDeny < Verdict::kAllow, "deny sorts first and wins");
  // Not std::ranges::unique, whose subrange clang 14 does not compile with
  // libstdc++ 12.
  const auto same_address = [](const Entry& a, const Entry& b) {
    return a.address == b.address;
  };
  entries_.erase(std::unique(entries_.begin(), entries_.end(), same_address),
                 entries_.end());
}

std::optional<Verdict> Policy::find(const HardwareAddress& address) const {
  const auto it =
      std::ranges::lower_bound(entries_, address, {}, &Entry::address);
  if (it == entries_.end() || it->address != address) return std::nullopt;
  return it->verdict;
}

Verdict Policy::verdict(const HardwareAddress& address) const {
  return find(address).value_or(unknown_);
}

std::size_t Policy::count(Verdict verdict) const {
  return static_cast<std::size_t>(
      std::ranges::count(entries_, verdict, &Entry::verdict));
}

Policy compute_policy(const Inventory& inventory,
                      const PolicyOptions& options) {
  const Identifiers allowed = allowed_nodes(inventory, options);
  const auto verdict_for = [&](const PortView& port) {
    const bool is_allowed = !allowed.empty() &&
                            allowed.contains(port.node_uuid) &&
                            !is_elsewhere(port, options);
    return is_allowed ? Verdict::kAllow : Verdict::kDeny;
  };
  std::vector<Policy::Entry> entries;
  entries.reserve(inventory.ports().size());
  for (const PortView port : inventory.ports()) {
    const Verdict verdict = verdict_for(port);
    entries.push_back({port.address, verdict});
    if (port.guid) entries.push_back({*port.guid, verdict});
  }
  for (const auto& [address, guid] : inventory.ethernet_neighbours()) {
    const auto port = inventory.view_port(guid);
    if (port) entries.push_back({address, verdict_for(*port)});
  }
  return Policy(std::move(entries),
                verdict_of(decide_unknown(!allowed.empty(), options)));
}

Explanation explain(const HardwareAddress& address, const Inventory& inventory,
                    const PolicyOptions& options) {
  Explanation result;
  for (const PortView& port : inventory.find_ports(address)) {
    const Rule rule = decide_port(port, inventory, options);
    const bool decides =
        !result.port || (verdict_of(result.rule) == Verdict::kAllow &&
                         verdict_of(rule) == Verdict::kDeny);
    if (!decides) continue;
    result.port = port.port();
    result.rule = rule;
  }
  if (result.port) {
    result.node = inventory.find_node(result.port->node_uuid);
  } else {
    result.rule =
        decide_unknown(!allowed_nodes(inventory, options).empty(), options);
  }
  result.verdict = verdict_of(result.rule);
  return result;
}

PolicyDiff diff(const Policy& from, const Policy& to) {
  PolicyDiff result;
  auto a = from.entries().begin();
  auto b = to.entries().begin();
  while (a != from.entries().end() || b != to.entries().end()) {
    if (b == to.entries().end() ||
        (a != from.entries().end() && a->address < b->address)) {
      result.removals.push_back((a++)->address);
    } else if (a == from.entries().end() || b->address < a->address) {
      result.upserts.push_back(*b++);
    } else {
      if (a->verdict != b->verdict) result.upserts.push_back(*b);
      ++a;
      ++b;
    }
  }
  if (from.unknown() != to.unknown()) result.unknown = to.unknown();
  return result;
}

Policy apply(const Policy& from, const PolicyDiff& diff) {
  std::map<HardwareAddress, Verdict> entries;
  for (const auto& entry : from.entries()) {
    entries.emplace(entry.address, entry.verdict);
  }
  for (const auto& entry : diff.upserts) {
    entries.insert_or_assign(entry.address, entry.verdict);
  }
  for (const auto& address : diff.removals) entries.erase(address);
  std::vector<Policy::Entry> flat;
  flat.reserve(entries.size());
  for (const auto& [address, verdict] : entries) {
    flat.push_back({address, verdict});
  }
  return Policy(std::move(flat), diff.unknown.value_or(from.unknown()));
}

}  // namespace pxegate
