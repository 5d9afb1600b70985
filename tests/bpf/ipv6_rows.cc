// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/rows.h"

namespace pxegate::testing {
namespace {

constexpr std::size_t kIpEnd = 14 + 40;
constexpr std::size_t kUdpEnd = kIpEnd + 8;

Packet repeat(const Packet& layer, int times) {
  Packet all;
  for (int i = 0; i < times; ++i) all = std::move(all) / layer;
  return all;
}

// That many bytes in all, a multiple of eight.
Packet extension_of(std::size_t bytes) {
  return Extension{.data = Bytes(bytes - 2, 1)};
}

void add_header(std::vector<Row>& rows) {
  const Packet solicit = kUdp6 / Dhcpv6{};
  const Packet bare = kUdp6 / Dhcpv6{.options = {}};
  const PolicyInForce client = allow_only(kClientMac);
  const Expectation by_rule = allowed(PXE_REASON_RULE);
  const Seen seen{.arch = 7, .ip_version = 6};
  const std::vector<Row> more{
      {"ipv6", Ethernet{} / Ipv6{} / solicit, client, by_rule, seen},
      {"ipv6_tagged", Ethernet{} / Vlan{.id = 100} / Ipv6{} / solicit, client,
       by_rule, Seen{.vlans = {100}, .arch = 7, .ip_version = 6}},
      {"ipv6_behind_eight_tags",
       Ethernet{} / repeat(Vlan{.id = 0}, 6) / Vlan{.id = 3} / Vlan{.id = 4} /
           Ipv6{} / solicit,
       deny_only(kClientMac), denied(PXE_REASON_RULE),
       Seen{.vlans = {3, 4}, .arch = 7, .ip_version = 6}},
      {"ipv6_version_4", Ethernet{} / Ipv6{.version = 4} / solicit, allow_all(),
       kMalformed},
      {"ipv6_version_7_of_tcp",
       Ethernet{} / Ipv6{.version = 7, .next_header = 6} / solicit, allow_all(),
       kMalformed},
      {"ipv6_tcp", Ethernet{} / Ipv6{.next_header = 6} / solicit, kDenyAll,
       kNotOurs},
      {"ipv6_udp_lite", Ethernet{} / Ipv6{.next_header = 136} / solicit,
       kDenyAll, kNotOurs},
      {"ipv6_no_next_header", Ethernet{} / Ipv6{.next_header = 59} / solicit,
       kDenyAll, kNotOurs},
      {"ipv6_hop_limit_0", Ethernet{} / Ipv6{.hop_limit = 0} / solicit, client,
       by_rule},
      {"ipv6_traffic_class", Ethernet{} / Ipv6{.traffic_class = 255} / solicit,
       client, by_rule},
      {"ipv6_ends_in_header",
       Ethernet{} / Ipv6{} / solicit / Truncate{kIpEnd - 1}, kDenyAll,
       kNotOurs},
      {"ipv6_ends_behind_header",
       Ethernet{} / Ipv6{} / solicit / Truncate{kIpEnd}, kDenyAll, kNotOurs},
      {"ipv6_ends_in_udp",
       Ethernet{} / Ipv6{} / solicit / Truncate{kUdpEnd - 1}, kDenyAll,
       kNotOurs},
      {"ipv6_ends_behind_udp",
       Ethernet{} / Ipv6{} / solicit / Truncate{kUdpEnd}, allow_all(),
       kMalformed},
      {"ipv6_message_lacks_a_byte",
       Ethernet{} / Ipv6{} / bare / Truncate{kUdpEnd + 3}, allow_all(),
       kMalformed},
      {"ipv6_message_of_four_bytes", Ethernet{} / Ipv6{} / bare, client,
       by_rule, Seen{.arch = PXE_NO_ARCH, .ip_version = 6}},
      {"ipv6_payload_length_lacks_a_byte",
       Ethernet{} / Ipv6{.payload_length = 8 + 3} / solicit, allow_all(),
       kMalformed},
      {"ipv6_payload_length_0",
       Ethernet{} / Ipv6{.payload_length = 0} / solicit, allow_all(),
       kMalformed},
      {"ipv6_payload_length_65535",
       Ethernet{} / Ipv6{.payload_length = 65535} / solicit, client, by_rule,
       seen},
      // What lies behind the end that a header tells is not read.
      {"ipv6_payload_length_hides_the_options",
       Ethernet{} / Ipv6{.payload_length = 8 + 4} / solicit, client, by_rule,
       Seen{.arch = PXE_NO_ARCH, .ip_version = 6}},
      {"ipv6_trailer", Ethernet{} / Ipv6{} / bare / Pad{1500}, client, by_rule,
       Seen{.arch = PXE_NO_ARCH, .ip_version = 6}},
  };
  rows.insert(rows.end(), more.begin(), more.end());
}

void add_udp(std::vector<Row>& rows) {
  const PolicyInForce client = allow_only(kClientMac);
  const Expectation by_rule = allowed(PXE_REASON_RULE);
  const auto with = [](const Udp& udp) {
    return Ethernet{} / Ipv6{} / udp / Dhcpv6{};
  };
  // 8962 is 547 in the wrong byte order.
  for (const std::uint16_t port : {0, 67, 546, 548, 4011, 8962, 65535}) {
    rows.push_back({"ipv6_to_port_" + std::to_string(port),
                    with({.source = 547, .destination = port}), kDenyAll,
                    kNotOurs});
  }
  for (const std::uint16_t port : {0, 546, 547, 65535}) {
    rows.push_back({"ipv6_from_port_" + std::to_string(port),
                    with({.source = port, .destination = 547}), client,
                    by_rule});
  }
  for (const std::uint16_t length : {0, 7, 8, 8 + 3}) {
    rows.push_back({"ipv6_udp_length_" + std::to_string(length),
                    with({.destination = 547, .length = length}), allow_all(),
                    kMalformed});
  }
  rows.push_back({"ipv6_udp_length_12",
                  with({.destination = 547, .length = 8 + 4}), client, by_rule,
                  Seen{.arch = PXE_NO_ARCH, .ip_version = 6}});
  rows.push_back({"ipv6_udp_length_65535",
                  with({.destination = 547, .length = 65535}), client, by_rule,
                  Seen{.arch = 7, .ip_version = 6}});
  rows.push_back(
      {"dhcpv6_port_of_ipv4",
       Ethernet{} / Ipv4{} / Udp{.destination = 547} / Bootp{} / DhcpOptions{},
       kDenyAll, kNotOurs});
  rows.push_back({"ipv6_udp_checksum_wrong",
                  with({.destination = 547, .checksum = 0x1234}), client,
                  by_rule});
}

void add_extensions(std::vector<Row>& rows) {
  const Packet bare = kUdp6 / Dhcpv6{.options = {}};
  const PolicyInForce client = allow_only(kClientMac);
  const Expectation by_rule = allowed(PXE_REASON_RULE);
  for (const std::uint8_t type : {0, 43, 51, 60, 135, 139, 140}) {
    const std::string name = "extension_" + std::to_string(type);
    for (const std::size_t data : {6, 22}) {
      rows.push_back({name + "_of_" + std::to_string(data + 2),
                      Ethernet{} / Ipv6{} /
                          Extension{.type = type, .data = Bytes(data, 17)} /
                          bare,
                      client, by_rule});
    }
    rows.push_back({name + "_twice",
                    Ethernet{} / Ipv6{} / Extension{.type = type} /
                        Extension{.type = type} / bare,
                    client, by_rule});
    rows.push_back(
        {name + "_of_tcp",
         Ethernet{} / Ipv6{} / Extension{.type = type, .next_header = 6} / bare,
         kDenyAll, kNotOurs});
    rows.push_back(
        {name + "_lacks_a_byte",
         Ethernet{} / Ipv6{} / Extension{.type = type} / Truncate{kIpEnd + 7},
         kDenyAll, kNotOurs});
  }
  // Encrypted, or nothing that hides a header.
  for (const std::uint8_t type : {4, 41, 50, 253}) {
    rows.push_back({"no_extension_" + std::to_string(type),
                    Ethernet{} / Ipv6{} / Extension{.type = type} / bare,
                    kDenyAll, kNotOurs});
  }
  const Packet eight = extension_of(8);
  const std::vector<Row> more{
      // RFC 4302 counts in four bytes.
      {"authentication_of_12",
       Ethernet{} / Ipv6{} / Extension{.type = 51, .data = Bytes(10, 1)} / bare,
       client, by_rule},
      {"authentication_of_20",
       Ethernet{} / Ipv6{} / Extension{.type = 51, .data = Bytes(18, 1)} / bare,
       client, by_rule},
      {"eight_extensions", Ethernet{} / Ipv6{} / repeat(eight, 8) / bare,
       client, by_rule},
      {"eight_extensions_denied", Ethernet{} / Ipv6{} / repeat(eight, 8) / bare,
       deny_only(kClientMac), denied(PXE_REASON_RULE)},
      {"nine_extensions", Ethernet{} / Ipv6{} / repeat(eight, 9) / bare,
       allow_all(), kMalformed},
      {"nine_extensions_of_tcp",
       Ethernet{} / Ipv6{} / repeat(eight, 8) / Extension{.next_header = 6} /
           bare,
       allow_all(), kMalformed},
      {"ninth_extension_is_not_there",
       Ethernet{} / Ipv6{} / repeat(eight, 9) / Truncate{kIpEnd + 8 * 8},
       allow_all(), kMalformed},
      {"extensions_of_1024", Ethernet{} / Ipv6{} / extension_of(1024) / bare,
       client, by_rule},
      {"extensions_of_1016_and_8",
       Ethernet{} / Ipv6{} / extension_of(1016) / eight / bare, client,
       by_rule},
      {"extensions_of_1032", Ethernet{} / Ipv6{} / extension_of(1032) / bare,
       allow_all(), kMalformed},
      {"extensions_of_1024_and_8",
       Ethernet{} / Ipv6{} / extension_of(1024) / eight / bare, allow_all(),
       kMalformed},
      {"extensions_of_1024_and_4",
       Ethernet{} / Ipv6{} / Extension{.type = 51, .data = Bytes(10, 1)} /
           extension_of(1016) / bare,
       allow_all(), kMalformed},
      {"extension_longer_than_the_frame",
       Ethernet{} / Ipv6{} / Extension{.length = 100} / bare, kDenyAll,
       kNotOurs},
  };
  rows.insert(rows.end(), more.begin(), more.end());
}

void add_fragments(std::vector<Row>& rows) {
  const Packet bare = kUdp6 / Dhcpv6{.options = {}};
  const Packet ip = Ethernet{} / Ipv6{};
  const Packet first = Fragment{.more = true};
  const Packet tftp = Udp{.destination = 69} / Raw{Bytes(64)};
  const PolicyInForce client = allow_only(kClientMac);
  const Expectation by_rule = allowed(PXE_REASON_RULE);
  const std::vector<Row> more{
      {"atomic_fragment", ip / Fragment{} / bare, client, by_rule},
      {"atomic_fragment_denied", ip / Fragment{} / bare, deny_only(kClientMac),
       denied(PXE_REASON_RULE)},
      {"atomic_fragments_in_a_row", ip / repeat(Fragment{}, 8) / bare, client,
       by_rule},
      {"first_fragment_6", ip / first / bare, allow_all(), kMalformed},
      {"first_fragment_6_of_others", ip / first / tftp, kDenyAll, kNotOurs},
      {"first_fragment_6_of_tcp",
       ip / Fragment{.more = true, .next_header = 6} / bare, kDenyAll,
       kNotOurs},
      {"second_fragment_6", ip / Fragment{.offset = 1, .more = true} / bare,
       kDenyAll, kNotOurs},
      {"last_fragment_6", ip / Fragment{.offset = 0x1fff} / bare, kDenyAll,
       kNotOurs},
      {"second_fragment_6_behind_extensions",
       ip / extension_of(1016) / extension_of(8) / Fragment{.offset = 1} / bare,
       kDenyAll, kNotOurs},
      {"second_fragment_6_is_the_ninth_extension",
       ip / repeat(extension_of(8), 8) / Fragment{.offset = 1} / bare,
       allow_all(), kMalformed},
      {"first_fragment_in_an_atomic_one", ip / Fragment{} / first / bare,
       allow_all(), kMalformed},
      {"atomic_fragment_in_a_first_one", ip / first / Fragment{} / bare,
       allow_all(), kMalformed},
      {"first_fragment_lacks_a_byte_of_udp",
       ip / first / bare / Truncate{kIpEnd + 8 + 7}, allow_all(), kMalformed},
      {"first_fragment_of_others_lacks_a_byte_of_udp",
       ip / first / tftp / Truncate{kIpEnd + 8 + 7}, allow_all(), kMalformed},
      {"first_fragment_without_udp", ip / first / bare / Truncate{kIpEnd + 8},
       allow_all(), kMalformed},
      {"first_fragment_ends_in_an_extension",
       ip / first / Extension{} / bare / Truncate{kIpEnd + 8 + 7}, allow_all(),
       kMalformed},
      {"first_fragment_ends_behind_an_extension",
       ip / first / Extension{} / bare / Truncate{kIpEnd + 16}, allow_all(),
       kMalformed},
      {"fragment_header_lacks_a_byte", ip / first / bare / Truncate{kIpEnd + 7},
       kDenyAll, kNotOurs},
      // The kernel never puts a decoy in the padding together with the rest.
      {"first_fragment_and_a_decoy",
       Ethernet{} / Ipv6{.payload_length = 8} / first / tftp, allow_all(),
       kMalformed},
      {"first_fragment_and_a_byte_of_decoy",
       Ethernet{} / Ipv6{.payload_length = 8 + 7} / first / tftp, allow_all(),
       kMalformed},
      {"first_fragment_with_its_udp",
       Ethernet{} / Ipv6{.payload_length = 8 + 8} / first / tftp, kDenyAll,
       kNotOurs},
      {"first_fragment_and_a_decoy_of_an_extension",
       Ethernet{} / Ipv6{.payload_length = 8 + 7} / first /
           Extension{.next_header = 6} / tftp,
       allow_all(), kMalformed},
      {"whole_packet_shorter_than_its_headers",
       Ethernet{} / Ipv6{.payload_length = 0} / Fragment{} / tftp, kDenyAll,
       kNotOurs},
  };
  rows.insert(rows.end(), more.begin(), more.end());
}

}  // namespace

std::vector<Row> ipv6_rows() {
  std::vector<Row> rows;
  add_header(rows);
  add_udp(rows);
  add_extensions(rows);
  add_fragments(rows);
  return rows;
}

}  // namespace pxegate::testing
