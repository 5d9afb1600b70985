// SPDX-License-Identifier: Apache-2.0
#include "controller/app/reload_plan.h"

#include <fmt/format.h>

#include <string_view>

namespace pxegate {
namespace {

ReloadPlan refuse(std::string_view option) {
  return {ReloadKind::kRefuse,
          fmt::format("{} cannot change while the filter is in force: stop the "
                      "controller, run `pxegate teardown` with the old "
                      "configuration, start it with the new one",
                      option)};
}

bool same_driver_options(const Config& one, const Config& other) {
  const std::string& driver = one.pxe_filter.driver;
  if (driver == "xdp") return one.xdp == other.xdp;
  if (driver == "dnsmasq") return one.dnsmasq == other.dnsmasq;
  if (driver == "nftables") return one.nftables == other.nftables;
  if (driver == "noop") return true;
  if (driver == "iptables") {
    Config::Iptables same = other.iptables;
    same.ethoib_interfaces = one.iptables.ethoib_interfaces;
    return one.iptables == same;
  }
  return one.pxe_filter.plugin_dir == other.pxe_filter.plugin_dir &&
         one.plugin_options == other.plugin_options;
}

// Of one driver in both. Where the filter lives may have changed.
ReloadPlan plan_place(const Config& from, const Config& to) {
  const std::string& driver = from.pxe_filter.driver;
  if (driver == "xdp" && from.xdp.pin_path != to.xdp.pin_path) {
    // An interface has room for one of them.
    return refuse("[xdp] pin_path");
  }
  if (driver == "dnsmasq" &&
      from.dnsmasq.dhcp_hostsdir != to.dnsmasq.dhcp_hostsdir) {
    // dnsmasq reads one of them, and the commands are about the same dnsmasq.
    return refuse("[dnsmasq_pxe_filter] dhcp_hostsdir");
  }
  if (driver == "nftables" && from.nftables.table != to.nftables.table) {
    return {ReloadKind::kSwap, {}};
  }
  if (driver == "iptables") {
    if (from.iptables.firewall_chain != to.iptables.firewall_chain ||
        from.iptables.ip_version != to.iptables.ip_version) {
      return {ReloadKind::kSwap, {}};
    }
    if (from.iptables.dnsmasq_interface != to.iptables.dnsmasq_interface) {
      // Both would keep the same chain.
      return refuse("[iptables] dnsmasq_interface (without firewall_chain)");
    }
  }
  return {};
}

}  // namespace

bool same_sources(const Config& one, const Config& other) {
  const Config::PxeFilter& a = one.pxe_filter;
  const Config::PxeFilter& b = other.pxe_filter;
  // Which lists are complete, and which ports are listed, depends on it.
  const bool narrowed =
      !a.owner.empty() || !a.conductor_group.empty() || !a.shard.empty();
  const bool same_trust =
      !narrowed || a.deny_unknown_macs == b.deny_unknown_macs;
  return one.ironic == other.ironic && one.inspector == other.inspector &&
         one.inspector_asked() == other.inspector_asked() &&
         a.conductor_group == b.conductor_group && a.shard == b.shard &&
         a.owner == b.owner && same_trust &&
         one.iptables.ethoib_interfaces == other.iptables.ethoib_interfaces;
}

ReloadPlan plan_reload(const Config& from, const Config& to) {
  if (from.pxe_filter.driver != to.pxe_filter.driver) {
    return {ReloadKind::kSwap, {}};
  }
  ReloadPlan plan = plan_place(from, to);
  if (plan.kind != ReloadKind::kReconfigure) return plan;
  if (!same_driver_options(from, to) || !same_sources(from, to) ||
      from.notifications != to.notifications) {
    plan.kind = ReloadKind::kRestart;
  }
  return plan;
}

}  // namespace pxegate
