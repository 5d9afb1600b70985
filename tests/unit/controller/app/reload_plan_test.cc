// SPDX-License-Identifier: Apache-2.0
#include "controller/app/reload_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace pxegate {
namespace {

using ::testing::HasSubstr;

struct Row {
  std::string driver;
  std::string what;
  std::function<void(Config&)> change;
  ReloadKind kind;
};

constexpr ReloadKind kReconfigure = ReloadKind::kReconfigure;
constexpr ReloadKind kRestart = ReloadKind::kRestart;
constexpr ReloadKind kSwap = ReloadKind::kSwap;
constexpr ReloadKind kRefuse = ReloadKind::kRefuse;

TEST(ReloadPlan, DependsOnTheDriverAndOnWhatItReads) {
  const Row rows[] = {
      {"xdp", "nothing", [](Config&) {}, kReconfigure},
      {"xdp", "policy",
       [](Config& c) { c.pxe_filter.deny_unknown_macs = true; }, kReconfigure},
      {"xdp", "password", [](Config& c) { c.ironic.password = Secret("x"); },
       kRestart},
      {"xdp", "system_scope", [](Config& c) { c.ironic.system_scope = "all"; },
       kRestart},
      {"xdp", "ask_inspector",
       [](Config& c) { c.pxe_filter.ask_inspector = true; }, kRestart},
      {"xdp", "conductor_group",
       [](Config& c) { c.pxe_filter.conductor_group = "x"; }, kRestart},
      {"xdp", "shard", [](Config& c) { c.pxe_filter.shard = "x"; }, kRestart},
      {"xdp", "owner", [](Config& c) { c.pxe_filter.owner = "x"; }, kRestart},
      {"xdp", "transport_url",
       [](Config& c) { c.notifications.transport_url = Secret("rabbit://h"); },
       kRestart},
      {"xdp", "physical_network",
       [](Config& c) { c.pxe_filter.physical_network = "x"; }, kReconfigure},
      {"xdp", "min_list_percent",
       [](Config& c) { c.pxe_filter.min_list_percent = 1; }, kReconfigure},
      {"xdp", "log", [](Config& c) { c.debug = true; }, kReconfigure},
      {"xdp", "driver", [](Config& c) { c.pxe_filter.driver = "noop"; }, kSwap},
      {"noop", "driver", [](Config& c) { c.pxe_filter.driver = "acme"; },
       kSwap},
      {"xdp", "ironic",
       [](Config& c) { c.ironic.endpoint_override = "http://x"; }, kRestart},
      {"xdp", "inspector",
       [](Config& c) { c.inspector.password = Secret("x"); }, kRestart},
      {"noop", "neighbours",
       [](Config& c) { c.iptables.ethoib_interfaces = {"x"}; }, kRestart},

      {"xdp", "own", [](Config& c) { c.xdp.interfaces = {"x"}; }, kRestart},
      {"xdp", "place", [](Config& c) { c.xdp.pin_path = "/x"; }, kRefuse},
      {"noop", "other's", [](Config& c) { c.xdp.pin_path = "/x"; },
       kReconfigure},
      {"xdp", "plugins", [](Config& c) { c.pxe_filter.plugin_dir = "/x"; },
       kReconfigure},

      {"nftables", "own", [](Config& c) { c.nftables.interfaces = {"x"}; },
       kRestart},
      {"nftables", "place", [](Config& c) { c.nftables.table = "x"; }, kSwap},
      {"xdp", "other's", [](Config& c) { c.nftables.table = "x"; },
       kReconfigure},

      {"iptables", "interface",
       [](Config& c) { c.iptables.dnsmasq_interface = "x"; }, kRefuse},
      {"iptables", "chain", [](Config& c) { c.iptables.firewall_chain = "x"; },
       kSwap},
      {"iptables", "chain and interface",
       [](Config& c) {
         c.iptables.firewall_chain = "x";
         c.iptables.dnsmasq_interface = "x";
       },
       kSwap},
      {"xdp", "the broker", [](Config& c) { c.notifications.exchange = "x"; },
       kRestart},
      {"xdp", "conductor group",
       [](Config& c) { c.pxe_filter.conductor_group = "x"; }, kRestart},
      {"xdp", "shard", [](Config& c) { c.pxe_filter.shard = "x"; }, kRestart},
      {"xdp", "owner", [](Config& c) { c.pxe_filter.owner = "x"; }, kRestart},
      {"xdp", "network", [](Config& c) { c.pxe_filter.physical_network = "x"; },
       kReconfigure},
      {"xdp", "how short", [](Config& c) { c.pxe_filter.min_list_percent = 9; },
       kReconfigure},
      {"iptables", "version",
       [](Config& c) { c.iptables.ip_version = IpVersion::k6; }, kSwap},
      {"dnsmasq", "other's", [](Config& c) { c.iptables.firewall_chain = "x"; },
       kReconfigure},

      {"dnsmasq", "own", [](Config& c) { c.dnsmasq.start_command = "x"; },
       kRestart},
      {"dnsmasq", "place", [](Config& c) { c.dnsmasq.dhcp_hostsdir = "/x"; },
       kRefuse},

      {"acme", "own", [](Config& c) { c.plugin_options["a"] = "x"; }, kRestart},
      {"acme", "plugins", [](Config& c) { c.pxe_filter.plugin_dir = "/x"; },
       kRestart},
  };
  for (const Row& row : rows) {
    Config from;
    from.pxe_filter.driver = row.driver;
    Config to = from;
    row.change(to);
    const ReloadPlan plan = plan_reload(from, to);
    EXPECT_EQ(static_cast<int>(plan.kind), static_cast<int>(row.kind))
        << row.driver << ": " << row.what;
    EXPECT_EQ(plan.reason.empty(), row.kind != kRefuse);
  }
}

// Which ports are listed depends on it then.
TEST(ReloadPlan, WhetherTheUnknownAreDeniedIsTheSourcesMatterWhereNarrowed) {
  for (std::string Config::PxeFilter::*part :
       {&Config::PxeFilter::conductor_group, &Config::PxeFilter::shard,
        &Config::PxeFilter::owner}) {
    Config from;
    from.pxe_filter.driver = "noop";
    from.pxe_filter.*part = "x";
    Config to = from;
    to.pxe_filter.deny_unknown_macs = true;
    EXPECT_EQ(plan_reload(from, to).kind, kRestart);
  }
}

TEST(ReloadPlan, ARefusalSaysWhatToDoInstead) {
  Config from;
  from.pxe_filter.driver = "dnsmasq";
  Config to = from;
  to.dnsmasq.dhcp_hostsdir = "/x";
  EXPECT_THAT(
      plan_reload(from, to).reason,
      HasSubstr("[dnsmasq_pxe_filter] dhcp_hostsdir cannot change while "
                "the filter is in force: stop the controller, run "
                "`pxegate teardown` with the old configuration"));
}

}  // namespace
}  // namespace pxegate
