// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/rows.h"

namespace pxegate::testing {

std::vector<Row> link_rows() {
  const Packet request = Ipv4{} / Udp{} / Bootp{} / DhcpOptions{};
  const Vlan service{.id = 200, .tag = kEtherServiceVlan};
  const PolicyInForce client = allow_only(kClientMac);
  const Vlan priority{.id = 0, .priority = 7};
  const Expectation by_rule = allowed(PXE_REASON_RULE);
  return {
      {"direct", Ethernet{} / request, client, by_rule, Seen{}},
      {"direct_denied", Ethernet{} / request, deny_only(kClientMac),
       denied(PXE_REASON_RULE), Seen{}},
      {"unicast", Ethernet{.destination = kRelayMac} / request, client,
       by_rule},
      {"one_tag", Ethernet{} / Vlan{.id = 100} / request, client, by_rule,
       Seen{.vlans = {100}}},
      {"one_tag_denied", Ethernet{} / Vlan{.id = 100} / request,
       deny_only(kClientMac), denied(PXE_REASON_RULE), Seen{.vlans = {100}}},
      {"one_service_tag", Ethernet{} / service / request, client, by_rule,
       Seen{.vlans = {200}}},
      {"priority_tag", Ethernet{} / Vlan{.id = 0, .priority = 7} / request,
       client, by_rule, Seen{}},
      // The kernel takes all of these off.
      {"two_priority_tags", Ethernet{} / priority / priority / request,
       deny_only(kClientMac), denied(PXE_REASON_RULE), Seen{}},
      {"eight_priority_tags",
       Ethernet{} / priority / priority / priority / priority / priority /
           priority / priority / priority / request,
       deny_only(kClientMac), denied(PXE_REASON_RULE), Seen{}},
      {"nine_priority_tags",
       Ethernet{} / priority / priority / priority / priority / priority /
           priority / priority / priority / priority / request,
       allow_all(), kMalformed},
      {"priority_tags_around_two_tags",
       Ethernet{} / priority / Vlan{.id = 7} / priority / Vlan{.id = 8} /
           priority / request,
       deny_only(kClientMac), denied(PXE_REASON_RULE), Seen{.vlans = {7, 8}}},
      {"priority_tag_then_three_tags",
       Ethernet{} / priority / Vlan{.id = 7} / Vlan{.id = 8} / Vlan{.id = 9} /
           request,
       kDenyAll, kNotOurs},
      {"highest_vlan", Ethernet{} / Vlan{.id = 4095, .priority = 7} / request,
       client, by_rule, Seen{.vlans = {4095}}},
      {"drop_eligible_is_not_part_of_the_id",
       Ethernet{} / Vlan{.id = 0x1001} / request, client, by_rule,
       Seen{.vlans = {1}}},
      {"service_tag_then_tag", Ethernet{} / service / Vlan{.id = 100} / request,
       client, by_rule, Seen{.vlans = {200, 100}}},
      {"two_tags_denied", Ethernet{} / service / Vlan{.id = 100} / request,
       deny_only(kClientMac), denied(PXE_REASON_RULE),
       Seen{.vlans = {200, 100}}},
      {"two_tags", Ethernet{} / Vlan{.id = 7} / Vlan{.id = 8} / request, client,
       by_rule, Seen{.vlans = {7, 8}}},
      {"two_service_tags", Ethernet{} / service / service / request, client,
       by_rule, Seen{.vlans = {200, 200}}},
      {"tag_then_service_tag", Ethernet{} / Vlan{.id = 9} / service / request,
       client, by_rule, Seen{.vlans = {9, 200}}},
      {"three_tags", Ethernet{} / Vlan{} / Vlan{} / Vlan{} / request, kDenyAll,
       kNotOurs},
      {"three_service_tags", Ethernet{} / service / service / service / request,
       kDenyAll, kNotOurs},
      {"tag_type_nobody_standardized",
       Ethernet{} / Vlan{.tag = 0x9100} / request, kDenyAll, kNotOurs},
      {"tag_in_front_of_arp", Ethernet{} / Vlan{.type = kEtherArp} / request,
       kDenyAll, kNotOurs},
      {"arp", Ethernet{.type = kEtherArp} / Raw{Bytes(28)}, kDenyAll, kNotOurs},
      {"ipv4_behind_ipv6_type", Ethernet{.type = kEtherIpv6} / request,
       allow_all(), kMalformed},
      {"ipv6_behind_ipv4_type",
       Ethernet{.type = kEtherIpv4} / Ipv6{} / kUdp6 / Dhcpv6{}, kDenyAll,
       kNotOurs},
      {"lldp", Ethernet{.type = 0x88cc} / request, kDenyAll, kNotOurs},
      {"ieee_802_3_length", Ethernet{.type = 0x0100} / request, kDenyAll,
       kNotOurs},
      {"ether_type_in_wrong_byte_order", Ethernet{.type = 0x0008} / request,
       kDenyAll, kNotOurs},
      // The last header that is there is complete, or lacks one byte.
      {"ends_in_ethernet_type", Ethernet{} / request / Truncate{14}, kDenyAll,
       kNotOurs},
      {"ends_in_tag", Ethernet{} / Vlan{} / request / Truncate{17}, kDenyAll,
       kNotOurs},
      {"ends_behind_tag", Ethernet{} / Vlan{} / request / Truncate{18},
       kDenyAll, kNotOurs},
      {"ends_in_second_tag",
       Ethernet{} / Vlan{} / Vlan{} / request / Truncate{21}, kDenyAll,
       kNotOurs},
      {"ends_behind_second_tag",
       Ethernet{} / Vlan{} / Vlan{} / request / Truncate{22}, kDenyAll,
       kNotOurs},
      {"tagged_bootp_lacks_a_byte",
       Ethernet{} / Vlan{} / request / Truncate{4 + 42 + 235}, allow_all(),
       kMalformed},
      {"tagged_bootp_without_options",
       Ethernet{} / Vlan{} / request / Truncate{4 + 42 + 236}, client, by_rule,
       Seen{.vlans = {1}, .message_type = 0, .arch = PXE_NO_ARCH}},
      {"twice_tagged_bootp_lacks_a_byte",
       Ethernet{} / Vlan{} / Vlan{} / request / Truncate{8 + 42 + 235},
       allow_all(), kMalformed},
      {"twice_tagged_bootp_without_options",
       Ethernet{} / Vlan{} / Vlan{} / request / Truncate{8 + 42 + 236}, client,
       by_rule, Seen{.vlans = {1, 1}, .message_type = 0, .arch = PXE_NO_ARCH}},
      {"trailer", Ethernet{} / request / Pad{1500}, client, by_rule, Seen{}},
  };
}

}  // namespace pxegate::testing
