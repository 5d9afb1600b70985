// SPDX-License-Identifier: Apache-2.0
#include "controller/doctor/dhcp_servers.h"

#include <gtest/gtest.h>

#include <string>

namespace pxegate {
namespace {

using Outcome = Finding::Outcome;
using Names = std::set<std::string>;

TEST(DnsmasqInterfaces, AreThoseOfTheConfiguration) {
  EXPECT_EQ(dnsmasq_interfaces(""), Names{});
  EXPECT_EQ(dnsmasq_interfaces("interface=eth1\n# interface=eth2\n"),
            Names{"eth1"});
  EXPECT_EQ(dnsmasq_interfaces("  interface = eth1 , eth2 # both\n"),
            (Names{"eth1", "eth2"}));
  EXPECT_EQ(dnsmasq_interfaces(
                "interface=eth1,eth2\nno-dhcp-interface=eth2\nport=0\n"),
            Names{"eth1"});
  EXPECT_EQ(dnsmasq_interfaces("except-interface=eth1\ninterfaces=eth3\n"),
            Names{});
}

struct Row {
  const char* name;
  DhcpServerScan scan;
  Outcome outcome;
  const char* seen;
  std::string driver = "xdp";
};

TEST(DhcpServers, AreJudgedByWhereTheyHear) {
  const LinkStack links{{"eth0", {}},         {"eth1", {}},
                        {"eth2", {}},         {"br0", {"eth1", "tap0"}},
                        {"br1", {"eth1"}},    {"bond0", {"eth1", "eth2"}},
                        {"vlan9", {"bond0"}}, {"tap0", {}},
                        {"loop", {"loop"}}};
  const Names addressed{"eth0", "eth1"};
  const auto one = [](Names interfaces, bool raw = false) {
    return DhcpServerScan{{{.pid = 7,
                            .name = raw ? "kea-dhcp4" : "dnsmasq",
                            .same_netns = true,
                            .interfaces = std::move(interfaces),
                            .raw = raw}},
                          0};
  };
  const Row rows[] = {
      {"on the filtered NIC", one({"eth1"}), Outcome::kGood, "behind"},
      {"on another", one({"eth0"}), Outcome::kProblem, "on eth0, which is not"},
      {"on both", one({"eth0", "eth1"}), Outcome::kProblem, "on eth0"},
      {"everywhere", one({}), Outcome::kWarning, "on eth0"},
      {"on a bridge of it", one({"br1"}), Outcome::kGood, "behind"},
      {"on a bridge with a tap", one({"br0"}), Outcome::kProblem, "on tap0"},
      {"on a VLAN of a bond", one({"vlan9"}), Outcome::kProblem, "on eth2"},
      {"on one that is gone", one({"eth9"}), Outcome::kProblem, "on eth9"},
      {"made of itself", one({"loop"}), Outcome::kProblem, "on loop"},
      {"raw, xdp", one({"eth1"}, true), Outcome::kGood, "behind"},
      {"raw, nftables", one({"eth1"}, true), Outcome::kProblem, "raw sockets",
       "nftables"},
      {"none", {}, Outcome::kWarning, "none runs"},
      {"none to be seen", {{}, 3}, Outcome::kUnknown, "3 processes"},
      {"in another namespace",
       {{{.pid = 8,
          .name = "dnsmasq",
          .same_netns = false,
          .interfaces = {},
          .raw = false}},
        0},
       Outcome::kWarning,
       "in others: \"dnsmasq\" (process 8)"},
  };
  for (const Row& row : rows) {
    const auto findings = judge_dhcp_servers(
        row.scan, addressed, links, {row.driver, {"eth1"}, "[xdp] interfaces"});
    ASSERT_EQ(findings.size(), 1U) << row.name;
    EXPECT_EQ(findings[0].outcome, row.outcome)
        << row.name << ": " << findings[0].seen;
    EXPECT_NE(findings[0].seen.find(row.seen), std::string::npos)
        << row.name << ": " << findings[0].seen;
    EXPECT_EQ(findings[0].remedy.empty(), row.outcome == Outcome::kGood);
  }
}

TEST(DhcpServers, AreNotBehindTheFilterForWantOfAnAddress) {
  const DhcpServerScan scan{{{.pid = 7,
                              .name = "dnsmasq",
                              .same_netns = true,
                              .interfaces = {},
                              .raw = false}},
                            0};
  const auto findings = judge_dhcp_servers(scan, {}, {{"eth1", {}}},
                                           {"xdp", {"eth1"}, "interfaces"});
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].outcome, Outcome::kUnknown) << findings[0].seen;
}

TEST(DhcpServers, HaveNamesThatAreSafeToPrint) {
  DhcpServerScan scan;
  scan.servers.push_back({.pid = 9,
                          .name = "\x1b[2J",
                          .same_netns = true,
                          .interfaces = {"eth1"},
                          .raw = false});
  const auto findings = judge_dhcp_servers(scan, {}, {}, {"xdp", {"eth1"}, ""});
  EXPECT_EQ(findings.at(0).seen.find('\x1b'), std::string::npos);
}

TEST(DhcpServers, AreFoundOnThisMachine) {
  // Whatever runs here: it ends, and never takes this process for one.
  const auto scan = find_dhcp_servers();
  ASSERT_TRUE(scan) << scan.error().message();
}

}  // namespace
}  // namespace pxegate
