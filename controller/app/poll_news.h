// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_POLL_NEWS_H_
#define PXEGATE_CONTROLLER_APP_POLL_NEWS_H_

#include <map>
#include <string>
#include <vector>

#include "controller/core/inventory.h"

namespace pxegate {

// The records that have to change in `inventory` so that its nodes in one of
// `open_states` are exactly those that a poll found, `open`. A node that the
// poll did not find has left for a state that only a full list will tell:
// until then its provision_state is empty, which is no open state.
std::vector<Node> node_news(const Inventory& inventory,
                            const Inventory::NodesByUuid& open,
                            const std::vector<std::string>& open_states);

using PortsByNode = std::map<std::string, std::vector<Port>, std::less<>>;

// Removes from `fetched` the nodes whose ports are what `inventory` has.
void drop_known_ports(const Inventory& inventory, PortsByNode& fetched);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_POLL_NEWS_H_
