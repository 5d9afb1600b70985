// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/packet/frames.h"

#include <array>
#include <cstdint>
#include <initializer_list>

namespace pxegate::bench {
namespace {

using testing::Bootp;
using testing::Bytes;
using testing::DhcpOptions;
using testing::Ethernet;
using testing::ip;
using testing::Ipv4;
using testing::kEtherArp;
using testing::kEtherIpv6;
using testing::Mac;
using testing::Raw;
using testing::Udp;

constexpr Mac kServerMac{0x52, 0x54, 0x00, 0x00, 0x00, 0x01};
constexpr Mac kRelayMac{0x52, 0x54, 0x00, 0x00, 0x00, 0x02};

constexpr std::uint8_t kTcp = 6;
constexpr std::uint8_t kUdp = 17;

void append(Bytes& bytes, const Bytes& more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
}

void append16(Bytes& bytes, std::size_t value) {
  bytes.push_back(static_cast<std::uint8_t>(value >> 8));
  bytes.push_back(static_cast<std::uint8_t>(value));
}

// Data that fill a segment of 1,000 bytes; the header says port 22 to 40000.
Bytes tcp_segment() {
  Bytes segment{0, 22, 0x9c, 0x40, 0, 0, 0, 1,    0, 0,
                0, 1,  0x50, 0x18, 1, 0, 0, 0x2a, 0, 0};
  segment.resize(1000);
  return segment;
}

Bytes ipv6(std::uint8_t next_header, const Bytes& payload) {
  Bytes packet{0x60, 0, 0, 0};
  append16(packet, payload.size());
  packet.push_back(next_header);
  packet.push_back(64);
  // 2001:db8::1 to 2001:db8::2
  for (const std::uint8_t host : {std::uint8_t{1}, std::uint8_t{2}}) {
    append(packet, {0x20, 0x01, 0x0d, 0xb8});
    packet.resize(packet.size() + 11);
    packet.push_back(host);
  }
  append(packet, payload);
  return packet;
}

Bytes dhcpv6_option(std::uint16_t code, const Bytes& value) {
  Bytes option;
  append16(option, code);
  append16(option, value.size());
  append(option, value);
  return option;
}

}  // namespace

Bytes tcp_frame() {
  return (Ethernet{.destination = kServerMac} /
          Ipv4{.source = ip(192, 0, 2, 9),
               .destination = ip(192, 0, 2, 1),
               .protocol = kTcp} /
          Raw{tcp_segment()})
      .bytes();
}

Bytes arp_frame() {
  Bytes request{0, 1, 8, 0, 6, 4, 0, 1};
  append(request, {0x52, 0x54, 0, 0x12, 0x34, 0x56, 192, 0, 2, 9});
  append(request, {0, 0, 0, 0, 0, 0, 192, 0, 2, 1});
  request.resize(46);  // Ethernet's least
  return (Ethernet{.type = kEtherArp} / Raw{request}).bytes();
}

Bytes ipv6_tcp_frame() {
  return (Ethernet{.destination = kServerMac, .type = kEtherIpv6} /
          Raw{ipv6(kTcp, tcp_segment())})
      .bytes();
}

Bytes relayed_discover(const Mac& mac) {
  return (Ethernet{.destination = kServerMac, .source = kRelayMac} /
          Ipv4{.source = ip(198, 51, 100, 1), .destination = ip(192, 0, 2, 1)} /
          Udp{.source = 67} /
          Bootp{.hops = 1,
                .giaddr = ip(198, 51, 100, 1),
                .chaddr = {mac.begin(), mac.end()}} /
          DhcpOptions{})
      .bytes();
}

Bytes dhcpv6_relayed_solicit(const Mac& mac) {
  Bytes duid{0, 3, 0, 1};  // DUID-LL, Ethernet
  append(duid, {mac.begin(), mac.end()});
  Bytes solicit{1, 0x12, 0x34, 0x56};
  append(solicit, dhcpv6_option(1, duid));
  append(solicit, dhcpv6_option(8, {0, 0}));   // elapsed time
  append(solicit, dhcpv6_option(61, {0, 7}));  // architecture: x64 UEFI
  append(solicit, dhcpv6_option(3, {0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}));

  Bytes link_layer{0, 1};
  append(link_layer, {mac.begin(), mac.end()});
  Bytes relayed{12, 0};  // RELAY-FORW, no hop before it
  append(relayed, {0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 0});
  append(relayed, {0, 0, 0, 0, 0, 0, 0, 1});
  append(relayed, {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0x02, 0, 0, 0xff, 0xfe});
  append(relayed, {0, 0, 1});
  append(relayed, dhcpv6_option(79, link_layer));
  append(relayed, dhcpv6_option(9, solicit));

  Bytes datagram{0x02, 0x23, 0x02, 0x23};  // 547 to 547
  append16(datagram, relayed.size() + 8);
  append16(datagram, 0);
  append(datagram, relayed);
  // A checksum is compulsory here, though nothing measured looks at it.
  const Bytes unsummed = ipv6(kUdp, datagram);
  std::uint32_t sum = kUdp + static_cast<std::uint32_t>(datagram.size());
  for (std::size_t at = 8; at < unsummed.size(); at += 2) {
    sum += static_cast<std::uint32_t>(unsummed[at]) << 8;
    if (at + 1 < unsummed.size()) sum += unsummed[at + 1];
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  const auto checksum = static_cast<std::uint16_t>(~sum);
  datagram[6] = static_cast<std::uint8_t>(checksum >> 8);
  datagram[7] = static_cast<std::uint8_t>(checksum);
  return (Ethernet{.destination = kServerMac,
                   .source = kRelayMac,
                   .type = kEtherIpv6} /
          Raw{ipv6(kUdp, datagram)})
      .bytes();
}

}  // namespace pxegate::bench
