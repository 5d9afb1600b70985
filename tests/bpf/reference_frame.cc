// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "tests/bpf/reference_parts.h"

namespace pxegate::testing::model {
namespace {

// RFC 768, for a datagram at `at` of a packet that its IP header lets end at
// `ip_end`: the message in it, if it has `least` bytes.
Opened open_udp(View packet, std::size_t at, std::size_t ip_end,
                std::size_t least, Message message) {
  const std::size_t begin = at + 8;
  const std::size_t end =
      std::min({packet.size(), ip_end, at + be16(packet, at + 4)});
  if (end < begin + least) return Malformed{};
  message.bytes = packet.subspan(begin, end - begin);
  return message;
}

// RFC 791.
Opened open_ipv4(View packet, Message message) {
  if (packet.size() < 20) return NotOurs{};
  const bool udp = packet[9] == 17;
  const bool first = be16(packet, 6) % 8192 == 0;
  const bool more = be16(packet, 6) / 8192 % 2 == 1;
  if (!udp || !first) return NotOurs{};
  const std::size_t version = packet[0] / 16;
  const std::size_t header = packet[0] % 16 * std::size_t{4};
  if (version != 4 || header < 20) return Malformed{};
  if (packet.size() < header + 8) return NotOurs{};
  message.port = be16(packet, header + 2);
  if (message.port != 67 && message.port != 4011) return NotOurs{};
  if (more) return Malformed{};
  message.ip_version = 4;
  message.ip_source = packet.subspan(12, 4);
  return open_udp(packet, header, be16(packet, 2), 236, std::move(message));
}

// IANA's list of IPv6 extension headers, but ESP, which hides what follows,
// and the numbers for experiments.
bool is_extension(std::uint8_t next_header) {
  switch (next_header) {
    case 0:    // hop-by-hop options
    case 43:   // routing
    case 44:   // fragment
    case 51:   // authentication
    case 60:   // destination options
    case 135:  // mobility
    case 139:  // host identity
    case 140:  // shim6
      return true;
    default:
      return false;
  }
}

// Of the extension header at `at`. RFC 8200, 4; RFC 4302, 2.2.
std::size_t extension_size(View packet, std::size_t at, std::uint8_t type) {
  if (type == 44) return 8;
  const std::size_t length = packet[at + 1];
  return type == 51 ? (length + 2) * 4 : (length + 1) * 8;
}

// RFC 8200.
Opened open_ipv6(View packet, Message message) {
  if (packet.size() < 40) return NotOurs{};
  if (packet[0] / 16 != 6) return Malformed{};
  const std::size_t ip_end = std::size_t{40} + be16(packet, 4);
  std::size_t at = 40;
  std::uint8_t next = packet[6];
  bool first_fragment = false;
  // RFC 7112: a first fragment holds all headers. It ends where the IP header
  // says; what comes behind that the kernel never puts together.
  const auto is_there = [&](std::size_t size) {
    return at + size <= packet.size() &&
           (!first_fragment || at + size <= ip_end);
  };
  const auto cut_off = [&]() -> Opened {
    if (first_fragment) return Malformed{};
    return NotOurs{};
  };
  for (int headers = 0; is_extension(next); ++headers) {
    if (headers == 8) return Malformed{};
    if (!is_there(8)) return cut_off();
    const std::size_t size = extension_size(packet, at, next);
    if (next == 44) {
      if (be16(packet, at + 2) / 8 != 0) return NotOurs{};
      if (be16(packet, at + 2) % 2 == 1) first_fragment = true;
    }
    if (at + size - 40 > 1024) return Malformed{};
    next = packet[at];
    at += size;
  }
  if (next != 17) return NotOurs{};
  if (!is_there(8)) return cut_off();
  message.port = be16(packet, at + 2);
  if (message.port != 547) return NotOurs{};
  if (first_fragment) return Malformed{};
  message.ip_version = 6;
  message.ip_source = packet.subspan(8, 16);
  return open_udp(packet, at, ip_end, 4, std::move(message));
}

}  // namespace

// IEEE 802.3 and 802.1Q. Tags that only carry a priority are no VLANs; more
// than eight tags are nonsense.
Opened open_frame(View frame) {
  if (frame.size() < 14) return NotOurs{};
  Message message;
  message.ethernet_source = frame.subspan(6, 6);
  std::uint16_t type = be16(frame, 12);
  std::size_t at = 14;
  for (int tags = 0; type == 0x8100 || type == 0x88a8; ++tags) {
    if (tags == 8) return Malformed{};
    if (at + 4 > frame.size()) return NotOurs{};
    const std::uint16_t id = be16(frame, at) % 4096;
    if (id != 0) message.vlans.push_back(id);
    if (message.vlans.size() > 2) return NotOurs{};
    type = be16(frame, at + 2);
    at += 4;
  }
  const View packet = frame.subspan(at);
  if (type == 0x0800) return open_ipv4(packet, std::move(message));
  if (type == 0x86dd) return open_ipv6(packet, std::move(message));
  return NotOurs{};
}

}  // namespace pxegate::testing::model
