// SPDX-License-Identifier: Apache-2.0
#include "controller/app/poll_news.h"

#include <algorithm>
#include <optional>

namespace pxegate {

std::vector<Node> node_news(const Inventory& inventory,
                            const Inventory::NodesByUuid& open,
                            const std::vector<std::string>& open_states) {
  std::vector<Node> news;
  // The text of each state is compared once, not for every node.
  std::vector<std::optional<bool>> looks_open(inventory.node_kinds());
  for (const NodeView node : inventory.nodes()) {
    auto& is_open = looks_open.at(node.kind);
    if (!is_open) {
      is_open = std::ranges::find(open_states, node.provision_state) !=
                open_states.end();
    }
    if (!*is_open || open.contains(node.uuid.to_string())) continue;
    news.push_back(node.node());
    news.back().provision_state.clear();
  }
  for (const auto& [uuid, node] : open) {
    const auto known = inventory.find_node(uuid);
    if (!known || *known != node) news.push_back(node);
  }
  return news;
}

void drop_known_ports(const Inventory& inventory, PortsByNode& fetched) {
  for (auto& [uuid, ports] : fetched) {
    std::ranges::sort(ports, {}, &Port::address);
  }
  std::erase_if(fetched, [&inventory](const auto& item) {
    const auto& [uuid, ports] = item;
    const auto known = inventory.ports_of_node(Identifier(uuid));
    return std::equal(
        known.begin(), known.end(), ports.begin(), ports.end(),
        [](const PortView& a, const Port& b) { return a.port() == b; });
  });
}

}  // namespace pxegate
