// SPDX-License-Identifier: Apache-2.0
#include "controller/core/inventory.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "controller/base/text.h"

namespace pxegate {
namespace {

std::string duplicate_address(std::string_view address, const Port& first,
                              const Port& second) {
  return fmt::format(
      "hardware address {} is on two ports, {} of node {} and {} of node {}",
      address, quoted(first.uuid), quoted(first.node_uuid), quoted(second.uuid),
      quoted(second.node_uuid));
}

// Of an Ethernet address.
MacAddress mac_of(const HardwareAddress& address) {
  MacAddress::Bytes bytes{};
  std::ranges::copy(address.octets(), bytes.begin());
  return MacAddress(bytes);
}

// kInvalid where two of `ports` claim the same UUID, MAC address or GUID.
Result<> check_distinct(const std::vector<Port>& ports) {
  std::unordered_set<std::string_view> uuids;
  std::map<HardwareAddress, const Port*> addresses;
  for (const Port& port : ports) {
    if (!uuids.insert(port.uuid).second) {
      return fail("port " + quoted(port.uuid) + " is listed twice",
                  ErrorCode::kInvalid);
    }
    auto [at, fresh] = addresses.emplace(port.address, &port);
    if (fresh && port.guid) {
      std::tie(at, fresh) = addresses.emplace(*port.guid, &port);
    }
    if (!fresh) {
      return fail(duplicate_address(at->first.to_string(), *at->second, port),
                  ErrorCode::kInvalid);
    }
  }
  return {};
}

}  // namespace

Result<Inventory> Inventory::make(std::vector<Node> nodes,
                                  std::vector<Port> ports) {
  if (auto distinct = check_distinct(ports); !distinct) {
    return fail(distinct.error());
  }
  Inventory inventory;
  for (Node& node : nodes) {
    const auto [at, fresh] = inventory.nodes_.emplace(node.uuid, node);
    if (!fresh && at->second != node) {
      return fail("node " + quoted(node.uuid) +
                      " is listed twice with different contents",
                  ErrorCode::kInvalid);
    }
  }
  for (Port& port : ports) inventory.insert(std::move(port));
  return inventory;
}

const Node* Inventory::find_node(std::string_view uuid) const {
  const auto it = nodes_.find(uuid);
  return it == nodes_.end() ? nullptr : &it->second;
}

const Port* Inventory::find_port(const HardwareAddress& address) const {
  MacAddress mac;
  if (address.type() == HardwareAddress::Type::kEthernet) {
    mac = mac_of(address);
  } else {
    const auto by_guid = by_guid_.find(address);
    if (by_guid == by_guid_.end()) return nullptr;
    mac = by_guid->second;
  }
  const auto it = ports_.find(mac);
  return it == ports_.end() ? nullptr : &it->second;
}

std::vector<const Port*> Inventory::find_ports(
    const HardwareAddress& address) const {
  std::vector<const Port*> ports;
  if (const Port* own = find_port(address)) ports.push_back(own);
  if (address.type() != HardwareAddress::Type::kEthernet) return ports;
  const MacAddress mac = mac_of(address);
  for (auto it = neighbours_.lower_bound({mac, HardwareAddress()});
       it != neighbours_.end() && it->first == mac; ++it) {
    const Port* port = find_port(it->second);
    if (port != nullptr && std::ranges::find(ports, port) == ports.end()) {
      ports.push_back(port);
    }
  }
  return ports;
}

Result<> Inventory::replace_node_ports(std::string_view node_uuid,
                                       std::vector<Port> ports) {
  for (const Port& port : ports) {
    if (port.node_uuid != node_uuid) {
      return fail("port " + quoted(port.uuid) + " belongs to node " +
                      quoted(port.node_uuid) + ", not to " + quoted(node_uuid) +
                      " whose ports were asked for",
                  ErrorCode::kInvalid);
    }
  }
  if (auto distinct = check_distinct(ports); !distinct) return distinct;
  std::vector<MacAddress> gone;
  for (const auto& [address, port] : ports_) {
    if (port.node_uuid == node_uuid) gone.push_back(address);
  }
  for (const MacAddress& address : gone) erase(address);
  add_ports(std::move(ports));
  return {};
}

void Inventory::add_ports(std::vector<Port> ports) {
  for (Port& port : ports) insert(std::move(port));
}

void Inventory::upsert_node(Node node) {
  std::string uuid = node.uuid;
  nodes_.insert_or_assign(std::move(uuid), std::move(node));
}

void Inventory::insert(Port port) {
  erase(port.address);
  if (port.guid) {
    // The GUID moves, and nothing else of the port that had it: without its
    // entry that port's MAC address would count as unknown.
    const auto [holder, fresh] = by_guid_.emplace(*port.guid, port.address);
    if (!fresh) {
      ports_.at(holder->second).guid.reset();
      holder->second = port.address;
    }
  }
  const MacAddress address = port.address;
  ports_.emplace(address, std::move(port));
}

void Inventory::erase(const MacAddress& address) {
  const auto it = ports_.find(address);
  if (it == ports_.end()) return;
  if (it->second.guid) by_guid_.erase(*it->second.guid);
  ports_.erase(it);
}

}  // namespace pxegate
