// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_IPTABLES_IPTABLES_DRIVER_H_
#define PXEGATE_DRIVERS_IPTABLES_IPTABLES_DRIVER_H_

#include <functional>
#include <memory>
#include <string>

#include "controller/base/command_runner.h"
#include "controller/base/namespace_lock.h"
#include "controller/driver/filter_driver.h"

namespace pxegate {

// Keeps two controllers from one chain, where each would take the other's jump
// for a leftover. Of the chain's name and the IP version.
using TakeChainLock =
    std::function<Result<NamespaceLock>(const std::string&, int)>;
Result<NamespaceLock> take_chain_lock(const std::string& chain, int ip_version);

struct IptablesOptions {
  // On which the DHCP server listens; as iptables takes it, a trailing '+'
  // stands for anything. It need not exist.
  std::string interface;
  // Ours, jumped to from INPUT: letters, digits and "-_.", at most 23 bytes.
  // Whatever it holds is replaced.
  std::string chain;
  int ip_version = 4;  // 4: iptables, ports 67 and 4011; 6: ip6tables, 547
};

// ironic-inspector's filter: a chain in the table filter of the network
// namespace of the calling thread, to which INPUT jumps with the DHCP requests
// of one interface, and which tells machines by the source address of their
// frames. Where the kernel has ipset's hash:mac the chain asks a set.
//
// Chain and jump change in one transaction of iptables-restore, so that at no
// instant the filter is less than the old policy or the new one; that is more
// than PolicyDiff's order asks for. In a set, machines change one by one. What
// iptables itself takes as a request's origin is its limit: a relayed request
// has the relay's address.
//
// sync() costs one reading process where nothing changed (two with a set),
// else one more. kNotFound: iptables is not installed; kPermission: it needs
// CAP_NET_ADMIN and CAP_NET_RAW; kConflict: somebody else's rules make the
// table unreadable, or keep the chain from being removed. The chain stays in
// force when the controller ends, however that is. One controller per chain
// and network namespace: initialize() and tear_down() fail with kConflict,
// naming the process, where another one holds it.
//
// All programs are started by `runner`, which is never null. Not thread-safe.
std::unique_ptr<FilterDriver> make_iptables_driver(
    IptablesOptions options, std::shared_ptr<CommandRunner> runner,
    TakeChainLock take_lock = take_chain_lock);

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_IPTABLES_IPTABLES_DRIVER_H_
