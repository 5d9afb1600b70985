// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_NFTABLES_NFTABLES_DRIVER_H_
#define PXEGATE_DRIVERS_NFTABLES_NFTABLES_DRIVER_H_

#include <memory>
#include <string>
#include <vector>

#include "controller/driver/filter_driver.h"

namespace pxegate {

struct NftablesOptions {
  std::vector<std::string> interfaces;  // at least one, distinct
  // Ours, of family netdev: a letter, then letters, digits, - and _, at most
  // 64. Somebody else's table of that name is never touched (kConflict).
  std::string table;
};

// Enforces the policy with a chain at the netdev ingress hook of each
// interface, by chaddr, so relayed requests are filtered too. What reads
// frames off a raw socket, as Kea and ISC dhcpd do unless told otherwise,
// sees them before this hook: it is not protected, and DHCPv6 is not
// filtered.
//
// The table outlives the controller: whatever happens to it, the last policy
// stays in force, and the next controller takes it over. One controller per
// table and network namespace: initialize() fails with kConflict, naming the
// process, where another one holds it. A missing interface is an inactive
// target; it is filtered when it appears.
//
// Works in the network namespace of the calling thread. Needs CAP_NET_ADMIN
// there (kPermission), a kernel with nf_tables of family netdev, and no other
// user of libnftables in this process at the same time.
std::unique_ptr<FilterDriver> make_nftables_driver(NftablesOptions options);

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_NFTABLES_NFTABLES_DRIVER_H_
