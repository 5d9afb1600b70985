// SPDX-License-Identifier: Apache-2.0
#include "tests/support/packet_generator.h"

namespace pxegate::testing {

const std::vector<Mac>& PacketGenerator::macs() {
  static const std::vector<Mac> all{
      kClientMac, {0x52, 0x54, 0x00, 0x12, 0x34, 0x57}, Mac{}, kBroadcastMac};
  return all;
}

const std::vector<std::array<std::uint8_t, 8>>& PacketGenerator::guids() {
  static const std::vector<std::array<std::uint8_t, 8>> all{
      {0x00, 0x02, 0xc9, 0x03, 0x00, 0xab, 0xcd, 0xef},
      {0x00, 0x02, 0xc9, 0x03, 0x00, 0xab, 0xcd, 0xee},
      {0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 0x00, 0x00}};
  return all;
}

std::uint32_t PacketGenerator::below(std::uint32_t limit) {
  return static_cast<std::uint32_t>(random_() % limit);
}

Packet PacketGenerator::headers() {
  Ethernet ethernet;
  if (one_in(30)) ethernet.type = any_of<std::uint16_t>({0x0806, 0x86dd, 0});
  Packet packet(ethernet);
  static const std::vector<std::uint32_t> tag_counts{0, 0, 0, 1, 1, 2, 2, 3};
  for (std::uint32_t tags = any_of(tag_counts); tags > 0; --tags) {
    packet = std::move(packet) /
             Vlan{.id = static_cast<std::uint16_t>(below(4096)),
                  .priority = static_cast<std::uint8_t>(below(8)),
                  .tag = any_of<std::uint16_t>(
                      {kEtherVlan, kEtherVlan, kEtherServiceVlan})};
  }
  Ipv4 ipv4;
  if (one_in(3)) ipv4.options = Bytes(below(11) * 4, 1);
  if (one_in(25)) ipv4.ihl = static_cast<std::uint8_t>(below(16));
  if (one_in(40)) ipv4.version = static_cast<std::uint8_t>(below(16));
  if (one_in(40)) ipv4.protocol = any_of<std::uint8_t>({1, 6, 136});
  ipv4.more_fragments = one_in(10);
  ipv4.dont_fragment = one_in(3);
  if (one_in(30))
    ipv4.fragment_offset = static_cast<std::uint16_t>(below(0x2000));
  Udp udp;
  if (one_in(4)) udp.source = any_of<std::uint16_t>({67, 4011, 12345});
  if (one_in(4))
    udp.destination = any_of<std::uint16_t>({66, 67, 68, 4011, 4011, 4012});
  if (one_in(20))
    udp.length =
        static_cast<std::uint16_t>(one_in(2) ? 240 + below(8) : below(65536));
  return std::move(packet) / ipv4 / udp;
}

Bootp PacketGenerator::bootp() {
  Bootp bootp;
  const Mac& mac = any_of(macs());
  bootp.chaddr.assign(mac.begin(), mac.end());
  if (one_in(4)) bootp.chaddr.resize(16, static_cast<std::uint8_t>(below(256)));
  if (one_in(12)) bootp.op = static_cast<std::uint8_t>(below(4));
  if (one_in(4))
    bootp.htype = any_of<std::uint8_t>({0, 6, 31, 32, 32, 33, 255});
  if (one_in(4)) bootp.htype = 32;
  if (one_in(4)) bootp.hlen = any_of<std::uint8_t>({0, 5, 7, 8, 16, 20, 255});
  if (one_in(3))
    bootp.giaddr = ip(10, 1, static_cast<std::uint8_t>(below(4)), 1);
  return bootp;
}

DhcpOptions PacketGenerator::options() {
  DhcpOptions dhcp;
  dhcp.options.clear();
  dhcp.cookie = !one_in(15);
  dhcp.end = !one_in(8);
  static const std::vector<std::uint32_t> counts{0, 3, 8, 8, 8, 62, 63, 64, 65};
  for (std::uint32_t left = any_of(counts); left > 0; --left) {
    switch (below(8)) {
      case 0:
        dhcp.options.push_back(message_type(
            static_cast<std::uint8_t>(below(one_in(4) ? 256 : 8))));
        break;
      case 1:
        dhcp.options.push_back(
            client_arch(static_cast<std::uint16_t>(below(65536))));
        break;
      case 2:
      case 3: {
        const auto& guid = any_of(guids());
        Bytes id(below(13));
        id.insert(id.end(), guid.begin(), guid.end());
        if (one_in(6)) id.resize(below(9));
        dhcp.options.push_back(client_id(std::move(id)));
        break;
      }
      case 4:
        dhcp.options.push_back({0});
        break;
      default:
        dhcp.options.push_back({any_of<std::uint8_t>({1, 53, 60, 93, 224}),
                                Bytes(one_in(20) ? below(256) : below(6), 61)});
    }
    if (one_in(40))
      dhcp.options.back().length = static_cast<std::uint8_t>(below(256));
    if (one_in(200)) dhcp.options.push_back({255});
  }
  return dhcp;
}

void PacketGenerator::damage(Bytes& frame) {
  static const std::vector<std::uint8_t> telling{
      0,  1,  2,  4,    5,    6,    7,    8,    17,   32,   53,   61,
      67, 68, 93, 0x0f, 0x45, 0x46, 0x4f, 0x63, 0x81, 0x88, 0xa8, 255};
  const auto place = [&] {
    // Mostly in the headers, where it tells.
    const auto size = static_cast<std::uint32_t>(frame.size());
    return below(one_in(3) ? size : std::min(size, 90U));
  };
  switch (below(6)) {
    case 0:
      frame[place()] ^= static_cast<std::uint8_t>(1U << below(8));
      break;
    case 1:
      frame[place()] = any_of(telling);
      break;
    case 2:
      frame[place()] = static_cast<std::uint8_t>(below(256));
      break;
    case 3:
      frame.resize(14 + below(static_cast<std::uint32_t>(frame.size()) - 13));
      break;
    case 4: {  // near the end of BOOTP, wherever that is
      const std::uint32_t size = 270 + below(70);
      if (frame.size() > size) frame.resize(size);
      break;
    }
    default:
      frame.insert(frame.begin() + place(), any_of(telling));
  }
}

Bytes PacketGenerator::next() {
  Bytes frame = (headers() / bootp() / options()).bytes();
  // Longer than any Ethernet frame would only test the kernel's test run.
  if (frame.size() > 3000) frame.resize(3000);
  while (one_in(2)) damage(frame);
  return frame;
}

}  // namespace pxegate::testing
