// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/rows.h"

namespace pxegate::testing {
namespace {

const Packet kDiscover = Ethernet{} / Ipv4{} / Udp{} / Bootp{} / DhcpOptions{};
const Packet kSolicit = Ethernet{} / Ipv6{} / kUdp6 / Dhcpv6{};

void add_lease(std::vector<Row>& rows) {
  struct Action {
    std::uint8_t action;
    std::uint32_t verdict;
  };
  // Keep is told below. What nobody knows is deny.
  for (const Action& a : std::vector<Action>{{PXE_STALE_DENY, PXE_DENY},
                                             {PXE_STALE_ALLOW, PXE_ALLOW},
                                             {3, PXE_DENY},
                                             {255, PXE_DENY}}) {
    const std::string name = "stale_action_" + std::to_string(a.action);
    const Expectation stale = a.verdict == PXE_ALLOW ? allowed(PXE_REASON_STALE)
                                                     : denied(PXE_REASON_STALE);
    for (const std::uint8_t rule : {PXE_DENY, PXE_ALLOW}) {
      PolicyInForce policy{.rules = {{ethernet_addr(kClientMac), rule}},
                           .unknown = rule,
                           .lease_until_ns = kRanOut,
                           .stale_action = a.action};
      const std::string which =
          name + (rule == PXE_ALLOW ? "_of_allowed" : "_of_denied");
      rows.push_back({which, kDiscover, policy, stale, Seen{}});
      rows.push_back({which + "_6", kSolicit, policy, stale,
                      Seen{.arch = 7, .ip_version = 6}});
      policy.rules.clear();
      rows.push_back({which + "_unknown", kDiscover, policy, stale});
      policy.lease_until_ns = kInForce;
      rows.push_back({which + "_in_time", kDiscover, policy,
                      rule == PXE_ALLOW ? allowed(PXE_REASON_UNKNOWN)
                                        : denied(PXE_REASON_UNKNOWN)});
      policy.lease_until_ns = 0;
      rows.push_back({which + "_without_lease", kDiscover, policy,
                      rule == PXE_ALLOW ? allowed(PXE_REASON_UNKNOWN)
                                        : denied(PXE_REASON_UNKNOWN)});
    }
  }
  const PolicyInForce keep{.rules = {{ethernet_addr(kClientMac), PXE_ALLOW}},
                           .lease_until_ns = kRanOut,
                           .stale_action = PXE_STALE_KEEP};
  const PolicyInForce allow{.lease_until_ns = kRanOut,
                            .stale_action = PXE_STALE_ALLOW};
  const std::vector<Row> more{
      {"stale_keep_of_a_rule", kDiscover, keep, allowed(PXE_REASON_RULE)},
      {"stale_keep_of_unknown",
       Ethernet{} / Ipv4{} / Udp{} / Bootp{.chaddr = as_bytes(kOtherMac)}, keep,
       denied(PXE_REASON_UNKNOWN)},
      {"stale_of_what_is_malformed", kDiscover / Truncate{42 + 235}, allow,
       kMalformed},
      {"stale_of_what_is_none_of_ours",
       Ethernet{} / Ipv4{} / Udp{.destination = 69} / Bootp{},
       {.lease_until_ns = kRanOut},
       kNotOurs},
      {"stale_of_no_network_boot",
       Ethernet{} / Ipv4{} / Udp{} / Bootp{} /
           DhcpOptions{.options = {message_type(1)}},
       {.scope = PXE_SCOPE_PXE, .lease_until_ns = kRanOut},
       allowed(PXE_REASON_SCOPE)},
      {"stale_of_a_network_boot",
       kDiscover,
       {.scope = PXE_SCOPE_PXE, .lease_until_ns = kRanOut},
       denied(PXE_REASON_STALE)},
      {"stale_of_foreign_hardware",
       Ethernet{} / Ipv4{} / Udp{} / Bootp{.htype = 6} / DhcpOptions{}, allow,
       allowed(PXE_REASON_STALE)},
  };
  rows.insert(rows.end(), more.begin(), more.end());
}

void add_discovery(std::vector<Row>& rows) {
  const auto through = [](const Relay& relay, std::uint32_t prefix) {
    return PolicyInForce{.unknown = PXE_ALLOW,
                         .discovery_restricted = 1,
                         .discovery_relays = {network(relay, prefix)}};
  };
  const auto discover = [](std::uint32_t giaddr) {
    return Ethernet{.source = kRelayMac} / Ipv4{} / Udp{} /
           Bootp{.giaddr = giaddr} / DhcpOptions{};
  };
  const auto solicit = [](const Ip6& link) {
    return Ethernet{.source = kRelayMac} / Ipv6{.source = kOtherLink} / kUdp6 /
           RelayForward{.link = link} / Dhcpv6{};
  };
  const Expectation in = allowed(PXE_REASON_UNKNOWN);
  const Expectation out = denied(PXE_REASON_DISCOVERY);
  struct Edge {
    std::uint32_t network;
    std::uint32_t prefix;
    std::uint32_t giaddr;
    bool inside;
  };
  for (const Edge& edge :
       std::vector<Edge>{{ip(10, 1, 1, 1), 32, ip(10, 1, 1, 1), true},
                         {ip(10, 1, 1, 1), 32, ip(10, 1, 1, 0), false},
                         {ip(10, 1, 1, 1), 32, ip(10, 1, 1, 2), false},
                         {ip(10, 1, 1, 0), 31, ip(10, 1, 1, 1), true},
                         {ip(10, 1, 1, 0), 31, ip(10, 1, 1, 2), false},
                         {ip(10, 1, 1, 0), 24, ip(10, 1, 1, 255), true},
                         {ip(10, 1, 1, 0), 24, ip(10, 1, 2, 0), false},
                         {ip(10, 1, 1, 0), 24, ip(10, 1, 0, 255), false},
                         {ip(128, 0, 0, 0), 1, ip(255, 255, 255, 255), true},
                         {ip(128, 0, 0, 0), 1, ip(127, 255, 255, 255), false},
                         {0, 0, ip(1, 2, 3, 4), true}}) {
    const Expectation expect = edge.inside ? in : out;
    rows.push_back({"discovery_" + std::to_string(edge.network) + "_" +
                        std::to_string(edge.prefix) + "_from_" +
                        std::to_string(edge.giaddr),
                    discover(edge.giaddr),
                    through(edge.network, 96 + edge.prefix), expect,
                    Seen{.relay = edge.giaddr}, edge.giaddr});
  }
  struct Edge6 {
    std::string name;
    std::uint32_t prefix;
    Ip6 link;
    bool inside;
  };
  for (const Edge6& edge : std::vector<Edge6>{
           {"itself", 128, kLink, true},
           {"another", 128, kOtherLink, false},
           {"its_neighbour_of_127", 127, ip6({0x2001, 0xdb8, 1, 0, 0, 0, 0, 0}),
            true},
           {"beyond_127", 127, ip6({0x2001, 0xdb8, 1, 0, 0, 0, 0, 2}), false},
           {"last_of_64", 64,
            ip6({0x2001, 0xdb8, 1, 0, 0xffff, 0xffff, 0xffff, 0xffff}), true},
           {"first_behind_64", 64, ip6({0x2001, 0xdb8, 1, 1, 0, 0, 0, 0}),
            false},
           {"same_48", 48, ip6({0x2001, 0xdb8, 1, 0xffff, 0, 0, 0, 0}), true},
           {"other_48", 48, kOtherLink, false},
           {"any", 0, kOtherLink, true}}) {
    rows.push_back({"discovery_6_" + edge.name, solicit(edge.link),
                    through(kLink, edge.prefix), edge.inside ? in : out,
                    Seen{.relay = edge.link, .arch = 7, .ip_version = 6},
                    edge.link});
  }
  PolicyInForce off = through(kLink, 128);
  off.discovery_restricted = 0;
  PolicyInForce none = through(kLink, 128);
  none.discovery_relays.clear();
  PolicyInForce two = through(kLink, 128);
  two.discovery_relays.push_back(network(kGiaddr, 96 + 24));
  PolicyInForce odd = through(kGiaddr, 128);
  odd.discovery_restricted = 255;
  PolicyInForce denied_all = through(kGiaddr, 128);
  denied_all.unknown = PXE_DENY;
  PolicyInForce known = through(kGiaddr, 128);
  known.rules = {{ethernet_addr(kClientMac), PXE_ALLOW}};
  PolicyInForce disguised = through(kOtherLink, 128);
  disguised.rules = {{ethernet_addr(kClientMac), PXE_DENY}};
  const Packet nameless = Ethernet{.source = kRelayMac} / Ipv6{} / kUdp6 /
                          RelayForward{.link = kLink, .peer = Ip6{}} /
                          Dhcpv6{.options = {}};
  const std::vector<Row> more{
      {"discovery_unrelayed", kDiscover, through(0, 96), out, Seen{}},
      {"discovery_unrelayed_and_any", kDiscover, through(0, 0), out},
      {"discovery_6_unrelayed", kSolicit, through(Ip6{}, 0), out},
      {"discovery_not_restricted", kDiscover, off, in},
      {"discovery_without_relays", discover(kGiaddr), none, out, {}, kGiaddr},
      {"discovery_of_two_networks", discover(kGiaddr), two, in, {}, kGiaddr},
      {"discovery_restricted_by_255",
       discover(ip(9, 9, 9, 9)),
       odd,
       out,
       {},
       ip(9, 9, 9, 9)},
      {"discovery_where_unknown_are_denied",
       discover(kGiaddr),
       denied_all,
       denied(PXE_REASON_UNKNOWN),
       {},
       kGiaddr},
      {"discovery_of_a_known_machine", kDiscover, known,
       allowed(PXE_REASON_RULE)},
      {"discovery_by_source_where_link_is_zero",
       solicit(Ip6{}),
       through(kOtherLink, 128),
       in,
       {},
       kOtherLink},
      {"discovery_of_one_without_a_name",
       nameless,
       through(kLink, 128),
       allowed(PXE_REASON_NO_CLIENT_ID),
       {},
       kLink},
      {"discovery_of_one_without_a_name_elsewhere",
       nameless,
       through(kOtherLink, 128),
       out,
       {},
       kLink},
  };
  rows.insert(rows.end(), more.begin(), more.end());
  rows.push_back({"denied_in_disguise_before_discovery",
                  Ethernet{} / Ipv4{} / Udp{} / Bootp{.hlen = 7}, disguised,
                  denied(PXE_REASON_RULE)});
}

// Others whose rules are kept in the same bucket.
std::vector<Mac> neighbours(const Mac& mac, std::size_t count) {
  const auto bucket = [](const Mac& of) {
    return pxe_bucket_index(pxe_slot(of.data()), PxeProgram::kBuckets - 1);
  };
  std::vector<Mac> found;
  for (std::uint32_t i = 1; found.size() < count; ++i) {
    const Mac other{0x02,
                    0xbb,
                    0,
                    static_cast<std::uint8_t>(i >> 16),
                    static_cast<std::uint8_t>(i >> 8),
                    static_cast<std::uint8_t>(i)};
    if (bucket(other) == bucket(mac)) found.push_back(other);
  }
  return found;
}

void add_buckets(std::vector<Row>& rows) {
  for (const Mac& mac : {kClientMac, Mac{}, kBroadcastMac}) {
    const Packet packet = Ethernet{} / Ipv4{} / Udp{} /
                          Bootp{.chaddr = as_bytes(mac)} / DhcpOptions{};
    const std::string name = mac == Mac{}        ? "zero_mac"
                             : mac == kClientMac ? "mac"
                                                 : "broadcast_mac";
    const std::uint64_t slot = pxe_slot(mac.data());
    const std::uint64_t empty = slot & ~std::uint64_t{PXE_SLOT_FLAGS};
    const std::uint32_t bucket =
        pxe_bucket_index(slot, PxeProgram::kBuckets - 1);
    const auto holds = [&](std::size_t at, std::uint64_t value,
                           std::uint8_t unknown) {
      return PolicyInForce{.unknown = unknown, .slots = {{bucket, at, value}}};
    };
    for (std::size_t others = 0; others <= 9; ++others) {
      for (const std::uint8_t verdict : {PXE_DENY, PXE_ALLOW}) {
        PolicyInForce policy;
        // All others say the opposite.
        policy.unknown = verdict == PXE_DENY ? PXE_ALLOW : PXE_DENY;
        for (const Mac& other : neighbours(mac, others))
          policy.rules.emplace_back(ethernet_addr(other), policy.unknown);
        rows.push_back({name + "_behind_" + std::to_string(others) +
                            (verdict == PXE_ALLOW ? "_allowed" : "_denied") +
                            "_without_rule",
                        packet, policy,
                        policy.unknown == PXE_ALLOW
                            ? allowed(PXE_REASON_UNKNOWN)
                            : denied(PXE_REASON_UNKNOWN)});
        policy.rules.emplace_back(ethernet_addr(mac), verdict);
        rows.push_back({name + "_behind_" + std::to_string(others) +
                            (verdict == PXE_ALLOW ? "_allowed" : "_denied"),
                        packet, policy,
                        verdict == PXE_ALLOW ? allowed(PXE_REASON_RULE)
                                             : denied(PXE_REASON_RULE)});
      }
    }
    for (std::size_t at = 0; at < PXE_BUCKET_SLOTS; ++at) {
      rows.push_back({name + "_in_slot_" + std::to_string(at), packet,
                      holds(at, slot | PXE_SLOT_ALLOW, PXE_DENY),
                      allowed(PXE_REASON_RULE)});
    }
    // Every bit that means nothing makes it a deny.
    for (std::uint32_t flag = 4; flag < PXE_SLOT_OVERFLOW; flag *= 2) {
      for (const std::size_t at : {0, 1}) {
        rows.push_back({name + "_with_flag_" + std::to_string(flag) +
                            "_in_slot_" + std::to_string(at),
                        packet,
                        holds(at, slot | PXE_SLOT_ALLOW | flag, PXE_ALLOW),
                        denied(PXE_REASON_RULE)});
      }
    }
    const std::vector<Row> more{
        {name + "_allowed_without_rule_flag", packet,
         holds(3, empty | PXE_SLOT_ALLOW, PXE_ALLOW), denied(PXE_REASON_RULE)},
        {name + "_allowed_and_overflow", packet,
         holds(0, slot | PXE_SLOT_ALLOW | PXE_SLOT_OVERFLOW, PXE_DENY),
         allowed(PXE_REASON_RULE)},
        {name + "_denied_and_overflow", packet,
         holds(0, slot | PXE_SLOT_OVERFLOW, PXE_ALLOW),
         denied(PXE_REASON_RULE)},
        {name + "_of_an_empty_bucket_that_overflowed", packet,
         holds(0, PXE_SLOT_OVERFLOW, PXE_ALLOW), allowed(PXE_REASON_UNKNOWN)},
    };
    rows.insert(rows.end(), more.begin(), more.end());
  }
  // An empty slot says nothing of 00:00:00:00:00:00.
  rows.push_back({"empty_bucket_of_zero_mac",
                  Ethernet{} / Ipv4{} / Udp{} / Bootp{.chaddr = {}},
                  kAllowUnknown, allowed(PXE_REASON_UNKNOWN)});
  // A denied machine in disguise, whose rule is in more_rules.
  PolicyInForce full{.unknown = PXE_ALLOW};
  for (const Mac& other : neighbours(kClientMac, 8))
    full.rules.emplace_back(ethernet_addr(other), PXE_ALLOW);
  full.rules.emplace_back(ethernet_addr(kClientMac), PXE_DENY);
  rows.push_back(
      {"disguise_of_a_mac_in_more_rules",
       Ethernet{} / Ipv4{} / Udp{} / Bootp{.htype = 6} / DhcpOptions{}, full,
       denied(PXE_REASON_RULE)});
  rows.push_back({"dhcpv6_of_a_mac_in_more_rules", kSolicit, full,
                  denied(PXE_REASON_RULE)});
}

// The address that denies may be hidden in many ways.
void add_disguises(std::vector<Row>& rows) {
  const Packet udp = Ethernet{.source = kOtherMac} / Ipv4{} / Udp{};
  const Packet options = DhcpOptions{};
  const Packet guid =
      DhcpOptions{.options = {message_type(1), infiniband_client_id(kGuid)}};
  const Bytes mac = as_bytes(kClientMac);
  const PolicyInForce both{.rules = {{ethernet_addr(kClientMac), PXE_DENY},
                                     {infiniband_addr(kGuid), PXE_ALLOW}},
                           .unknown = PXE_ALLOW};
  const std::vector<Row> more{
      {"infiniband_with_a_denied_chaddr",
       udp / Bootp{.htype = 32, .chaddr = mac} / guid, deny_only(kClientMac),
       denied(PXE_REASON_RULE)},
      {"infiniband_from_a_denied_machine",
       udp / Bootp{.htype = 32, .chaddr = {}} / guid, deny_only(kOtherMac),
       denied(PXE_REASON_RULE)},
      {"infiniband_from_a_denied_machine_relayed",
       udp / Bootp{.htype = 32, .giaddr = kGiaddr, .chaddr = {}} / guid,
       deny_only(kOtherMac),
       allowed(PXE_REASON_UNKNOWN),
       {},
       kGiaddr},
      {"infiniband_with_a_denied_chaddr_relayed",
       udp / Bootp{.htype = 32, .giaddr = kGiaddr, .chaddr = mac} / guid,
       deny_only(kClientMac),
       denied(PXE_REASON_RULE),
       {},
       kGiaddr},
      {"infiniband_allowed_with_a_denied_chaddr",
       udp / Bootp{.htype = 32, .chaddr = mac} / guid, both,
       allowed(PXE_REASON_RULE)},
      {"foreign_from_a_denied_machine",
       udp / Bootp{.htype = 6, .chaddr = {}} / options, deny_only(kOtherMac),
       denied(PXE_REASON_RULE)},
      {"ethernet_from_a_denied_machine", udp / Bootp{.chaddr = mac} / options,
       deny_only(kOtherMac), allowed(PXE_REASON_UNKNOWN)},
      // Whether there is a rule or not tells nothing of unknown machines.
      {"foreign_of_a_denied_machine_where_unknown_are_denied",
       udp / Bootp{.htype = 6, .chaddr = mac} / options,
       {.rules = {{ethernet_addr(kClientMac), PXE_DENY}}},
       denied(PXE_REASON_FOREIGN_HTYPE)},
  };
  rows.insert(rows.end(), more.begin(), more.end());
}

}  // namespace

std::vector<Row> policy_rows() {
  std::vector<Row> rows;
  add_lease(rows);
  add_discovery(rows);
  add_buckets(rows);
  add_disguises(rows);
  return rows;
}

}  // namespace pxegate::testing
