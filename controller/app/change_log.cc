// SPDX-License-Identifier: Apache-2.0
#include "controller/app/change_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

namespace pxegate {
namespace {

constexpr std::size_t kMaxAddresses = 8;

std::string name_of(const NodeView& node) {
  const std::string uuid = node.uuid.to_string();
  if (node.name.empty()) return "node " + uuid;
  return fmt::format("node {} ({})", node.name, uuid);
}

std::string join(const std::vector<std::string>& addresses) {
  const std::size_t shown = std::min(addresses.size(), kMaxAddresses);
  std::string text = fmt::format(
      "{}",
      fmt::join(addresses.begin(),
                addresses.begin() + static_cast<std::ptrdiff_t>(shown), ", "));
  if (shown < addresses.size()) {
    text += fmt::format(" and {} more", addresses.size() - shown);
  }
  return text;
}

// Nodes that are inspected in `of` and not in `in`.
std::vector<NodeView> inspected_only(const PolicyInForce& of,
                                     const PolicyInForce& in) {
  const NodeRules rules(*of.inventory, of.options);
  const NodeRules other_rules(*in.inventory, in.options);
  std::vector<NodeView> nodes;
  for (const NodeView node : of.inventory->nodes()) {
    if (verdict_of(rules.of(node)) != Verdict::kAllow) continue;
    const auto other = in.inventory->view_node(node.uuid);
    if (!other || verdict_of(other_rules.of(*other)) != Verdict::kAllow) {
      nodes.push_back(node);
    }
  }
  return nodes;
}

using AddressesByNode =
    std::map<std::string, std::vector<std::string>, std::less<>>;

// The addresses of those of the diff's upserts that have `verdict`.
AddressesByNode upserts_by_node(const PolicyDiff& change, Verdict verdict,
                                const Inventory& inventory) {
  AddressesByNode result;
  for (const auto& entry : change.upserts) {
    if (entry.verdict != verdict) continue;
    const auto ports = inventory.find_ports(entry.address);
    if (ports.empty()) continue;
    result[ports.front().node_uuid.to_string()].push_back(
        entry.address.to_string());
  }
  return result;
}

std::string line_of(const NodeView& node, std::string_view happened,
                    std::string_view verdict, AddressesByNode& addresses) {
  const auto it = addresses.find(node.uuid.to_string());
  if (it == addresses.end()) {
    return fmt::format("{} {}: no port of it in Ironic changes", name_of(node),
                       happened);
  }
  auto line = fmt::format("{} {}: {} {}", name_of(node), happened, verdict,
                          join(it->second));
  addresses.erase(it);
  return line;
}

std::string unknown_line(const PolicyInForce& state) {
  const PolicyOptions& options = state.options;
  if (state.policy->unknown() == Verdict::kAllow) {
    return fmt::format(
        "unknown machines are now allowed ({})",
        options.discovery ? "discovery is on" : "some node is being inspected");
  }
  return fmt::format("unknown machines are now denied ({})",
                     options.deny_unknown_macs ? "deny_unknown_macs is set"
                                               : "no node is being inspected");
}

}  // namespace

std::size_t count_inspected(const Inventory& inventory,
                            const PolicyOptions& options) {
  const NodeRules rules(inventory, options);
  std::size_t count = 0;
  for (const NodeView node : inventory.nodes()) {
    if (verdict_of(rules.of(node)) == Verdict::kAllow) ++count;
  }
  for (const std::string& uuid : inventory.introspected()) {
    if (!inventory.has_node(Identifier(uuid))) ++count;
  }
  return count;
}

std::vector<std::string> describe_change(const PolicyInForce& before,
                                         const PolicyInForce& after,
                                         std::size_t limit) {
  const PolicyDiff change = diff(*before.policy, *after.policy);
  auto allowed = upserts_by_node(change, Verdict::kAllow, *after.inventory);
  auto denied = upserts_by_node(change, Verdict::kDeny, *after.inventory);
  std::vector<std::string> lines;
  for (const NodeView& node : inspected_only(after, before)) {
    lines.push_back(line_of(node, "is being inspected", "allowed", allowed));
  }
  for (const NodeView& node : inspected_only(before, after)) {
    lines.push_back(
        line_of(node, "is no longer being inspected", "denied", denied));
  }
  // Ports that came to a node which is and was inspected.
  for (const auto& [uuid, addresses] : allowed) {
    const auto node = after.inventory->view_node(Identifier(uuid));
    lines.push_back(fmt::format("{}: also allowed {}",
                                node ? name_of(*node) : "node " + uuid,
                                join(addresses)));
  }
  const auto fresh = std::ranges::count_if(
      change.upserts, [&before](const Policy::Entry& entry) {
        return !before.policy->find(entry.address).has_value();
      });
  const std::size_t gone = change.removals.size();
  if (fresh > 0 || gone > 0) {
    lines.push_back(
        fmt::format("hardware addresses: {} new, {} gone", fresh, gone));
  }
  if (change.unknown) lines.push_back(unknown_line(after));
  if (lines.size() > limit) {
    // What concerns every machine must not hide among the rest.
    if (change.unknown) std::swap(lines.front(), lines.back());
    const std::size_t rest = lines.size() - limit;
    lines.resize(limit);
    lines.push_back(fmt::format("and {} changes more", rest));
  }
  return lines;
}

}  // namespace pxegate
