// SPDX-License-Identifier: Apache-2.0
#include "controller/app/poll_news.h"

#include <algorithm>

namespace pxegate {

std::vector<Node> node_news(const Inventory& inventory,
                            const Inventory::NodesByUuid& open,
                            const std::vector<std::string>& open_states) {
  std::vector<Node> news;
  for (const auto& [uuid, node] : inventory.nodes()) {
    const bool looks_open =
        std::ranges::find(open_states, node.provision_state) !=
        open_states.end();
    if (!looks_open || open.contains(uuid)) continue;
    news.push_back(node);
    news.back().provision_state.clear();
  }
  for (const auto& [uuid, node] : open) {
    const Node* known = inventory.find_node(uuid);
    if (known == nullptr || *known != node) news.push_back(node);
  }
  return news;
}

void drop_known_ports(const Inventory& inventory, PortsByNode& fetched) {
  // One walk for all nodes: there is no index by node.
  PortsByNode known;
  for (const auto& [address, port] : inventory.ports()) {
    if (fetched.contains(port.node_uuid)) known[port.node_uuid].push_back(port);
  }
  for (auto& [uuid, ports] : fetched) {
    std::ranges::sort(ports, {}, &Port::address);
  }
  std::erase_if(fetched, [&known](const auto& item) {
    const auto it = known.find(item.first);
    return it == known.end() ? item.second.empty() : it->second == item.second;
  });
}

}  // namespace pxegate
