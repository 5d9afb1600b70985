// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_TESTS_UNIT_CONTROLLER_CORE_GENERATORS_H_
#define PXEGATE_TESTS_UNIT_CONTROLLER_CORE_GENERATORS_H_

// RapidCheck's header needs gtest's before it.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controller/core/inventory.h"
#include "controller/core/policy.h"

// Small universes, so that values collide often: that is where the rules
// meet. The last address of each kind is in no inventory and in no policy.
namespace pxegate::testing {

inline constexpr std::uint8_t kMacs = 8;
inline constexpr std::uint8_t kGuids = 4;
inline constexpr int kNodes = 4;

inline MacAddress mac(std::uint8_t n) {
  return MacAddress({0x52, 0x54, 0, 0, 0, n});
}
inline HardwareAddress guid(std::uint8_t n) {
  return HardwareAddress::infiniband({0, 2, 0xc9, 3, 0, 0, 0, n});
}
// A UUID, or another text: an inventory keeps them in different ways.
inline std::string uuid_or_text(const std::string& kind, int n) {
  if (n % 2 != 0) return kind + "-" + std::to_string(n);
  return "0123abcd-4567-89ef-0123-0000000000" + std::to_string(10 + n);
}
inline std::string node_uuid(int n) { return uuid_or_text("node", n); }

// Every address that a generated value can hold, and one of each kind that
// none does.
inline std::vector<HardwareAddress> universe() {
  std::vector<HardwareAddress> all;
  for (std::uint8_t n = 0; n <= kMacs; ++n) all.emplace_back(mac(n));
  for (std::uint8_t n = 0; n <= kGuids; ++n) all.push_back(guid(n));
  return all;
}

inline rc::Gen<MacAddress> gen_mac() {
  return rc::gen::map(rc::gen::inRange<int>(0, kMacs),
                      [](int n) { return mac(static_cast<std::uint8_t>(n)); });
}
inline rc::Gen<HardwareAddress> gen_guid() {
  return rc::gen::map(rc::gen::inRange<int>(0, kGuids),
                      [](int n) { return guid(static_cast<std::uint8_t>(n)); });
}
inline rc::Gen<HardwareAddress> gen_address() {
  return rc::gen::oneOf(rc::gen::cast<HardwareAddress>(gen_mac()), gen_guid());
}
// One node more than there are, for ports and introspections of missing ones.
inline rc::Gen<std::string> gen_node_uuid() {
  return rc::gen::map(rc::gen::inRange(0, kNodes + 1), node_uuid);
}
inline rc::Gen<Verdict> gen_verdict() {
  return rc::gen::element(Verdict::kDeny, Verdict::kAllow);
}

inline rc::Gen<Policy::Entry> gen_entry() {
  return rc::gen::build<Policy::Entry>(
      rc::gen::set(&Policy::Entry::address, gen_address()),
      rc::gen::set(&Policy::Entry::verdict, gen_verdict()));
}
inline rc::Gen<std::vector<Policy::Entry>> gen_entries() {
  return rc::gen::container<std::vector<Policy::Entry>>(gen_entry());
}
inline rc::Gen<Policy> gen_policy() {
  return rc::gen::construct<Policy>(gen_entries(), gen_verdict());
}

inline rc::Gen<Node> gen_node(int n) {
  return rc::gen::build<Node>(
      rc::gen::set(&Node::uuid, rc::gen::just(node_uuid(n))),
      rc::gen::set(&Node::name, rc::gen::element<std::string>(
                                    "", "rack 1", std::string(130, 'n'))),
      rc::gen::set(&Node::provision_state,
                   rc::gen::element<std::string>("inspecting", "inspect wait",
                                                 "clean wait", "active", "")),
      rc::gen::set(
          &Node::inspect_interface,
          rc::gen::element<std::string>("agent", "inspector", "redfish", "")),
      rc::gen::set(
          &Node::inspector_manage_boot,
          rc::gen::element<std::optional<bool>>(std::nullopt, true, false)));
}
// Some of the nodes there are, each at most once.
inline rc::Gen<std::vector<Node>> gen_nodes() {
  return rc::gen::exec([] {
    std::vector<Node> nodes;
    for (int n = 0; n < kNodes; ++n) {
      if (*rc::gen::arbitrary<bool>()) nodes.push_back(*gen_node(n));
    }
    return nodes;
  });
}

inline rc::Gen<Port> gen_port() {
  return rc::gen::build<Port>(
      rc::gen::set(&Port::uuid,
                   rc::gen::map(rc::gen::inRange(0, 12),
                                [](int n) { return uuid_or_text("port", n); })),
      rc::gen::set(&Port::node_uuid, gen_node_uuid()),
      rc::gen::set(&Port::address, gen_mac()),
      rc::gen::set(
          &Port::local_link_connection,
          rc::gen::element<std::string>("", R"({"port_id":"Ethernet1/2"})",
                                        std::string(200, 'x'))),
      rc::gen::set(
          &Port::physical_network,
          rc::gen::element<std::string>("", "", "physnet1", "physnet2")),
      rc::gen::set(
          &Port::guid,
          rc::gen::element<std::optional<HardwareAddress>>(
              std::nullopt, std::nullopt, guid(0), guid(1), guid(2), guid(3))));
}
// Ports that contradict each other as often as not.
inline rc::Gen<std::vector<Port>> gen_any_ports() {
  return rc::gen::resize(8, rc::gen::container<std::vector<Port>>(gen_port()));
}
// Ports of one listing: no UUID and no address twice.
inline rc::Gen<std::vector<Port>> gen_ports() {
  return rc::gen::map(rc::gen::container<std::vector<Port>>(gen_port()),
                      [](const std::vector<Port>& candidates) {
                        std::vector<Port> ports;
                        std::set<std::string> uuids;
                        std::set<HardwareAddress> seen;
                        for (const Port& port : candidates) {
                          if (uuids.contains(port.uuid) ||
                              seen.contains(port.address) ||
                              (port.guid && seen.contains(*port.guid))) {
                            continue;
                          }
                          uuids.insert(port.uuid);
                          seen.insert(port.address);
                          if (port.guid) seen.insert(*port.guid);
                          ports.push_back(port);
                        }
                        return ports;
                      });
}

inline rc::Gen<std::set<std::string, std::less<>>> gen_introspected() {
  return rc::gen::exec([] {
    std::set<std::string, std::less<>> uuids;
    for (int n = 0; n <= kNodes; ++n) {
      if (*rc::gen::weightedElement<bool>({{4, false}, {1, true}})) {
        uuids.insert(node_uuid(n));
      }
    }
    return uuids;
  });
}

inline rc::Gen<PolicyOptions> gen_options() {
  using Words = std::vector<std::string>;
  return rc::gen::build<PolicyOptions>(
      rc::gen::set(
          &PolicyOptions::open_provision_states,
          rc::gen::element(Words{"inspecting", "inspect wait"},
                           Words{"inspect wait"}, Words{},
                           Words{"inspecting", "inspect wait", "clean wait"})),
      rc::gen::set(&PolicyOptions::supported_inspect_interfaces,
                   rc::gen::element(Words{"agent", "inspector"}, Words{"agent"},
                                    Words{})),
      rc::gen::set(&PolicyOptions::skip_managed),
      rc::gen::set(&PolicyOptions::deny_unknown_macs),
      rc::gen::set(&PolicyOptions::discovery),
      rc::gen::set(&PolicyOptions::narrowed),
      rc::gen::set(&PolicyOptions::physical_network,
                   rc::gen::element<std::string>("", "physnet1")));
}

// Also with addresses that ports have, and with GUIDs that none has.
inline rc::Gen<EthernetNeighbours> gen_neighbours() {
  return rc::gen::resize(4, rc::gen::container<EthernetNeighbours>(
                                rc::gen::pair(gen_mac(), gen_guid())));
}

inline rc::Gen<Inventory> gen_inventory() {
  return rc::gen::exec([] {
    Inventory inventory = Inventory::make(*gen_nodes(), *gen_ports()).value();
    inventory.set_introspected(*gen_introspected());
    inventory.set_ethernet_neighbours(*gen_neighbours());
    return inventory;
  });
}

}  // namespace pxegate::testing

#endif  // PXEGATE_TESTS_UNIT_CONTROLLER_CORE_GENERATORS_H_
