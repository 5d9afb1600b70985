// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_CONFIG_CONFIG_H_
#define PXEGATE_CONTROLLER_CONFIG_CONFIG_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "controller/base/ip_network.h"

namespace pxegate {

enum class AuthType { kNone, kHttpBasic };
enum class XdpMode { kAuto, kNative, kSkb };
enum class OnExit { kKeep, kDetach };
enum class NicSharing { kExclusive, kDispatcher };
enum class GateScope { kDhcp, kPxe };
enum class StaleAction { kDeny, kKeep, kAllow };
enum class IpVersion { k4, k6 };

// How to reach one OpenStack service: [ironic] and [inspector], option names
// of keystoneauth.
struct ServiceConfig {
  AuthType auth_type = AuthType::kNone;
  std::string endpoint_override;  // empty: not configured
  std::string username;
  std::string password;  // secret: never logged, not in config dumps
  std::string cafile;    // empty: the system's
  std::string certfile;
  std::string keyfile;  // empty: certfile holds the key too
  bool insecure = false;
  std::chrono::seconds timeout{30};

  bool operator==(const ServiceConfig&) const = default;
};

// Every setting, typed and checked. Defaults, ranges and help stand in the
// option table (options.h) and nowhere else: what is here is overwritten by
// the table's defaults on load. A plain value.
struct Config {
  // [DEFAULT]
  bool debug = false;
  std::string log_file;  // empty: standard error; log_dir is applied to it
  std::string log_dir;

  struct PxeFilter {
    std::string driver;
    std::chrono::seconds sync_period{};
    std::chrono::seconds poll_interval{};
    bool deny_unknown_macs = false;
    std::vector<std::string> supported_inspect_interfaces;
    std::vector<std::string> open_provision_states;
    bool skip_managed = false;
    std::string plugin_dir;
    bool operator==(const PxeFilter&) const = default;
  } pxe_filter;

  ServiceConfig ironic;
  ServiceConfig inspector;

  struct Xdp {
    std::vector<std::string> interfaces;
    XdpMode mode = XdpMode::kAuto;
    OnExit on_exit = OnExit::kKeep;
    std::string pin_path;
    std::uint32_t max_clients = 0;
    NicSharing attach = NicSharing::kExclusive;
    GateScope scope = GateScope::kDhcp;
    std::chrono::seconds stale_after{};
    StaleAction stale_action = StaleAction::kDeny;
    std::vector<IpNetwork> discovery_relays;
    std::uint32_t unknown_rate = 0;  // requests a second; 0: any number
    std::uint32_t relay_rate = 0;
    bool operator==(const Xdp&) const = default;
  } xdp;

  struct Iptables {
    std::string dnsmasq_interface;
    std::string firewall_chain;
    std::vector<std::string> ethoib_interfaces;  // for every driver
    IpVersion ip_version = IpVersion::k4;
    bool operator==(const Iptables&) const = default;
  } iptables;

  struct Dnsmasq {
    std::string dhcp_hostsdir;
    bool purge_dhcp_hostsdir = true;
    std::string start_command;
    std::string stop_command;
    bool operator==(const Dnsmasq&) const = default;
  } dnsmasq;

  struct Nftables {
    std::vector<std::string> interfaces;
    std::string table;
    bool operator==(const Nftables&) const = default;
  } nftables;

  // What stands in the section that is named as [pxe_filter] driver, where
  // that is none of the table's: a plugin's options, checked by nobody yet.
  std::map<std::string, std::string> plugin_options;

  struct Api {
    std::string socket;
    std::string listen;  // "address:port"; empty: no TCP
    bool operator==(const Api&) const = default;
  } api;

  // [auto_discovery] enabled, or [processing] node_not_found_hook not empty.
  bool discovery = false;

  bool operator==(const Config&) const = default;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_CONFIG_CONFIG_H_
