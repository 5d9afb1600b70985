// SPDX-License-Identifier: Apache-2.0
#include "controller/config/options.h"

#include <algorithm>
#include <array>
#include <utility>

#include "controller/config/option_checks.h"
#include "controller/config/option_groups.h"

namespace pxegate {
namespace {

using std::chrono::seconds;

// In the order of their enums.
constexpr std::array<std::string_view, 3> kXdpModes = {"auto", "native", "skb"};
constexpr std::array<std::string_view, 2> kOnExit = {"keep", "detach"};
constexpr std::array<std::string_view, 2> kNicSharings = {"exclusive",
                                                          "dispatcher"};
constexpr std::array<std::string_view, 2> kGateScopes = {"dhcp", "pxe"};
constexpr std::array<std::string_view, 3> kStaleActions = {"deny", "keep",
                                                           "allow"};
constexpr std::array<std::string_view, 2> kIpVersions = {"4", "6"};

static_assert(kIpVersions[static_cast<std::size_t>(IpVersion::k6)] == "6");
static_assert(kXdpModes[static_cast<std::size_t>(XdpMode::kSkb)] == "skb");
static_assert(kOnExit[static_cast<std::size_t>(OnExit::kDetach)] == "detach");
static_assert(kNicSharings[static_cast<std::size_t>(NicSharing::kDispatcher)] ==
              "dispatcher");
static_assert(kGateScopes[static_cast<std::size_t>(GateScope::kPxe)] == "pxe");
static_assert(kStaleActions[static_cast<std::size_t>(StaleAction::kAllow)] ==
              "allow");

constexpr std::array<OptionAlias, 2> kDriverAliases = {
    OptionAlias{"", "pxe_filter_driver"},
    OptionAlias{"DEFAULT", "pxe_filter_driver"}};
constexpr std::array<OptionAlias, 1> kLogFileAliases = {
    OptionAlias{"", "logfile"}};
constexpr std::array<OptionAlias, 1> kLogDirAliases = {
    OptionAlias{"", "logdir"}};

constexpr std::array kDefaultOptions = {
    Option{.section = "DEFAULT",
           .name = "debug",
           .type = OptionType::kBoolean,
           .default_text = "false",
           .help =
               "Log every request and every single change as well. Turn it on "
               "to find out why something happens; it is too much for every "
               "day.",
           .set = +[](Config& c, bool v) { c.debug = v; }},
    Option{.section = "DEFAULT",
           .name = "log_file",
           .type = OptionType::kPath,
           .default_text = "",
           .help =
               "Append the log to this file instead of writing it to standard "
               "error, which systemd keeps in the journal. A relative path "
               "starts at log_dir.",
           .set = +[](Config& c, std::string v) { c.log_file = std::move(v); },
           .aliases = kLogFileAliases,
           .example = "/var/log/pxegate/pxegate.log"},
    Option{.section = "DEFAULT",
           .name = "log_dir",
           .type = OptionType::kPath,
           .default_text = "",
           .help = "The directory of a relative log_file. By itself it changes "
                   "nothing, so that the file of an OpenStack service can be "
                   "used as it stands.",
           .set = +[](Config& c, std::string v) { c.log_dir = std::move(v); },
           .aliases = kLogDirAliases,
           .example = "/var/log/pxegate"},
    Option{
        .section = "DEFAULT",
        .name = "transport_url",
        .type = OptionType::kSecret,
        .default_text = "",
        .help = "Ironic's message bus, as Ironic has it: with "
                "rabbit://USER:PASSWORD@HOST:5672/VHOST, an inspection that "
                "begins is heard of at once, and not with the next poll. "
                "Ironic sends nothing unless its own [DEFAULT] "
                "notification_level is info and its "
                "[oslo_messaging_notifications] driver messagingv2. Unset or "
                "fake://: polling "
                "alone.",
        .set = +[](Config& c,
                   Secret v) { c.notifications.transport_url = std::move(v); }},
    Option{
        .section = "DEFAULT",
        .name = "control_exchange",
        .type = OptionType::kString,
        .default_text = "ironic",
        .help = "The exchange on which Ironic publishes.",
        .set = +[](Config& c,
                   std::string v) { c.notifications.exchange = std::move(v); },
        .check = check_exchange,
        .expected = "the name of an exchange"},
    Option{.section = "DEFAULT",
           .name = "versioned_notifications_topics",
           .type = OptionType::kList,
           .default_text = "ironic_versioned_notifications",
           .help = "The topics under which Ironic publishes its versioned "
                   "notifications, as Ironic has them.",
           .set =
               +[](Config& c, std::vector<std::string> v) {
                 c.notifications.topics = std::move(v);
               },
           .check = check_topic,
           .expected = "names of topics"}};

constexpr std::array kPxeFilterOptions = {
    Option{.section = "pxe_filter",
           .name = "driver",
           .type = OptionType::kString,
           .default_text = "iptables",
           .help =
               "What enforces the policy. `pxegate drivers` lists the names. "
               "xdp drops in front of every DHCP server and sees through "
               "relays and VLAN tags; noop filters nothing and suits a "
               "network that only inspection uses.",
           .set = +[](Config& c,
                      std::string v) { c.pxe_filter.driver = std::move(v); },
           .check = check_word,
           .expected = "the name of a driver",
           .aliases = kDriverAliases},
    Option{.section = "pxe_filter",
           .name = "sync_period",
           .type = OptionType::kSeconds,
           .default_text = "15",
           .help =
               "How often to compare everything with Ironic, in seconds. It "
               "is stretched by itself where listing all ports takes long. "
               "Nodes that turn up for inspection do not wait for it, see "
               "poll_interval. 0, which stops the periodic sync in "
               "ironic-inspector, is taken for the default.",
           .set = +[](Config& c, seconds v) { c.pxe_filter.sync_period = v; },
           .max = 86400},
    Option{.section = "pxe_filter",
           .name = "poll_interval",
           .type = OptionType::kSeconds,
           .default_text = "2",
           .help =
               "How often to ask Ironic for nodes being inspected, in "
               "seconds. A node must be let through before it has powered on "
               "and asks for an address, so keep this below the time your "
               "fastest machine needs for its self-test.",
           .set = +[](Config& c, seconds v) { c.pxe_filter.poll_interval = v; },
           .min = 1,
           .max = 3600},
    Option{
        .section = "pxe_filter",
        .name = "deny_unknown_macs",
        .type = OptionType::kBoolean,
        .default_text = "false",
        .help = "Never let machines through that Ironic does not know. By "
                "default they get through while some node is being inspected, "
                "because that node's ports may not be enrolled yet. Set it "
                "where every node has its ports enrolled beforehand. It "
                "excludes discovery.",
        .set = +[](Config& c, bool v) { c.pxe_filter.deny_unknown_macs = v; }},
    Option{.section = "pxe_filter",
           .name = "supported_inspect_interfaces",
           .type = OptionType::kList,
           .default_text = "agent, inspector",
           .help =
               "A node in an open state counts as being inspected only with "
               "one of these inspect interfaces. Out-of-band inspection boots "
               "nothing and needs no opening.",
           .set =
               +[](Config& c, std::vector<std::string> v) {
                 c.pxe_filter.supported_inspect_interfaces = std::move(v);
               },
           .check = check_word,
           .expected = "names of inspect interfaces"},
    Option{.section = "pxe_filter",
           .name = "open_provision_states",
           .type = OptionType::kList,
           .default_text = "inspecting, inspect wait",
           .help = "The provision states in which a node may network-boot. Add "
                   "clean wait, wait call-back and rescue wait where one DHCP "
                   "server does all of a standalone Ironic's network booting.",
           .set =
               +[](Config& c, std::vector<std::string> v) {
                 c.pxe_filter.open_provision_states = std::move(v);
               },
           .check = check_provision_state,
           .expected = "provision states of Ironic"},
    Option{.section = "pxe_filter",
           .name = "skip_managed",
           .type = OptionType::kBoolean,
           .default_text = "false",
           .help =
               "Keep nodes out whose inspection Ironic boots itself, over a "
               "network of its own. Set it where such nodes must not get an "
               "answer from the inspection DHCP server. The account must be "
               "allowed to read driver_internal_info: of a node in `inspect "
               "wait` it could not tell otherwise, and keeps it out.",
           .set = +[](Config& c, bool v) { c.pxe_filter.skip_managed = v; }},
    Option{
        .section = "pxe_filter",
        .name = "plugin_dir",
        .type = OptionType::kPath,
        .default_text = "/usr/lib/pxegate/drivers",
        .help = "Where drivers of other vendors are: shared objects, each "
                "named as its driver, NAME.so. Only root may be able to "
                "write there. A driver's own options stand in the section "
                "of its name.",
        .set = +[](Config& c,
                   std::string v) { c.pxe_filter.plugin_dir = std::move(v); },
        .check = check_absolute_path,
        .expected = "an absolute path"},
    Option{.section = "pxe_filter",
           .name = "conductor_group",
           .type = OptionType::kString,
           .default_text = "",
           .help = "Be about the nodes of this conductor group only, as a "
                   "controller of one site among many. Machines of all other "
                   "nodes are denied: for that the ports of every node are "
                   "listed. With deny_unknown_macs, which denies them in any "
                   "case, only those of this group are, where Ironic can (API "
                   "1.99), which costs less. Unset: every node.",
           .set =
               +[](Config& c, std::string v) {
                 c.pxe_filter.conductor_group = std::move(v);
               },
           .example = "site1"},
    Option{.section = "pxe_filter",
           .name = "shard",
           .type = OptionType::kString,
           .default_text = "",
           .help =
               "Be about the nodes of this shard only (Ironic's API 1.82). "
               "Otherwise as conductor_group, but that Ironic filters ports "
               "by shard since API 1.82.",
           .set = +[](Config& c,
                      std::string v) { c.pxe_filter.shard = std::move(v); },
           .example = "rack7"},
    Option{.section = "pxe_filter",
           .name = "owner",
           .type = OptionType::kString,
           .default_text = "",
           .help = "Be about the nodes of this owner, a project's ID, only. "
                   "Machines of all other nodes are denied; the ports of every "
                   "node that the login may see are listed for that. Unset: "
                   "every node.",
           .set = +[](Config& c,
                      std::string v) { c.pxe_filter.owner = std::move(v); }},
    Option{
        .section = "pxe_filter",
        .name = "physical_network",
        .type = OptionType::kString,
        .default_text = "",
        .help = "The physical network that is filtered here, as Ironic's ports "
                "name "
                "it. A port that Ironic says is on another one has no business "
                "here and is denied; one that names none may be anywhere. "
                "Unset: it does not matter.",
        .set =
            +[](Config& c, std::string v) {
              c.pxe_filter.physical_network = std::move(v);
            },
        .example = "physnet1"},
    Option{.section = "pxe_filter",
           .name = "min_list_percent",
           .type = OptionType::kInteger,
           .default_text = "50",
           .help =
               "Hold a full list from Ironic back, and say so, that has less "
               "than so many percent of the ports of the one before: more "
               "likely than that so many were removed is that Ironic does not "
               "show them. It takes effect once it has come twice more, or by "
               "`pxegate sync --force`. 0: never hold one back.",
           .set = +[](Config& c,
                      std::uint32_t v) { c.pxe_filter.min_list_percent = v; },
           .max = 100},
    Option{.section = "pxe_filter",
           .name = "ask_inspector",
           .type = OptionType::kBoolean,
           .default_text = "false",
           .help = "Ask ironic-inspector too which inspections it runs, at the "
                   "address that Keystone's catalogue has for it. [inspector] "
                   "endpoint_override set means the same, with that address.",
           .set = +[](Config& c, bool v) { c.pxe_filter.ask_inspector = v; }}};

constexpr std::array kXdpOptions = {
    Option{.section = "xdp",
           .name = "interfaces",
           .type = OptionType::kList,
           .default_text = "",
           .help = "The network interfaces on which requests for the "
                   "inspection DHCP server come in. One that does not exist "
                   "yet is waited for. For a bond name its members, for a "
                   "bridge its ports. Unset: [iptables] dnsmasq_interface, "
                   "with a warning.",
           .set =
               +[](Config& c, std::vector<std::string> v) {
                 c.xdp.interfaces = std::move(v);
               },
           .check = check_interface,
           .expected = "names of network interfaces",
           .example = "ens1f0, ens1f1"},
    Option{.section = "xdp",
           .name = "mode",
           .type = OptionType::kChoice,
           .default_text = "auto",
           .help =
               "Where the program runs: native in the NIC's driver, skb in "
               "the kernel's generic code, auto tries native first. `pxegate "
               "status` shows what was obtained. Name a mode to have the "
               "other one refused.",
           .set = +[](Config& c,
                      std::size_t v) { c.xdp.mode = static_cast<XdpMode>(v); },
           .choices = kXdpModes},
    Option{
        .section = "xdp",
        .name = "on_exit",
        .type = OptionType::kChoice,
        .default_text = "keep",
        .help = "What a clean stop leaves behind: keep lets the filter go "
                "on with the last policy, detach removes it and opens the "
                "DHCP server to every machine.",
        .set = +[](Config& c,
                   std::size_t v) { c.xdp.on_exit = static_cast<OnExit>(v); },
        .choices = kOnExit},
    Option{
        .section = "xdp",
        .name = "pin_path",
        .type = OptionType::kPath,
        .default_text = "/sys/fs/bpf/pxegate",
        .help = "The directory, on a bpf file system, that keeps the "
                "filter alive while the controller does not run. Change it "
                "only to run two independent filters on one host.",
        .set = +[](Config& c, std::string v) { c.xdp.pin_path = std::move(v); },
        .check = check_absolute_path,
        .expected = "an absolute path"},
    Option{.section = "xdp",
           .name = "max_clients",
           .type = OptionType::kInteger,
           .default_text = "262144",
           .help = "How many hardware addresses the filter can hold; one port "
                   "of Ironic takes one, an InfiniBand port two. When it is "
                   "full, the sync fails and says so, and what does not fit "
                   "stays denied.",
           .set = +[](Config& c, std::uint32_t v) { c.xdp.max_clients = v; },
           .min = 1,
           .max = 16777216},
    Option{.section = "xdp",
           .name = "attach",
           .type = OptionType::kChoice,
           .default_text = "exclusive",
           .help = "Whether other XDP programs may run on the same interface. "
                   "exclusive has it alone, and refuses an interface that runs "
                   "another program; dispatcher shares it through libxdp, as "
                   "xdp-filter and xdpdump do. A packet then passes only where "
                   "every program lets it.",
           .set =
               +[](Config& c, std::size_t v) {
                 c.xdp.attach = static_cast<NicSharing>(v);
               },
           .choices = kNicSharings},
    Option{
        .section = "xdp",
        .name = "scope",
        .type = OptionType::kChoice,
        .default_text = "dhcp",
        .help = "Which requests are judged. dhcp: all of DHCP, which is what "
                "keeps a machine away from the inspection DHCP server whatever "
                "asks in it. pxe: only those of a network boot (PXEClient, "
                "HTTPClient, iPXE); all other DHCP passes. With pxe the "
                "inspection ramdisk's own DHCP is not judged either, nor is "
                "that of an operating system.",
        .set = +[](Config& c,
                   std::size_t v) { c.xdp.scope = static_cast<GateScope>(v); },
        .choices = kGateScopes},
    Option{.section = "xdp",
           .name = "stale_after",
           .type = OptionType::kSeconds,
           .default_text = "300",
           .help =
               "How many seconds the filter trusts a policy that no controller "
               "renews. A running controller renews it every second, also "
               "while Ironic cannot be reached; one that was stopped or "
               "killed, or that hangs, does not. After that time stale_action "
               "holds, until a controller has synced. A restart or an upgrade "
               "must fit into it. 0: the last policy holds forever.",
           .set = +[](Config& c, seconds v) { c.xdp.stale_after = v; },
           .max = 31536000},
    Option{
        .section = "xdp",
        .name = "stale_action",
        .type = OptionType::kChoice,
        .default_text = "deny",
        .help =
            "What becomes of requests once the policy is stale_after old. "
            "deny: none is answered, so that a machine whose inspection "
            "ended meanwhile does not boot the ramdisk again. keep: the old "
            "policy goes on, and `pxegate status` says that it is stale. "
            "allow: all are answered, for a network where a machine that "
            "boots the wrong thing is better than one that does not boot.",
        .set =
            +[](Config& c, std::size_t v) {
              c.xdp.stale_action = static_cast<StaleAction>(v);
            },
        .choices = kStaleActions},
    Option{
        .section = "xdp",
        .name = "discovery_relays",
        .type = OptionType::kList,
        .default_text = "",
        .help = "Let machines that Ironic does not know in only through DHCP "
                "relays in these networks (giaddr, or the link-address of "
                "DHCPv6), so that discovery can be opened one rack at a time. "
                "A request without a relay is none of them then. Whether "
                "unknown machines are let in at all is said by [pxe_filter] "
                "deny_unknown_macs. Unset: it does not matter where they ask.",
        .set =
            +[](Config& c, std::vector<std::string> v) {
              c.xdp.discovery_relays.clear();
              for (const std::string& each : v) {
                c.xdp.discovery_relays.push_back(*IpNetwork::parse(each));
              }
            },
        .check = check_relay_network,
        .expected = "IPv4 or IPv6 networks",
        .example = "10.1.0.0/24, fd00:1::/64"},
    Option{.section = "xdp",
           .name = "unknown_rate",
           .type = OptionType::kInteger,
           .default_text = "0",
           .help =
               "How many requests a second one machine that Ironic does not "
               "know may send; machines that the filter has not seen lately "
               "share one such allowance on each interface. What exceeds it is "
               "dropped, so that a host that makes up addresses can neither "
               "keep the DHCP server busy nor use up its leases. Machines that "
               "are allowed by name are never limited. A PXE client sends "
               "about four. 0: any number.",
           .set = +[](Config& c, std::uint32_t v) { c.xdp.unknown_rate = v; },
           .max = 1000000},
    Option{.section = "xdp",
           .name = "relay_rate",
           .type = OptionType::kInteger,
           .default_text = "0",
           .help =
               "How many requests a second all unknown machines behind one "
               "DHCP relay may send together, so that one rack cannot keep the "
               "DHCP server from the others. 0: any number.",
           .set = +[](Config& c, std::uint32_t v) { c.xdp.relay_rate = v; },
           .max = 1000000}};

// ironic-inspector's old name of the section.
constexpr std::array<OptionAlias, 1> kDnsmasqInterfaceAliases = {
    OptionAlias{"firewall", "dnsmasq_interface"}};
constexpr std::array<OptionAlias, 1> kFirewallChainAliases = {
    OptionAlias{"firewall", "firewall_chain"}};
constexpr std::array<OptionAlias, 1> kEthoibAliases = {
    OptionAlias{"firewall", "ethoib_interfaces"}};
constexpr std::array<OptionAlias, 1> kIpVersionAliases = {
    OptionAlias{"firewall", "ip_version"}};
// Ironic's own pxe filter has it there.
constexpr std::array<OptionAlias, 1> kHostsdirAliases = {
    OptionAlias{"pxe_filter", "dhcp_hostsdir", false}};

constexpr std::array kIptablesOptions = {
    Option{.section = "iptables",
           .name = "dnsmasq_interface",
           .type = OptionType::kString,
           .default_text = "br-ctlplane",
           .help = "The interface on which the DHCP server listens, as "
                   "iptables takes it: a + at the end stands for anything. "
                   "The xdp and nftables drivers use it too where they have no "
                   "interfaces of their own.",
           .set =
               +[](Config& c, std::string v) {
                 c.iptables.dnsmasq_interface = std::move(v);
               },
           .check = check_interface_pattern,
           .expected = "the name of a network interface",
           .aliases = kDnsmasqInterfaceAliases},
    Option{
        .section = "iptables",
        .name = "firewall_chain",
        .type = OptionType::kString,
        .default_text = "ironic-inspector",
        .help = "The iptables chain to keep. Whatever it holds is replaced.",
        .set = +[](Config& c,
                   std::string v) { c.iptables.firewall_chain = std::move(v); },
        .check = check_chain,
        .expected = "a chain name of at most 23 letters, digits and -_.",
        .aliases = kFirewallChainAliases},
    Option{.section = "iptables",
           .name = "ethoib_interfaces",
           .type = OptionType::kList,
           .default_text = "",
           .help = "Interfaces for Ethernet over InfiniBand on this host. "
                   "Requests of InfiniBand ports come in with the addresses "
                   "that these interfaces list as neighbours; whatever driver "
                   "is used lets them through or not as the port itself.",
           .set =
               +[](Config& c, std::vector<std::string> v) {
                 c.iptables.ethoib_interfaces = std::move(v);
               },
           .check = check_interface,
           .expected = "names of network interfaces",
           .aliases = kEthoibAliases,
           .example = "eth6, eth7"},
    Option{.section = "iptables",
           .name = "ip_version",
           .type = OptionType::kChoice,
           .default_text = "4",
           .help = "4 filters DHCP with iptables, 6 filters DHCPv6 with "
                   "ip6tables.",
           .set =
               +[](Config& c, std::size_t v) {
                 c.iptables.ip_version = static_cast<IpVersion>(v);
               },
           .choices = kIpVersions,
           .aliases = kIpVersionAliases}};

constexpr std::array kDnsmasqOptions = {
    Option{
        .section = "dnsmasq_pxe_filter",
        .name = "dhcp_hostsdir",
        .type = OptionType::kPath,
        .default_text = "/var/lib/ironic-inspector/dhcp-hostsdir",
        .help = "The directory that dnsmasq reads with --dhcp-hostsdir. The "
                "controller writes one file per address there; dnsmasq "
                "must be able to read them.",
        .set = +[](Config& c,
                   std::string v) { c.dnsmasq.dhcp_hostsdir = std::move(v); },
        .check = check_absolute_path,
        .expected = "an absolute path",
        .aliases = kHostsdirAliases},
    Option{
        .section = "dnsmasq_pxe_filter",
        .name = "purge_dhcp_hostsdir",
        .type = OptionType::kBoolean,
        .default_text = "true",
        .help = "The directory is this controller's alone: it starts by "
                "removing what earlier runs left there. Set it to false "
                "where several controllers share the directory, and clean "
                "it up yourself.",
        .set = +[](Config& c, bool v) { c.dnsmasq.purge_dhcp_hostsdir = v; }},
    Option{
        .section = "dnsmasq_pxe_filter",
        .name = "dnsmasq_start_command",
        .type = OptionType::kString,
        .default_text = "",
        .help = "A command for /bin/sh that starts dnsmasq, run once the "
                "directory is complete. Unset: something else starts it.",
        .set = +[](Config& c,
                   std::string v) { c.dnsmasq.start_command = std::move(v); },
        .example = "systemctl restart dnsmasq"},
    Option{.section = "dnsmasq_pxe_filter",
           .name = "dnsmasq_stop_command",
           .type = OptionType::kString,
           .default_text = "",
           .help = "A command for /bin/sh that stops dnsmasq, run when the "
                   "controller ends or the directory cannot be kept up to "
                   "date. Unset: dnsmasq goes on with what it has read.",
           .set = +[](Config& c,
                      std::string v) { c.dnsmasq.stop_command = std::move(v); },
           .example = "systemctl stop dnsmasq"}};

constexpr std::array kNftablesOptions = {
    Option{.section = "nftables",
           .name = "interfaces",
           .type = OptionType::kList,
           .default_text = "",
           .help = "The network interfaces on which requests for the "
                   "inspection DHCP server come in. One that does not exist "
                   "yet is waited for. Unset: [iptables] dnsmasq_interface, "
                   "with a warning.",
           .set =
               +[](Config& c, std::vector<std::string> v) {
                 c.nftables.interfaces = std::move(v);
               },
           .check = check_interface,
           .expected = "names of network interfaces",
           .example = "ens1f0, ens1f1"},
    Option{
        .section = "nftables",
        .name = "table",
        .type = OptionType::kString,
        .default_text = "pxegate",
        .help = "The nftables table of family netdev to keep. One of that name "
                "that pxegate has not made is refused, and left alone.",
        .set =
            +[](Config& c, std::string v) { c.nftables.table = std::move(v); },
        .check = check_nft_name,
        .expected = "a name of at most 64 letters, digits, - and _ that "
                    "starts with a letter"}};

constexpr std::array kApiOptions = {
    Option{
        .section = "api",
        .name = "socket",
        .type = OptionType::kPath,
        .default_text = "/run/pxegate/pxegate.sock",
        .help = "The Unix socket through which the pxegate commands reach "
                "the controller.",
        .set = +[](Config& c, std::string v) { c.api.socket = std::move(v); },
        .check = check_socket_path,
        .expected = "an absolute path of at most 107 bytes"},
    Option{
        .section = "api",
        .name = "listen",
        .type = OptionType::kString,
        .default_text = "",
        .help = "Serve the control API on this TCP address too, for reading "
                "only. It asks for no login and shows which machines there "
                "are: choose an address that only those reach who may see "
                "that. Unset: no TCP.",
        .set = +[](Config& c, std::string v) { c.api.listen = std::move(v); },
        .check = check_listen,
        .expected = "host:port, [IPv6 address]:port or nothing",
        .example = "127.0.0.1:9725"}};

constexpr std::array kDiscoveryOptions = {
    Option{.section = "auto_discovery",
           .name = "enabled",
           .type = OptionType::kBoolean,
           .default_text = "false",
           .help = "Machines that Ironic does not know may always boot, to be "
                   "enrolled. Set it as Ironic has it.",
           .set = +[](Config& c, bool v) { c.discovery |= v; }},
    Option{.section = "processing",
           .name = "node_not_found_hook",
           .type = OptionType::kString,
           .default_text = "",
           .help = "The same in ironic-inspector's words: any hook named here "
                   "turns discovery on.",
           // By value as every setter of a string.
           // NOLINTNEXTLINE(performance-unnecessary-value-param)
           .set = +[](Config& c, std::string v) { c.discovery |= !v.empty(); },
           .example = "enroll"}};

constexpr std::array kIgnoredOptions = {
    IgnoredOption{"iptables", "manage_firewall",
                  "[pxe_filter] driver says what filters; noop for nothing"},
    IgnoredOption{"firewall", "manage_firewall",
                  "[pxe_filter] driver says what filters; noop for nothing"},
    IgnoredOption{"iptables", "firewall_update_period",
                  "[pxe_filter] sync_period says how often"},
    IgnoredOption{"firewall", "firewall_update_period",
                  "[pxe_filter] sync_period says how often"}};

}  // namespace

std::span<const Option> options() {
  static const std::vector<Option> kAll = [] {
    std::vector<Option> all;
    for (const std::span<const Option> part :
         std::initializer_list<std::span<const Option>>{
             kDefaultOptions, kPxeFilterOptions, ironic_options(),
             inspector_options(), messaging_options(), kXdpOptions,
             kIptablesOptions, kDnsmasqOptions, kNftablesOptions, kApiOptions,
             kDiscoveryOptions}) {
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }();
  return kAll;
}

std::span<const IgnoredOption> ignored_options() { return kIgnoredOptions; }

const Option* find_option(std::string_view section, std::string_view name) {
  const auto found = std::ranges::find_if(options(), [&](const Option& option) {
    return option.section == section && option.name == name;
  });
  return found == options().end() ? nullptr : &*found;
}

Config default_config() {
  Config config;
  for (const Option& option : options()) {
    // Cannot fail: a test reads every default.
    [[maybe_unused]] const auto done =
        set_option(option, option.default_text, config);
  }
  return config;
}

}  // namespace pxegate
