// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_CORE_INVENTORY_H_
#define PXEGATE_CONTROLLER_CORE_INVENTORY_H_

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "controller/base/mac_address.h"
#include "controller/base/result.h"
#include "controller/core/ethernet_neighbours.h"

namespace pxegate {

// A bare-metal node as Ironic's GET /v1/nodes tells it. Text fields are
// verbatim.
struct Node {
  std::string uuid;
  std::string name;  // empty where Ironic says null
  std::string provision_state;
  std::string inspect_interface;  // empty where Ironic says null
  // driver_internal_info.inspector_manage_boot; absent until Ironic's inspect
  // interface has decided, and in listings that do not ask for it.
  std::optional<bool> inspector_manage_boot;

  bool operator==(const Node&) const = default;
};

// A port as Ironic's GET /v1/ports tells it.
struct Port {
  std::string uuid;
  std::string node_uuid;
  MacAddress address;
  // extra.client-id decoded: the InfiniBand port GUID, its last eight bytes.
  std::optional<HardwareAddress> guid;
  std::string physical_network;
  // local_link_connection as compact JSON text; drivers of switches read it.
  std::string local_link_connection;

  bool operator==(const Port&) const = default;
};

// What Ironic (and ironic-inspector, where configured) last said. A plain
// value; copying one of 100,000 ports is not free, so it is shared as
// `std::shared_ptr<const Inventory>`.
class Inventory {
 public:
  using NodesByUuid = std::map<std::string, Node, std::less<>>;

  Inventory() = default;

  // Takes over one complete listing. kInvalid, naming both ports, when it
  // contradicts itself: one port UUID twice, or one hardware address on two
  // ports. One node UUID twice is no contradiction where both say the same.
  static Result<Inventory> make(std::vector<Node> nodes,
                                std::vector<Port> ports);

  const NodesByUuid& nodes() const { return nodes_; }
  // Ordered by MAC address.
  const std::map<MacAddress, Port>& ports() const { return ports_; }

  // nullptr where Ironic has no such node or address.
  const Node* find_node(std::string_view uuid) const;
  const Port* find_port(const HardwareAddress& address) const;
  // As find_port(), and every port that uses `address` as an Ethernet
  // neighbour. The port that has it in Ironic comes first. Several mean that
  // they contradict each other.
  std::vector<const Port*> find_ports(const HardwareAddress& address) const;

  // The node's ports are exactly `ports` now: others of that node go, and an
  // address that another node's port had moves here (a port deleted and
  // created again between two listings): with a MAC address goes that port,
  // with a GUID only the GUID. kInvalid, and nothing changed, where `ports`
  // contradicts itself or names another node.
  Result<> replace_node_ports(std::string_view node_uuid,
                              std::vector<Port> ports);

  // Adds ports that turned up since; the same address again means that the
  // newer one holds, as in replace_node_ports().
  void add_ports(std::vector<Port> ports);

  // Inserts the node or replaces what was known of it.
  void upsert_node(Node node);

  // UUIDs of nodes that ironic-inspector's GET /v1/introspection lists as
  // unfinished. May name nodes that Ironic does not have.
  const std::set<std::string, std::less<>>& introspected() const {
    return introspected_;
  }
  void set_introspected(std::set<std::string, std::less<>> uuids) {
    introspected_ = std::move(uuids);
  }

  // What this host saw last of its Ethernet over InfiniBand. May name GUIDs
  // that no port has.
  const EthernetNeighbours& ethernet_neighbours() const { return neighbours_; }
  void set_ethernet_neighbours(EthernetNeighbours neighbours) {
    neighbours_ = std::move(neighbours);
  }

  bool operator==(const Inventory&) const = default;

 private:
  void insert(Port port);
  void erase(const MacAddress& address);

  NodesByUuid nodes_;
  std::map<MacAddress, Port> ports_;
  std::map<HardwareAddress, MacAddress> by_guid_;
  std::set<std::string, std::less<>> introspected_;
  EthernetNeighbours neighbours_;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_CORE_INVENTORY_H_
