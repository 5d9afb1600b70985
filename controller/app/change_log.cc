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

bool is_inspected(const Node& node, const PolicyInForce& state) {
  const bool introspected = state.inventory->introspected().contains(node.uuid);
  return verdict_of(decide_node(node, introspected, state.options)) ==
         Verdict::kAllow;
}

std::string name_of(const Node& node) {
  if (node.name.empty()) return "node " + node.uuid;
  return fmt::format("node {} ({})", node.name, node.uuid);
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
std::vector<const Node*> inspected_only(const PolicyInForce& of,
                                        const PolicyInForce& in) {
  std::vector<const Node*> nodes;
  for (const auto& [uuid, node] : of.inventory->nodes()) {
    if (!is_inspected(node, of)) continue;
    const Node* other = in.inventory->find_node(uuid);
    if (other == nullptr || !is_inspected(*other, in)) nodes.push_back(&node);
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
    result[ports.front()->node_uuid].push_back(entry.address.to_string());
  }
  return result;
}

std::string line_of(const Node& node, std::string_view happened,
                    std::string_view verdict, AddressesByNode& addresses) {
  const auto it = addresses.find(node.uuid);
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
  const auto& introspected = inventory.introspected();
  std::size_t count = 0;
  for (const auto& [uuid, node] : inventory.nodes()) {
    const Rule rule = decide_node(node, introspected.contains(uuid), options);
    if (verdict_of(rule) == Verdict::kAllow) ++count;
  }
  for (const std::string& uuid : introspected) {
    if (inventory.find_node(uuid) == nullptr) ++count;
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
  for (const Node* node : inspected_only(after, before)) {
    lines.push_back(line_of(*node, "is being inspected", "allowed", allowed));
  }
  for (const Node* node : inspected_only(before, after)) {
    lines.push_back(
        line_of(*node, "is no longer being inspected", "denied", denied));
  }
  // Ports that came to a node which is and was inspected.
  for (const auto& [uuid, addresses] : allowed) {
    const Node* node = after.inventory->find_node(uuid);
    lines.push_back(fmt::format(
        "{}: also allowed {}",
        node == nullptr ? "node " + uuid : name_of(*node), join(addresses)));
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
