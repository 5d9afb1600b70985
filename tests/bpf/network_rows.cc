// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/rows.h"

namespace pxegate::testing {
namespace {

constexpr std::uint16_t kUdpWithBootp = 8 + 236;

void add_ipv4(std::vector<Row>& rows) {
  const Packet dhcp = Udp{} / Bootp{} / DhcpOptions{};
  const PolicyInForce client = allow_only(kClientMac);
  const Expectation by_rule = allowed(PXE_REASON_RULE);
  // Options of 1s (no operation) look like nothing that would be accepted at
  // a wrong offset.
  for (std::size_t ihl = 5; ihl <= 15; ++ihl) {
    const Ipv4 ipv4{.options = Bytes((ihl - 5) * 4, 1)};
    const std::string suffix = "ihl_" + std::to_string(ihl);
    rows.push_back({suffix, Ethernet{} / ipv4 / dhcp, client, by_rule, Seen{}});
    rows.push_back({suffix + "_lacks_a_byte",
                    Ethernet{} / ipv4 / dhcp / Truncate{22 + ihl * 4 + 235},
                    allow_all(), kMalformed});
  }
  const std::vector<Row> more{
      {"ihl_15_twice_tagged",
       Ethernet{} / Vlan{} / Vlan{} / Ipv4{.options = Bytes(40, 1)} / dhcp,
       client, by_rule, Seen{.vlans = {1, 1}}},
      {"ihl_15_ends_in_options",
       Ethernet{} / Ipv4{.options = Bytes(40, 1)} / dhcp / Truncate{14 + 59},
       kDenyAll, kNotOurs},
      {"ihl_15_ends_in_udp",
       Ethernet{} / Ipv4{.options = Bytes(40, 1)} / dhcp /
           Truncate{14 + 60 + 7},
       kDenyAll, kNotOurs},
      {"ihl_says_more_than_there_is",
       Ethernet{} / Ipv4{.ihl = 15} / dhcp / Truncate{14 + 20 + 8}, kDenyAll,
       kNotOurs},
      {"ihl_4", Ethernet{} / Ipv4{.ihl = 4} / dhcp, allow_all(), kMalformed},
      {"ihl_0", Ethernet{} / Ipv4{.ihl = 0} / dhcp, allow_all(), kMalformed},
      {"ihl_4_of_tcp", Ethernet{} / Ipv4{.ihl = 4, .protocol = 6} / dhcp,
       kDenyAll, kNotOurs},
      {"version_6", Ethernet{} / Ipv4{.version = 6} / dhcp, allow_all(),
       kMalformed},
      {"version_0", Ethernet{} / Ipv4{.version = 0} / dhcp, allow_all(),
       kMalformed},
      {"version_5_of_icmp",
       Ethernet{} / Ipv4{.version = 5, .protocol = 1} / dhcp, kDenyAll,
       kNotOurs},
      {"dont_fragment", Ethernet{} / Ipv4{.dont_fragment = true} / dhcp, client,
       by_rule},
      // The rest comes in the next fragment, where nobody would look: so a
      // request cannot slip by in pieces, nor behind a decoy in the padding
      // of the first.
      {"first_fragment", Ethernet{} / Ipv4{.more_fragments = true} / dhcp,
       allow_all(), kMalformed},
      {"first_fragment_of_8_bytes_and_a_decoy",
       Ethernet{} / Ipv4{.total_length = 28, .more_fragments = true} / dhcp,
       allow_all(), kMalformed},
      {"first_fragment_ends_in_bootp",
       Ethernet{} / Ipv4{.more_fragments = true} / dhcp / Truncate{42 + 232},
       allow_all(), kMalformed},
      {"first_fragment_is_udp_only",
       Ethernet{} / Ipv4{.more_fragments = true} / dhcp / Truncate{42},
       allow_all(), kMalformed},
      {"reserved_flag", Ethernet{} / Ipv4{.fragment_offset = 0x8000} / dhcp,
       client, by_rule},
      {"second_fragment",
       Ethernet{} / Ipv4{.more_fragments = true, .fragment_offset = 1} / dhcp,
       kDenyAll, kNotOurs},
      {"last_fragment", Ethernet{} / Ipv4{.fragment_offset = 185} / dhcp,
       kDenyAll, kNotOurs},
      {"highest_fragment", Ethernet{} / Ipv4{.fragment_offset = 0x1fff} / dhcp,
       kDenyAll, kNotOurs},
      {"high_bit_of_fragment_offset",
       Ethernet{} / Ipv4{.fragment_offset = 0x1000} / dhcp, kDenyAll, kNotOurs},
      {"malformed_header_of_second_fragment",
       Ethernet{} / Ipv4{.ihl = 4, .fragment_offset = 1} / dhcp, kDenyAll,
       kNotOurs},
      {"tcp_to_port_67", Ethernet{} / Ipv4{.protocol = 6} / dhcp, kDenyAll,
       kNotOurs},
      {"icmp", Ethernet{} / Ipv4{.protocol = 1} / Raw{Bytes(300)}, kDenyAll,
       kNotOurs},
      {"udp_lite", Ethernet{} / Ipv4{.protocol = 136} / dhcp, kDenyAll,
       kNotOurs},
      {"ends_in_ip", Ethernet{} / Ipv4{} / dhcp / Truncate{33}, kDenyAll,
       kNotOurs},
      {"ends_behind_ip", Ethernet{} / Ipv4{} / dhcp / Truncate{34}, kDenyAll,
       kNotOurs},
      // The kernel cuts the frame there, and then sees another request.
      {"total_length_0", Ethernet{} / Ipv4{.total_length = 0} / dhcp,
       allow_all(), kMalformed},
      {"total_length_of_ip_only", Ethernet{} / Ipv4{.total_length = 20} / dhcp,
       allow_all(), kMalformed},
      {"total_length_lacks_a_byte",
       Ethernet{} / Ipv4{.total_length = 20 + 8 + 235} / dhcp, allow_all(),
       kMalformed},
      {"total_length_of_bootp",
       Ethernet{} / Ipv4{.total_length = 20 + 8 + 236} / dhcp, client, by_rule},
      {"total_length_lacks_a_byte_behind_options",
       Ethernet{} / Ipv4{.options = Bytes(4, 1), .total_length = 24 + 8 + 235} /
           dhcp,
       allow_all(), kMalformed},
      // A server on a raw socket may not check these either.
      {"total_length_65535", Ethernet{} / Ipv4{.total_length = 65535} / dhcp,
       client, by_rule},
      {"ip_checksum_wrong", Ethernet{} / Ipv4{.checksum = 0x1234} / dhcp,
       client, by_rule},
      {"ttl_0", Ethernet{} / Ipv4{.ttl = 0} / dhcp, client, by_rule},
  };
  rows.insert(rows.end(), more.begin(), more.end());
}

void add_udp(std::vector<Row>& rows) {
  const Packet bootp = Bootp{} / DhcpOptions{};
  const PolicyInForce client = allow_only(kClientMac);
  const Expectation by_rule = allowed(PXE_REASON_RULE);
  // 17152 is 67, and 43791 is 4011, in the wrong byte order.
  for (const std::uint16_t port :
       {0, 53, 66, 68, 69, 547, 4010, 4012, 17152, 43791, 65535}) {
    rows.push_back({"to_port_" + std::to_string(port),
                    Ethernet{} / Ipv4{} / Udp{.destination = port} / bootp,
                    kDenyAll, kNotOurs});
  }
  for (const std::uint16_t port : {0, 67, 68, 4011, 65535}) {
    rows.push_back({"from_port_" + std::to_string(port),
                    Ethernet{} / Ipv4{} / Udp{.source = port} / bootp, client,
                    by_rule});
  }
  for (const std::uint16_t length : {0, 7, 8, kUdpWithBootp - 1}) {
    rows.push_back({"udp_length_" + std::to_string(length),
                    Ethernet{} / Ipv4{} / Udp{.length = length} / bootp,
                    allow_all(), kMalformed});
  }
  for (const std::uint16_t length : {+kUdpWithBootp, 1500, 65535}) {
    rows.push_back({"udp_length_" + std::to_string(length),
                    Ethernet{} / Ipv4{} / Udp{.length = length} / bootp, client,
                    by_rule});
  }
  const std::vector<Row> more{
      {"proxy_dhcp", Ethernet{} / Ipv4{} / Udp{.destination = 4011} / bootp,
       client, by_rule, Seen{}},
      {"proxy_dhcp_denied",
       Ethernet{} / Ipv4{} / Udp{.destination = 4011} / bootp,
       deny_only(kClientMac), denied(PXE_REASON_RULE), Seen{}},
      {"proxy_dhcp_short",
       Ethernet{} / Ipv4{} / Udp{.destination = 4011} / Raw{Bytes(235)},
       allow_all(), kMalformed},
      {"from_port_67_to_another",
       Ethernet{} / Ipv4{} / Udp{.source = 67, .destination = 68} / bootp,
       kDenyAll, kNotOurs},
      {"from_port_4011_to_another",
       Ethernet{} / Ipv4{} / Udp{.source = 4011, .destination = 68} / bootp,
       kDenyAll, kNotOurs},
      {"udp_checksum_absent", Ethernet{} / Ipv4{} / Udp{.checksum = 0} / bootp,
       client, by_rule},
      {"udp_checksum_wrong",
       Ethernet{} / Ipv4{} / Udp{.checksum = 0x1234} / bootp, client, by_rule},
      {"ends_in_udp", Ethernet{} / Ipv4{} / Udp{} / bootp / Truncate{41},
       kDenyAll, kNotOurs},
      {"ends_behind_udp", Ethernet{} / Ipv4{} / Udp{} / bootp / Truncate{42},
       allow_all(), kMalformed},
      {"short_to_another_port",
       Ethernet{} / Ipv4{} / Udp{.destination = 69} / bootp / Truncate{42},
       kDenyAll, kNotOurs},
      {"empty_datagram", Ethernet{} / Ipv4{} / Udp{}, allow_all(), kMalformed},
      {"padded_empty_datagram", Ethernet{} / Ipv4{} / Udp{} / Pad{590},
       allow_all(), kMalformed},
  };
  rows.insert(rows.end(), more.begin(), more.end());
}

void add_bootp(std::vector<Row>& rows) {
  const Packet udp = Ethernet{} / Ipv4{} / Udp{};
  const DhcpOptions options;
  // Kea and ISC dhcpd answer a DISCOVER whatever its op says.
  for (const std::uint8_t op : {0, 2, 3, 255}) {
    rows.push_back({"op_" + std::to_string(op), udp / Bootp{.op = op} / options,
                    deny_only(kClientMac), denied(PXE_REASON_RULE), Seen{}});
  }
  for (const std::uint8_t type : {2, 5, 6}) {
    const DhcpOptions from_server{.options = {message_type(type)}};
    const std::string name = "message_" + std::to_string(type);
    rows.push_back({name + "_of_a_server",
                    udp / Bootp{.op = 2, .giaddr = kGiaddr} / from_server,
                    kDenyAll, kNotOurs});
    rows.push_back({name + "_in_a_request", udp / Bootp{} / from_server,
                    kDenyAll, denied(PXE_REASON_UNKNOWN)});
  }
  // What makes a reply doubtful.
  const Packet reply = udp / Bootp{.op = 2};
  const std::vector<std::pair<std::string, DhcpOptions>> doubtful{
      {"reply_without_type", {.options = {client_arch(0)}}},
      {"reply_without_cookie", {.options = {message_type(2)}, .cookie = false}},
      {"reply_without_end", {.options = {message_type(2)}, .end = false}},
      {"reply_and_discover", {.options = {message_type(2), message_type(1)}}},
      {"discover_and_reply", {.options = {message_type(1), message_type(2)}}},
      {"reply_of_two_bytes", {.options = {message_type(2), {53, {2, 2}}}}},
      {"reply_with_overload", {.options = {message_type(2), {52, {1}}}}},
      {"reply_with_an_option_cut_off",
       {.options = {message_type(2), {43, {1}, 200}}, .end = false}},
  };
  for (const auto& [name, doubt] : doubtful) {
    rows.push_back({name, reply / doubt, kDenyAll, denied(PXE_REASON_UNKNOWN)});
  }
  const std::vector<Row> more{
      {"reply_of_proxy_dhcp",
       Ethernet{} / Ipv4{} / Udp{.destination = 4011} / Bootp{.op = 2} /
           DhcpOptions{.options = {message_type(5)}},
       kDenyAll, kNotOurs},
      {"reply_that_lacks_a_byte",
       udp / Bootp{.op = 2} / options / Truncate{42 + 235}, allow_all(),
       kMalformed},
      {"op_only", udp / Raw{{1}}, allow_all(), kMalformed},
      {"bootp_lacks_a_byte", udp / Bootp{} / options / Truncate{42 + 235},
       allow_all(), kMalformed},
      {"bootp_of_235_in_a_padded_frame", udp / Raw{Bytes(235, 1)} / Pad{590},
       allow_all(), kMalformed},
      {"bootp_without_options", udp / Bootp{}, allow_only(kClientMac),
       allowed(PXE_REASON_RULE), Seen{.message_type = 0, .arch = PXE_NO_ARCH}},
      {"every_other_field_set",
       udp /
           Bootp{.hops = 255,
                 .xid = 0xffffffff,
                 .secs = 0xffff,
                 .flags = 0xffff,
                 .ciaddr = ip(10, 0, 0, 9),
                 .yiaddr = ip(10, 0, 0, 10),
                 .siaddr = ip(10, 0, 0, 11)} /
           options,
       allow_only(kClientMac), allowed(PXE_REASON_RULE), Seen{}},
  };
  rows.insert(rows.end(), more.begin(), more.end());
}

}  // namespace

std::vector<Row> network_rows() {
  std::vector<Row> rows;
  add_ipv4(rows);
  add_udp(rows);
  add_bootp(rows);
  return rows;
}

}  // namespace pxegate::testing
