// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_CORE_POLICY_H_
#define PXEGATE_CONTROLLER_CORE_POLICY_H_

#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "controller/base/mac_address.h"
#include "controller/base/result.h"
#include "controller/core/inventory.h"

namespace pxegate {

enum class Verdict : std::uint8_t { kDeny, kAllow };
std::string_view to_string(Verdict verdict);  // "deny", "allow"

// The operator's choices that decide verdicts: [pxe_filter],
// [auto_discovery] and [processing].
struct PolicyOptions {
  std::vector<std::string> open_provision_states = {"inspecting",
                                                    "inspect wait"};
  std::vector<std::string> supported_inspect_interfaces = {"agent",
                                                           "inspector"};
  bool skip_managed = false;
  bool deny_unknown_macs = false;
  bool discovery = false;
  // Only a part of Ironic's nodes is listed (conductor_group, shard, owner):
  // what ironic-inspector says of others is not ours.
  bool narrowed = false;
  // The network that is filtered here; empty: not told. A port that Ironic
  // says is on another one has no business here.
  std::string physical_network;

  bool operator==(const PolicyOptions&) const = default;
};

// kInvalid where the options exclude each other: discovery together with
// deny_unknown_macs, as ironic-inspector refuses it too.
Result<> validate(const PolicyOptions& options);

// Which line of the policy decided.
enum class Rule : std::uint8_t {
  kBeingInspected,        // allow: open state, supported interface
  kIntrospected,          // allow: ironic-inspector lists it as unfinished
  kManagedNotYetKnown,    // allow for now: skip_managed is set, the node is
                          // `inspecting` and Ironic has not said who boots it
  kManagedSkipped,        // deny: Ironic manages this boot, skip_managed set
  kManagedUnknown,        // deny: skip_managed is set, the node is in `inspect
                          // wait` and Ironic still does not say who boots it
  kNotInspected,          // deny: in Ironic, in no open state
  kUnsupportedInterface,  // deny: open state, inspect_interface not supported
  kNodeMissing,           // deny: the port's node is not in the node list
  kOtherNetwork,          // deny: the port is on another physical_network
  kUnknownInspection,     // allow: unknown, and some node is being inspected
  kUnknownDiscovery,      // allow: unknown, and discovery is on
  kUnknownDenied,         // deny: unknown, deny_unknown_macs is set
  kUnknownIdle,           // deny: unknown, no inspection, no discovery
};
inline constexpr std::size_t kRuleCount = 13;
// Stable snake_case name for JSON, as in "being_inspected".
std::string_view to_string(Rule rule);
// One plain sentence for an operator.
std::string_view describe(Rule rule);
Verdict verdict_of(Rule rule);

// Whether a node counts as being inspected, and by which line.
Rule decide_node(const Node& node, bool introspected,
                 const PolicyOptions& options);

// decide_node() for the nodes of one inventory, fast: asked once for nodes that
// are alike. Both must outlive this and stay as they are.
class NodeRules {
 public:
  NodeRules(const Inventory& inventory, const PolicyOptions& options);
  Rule of(const NodeView& node) const;
  bool introspected(const Identifier& uuid) const;

 private:
  struct Kind {
    std::optional<Rule> plain;
    std::optional<Rule> introspected;
  };
  const PolicyOptions* options_;
  mutable std::vector<Kind> kinds_;
  std::unordered_set<Identifier, Identifier::Hash> introspected_;
};

// What the filter must enforce: a verdict for each known hardware address
// and one for every other. A value; entries are sorted by address.
class Policy {
 public:
  struct Entry {
    HardwareAddress address;
    Verdict verdict = Verdict::kDeny;
    bool operator==(const Entry&) const = default;
  };

  // Nothing known, everything denied: the state before the first sync.
  Policy() = default;
  // Sorts; where an address occurs twice, deny wins.
  Policy(std::vector<Entry> entries, Verdict unknown);

  const std::vector<Entry>& entries() const { return entries_; }
  Verdict unknown() const { return unknown_; }
  // The entry's verdict; nullopt for an unknown address.
  std::optional<Verdict> find(const HardwareAddress& address) const;
  // The verdict that holds for `address`, known or not.
  Verdict verdict(const HardwareAddress& address) const;
  std::size_t count(Verdict verdict) const;

  bool operator==(const Policy&) const = default;

 private:
  std::vector<Entry> entries_;
  Verdict unknown_ = Verdict::kDeny;
};

// Pure, total, independent of the order of nodes and ports. A port's GUID
// gets the same verdict as its MAC address, and so does each of its Ethernet
// neighbours; where an address is claimed by several ports that way, deny wins.
Policy compute_policy(const Inventory& inventory, const PolicyOptions& options);

// Why `address` has its verdict: what compute_policy() decided and on what. Of
// several ports that claim it, the one that decided.
struct Explanation {
  Verdict verdict = Verdict::kDeny;
  Rule rule = Rule::kUnknownIdle;
  std::optional<Port> port{};  // none: the address is unknown
  std::optional<Node> node{};
};
Explanation explain(const HardwareAddress& address, const Inventory& inventory,
                    const PolicyOptions& options);

// What turns one policy into another. Applied in this order no address that
// is denied before and after gets through at any instant, and none that is
// allowed before and after is dropped: `upserts`, then `unknown`, then
// `removals`. (An address without an entry is shielded by its upsert before
// the verdict for unknowns changes, and one that loses its entry keeps it
// until that verdict is the new one.)
struct PolicyDiff {
  std::vector<Policy::Entry> upserts;
  std::optional<Verdict> unknown;
  std::vector<HardwareAddress> removals;

  bool empty() const { return upserts.empty() && !unknown && removals.empty(); }
  bool operator==(const PolicyDiff&) const = default;
};

// apply(from, diff(from, to)) == to; diff(p, p) is empty.
PolicyDiff diff(const Policy& from, const Policy& to);
Policy apply(const Policy& from, const PolicyDiff& diff);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_CORE_POLICY_H_
