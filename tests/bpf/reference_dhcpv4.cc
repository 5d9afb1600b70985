// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string_view>

#include "tests/bpf/reference_parts.h"

namespace pxegate::testing::model {
namespace {

struct Options {
  std::vector<std::uint8_t> types;  // of messages, all that there are
  bool odd_type = false;            // of a length that is none
  bool overload = false;
  bool complete = false;
  bool network_boot = false;
  std::optional<std::uint8_t> message_type;
  std::optional<std::uint16_t> arch;
  std::optional<std::vector<std::uint8_t>> guid;
};

bool begins_with(View bytes, std::string_view text) {
  return bytes.size() >= text.size() &&
         std::equal(text.begin(), text.end(), bytes.begin());
}

// iPXE sends its name bare, others as the first class of RFC 3004.
bool has_ipxe_class(View value) {
  return begins_with(value, "iPXE") ||
         (!value.empty() && begins_with(value.subspan(1), "iPXE"));
}

void read_option(std::uint8_t code, View value, Options& out) {
  switch (code) {
    case 52:
      out.overload = true;
      break;
    case 53:
      if (value.size() == 1) {
        out.message_type = value[0];
        out.types.push_back(value[0]);
      } else {
        out.odd_type = true;
      }
      break;
    case 60:
      if (begins_with(value, "PXEClient") || begins_with(value, "HTTPClient"))
        out.network_boot = true;
      break;
    case 61:
      if (value.size() >= 8) out.guid = copy(value.last(8));
      break;
    case 77:
      if (has_ipxe_class(value)) out.network_boot = true;
      break;
    case 93:
      if (value.size() >= 2) out.arch = be16(value, 0);
      out.network_boot = true;
      break;
    case 175:
      out.network_boot = true;
      break;
    default:
      break;
  }
}

// RFC 2132, up to the limit that bpf/README.md tells.
Options read_options(View area) {
  Options out;
  if (area.size() < 4 || be32(area, 0) != 0x63825363) return out;
  std::size_t at = 4;
  for (int i = 0; i < 64; ++i) {
    if (at >= area.size()) break;
    const std::uint8_t code = area[at];
    if (code == 255) {
      out.complete = true;
      break;
    }
    if (code == 0) {
      at += 1;
      continue;
    }
    if (at + 2 > area.size()) break;
    const std::size_t length = area[at + 1];
    if (at + 2 + length > area.size()) break;
    read_option(code, area.subspan(at + 2, length), out);
    at += 2 + length;
  }
  return out;
}

// OFFER, ACK or NAK to a relay, and nothing that a server could take for a
// client's message.
bool is_reply(std::uint8_t op, const Options& options) {
  return op == 2 && options.complete && !options.odd_type &&
         !options.overload && !options.types.empty() &&
         std::ranges::all_of(options.types, [](std::uint8_t type) {
           return type == 2 || type == 5 || type == 6;
         });
}

Ip mapped(View ipv4) {
  Ip ip{};
  ip[10] = 0xff;
  ip[11] = 0xff;
  std::ranges::copy(ipv4, ip.begin() + 12);
  return ip;
}

}  // namespace

// RFC 2131.
Read read_dhcpv4(const Message& message) {
  const View bootp = message.bytes;
  const Options options = read_options(bootp.subspan(236));
  if (is_reply(bootp[0], options)) return NotOurs{};

  Request request;
  request.ip_version = 4;
  request.vlans = message.vlans;
  request.message_type = options.message_type;
  request.arch = options.arch;
  // What is no DHCP is BOOTP, the Bootstrap Protocol.
  const bool is_dhcp = options.message_type.value_or(0) != 0;
  request.network_boot = message.port == 4011 || !is_dhcp ||
                         !options.complete || options.overload ||
                         options.network_boot;
  const bool relayed = be32(bootp, 24) != 0;
  if (relayed) request.relay = mapped(bootp.subspan(24, 4));

  const std::uint8_t htype = bootp[1];
  const std::uint8_t hlen = bootp[2];
  const View chaddr = bootp.subspan(28, 16);
  if (htype == 1 && hlen == 6) {
    request.identity = Identity{1, copy(chaddr.first(6))};
  } else {
    if (htype == 32 && options.guid)
      request.identity = Identity{32, *options.guid};
    request.other_addresses.push_back({1, copy(chaddr.first(6))});
    if (!relayed)
      request.other_addresses.push_back({1, copy(message.ethernet_source)});
  }
  request.nameless = htype == 32 ? Why::kNoClientId : Why::kForeignHardware;
  request.filed_under = {htype, hlen, copy(chaddr.first(8))};
  return request;
}

}  // namespace pxegate::testing::model
