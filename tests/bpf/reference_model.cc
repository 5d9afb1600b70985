// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/reference_model.h"

#include <cstddef>

namespace pxegate::testing::model {
namespace {

using View = std::span<const std::uint8_t>;

std::uint16_t be16(View bytes, std::size_t at) {
  return static_cast<std::uint16_t>(bytes[at] * 256 + bytes[at + 1]);
}

std::uint32_t be32(View bytes, std::size_t at) {
  return be16(bytes, at) * 65536U + be16(bytes, at + 2);
}

// What one header says about the rest.
struct Inside {
  enum { kNotOurs, kMalformed, kPayload } kind = kNotOurs;
  View payload{};
};

// IEEE 802.3 and 802.1Q: leaves the IPv4 packet, where there is one. Tags that
// only carry a priority are no VLANs; more than eight tags are nonsense.
Inside strip_link_layer(View frame, std::vector<std::uint16_t>& vlans) {
  if (frame.size() < 14) return {};
  std::uint16_t type = be16(frame, 12);
  View rest = frame.subspan(14);
  for (int tags = 0; type == 0x8100 || type == 0x88a8; ++tags) {
    if (tags == 8) return {Inside::kMalformed};
    if (rest.size() < 4) return {};
    const std::uint16_t id = be16(rest, 0) % 4096;
    if (id != 0) vlans.push_back(id);
    if (vlans.size() > 2) return {};
    type = be16(rest, 2);
    rest = rest.subspan(4);
  }
  if (type != 0x0800) return {};
  return {Inside::kPayload, rest};
}

// Whether a datagram of the server is all there, in the frame as in the
// kernel, which cuts at the total length and puts fragments together.
bool is_whole(View packet) {
  const bool more = be16(packet, 6) / 8192 % 2 == 1;
  const std::size_t header = packet[0] % 16 * 4U;
  return !more && be16(packet, 2) >= header + 8 + 236;
}

// RFC 791.
Inside open_ipv4(View packet) {
  if (packet.size() < 20) return {};
  const bool udp = packet[9] == 17;
  const bool first = be16(packet, 6) % 8192 == 0;
  if (!udp || !first) return {};
  const std::size_t version = packet[0] / 16;
  const std::size_t words = packet[0] % 16;
  if (version != 4 || words < 5) return {Inside::kMalformed};
  if (packet.size() < words * 4) return {};
  return {Inside::kPayload, packet.subspan(words * 4)};
}

// RFC 768.
Inside open_udp(View datagram) {
  if (datagram.size() < 8) return {};
  const std::uint16_t port = be16(datagram, 2);
  if (port != 67 && port != 4011) return {};
  const View payload = datagram.subspan(8);
  if (be16(datagram, 4) < 8 + 236 || payload.size() < 236)
    return {Inside::kMalformed};
  return {Inside::kPayload, payload};
}

struct Options {
  std::vector<std::uint8_t> types;  // of messages, all that there are
  bool odd_type = false;            // of a length that is none
  bool overload = false;
  bool complete = false;
  std::optional<std::uint8_t> message_type;
  std::optional<std::uint16_t> arch;
  std::optional<std::vector<std::uint8_t>> guid;
};

// RFC 2132, up to the limits that the program documents: 64 options, of which
// pads are some, and nothing that starts 2048 bytes or more behind the start
// of the cookie.
Options read_options(View area) {
  Options out;
  constexpr std::size_t kSpan = 2048;
  if (area.size() < 4 || be32(area, 0) != 0x63825363) return out;
  const auto there = [&](std::size_t at, std::size_t size) {
    return at < kSpan && at + size <= area.size();
  };
  std::size_t at = 4;
  for (int i = 0; i < 64; ++i) {
    if (!there(at, 1)) break;
    if (area[at] == 255) {
      out.complete = true;
      break;
    }
    if (area[at] == 0) {
      at += 1;
      continue;
    }
    if (!there(at + 1, 1)) break;
    const std::uint8_t code = area[at];
    const std::size_t length = area[at + 1];
    const std::size_t value = at + 2;
    if (code == 53 && length == 1 && there(value, 1)) {
      out.message_type = area[value];
      out.types.push_back(area[value]);
    } else if (code == 53) {
      out.odd_type = true;
    }
    if (code == 52) out.overload = true;
    if (code == 93 && length >= 2 && there(value, 2))
      out.arch = be16(area, value);
    if (code == 61 && length >= 8 && there(value + length - 8, 8)) {
      const View guid = area.subspan(value + length - 8, 8);
      out.guid.emplace(guid.begin(), guid.end());
    }
    at = value + length;
  }
  return out;
}

// OFFER, ACK or NAK to a relay, and nothing that a server could take for a
// client's message.
bool is_reply(View bootp) {
  const Options options = read_options(bootp.subspan(236));
  if (bootp[0] != 2 || !options.complete || options.odd_type ||
      options.overload || options.types.empty()) {
    return false;
  }
  for (const std::uint8_t type : options.types) {
    if (type != 2 && type != 5 && type != 6) return false;
  }
  return true;
}

// The Ethernet addresses that a client which no rule can name betrays.
std::vector<Identity> betrayed(View frame, const Request& request) {
  if (request.htype == 1 && request.hlen == 6) return {};
  std::vector<Identity> out{
      {1, {request.chaddr.begin(), request.chaddr.begin() + 6}}};
  if (request.giaddr == 0)
    out.push_back({1, {frame.begin() + 6, frame.begin() + 12}});
  return out;
}

Request read_request(View bootp, std::vector<std::uint16_t> vlans) {
  const Options options = read_options(bootp.subspan(236));
  const View chaddr = bootp.subspan(28, 16);
  Request request{.identity = {},
                  .htype = bootp[1],
                  .hlen = bootp[2],
                  .chaddr = {chaddr.begin(), chaddr.end()},
                  .giaddr = be32(bootp, 24),
                  .vlans = std::move(vlans),
                  .message_type = options.message_type,
                  .arch = options.arch};
  if (request.htype == 1 && request.hlen == 6) {
    request.identity = Identity{1, {chaddr.begin(), chaddr.begin() + 6}};
  } else if (request.htype == 32 && options.guid) {
    request.identity = Identity{32, *options.guid};
  }
  return request;
}

}  // namespace

Judgement judge(View frame, const Policy& policy) {
  const Judgement not_ours;
  const Judgement malformed{false, Why::kMalformed, std::nullopt};

  std::vector<std::uint16_t> vlans;
  const Inside link = strip_link_layer(frame, vlans);
  if (link.kind == Inside::kMalformed) return malformed;
  if (link.kind == Inside::kNotOurs) return not_ours;
  const Inside ipv4 = open_ipv4(link.payload);
  if (ipv4.kind == Inside::kMalformed) return malformed;
  if (ipv4.kind == Inside::kNotOurs) return not_ours;
  const Inside udp = open_udp(ipv4.payload);
  if (udp.kind == Inside::kNotOurs) return not_ours;
  if (udp.kind == Inside::kMalformed || !is_whole(link.payload))
    return malformed;
  if (is_reply(udp.payload)) return not_ours;

  Judgement out;
  out.request = read_request(udp.payload, std::move(vlans));
  if (out.request->identity) {
    const auto rule = policy.allowed.find(*out.request->identity);
    if (rule != policy.allowed.end()) {
      out.pass = rule->second;
      out.counted = Why::kRule;
      return out;
    }
    out.counted = Why::kUnknown;
  } else {
    out.counted =
        out.request->htype == 32 ? Why::kNoClientId : Why::kForeignHardware;
  }
  out.pass = policy.unknown_allowed;
  for (const Identity& ethernet : betrayed(frame, *out.request)) {
    const auto rule = policy.allowed.find(ethernet);
    if (!out.pass || rule == policy.allowed.end() || rule->second) continue;
    out.pass = false;
    out.counted = Why::kRule;
  }
  return out;
}

}  // namespace pxegate::testing::model
