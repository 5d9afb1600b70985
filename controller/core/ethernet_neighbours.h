// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_CORE_ETHERNET_NEIGHBOURS_H_
#define PXEGATE_CONTROLLER_CORE_ETHERNET_NEIGHBOURS_H_

#include <set>
#include <string_view>
#include <utility>

#include "controller/base/mac_address.h"

namespace pxegate {

// Under which Ethernet addresses InfiniBand ports appear to this host, where
// it reaches them by Ethernet over InfiniBand: pairs of an address and the
// GUID of the port that it belongs to. A port may have several addresses; that
// two claim the same one is possible too.
using EthernetNeighbours = std::set<std::pair<MacAddress, HardwareAddress>>;

// Reads what an EoIB interface lists in /sys/class/net/NAME/eth/neighs, a line
// each: "EMAC=02:00:02:97:00:01 IMAC=97:fe:80:…:7c:fe:90:03:00:29:26:52". The
// last eight octets of IMAC are the port's GUID. Total: other lines are passed
// over, and so are group addresses, which no client has.
EthernetNeighbours parse_ethernet_neighbours(std::string_view text);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_CORE_ETHERNET_NEIGHBOURS_H_
