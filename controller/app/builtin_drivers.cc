// SPDX-License-Identifier: Apache-2.0
#include "controller/app/builtin_drivers.h"

#include "controller/base/command_runner.h"
#include "drivers/dnsmasq/dnsmasq_driver.h"
#include "drivers/iptables/iptables_driver.h"
#include "drivers/nftables/nftables_driver.h"
#include "drivers/noop/noop_driver.h"
#include "drivers/xdp/xdp_driver.h"

namespace pxegate {
namespace {

XdpAttachMode to_attach_mode(XdpMode mode) {
  switch (mode) {
    case XdpMode::kAuto:
      return XdpAttachMode::kAuto;
    case XdpMode::kNative:
      return XdpAttachMode::kNative;
    case XdpMode::kSkb:
      return XdpAttachMode::kSkb;
  }
  return XdpAttachMode::kAuto;
}

XdpStaleAction to_stale_action(StaleAction action) {
  switch (action) {
    case StaleAction::kDeny:
      return XdpStaleAction::kDeny;
    case StaleAction::kKeep:
      return XdpStaleAction::kKeep;
    case StaleAction::kAllow:
      return XdpStaleAction::kAllow;
  }
  return XdpStaleAction::kDeny;
}

XdpOptions xdp_options(const Config::Xdp& config) {
  XdpOptions options;
  options.interfaces = config.interfaces;
  options.mode = to_attach_mode(config.mode);
  options.detach_on_exit = config.on_exit == OnExit::kDetach;
  options.pin_path = config.pin_path;
  options.max_clients = config.max_clients;
  options.attach = config.attach == NicSharing::kDispatcher
                       ? XdpAttach::kDispatcher
                       : XdpAttach::kExclusive;
  options.scope =
      config.scope == GateScope::kPxe ? XdpScope::kPxe : XdpScope::kDhcp;
  options.stale_after = config.stale_after;
  options.stale_action = to_stale_action(config.stale_action);
  options.discovery_relays = config.discovery_relays;
  options.unknown_rate = config.unknown_rate;
  options.relay_rate = config.relay_rate;
  return options;
}

IptablesOptions iptables_options(const Config::Iptables& config) {
  return {.interface = config.dnsmasq_interface,
          .chain = config.firewall_chain,
          .ip_version = config.ip_version == IpVersion::k4 ? 4 : 6};
}

DnsmasqOptions dnsmasq_options(const Config::Dnsmasq& config) {
  return {.hostsdir = config.dhcp_hostsdir,
          .purge = config.purge_dhcp_hostsdir,
          .start_command = config.start_command,
          .stop_command = config.stop_command};
}

NftablesOptions nftables_options(const Config::Nftables& config) {
  return {.interfaces = config.interfaces, .table = config.table};
}

std::shared_ptr<CommandRunner> system_runner() {
  return std::make_shared<SystemCommandRunner>();
}

}  // namespace

std::vector<DriverEntry> builtin_drivers(const Config& config) {
  return {
      {.name = "dnsmasq",
       .summary = "tells dnsmasq whom to ignore, one file per address",
       .origin = "built-in",
       .make =
           [options = dnsmasq_options(config.dnsmasq)] {
             return make_dnsmasq_driver(options, system_runner());
           }},
      {.name = "iptables",
       .summary = "a chain per host, by source address: no relays, small sites",
       .origin = "built-in",
       .make =
           [options = iptables_options(config.iptables)] {
             return make_iptables_driver(options, system_runner());
           }},
      {.name = "nftables",
       .summary = "drops requests at netdev ingress, relayed ones too",
       .origin = "built-in",
       .make =
           [options = nftables_options(config.nftables)] {
             return make_nftables_driver(options);
           }},
      {.name = "noop",
       .summary = "filters nothing: for a network of inspection's own",
       .origin = "built-in",
       .make = [] { return make_noop_driver(); }},
      {.name = "xdp",
       .summary = "drops requests at the NIC, relayed ones too (eBPF)",
       .origin = "built-in",
       .make = [options = xdp_options(
                    config.xdp)] { return make_xdp_driver(options); }},
  };
}

}  // namespace pxegate
