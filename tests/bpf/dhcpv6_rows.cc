// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/rows.h"

namespace pxegate::testing {
namespace {

// Says nothing of an Ethernet address.
constexpr Ip6 kNamelessPeer = ip6({0xfe80, 0, 0, 0, 1, 2, 3, 4});

const Bytes kMac = as_bytes(kClientMac);
const Bytes kOther = as_bytes(kOtherMac);

// RFC 4391's hardware address: 12 bytes, and the GUID.
Bytes hardware(const std::array<std::uint8_t, 8>& guid) {
  Bytes address(20, 0xfe);
  std::copy(guid.begin(), guid.end(), address.begin() + 12);
  return address;
}

Packet relayed_frame() {
  return Ethernet{.source = kRelayMac} / Ipv6{.source = kLink} /
         Udp{.source = 547, .destination = 547};
}

RelayForward nameless(std::vector<Option6> options = {}) {
  return {.link = kLink, .peer = kNamelessPeer, .options = std::move(options)};
}

Dhcpv6 asking(std::vector<Option6> options) {
  return {.options = std::move(options)};
}

void add_direct(std::vector<Row>& rows) {
  const Packet udp = Ethernet{} / Ipv6{} / kUdp6;
  const Packet other_udp = Ethernet{.source = kOtherMac} / Ipv6{} / kUdp6;
  const PolicyInForce client = allow_only(kClientMac);
  const Expectation by_rule = allowed(PXE_REASON_RULE);
  const Seen seen{.arch = 7, .ip_version = 6};
  for (const std::uint8_t type : {0, 1, 3, 4, 5, 6, 8, 9, 11, 14, 20, 255}) {
    rows.push_back(
        {"dhcpv6_type_" + std::to_string(type),
         udp / Dhcpv6{.type = type, .options = {}}, client, by_rule,
         Seen{.message_type = type, .arch = PXE_NO_ARCH, .ip_version = 6}});
  }
  for (const std::uint8_t type : {2, 7, 10, 13, 21}) {
    rows.push_back({"dhcpv6_type_" + std::to_string(type) + "_of_a_server",
                    udp / Dhcpv6{.type = type}, kDenyAll, kNotOurs});
  }
  const std::vector<Row> more{
      {"dhcpv6_denied", udp / Dhcpv6{}, deny_only(kClientMac),
       denied(PXE_REASON_RULE), seen},
      {"dhcpv6_unknown", udp / Dhcpv6{}, kDenyAll, denied(PXE_REASON_UNKNOWN),
       seen},
      {"dhcpv6_unknown_allowed", udp / Dhcpv6{}, kAllowUnknown,
       allowed(PXE_REASON_UNKNOWN), seen},
      {"dhcpv6_client_id_does_not_name_who_is_near", other_udp / Dhcpv6{},
       allow_only(kClientMac), denied(PXE_REASON_UNKNOWN),
       Seen{.addr = ethernet_addr(kOtherMac), .arch = 7, .ip_version = 6}},
      // It is no way around a rule either.
      {"dhcpv6_client_id_of_a_denied_machine", other_udp / Dhcpv6{},
       deny_only(kClientMac), denied(PXE_REASON_RULE)},
      {"dhcpv6_duid_ll_of_a_denied_machine",
       other_udp / asking({client_id6(duid_ll(kMac))}), deny_only(kClientMac),
       denied(PXE_REASON_RULE)},
      {"dhcpv6_client_id_of_an_allowed_machine",
       udp / asking({client_id6(duid_ll(kOther))}),
       {.rules = {{ethernet_addr(kClientMac), PXE_DENY},
                  {ethernet_addr(kOtherMac), PXE_ALLOW}},
        .unknown = PXE_ALLOW},
       denied(PXE_REASON_RULE)},
      {"dhcpv6_client_id_of_a_denied_guid",
       udp / asking({client_id6(duid_ll(as_bytes(kGuid), 32))}),
       deny_only(infiniband_addr(kGuid)), allowed(PXE_REASON_UNKNOWN)},
      {"dhcpv6_duid_uuid", udp / asking({client_id6(duid_uuid())}),
       deny_only(kOtherMac), allowed(PXE_REASON_UNKNOWN)},
      {"dhcpv6_peer_of_another",
       Ethernet{} / Ipv6{.source = link_local(kOtherMac)} / kUdp6 / asking({}),
       deny_only(kOtherMac), allowed(PXE_REASON_UNKNOWN)},
      {"dhcpv6_option_79_of_a_client",
       udp / asking({client_link_layer(kOther)}), allow_only(kOtherMac),
       denied(PXE_REASON_UNKNOWN)},
      {"dhcpv6_arch_of_one_byte", udp / asking({{61, {7}}}), client, by_rule,
       Seen{.arch = PXE_NO_ARCH, .ip_version = 6}},
      {"dhcpv6_first_of_two_archs_in_one", udp / asking({{61, {0, 9, 0, 7}}}),
       client, by_rule, Seen{.arch = 9, .ip_version = 6}},
      {"dhcpv6_last_arch", udp / asking({client_arch6(9), client_arch6(11)}),
       client, by_rule, Seen{.arch = 11, .ip_version = 6}},
      {"dhcpv6_arch_behind_one_cut_off",
       udp / asking({{14, {}, 100}, client_arch6(9)}), client, by_rule,
       Seen{.arch = PXE_NO_ARCH, .ip_version = 6}},
      {"dhcpv6_arch_is_the_64th_option",
       [&] {
         Dhcpv6 message{.options = std::vector<Option6>(63, {14})};
         message.options.push_back(client_arch6(9));
         return udp / message;
       }(),
       client, by_rule, Seen{.arch = 9, .ip_version = 6}},
      {"dhcpv6_arch_is_the_65th_option",
       [&] {
         Dhcpv6 message{.options = std::vector<Option6>(64, {14})};
         message.options.push_back(client_arch6(9));
         return udp / message;
       }(),
       client, by_rule, Seen{.arch = PXE_NO_ARCH, .ip_version = 6}},
  };
  rows.insert(rows.end(), more.begin(), more.end());
}

void add_identities(std::vector<Row>& rows) {
  const Packet udp = relayed_frame();
  const Expectation by_rule = allowed(PXE_REASON_RULE);
  const Bytes guid = as_bytes(kGuid);
  const Bytes longer = hardware(kGuid);
  const pxe_addr mac = ethernet_addr(kClientMac);
  const pxe_addr infiniband = infiniband_addr(kGuid);
  struct Case {
    std::string name;
    Packet message;
    pxe_addr addr;
  };
  const auto client_says = [&](Bytes duid) {
    return nameless() / asking({client_id6(std::move(duid))});
  };
  const Dhcpv6 says_other = asking({client_id6(duid_ll(kOther))});
  const RelayForward peer_of_other{.link = kLink,
                                   .peer = link_local(kOtherMac)};
  RelayForward option_and_peer = peer_of_other;
  option_and_peer.options = {client_link_layer(kMac)};
  RelayForward behind = nameless();
  behind.behind = {client_link_layer(kMac)};
  const std::vector<Case> cases{
      {"option_79", nameless({client_link_layer(kMac)}) / asking({}), mac},
      {"option_79_behind_the_message", behind / says_other, mac},
      {"option_79_before_client_id",
       nameless({client_link_layer(kMac)}) / says_other, mac},
      {"option_79_before_peer", option_and_peer / asking({}), mac},
      {"option_79_of_a_guid",
       nameless({client_link_layer(guid, 32)}) / says_other, infiniband},
      {"option_79_of_20_bytes",
       nameless({client_link_layer(longer, 32)}) / says_other, infiniband},
      {"last_option_79",
       nameless({client_link_layer(kOther), client_link_layer(kMac)}) /
           asking({}),
       mac},
      {"last_option_79_that_fits",
       nameless({client_link_layer(kMac), client_link_layer(kOther, 6)}) /
           asking({}),
       mac},
      {"duid_llt", client_says(duid_llt(kMac)), mac},
      {"duid_ll", client_says(duid_ll(kMac)), mac},
      {"duid_llt_of_a_guid", client_says(duid_llt(guid, 32)), infiniband},
      {"duid_llt_of_20_bytes", client_says(duid_llt(longer, 32)), infiniband},
      {"duid_ll_of_a_guid", client_says(duid_ll(guid, 32)), infiniband},
      {"duid_ll_of_20_bytes", client_says(duid_ll(longer, 32)), infiniband},
      {"client_id_before_peer",
       peer_of_other / asking({client_id6(duid_ll(kMac))}), mac},
      {"last_client_id",
       nameless() /
           asking({client_id6(duid_ll(kOther)), client_id6(duid_llt(kMac))}),
       mac},
      {"last_client_id_that_fits",
       nameless() /
           asking({client_id6(duid_ll(kMac)), client_id6(duid_uuid())}),
       mac},
      {"peer", RelayForward{.link = kLink} / asking({client_id6(duid_uuid())}),
       mac},
      {"peer_of_any_network",
       RelayForward{
           .link = kLink,
           .peer = ip6({0x2001, 0xdb8, 7, 7, 0x5054, 0x00ff, 0xfe12, 0x3456})} /
           asking({}),
       mac},
      {"innermost_peer",
       peer_of_other / RelayForward{.link = kLink} / asking({}), mac},
      // An outer relay's option 79 is the inner relay's address.
      {"innermost_option_79",
       nameless({client_link_layer(kOther)}) /
           nameless({client_link_layer(kMac)}) / asking({}),
       mac},
      {"option_79_of_an_outer_relay",
       nameless({client_link_layer(kOther)}) / nameless() /
           asking({client_id6(duid_ll(kMac))}),
       mac},
  };
  for (const Case& c : cases) {
    const Seen seen{
        .addr = c.addr, .relay = kLink, .arch = PXE_NO_ARCH, .ip_version = 6};
    rows.push_back({"relayed_by_" + c.name, udp / c.message, allow_only(c.addr),
                    by_rule, seen, kLink});
    rows.push_back({"relayed_by_" + c.name + "_denied", udp / c.message,
                    deny_only(c.addr), denied(PXE_REASON_RULE), seen, kLink});
  }
  // The others are no way around a rule either.
  rows.push_back({"relayed_client_id_of_a_denied_machine",
                  udp / nameless({client_link_layer(kMac)}) / says_other,
                  deny_only(kOtherMac),
                  denied(PXE_REASON_RULE),
                  {},
                  kLink});
  rows.push_back({"relayed_peer_of_a_denied_machine",
                  udp / option_and_peer / asking({}),
                  deny_only(kOtherMac),
                  denied(PXE_REASON_RULE),
                  {},
                  kLink});
  rows.push_back({"relayed_by_a_denied_machine",
                  udp / nameless({client_link_layer(kMac)}) / asking({}),
                  deny_only(kRelayMac),
                  allowed(PXE_REASON_UNKNOWN),
                  {},
                  kLink});
}

// Whatever does not say who asks.
void add_nameless(std::vector<Row>& rows) {
  const Packet udp = relayed_frame();
  const Bytes guid = as_bytes(kGuid);
  const Bytes longer = hardware(kGuid);
  const auto but_last = [](Bytes bytes) {
    bytes.pop_back();
    return bytes;
  };
  const auto and_zero = [](Bytes bytes) {
    bytes.push_back(0);
    return bytes;
  };
  std::vector<std::pair<std::string, Packet>> cases{
      {"nothing", nameless() / asking({})},
      {"duid_en", nameless() / asking({client_id6({0, 2, 0, 0, 1, 87, 1, 2})})},
      {"duid_uuid", nameless() / asking({client_id6(duid_uuid())})},
      {"duid_of_type_0x0103",
       nameless() /
           asking({client_id6({1, 3, 0, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56})})},
      {"empty_client_id", nameless() / asking({client_id6({})})},
      {"duid_llt_without_address",
       nameless() / asking({client_id6(duid_llt({}))})},
      {"client_id_cut_off", nameless() / asking({{1, duid_ll(kMac), 11}})},
      {"client_id_behind_an_option_cut_off",
       nameless() / asking({{14, {}, 100}, client_id6(duid_ll(kMac))})},
      {"almost_eui_64_peer",
       RelayForward{
           .link = kLink,
           .peer = ip6({0xfe80, 0, 0, 0, 0x5054, 0x00ff, 0xff12, 0x3456})} /
           asking({})},
      {"eui_64_peer_in_wrong_place",
       RelayForward{
           .link = kLink,
           .peer = ip6({0xfe80, 0, 0, 0, 0x5054, 0xfffe, 0x0012, 0x3456})} /
           asking({})},
      {"outer_peer", RelayForward{.link = kLink} / nameless() / asking({})},
      {"option_79_in_the_clients_message",
       nameless() / asking({client_link_layer(kMac)})},
  };
  struct Address {
    std::string name;
    Bytes address;
    std::uint16_t htype;
  };
  for (const Address& wrong :
       std::vector<Address>{{"five_bytes", but_last(kMac), 1},
                            {"seven_bytes", and_zero(kMac), 1},
                            {"no_bytes", {}, 1},
                            {"type_6", kMac, 6},
                            {"type_0x0101", kMac, 0x0101},
                            {"guid_of_type_1", guid, 1},
                            {"guid_of_7_bytes", but_last(guid), 32},
                            {"guid_of_9_bytes", and_zero(guid), 32},
                            {"guid_of_19_bytes", but_last(longer), 32},
                            {"guid_of_21_bytes", and_zero(longer), 32},
                            {"ethernet_of_type_32", kMac, 32}}) {
    cases.emplace_back(
        "option_79_of_" + wrong.name,
        nameless({client_link_layer(wrong.address, wrong.htype)}) / asking({}));
    cases.emplace_back(
        "duid_llt_of_" + wrong.name,
        nameless() /
            asking({client_id6(duid_llt(wrong.address, wrong.htype))}));
    cases.emplace_back(
        "duid_ll_of_" + wrong.name,
        nameless() / asking({client_id6(duid_ll(wrong.address, wrong.htype))}));
  }
  for (const auto& [name, message] : cases) {
    rows.push_back({"relayed_with_" + name,
                    udp / message,
                    {.rules = {{ethernet_addr(kClientMac), PXE_ALLOW},
                               {infiniband_addr(kGuid), PXE_ALLOW}}},
                    denied(PXE_REASON_NO_CLIENT_ID),
                    {},
                    kLink});
  }
  rows.push_back({"relayed_with_nothing_unknown_allowed",
                  udp / nameless() / asking({}), kAllowUnknown,
                  allowed(PXE_REASON_NO_CLIENT_ID),
                  Seen{.addr = raw_addr(0, 0, {0, 1, 0, 2, 0, 3, 0, 4}),
                       .relay = kLink,
                       .arch = PXE_NO_ARCH,
                       .ip_version = 6},
                  kLink});
}

void add_relays(std::vector<Row>& rows) {
  const Packet udp = relayed_frame();
  const PolicyInForce client = allow_only(kClientMac);
  const Expectation by_rule = allowed(PXE_REASON_RULE);
  const RelayForward outer{.link = kOtherLink, .peer = kNamelessPeer};
  const RelayForward linkless{.link = Ip6{}};
  const RelayForward inner{.link = kLink};
  const Dhcpv6 solicit;
  const Seen seen{.relay = kLink, .arch = 7, .ip_version = 6};
  Packet deep = udp;
  for (int depth = 1; depth <= 5; ++depth) {
    const Packet packet = Packet(deep) / inner / solicit;
    const std::string name = "relayed_" + std::to_string(depth) + "_times";
    if (depth <= 4) {
      rows.push_back({name, packet, client, by_rule, seen, kLink});
      rows.push_back({name + "_denied", packet, deny_only(kClientMac),
                      denied(PXE_REASON_RULE), seen, kLink});
    } else {
      rows.push_back({name, packet, allow_all(), kMalformed});
    }
    deep = std::move(deep) / outer;
  }
  for (const std::uint8_t type : {2, 7, 10, 13, 21}) {
    rows.push_back({"relayed_type_" + std::to_string(type) + "_of_a_server",
                    udp / inner / Dhcpv6{.type = type, .options = {}}, client,
                    by_rule,
                    Seen{.relay = kLink,
                         .message_type = type,
                         .arch = PXE_NO_ARCH,
                         .ip_version = 6},
                    kLink});
  }
  const std::vector<Row> more{
      {"relay_without_link", udp / linkless / solicit, client, by_rule, seen,
       kLink},
      // Where the client is, not the relay next to us.
      {"relay_without_link_in_another",
       Ethernet{} / Ipv6{.source = kLink} / kUdp6 / outer / linkless / solicit,
       client, by_rule, seen, kLink},
      {"relay_without_link_around_another", udp / linkless / inner / solicit,
       client, by_rule, seen, kLink},
      {"relay_tagged",
       Ethernet{.source = kRelayMac} / Vlan{.id = 30} / Ipv6{} / kUdp6 / inner /
           solicit,
       client, by_rule,
       Seen{.relay = kLink, .vlans = {30}, .arch = 7, .ip_version = 6}, kLink},
      {"relay_reply", udp / RelayForward{.type = 13} / solicit, kDenyAll,
       kNotOurs},
      {"relay_with_an_allowed_source_mac",
       udp / nameless() / asking({}),
       allow_only(kRelayMac),
       denied(PXE_REASON_NO_CLIENT_ID),
       {},
       kLink},
  };
  rows.insert(rows.end(), more.begin(), more.end());
}

void add_malformed(std::vector<Row>& rows) {
  const Packet udp = relayed_frame();
  const RelayForward relay{.link = kLink};
  const Dhcpv6 solicit;
  const Packet whole = udp / relay / asking({});
  const std::size_t relay_at = 14 + 40 + 8;
  const auto with = [&](std::vector<Option6> options) {
    RelayForward telling = relay;
    telling.options = std::move(options);
    return telling;
  };
  const auto behind = [&](std::vector<Option6> options) {
    RelayForward telling = relay;
    telling.behind = std::move(options);
    return telling;
  };
  const Option6 message{9, {1, 0, 0, 0}};
  const std::vector<std::pair<std::string, Packet>> malformed{
      {"of_4_bytes", udp / Raw{{12, 0, 0, 0}}},
      {"of_33_bytes", udp / Raw{[] {
                        Bytes bytes(33);
                        bytes[0] = 12;
                        return bytes;
                      }()}},
      {"without_options", udp / relay},
      {"without_a_message", udp / with({{18, {1}}})},
      {"with_two_messages", udp / with({message}) / solicit},
      {"with_two_messages_behind", udp / behind({message}) / solicit},
      {"with_a_message_of_3_bytes", udp / with({{9, {1, 0, 0}}})},
      {"with_an_empty_message", udp / with({{9}})},
      {"cut_off_in_its_message", whole / Truncate{relay_at + 34 + 4 + 3}},
      {"cut_off_in_an_option_header", udp / behind({{18, {}, 1}}) / solicit},
      {"with_a_message_too_long",
       udp / RelayForward{.link = kLink, .length = 5} / asking({})},
      {"with_an_option_too_long", udp / behind({{18, {1, 2, 3}, 4}}) / solicit},
      {"in_a_relay_without_a_message", udp / relay / relay},
      {"in_a_relay_of_33_bytes", udp / with({{9,
                                              [] {
                                                Bytes bytes(33);
                                                bytes[0] = 12;
                                                return bytes;
                                              }()}})},
      {"with_an_option_that_reaches_into_the_outer_one",
       udp / behind({{18, Bytes(8, 0)}}) / behind({{18, {}, 4}}) / solicit},
      {"with_two_messages_in_the_outer_one",
       udp / with({message}) / relay / solicit},
      {"with_63_options", udp / with(std::vector<Option6>(63, {18})) / solicit},
      {"with_61_options_in_another",
       udp / relay / with(std::vector<Option6>(61, {18})) / solicit},
  };
  for (const auto& [name, packet] : malformed)
    rows.push_back({"relay_" + name, packet, allow_all(), kMalformed});

  const PolicyInForce client = allow_only(kClientMac);
  const Expectation by_rule = allowed(PXE_REASON_RULE);
  const Seen seen{.relay = kLink, .arch = 7, .ip_version = 6};
  // With the message and its end these are 64.
  rows.push_back({"relay_with_62_options",
                  udp / with(std::vector<Option6>(62, {18})) / asking({}),
                  client,
                  by_rule,
                  {},
                  kLink});
  rows.push_back(
      {"relay_with_60_options_in_another",
       udp / relay / with(std::vector<Option6>(60, {18})) / asking({}),
       client,
       by_rule,
       {},
       kLink});
  for (std::size_t size = 1; size <= 3; ++size) {
    Bytes bytes = (Packet(relay) / asking({})).bytes();
    bytes.resize(bytes.size() + size, 0xff);
    rows.push_back({"relay_with_trailing_bytes_" + std::to_string(size),
                    udp / Raw{bytes},
                    client,
                    by_rule,
                    {},
                    kLink});
  }
  rows.push_back({"relay_of_34_bytes_and_its_message", whole, client, by_rule,
                  Seen{.relay = kLink, .arch = PXE_NO_ARCH, .ip_version = 6},
                  kLink});
  rows.push_back({"relay_with_options_around",
                  [&] {
                    RelayForward around = with({{18, {1}}, {37, {1, 2}}});
                    around.behind = {{19, {}}};
                    return udp / around / solicit;
                  }(),
                  client, by_rule, seen, kLink});
}

}  // namespace

std::vector<Row> dhcpv6_rows() {
  std::vector<Row> rows;
  add_direct(rows);
  add_identities(rows);
  add_nameless(rows);
  add_relays(rows);
  add_malformed(rows);
  return rows;
}

}  // namespace pxegate::testing
