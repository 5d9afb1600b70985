// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_BASE_IP_NETWORK_H_
#define PXEGATE_CONTROLLER_BASE_IP_NETWORK_H_

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "controller/base/result.h"

namespace pxegate {

// An IPv4 or IPv6 network in CIDR notation (RFC 4632, RFC 4291 2.3). IPv4 is
// kept below ::ffff:0:0/96 (RFC 4291 2.5.5.2), so that one kind of prefix tree
// holds both.
struct IpNetwork {
  std::array<std::uint8_t, 16> address{};  // network order
  unsigned prefix_length = 128;            // of 128, so 96 + n for IPv4

  // "10.1.0.0/16", "fd00:1::/64", or an address alone. kInvalid, saying what
  // is wrong, for anything else; also where bits behind the prefix are set.
  static Result<IpNetwork> parse(std::string_view text);

  // As parse() takes it: an IPv4 network as such.
  std::string to_string() const;

  auto operator<=>(const IpNetwork&) const = default;
};

// "10.1.0.1" for ::ffff:10.1.0.1, else as RFC 5952 has it.
std::string ip_to_string(const std::array<std::uint8_t, 16>& address);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_BASE_IP_NETWORK_H_
