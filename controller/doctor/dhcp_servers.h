// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_DOCTOR_DHCP_SERVERS_H_
#define PXEGATE_CONTROLLER_DOCTOR_DHCP_SERVERS_H_

#include <sys/types.h>

#include <set>
#include <string>
#include <vector>

#include "controller/base/link_stack.h"
#include "controller/base/result.h"
#include "controller/driver/finding.h"

namespace pxegate {

// A process that receives DHCP requests: it has a UDP socket on port 67, 547
// or 4011, or is a DHCP server that reads a raw socket (packet(7)).
struct DhcpServer {
  pid_t pid = 0;
  std::string name;        // "dnsmasq"
  bool same_netns = true;  // as this process
  // Where it hears requests, as far as its sockets are bound to interfaces or
  // its command line and configuration name some; empty: everywhere.
  std::set<std::string> interfaces;
  // Read as frames, before any netfilter hook.
  bool raw = false;
};

// Those that run, as /proc tells; processes that may not be looked into are
// left out, and counted in `hidden`.
struct DhcpServerScan {
  std::vector<DhcpServer> servers;
  std::size_t hidden = 0;
};
Result<DhcpServerScan> find_dhcp_servers();

// Interfaces that are up and have an IPv4 address, but for loopback: where a
// server hears requests that is bound to none.
Result<std::set<std::string>> addressed_interfaces();

// What a configuration of dnsmasq (its file's text, or arguments without "--",
// one a line) says of `interface` and `no-dhcp-interface`.
std::set<std::string> dnsmasq_interfaces(const std::string& text);

struct Gate {
  std::string driver;              // [pxe_filter] driver
  std::set<std::string> filtered;  // interfaces
  std::string option;              // that names them, "[xdp] interfaces"
};

// Whether every server in this namespace has the filter in front of it. Pure.
std::vector<Finding> judge_dhcp_servers(const DhcpServerScan& scan,
                                        const std::set<std::string>& addressed,
                                        const LinkStack& links,
                                        const Gate& gate);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_DOCTOR_DHCP_SERVERS_H_
