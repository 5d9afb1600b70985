// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/rows.h"

namespace pxegate::testing {
namespace {

Bytes padded(const Mac& mac, std::uint8_t padding) {
  Bytes chaddr(16, padding);
  std::copy(mac.begin(), mac.end(), chaddr.begin());
  return chaddr;
}

void add_policy(std::vector<Row>& rows) {
  const Packet request = Ethernet{} / Ipv4{} / Udp{} / Bootp{} / DhcpOptions{};
  const pxe_addr client = ethernet_addr(kClientMac);
  const std::vector<Row> more{
      {"nothing_written_yet", request, kDenyAll, denied(PXE_REASON_UNKNOWN),
       Seen{}},
      {"unknown_allowed", request, kAllowUnknown, allowed(PXE_REASON_UNKNOWN),
       Seen{}},
      {"rule_beats_unknown",
       request,
       {.rules = {{client, PXE_DENY}}, .unknown = PXE_ALLOW},
       denied(PXE_REASON_RULE)},
      {"rule_for_another_allows", request, allow_only(kOtherMac),
       denied(PXE_REASON_UNKNOWN)},
      {"rule_for_another_denies", request, deny_only(kOtherMac),
       allowed(PXE_REASON_UNKNOWN)},
      {"rules_for_both",
       request,
       {.rules = {{ethernet_addr(kOtherMac), PXE_DENY}, {client, PXE_ALLOW}}},
       allowed(PXE_REASON_RULE)},
      {"rule_with_verdict_2",
       request,
       {.rules = {{client, 2}}, .unknown = 1},
       denied(PXE_REASON_RULE)},
      {"rule_with_verdict_129",
       request,
       {.rules = {{client, 129}}, .unknown = 1},
       denied(PXE_REASON_RULE)},
      {"rule_with_verdict_255",
       request,
       {.rules = {{client, 255}}, .unknown = 1},
       denied(PXE_REASON_RULE)},
      {"unknown_with_verdict_2",
       request,
       {.unknown = 2},
       denied(PXE_REASON_UNKNOWN)},
      {"unknown_with_verdict_255",
       request,
       {.unknown = 255},
       denied(PXE_REASON_UNKNOWN)},
  };
  rows.insert(rows.end(), more.begin(), more.end());
}

void add_ethernet(std::vector<Row>& rows) {
  const Packet udp = Ethernet{} / Ipv4{} / Udp{};
  const DhcpOptions options;
  const Expectation by_rule = allowed(PXE_REASON_RULE);
  constexpr Mac kZero{};
  const std::vector<Row> more{
      {"chaddr_zero", udp / Bootp{.chaddr = {}} / options, kAllowUnknown,
       allowed(PXE_REASON_UNKNOWN), Seen{.addr = ethernet_addr(kZero)}},
      {"chaddr_zero_with_a_rule", udp / Bootp{.chaddr = {}} / options,
       allow_only(kZero), by_rule},
      {"chaddr_broadcast",
       udp / Bootp{.chaddr = as_bytes(kBroadcastMac)} / options, kDenyAll,
       denied(PXE_REASON_UNKNOWN), Seen{.addr = ethernet_addr(kBroadcastMac)}},
      {"chaddr_padding_does_not_matter",
       udp / Bootp{.chaddr = padded(kClientMac, 0xa5)} / options,
       allow_only(kClientMac), by_rule, Seen{}},
      {"chaddr_padding_does_not_help",
       udp / Bootp{.chaddr = padded(kClientMac, 0xff)} / options,
       deny_only(kClientMac), denied(PXE_REASON_RULE)},
      {"first_byte_of_chaddr_counts",
       udp / Bootp{.chaddr = {0x53, 0x54, 0x00, 0x12, 0x34, 0x56}} / options,
       allow_only(kClientMac), denied(PXE_REASON_UNKNOWN)},
      {"last_byte_of_chaddr_counts",
       udp / Bootp{.chaddr = as_bytes(kOtherMac)} / options,
       allow_only(kClientMac), denied(PXE_REASON_UNKNOWN),
       Seen{.addr = ethernet_addr(kOtherMac)}},
      {"source_of_an_allowed_machine_does_not_help",
       Ethernet{.source = kOtherMac} / Ipv4{} / Udp{} / Bootp{} / options,
       allow_only(kOtherMac), denied(PXE_REASON_UNKNOWN), Seen{}},
      {"source_does_not_harm",
       Ethernet{.source = kOtherMac} / Ipv4{} / Udp{} / Bootp{} / options,
       {.rules = {{ethernet_addr(kOtherMac), PXE_DENY},
                  {ethernet_addr(kClientMac), PXE_ALLOW}}},
       by_rule},
      {"client_id_does_not_name_an_ethernet_client",
       udp / Bootp{} / DhcpOptions{.options = {infiniband_client_id(kGuid)}},
       allow_only(infiniband_addr(kGuid)), denied(PXE_REASON_UNKNOWN),
       Seen{.message_type = 0, .arch = PXE_NO_ARCH}},
  };
  rows.insert(rows.end(), more.begin(), more.end());

  // A length that is not Ethernet's: no rule can name that client. But a
  // denied machine must not get in as an unknown one by it.
  for (const std::uint8_t hlen : {0, 1, 5, 7, 8, 16, 17, 255}) {
    const Packet packet = udp / Bootp{.hlen = hlen} / options;
    const Seen seen{.addr = raw_addr(1, hlen, as_bytes(kClientMac))};
    const std::string name = "hlen_" + std::to_string(hlen);
    rows.push_back({name, packet, allow_only(kClientMac),
                    denied(PXE_REASON_FOREIGN_HTYPE), seen});
    rows.push_back({name + "_unknown_allowed", packet, kAllowUnknown,
                    allowed(PXE_REASON_FOREIGN_HTYPE), seen});
    rows.push_back({name + "_of_a_denied_machine", packet,
                    deny_only(kClientMac), denied(PXE_REASON_RULE), seen});
  }
  for (const std::uint8_t htype : {0, 2, 6, 20, 24, 27, 31, 33, 255}) {
    const Packet packet = udp / Bootp{.htype = htype} / options;
    const Seen seen{.addr = raw_addr(htype, 6, as_bytes(kClientMac))};
    const std::string name = "htype_" + std::to_string(htype);
    rows.push_back({name, packet, allow_only(kClientMac),
                    denied(PXE_REASON_FOREIGN_HTYPE), seen});
    rows.push_back({name + "_unknown_allowed", packet, kAllowUnknown,
                    allowed(PXE_REASON_FOREIGN_HTYPE), seen});
    rows.push_back({name + "_of_a_denied_machine", packet,
                    deny_only(kClientMac), denied(PXE_REASON_RULE), seen});
  }
  // Without a chaddr its frame still tells who it is, unless a relay sent it.
  const Packet nameless = Ethernet{.source = kOtherMac} / Ipv4{} / Udp{} /
                          Bootp{.hlen = 0, .chaddr = {}} / options;
  rows.push_back({"no_chaddr_from_a_denied_machine", nameless,
                  deny_only(kOtherMac), denied(PXE_REASON_RULE)});
  rows.push_back({"no_chaddr_from_another_machine", nameless,
                  deny_only(kClientMac), allowed(PXE_REASON_FOREIGN_HTYPE)});
  rows.push_back(
      {"no_chaddr_through_a_relay",
       Ethernet{.source = kRelayMac} / Ipv4{} / Udp{} /
           Bootp{.hlen = 0, .giaddr = kGiaddr, .chaddr = {}} / options,
       deny_only(kRelayMac), allowed(PXE_REASON_FOREIGN_HTYPE), std::nullopt,
       kGiaddr});
  rows.push_back({"allowed_machine_of_another_type",
                  udp / Bootp{.htype = 6} / options, allow_all(),
                  allowed(PXE_REASON_FOREIGN_HTYPE)});
  // A rule that names a foreign type cannot come from the controller, and is
  // not looked for.
  rows.push_back({"rule_for_a_foreign_type", udp / Bootp{.htype = 6} / options,
                  allow_only(raw_addr(6, 6, as_bytes(kClientMac))),
                  denied(PXE_REASON_FOREIGN_HTYPE)});
  for (const std::uint8_t htype : {6, 31, 33}) {
    rows.push_back({"htype_" + std::to_string(htype) + "_with_client_id",
                    udp / Bootp{.htype = htype} /
                        DhcpOptions{.options = {infiniband_client_id(kGuid)}},
                    allow_only(infiniband_addr(kGuid)),
                    denied(PXE_REASON_FOREIGN_HTYPE)});
  }
}

void add_infiniband(std::vector<Row>& rows) {
  const Packet udp = Ethernet{} / Ipv4{} / Udp{};
  // RFC 4390 2: hlen 0, chaddr zero.
  const Bootp bootp{.htype = 32, .hlen = 0, .chaddr = {}};
  const auto request = [&](std::vector<Option> options) {
    return udp / bootp / DhcpOptions{.options = std::move(options)};
  };
  const PolicyInForce guid = allow_only(infiniband_addr(kGuid));
  const Expectation by_rule = allowed(PXE_REASON_RULE);
  const Bytes bare(kGuid.begin(), kGuid.end());
  const Bytes seven(kGuid.begin() + 1, kGuid.end());
  Bytes longest(255, 0xee);
  std::copy(kGuid.begin(), kGuid.end(), longest.end() - 8);
  const Seen seen{.addr = infiniband_addr(kGuid)};
  Mac look_alike{};
  std::copy_n(kGuid.begin(), 6, look_alike.begin());

  const std::vector<Row> more{
      {"infiniband",
       request({message_type(1), infiniband_client_id(kGuid), client_arch(0)}),
       guid, by_rule, seen},
      {"infiniband_denied",
       request({message_type(1), infiniband_client_id(kGuid), client_arch(0)}),
       deny_only(infiniband_addr(kGuid)), denied(PXE_REASON_RULE), seen},
      {"infiniband_unknown", request({infiniband_client_id(kGuid)}), kDenyAll,
       denied(PXE_REASON_UNKNOWN)},
      {"infiniband_unknown_allowed", request({infiniband_client_id(kGuid)}),
       kAllowUnknown, allowed(PXE_REASON_UNKNOWN)},
      {"infiniband_relayed",
       Ethernet{.source = kRelayMac} / Ipv4{} / Udp{} /
           Bootp{.htype = 32, .hlen = 0, .giaddr = kGiaddr, .chaddr = {}} /
           DhcpOptions{.options = {infiniband_client_id(kGuid)}},
       guid, by_rule,
       Seen{.addr = infiniband_addr(kGuid),
            .relay = kGiaddr,
            .message_type = 0,
            .arch = PXE_NO_ARCH},
       kGiaddr},
      {"infiniband_with_a_chaddr",
       udp / Bootp{.htype = 32, .hlen = 20} /
           DhcpOptions{.options = {infiniband_client_id(kGuid)}},
       guid, by_rule},
      {"client_id_of_8_bytes", request({client_id(bare)}), guid, by_rule},
      {"client_id_of_7_bytes", request({client_id(seven)}), kAllowUnknown,
       allowed(PXE_REASON_NO_CLIENT_ID)},
      {"client_id_of_255_bytes", request({client_id(longest)}), guid, by_rule},
      {"client_id_empty", request({client_id({})}), guid,
       denied(PXE_REASON_NO_CLIENT_ID)},
      {"infiniband_without_client_id", request({message_type(1)}), guid,
       denied(PXE_REASON_NO_CLIENT_ID),
       Seen{.addr = raw_addr(32, 0, {}), .arch = PXE_NO_ARCH}},
      {"infiniband_without_client_id_unknown_allowed",
       request({message_type(1)}), deny_only(infiniband_addr(kGuid)),
       allowed(PXE_REASON_NO_CLIENT_ID)},
      {"infiniband_is_not_ethernet_with_the_same_bytes",
       udp / Bootp{.htype = 32} / DhcpOptions{}, allow_only(kClientMac),
       denied(PXE_REASON_NO_CLIENT_ID),
       Seen{.addr = raw_addr(32, 6, as_bytes(kClientMac))}},
      {"ethernet_is_not_infiniband_with_the_same_bytes",
       udp / Bootp{.chaddr = bare} / DhcpOptions{},
       {.rules = {{infiniband_addr(kGuid), PXE_ALLOW},
                  {raw_addr(32, 6, as_bytes(look_alike)), PXE_ALLOW}}},
       denied(PXE_REASON_UNKNOWN)},
  };
  rows.insert(rows.end(), more.begin(), more.end());
}

void add_relays(std::vector<Row>& rows) {
  const Packet relay =
      Ethernet{.destination = kClientMac, .source = kRelayMac} /
      Ipv4{.source = kGiaddr, .destination = ip(10, 0, 0, 2)} /
      Udp{.source = 67};
  const Packet tagged =
      Ethernet{.destination = kClientMac, .source = kRelayMac} /
      Vlan{.id = 30} / Ipv4{.source = kGiaddr} / Udp{.source = 67};
  const Packet request = Bootp{.hops = 1, .giaddr = kGiaddr} / DhcpOptions{};
  const std::vector<Row> more{
      {"relayed", relay / request, allow_only(kClientMac),
       allowed(PXE_REASON_RULE), Seen{.relay = kGiaddr}, kGiaddr},
      {"relayed_denied", relay / request, deny_only(kClientMac),
       denied(PXE_REASON_RULE), Seen{.relay = kGiaddr}, kGiaddr},
      {"relayed_unknown", relay / request, kDenyAll, denied(PXE_REASON_UNKNOWN),
       Seen{.relay = kGiaddr}, kGiaddr},
      {"relayed_unknown_allowed", relay / request, kAllowUnknown,
       allowed(PXE_REASON_UNKNOWN), Seen{.relay = kGiaddr}, kGiaddr},
      {"relayed_by_an_allowed_machine", relay / request, allow_only(kRelayMac),
       denied(PXE_REASON_UNKNOWN), Seen{.relay = kGiaddr}, kGiaddr},
      {"relayed_tagged", tagged / request, allow_only(kClientMac),
       allowed(PXE_REASON_RULE), Seen{.relay = kGiaddr, .vlans = {30}},
       kGiaddr},
      {"relayed_tagged_denied", tagged / request, deny_only(kClientMac),
       denied(PXE_REASON_RULE), Seen{.relay = kGiaddr, .vlans = {30}}, kGiaddr},
      {"relayed_foreign",
       relay / Bootp{.htype = 6, .giaddr = kGiaddr} / DhcpOptions{},
       kAllowUnknown, allowed(PXE_REASON_FOREIGN_HTYPE), std::nullopt, kGiaddr},
      {"giaddr_broadcast", relay / Bootp{.giaddr = 0xffffffff} / DhcpOptions{},
       allow_only(kClientMac), allowed(PXE_REASON_RULE),
       Seen{.relay = 0xffffffff}, 0xffffffff},
      {"giaddr_of_one_bit", relay / Bootp{.giaddr = 1} / DhcpOptions{},
       allow_only(kClientMac), allowed(PXE_REASON_RULE), Seen{.relay = 1}, 1},
      {"relayed_malformed", relay / request / Truncate{42 + 235}, allow_all(),
       kMalformed},
      {"hops_without_giaddr", relay / Bootp{.hops = 1} / DhcpOptions{},
       allow_only(kClientMac), allowed(PXE_REASON_RULE), Seen{}},
  };
  rows.insert(rows.end(), more.begin(), more.end());
}

}  // namespace

std::vector<Row> client_rows() {
  std::vector<Row> rows;
  add_policy(rows);
  add_ethernet(rows);
  add_infiniband(rows);
  add_relays(rows);
  return rows;
}

}  // namespace pxegate::testing
