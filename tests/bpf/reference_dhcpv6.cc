// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string_view>

#include "tests/bpf/reference_parts.h"

namespace pxegate::testing::model {
namespace {

// An option is one, and so is the end of a message.
constexpr std::size_t kMostSteps = 64;
constexpr int kMostRelays = 4;

// RFC 8415, 7.3; RFC 7341.
bool is_servers(std::uint8_t type) {
  return type == 2 || type == 7 || type == 10 || type == 13 || type == 21;
}

bool begins_with(View bytes, std::string_view text) {
  return bytes.size() >= text.size() &&
         std::equal(text.begin(), text.end(), bytes.begin());
}

struct Option {
  std::uint16_t code;
  View value;
};

struct Options {
  std::vector<Option> all;  // up to one that is cut off
  View rest;                // behind them
};

// RFC 8415, 21.1.
Options split(View bytes) {
  Options out{.all = {}, .rest = bytes};
  while (out.rest.size() >= 4) {
    const std::size_t length = be16(out.rest, 2);
    if (length > out.rest.size() - 4) break;
    out.all.push_back({be16(out.rest, 0), out.rest.subspan(4, length)});
    out.rest = out.rest.subspan(4 + length);
  }
  return out;
}

// A hardware type and an address, as in option 79 and in DUIDs.
std::optional<Identity> link_layer(View bytes) {
  if (bytes.size() < 2) return std::nullopt;
  const std::uint16_t type = be16(bytes, 0);
  const View address = bytes.subspan(2);
  if (type == 1 && address.size() == 6) return Identity{1, copy(address)};
  if (type == 32 && (address.size() == 8 || address.size() == 20))
    return Identity{32, copy(address.last(8))};
  return std::nullopt;
}

// RFC 8415, 11.2 and 11.4.
std::optional<Identity> link_layer_of_duid(View duid) {
  if (duid.size() < 4) return std::nullopt;
  if (be16(duid, 0) == 3) return link_layer(duid.subspan(2));
  if (be16(duid, 0) != 1 || duid.size() < 8) return std::nullopt;
  std::vector<std::uint8_t> without_time = copy(duid.subspan(2, 2));
  without_time.insert(without_time.end(), duid.begin() + 8, duid.end());
  return link_layer(without_time);
}

// RFC 4291, appendix A.
std::optional<Identity> from_eui64(View ip) {
  if (ip[11] != 0xff || ip[12] != 0xfe) return std::nullopt;
  return Identity{1,
                  {static_cast<std::uint8_t>(ip[8] ^ 2), ip[9], ip[10], ip[13],
                   ip[14], ip[15]}};
}

// RFC 8415, 21.15: classes behind their lengths.
bool has_ipxe_class(View value) {
  return value.size() >= 2 && begins_with(value.subspan(2), "iPXE");
}

// RFC 8415, 21.16: an enterprise number, then data behind their lengths.
bool is_boot_vendor_class(View value) {
  if (value.size() < 6) return false;
  const View data = value.subspan(6);
  return begins_with(data, "PXEClient") || begins_with(data, "HTTPClient");
}

// What relays said on the way, and the message in it.
struct Unwrapped {
  std::size_t steps = 0;
  View link;  // of the innermost
  View peer;
  std::optional<Identity> option_79;
  View clients;
};

// RFC 8415, 9. Nothing where it is malformed.
std::optional<Unwrapped> unwrap(View message) {
  Unwrapped out;
  for (int depth = 0; message[0] == 12; ++depth) {
    if (depth == kMostRelays || message.size() < 34) return std::nullopt;
    const Options options = split(message.subspan(34));
    if (options.rest.size() >= 4) return std::nullopt;
    out.steps += options.all.size() + 1;
    out.link = message.subspan(2, 16);
    out.peer = message.subspan(18, 16);
    out.option_79.reset();
    std::optional<View> inner;
    for (const Option& option : options.all) {
      if (option.code == 79) {
        if (auto address = link_layer(option.value))
          out.option_79 = std::move(address);
      }
      if (option.code != 9) continue;
      if (inner || option.value.size() < 4) return std::nullopt;
      inner = option.value;
    }
    if (!inner) return std::nullopt;
    message = *inner;
  }
  out.clients = message;
  return out;
}

void read_client(const Options& options, std::size_t steps,
                 std::optional<Identity>& duid, Request& request) {
  // What hides behind the end may be one of a machine that boots.
  request.network_boot =
      options.rest.size() >= 4 || options.all.size() + 1 > steps;
  for (std::size_t i = 0; i < std::min(options.all.size(), steps); ++i) {
    const View value = options.all[i].value;
    switch (options.all[i].code) {
      case 1:
        if (auto address = link_layer_of_duid(value)) duid = std::move(address);
        break;
      case 15:
        if (has_ipxe_class(value)) request.network_boot = true;
        break;
      case 16:
        if (is_boot_vendor_class(value)) request.network_boot = true;
        break;
      case 61:  // RFC 5970
        if (value.size() >= 2) request.arch = be16(value, 0);
        request.network_boot = true;
        break;
      default:
        break;
    }
  }
}

bool is_zero(View bytes) {
  return std::ranges::all_of(bytes, [](auto byte) { return byte == 0; });
}

}  // namespace

Read read_dhcpv6(const Message& message) {
  if (is_servers(message.bytes[0])) return NotOurs{};
  const bool relayed = message.bytes[0] == 12;
  Unwrapped unwrapped;
  unwrapped.clients = message.bytes;
  if (relayed) {
    auto result = unwrap(message.bytes);
    if (!result) return Malformed{};
    unwrapped = *std::move(result);
  }
  const Options options = split(unwrapped.clients.subspan(4));
  if (unwrapped.steps > kMostSteps) return Malformed{};

  Request request;
  request.ip_version = 6;
  request.vlans = message.vlans;
  request.message_type = unwrapped.clients[0];
  std::optional<Identity> duid;
  read_client(options, kMostSteps - unwrapped.steps, duid, request);
  // DHCPV4-QUERY (RFC 7341): it may hold anything.
  if (request.message_type == 20) request.network_boot = true;
  if (duid && duid->hardware == 1) request.other_addresses.push_back(*duid);
  if (!relayed) {
    request.identity = Identity{1, copy(message.ethernet_source)};
    return request;
  }
  const std::optional<Identity> eui64 = from_eui64(unwrapped.peer);
  if (eui64) request.other_addresses.push_back(*eui64);
  request.identity = unwrapped.option_79 ? unwrapped.option_79
                     : duid              ? duid
                                         : eui64;
  request.nameless = Why::kNoClientId;
  request.filed_under = {0, 0, copy(unwrapped.peer.last(8))};
  const View relay =
      is_zero(unwrapped.link) ? message.ip_source : unwrapped.link;
  std::ranges::copy(relay, request.relay.begin());
  return request;
}

}  // namespace pxegate::testing::model
