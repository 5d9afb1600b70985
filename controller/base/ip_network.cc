// SPDX-License-Identifier: Apache-2.0
#include "controller/base/ip_network.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <system_error>

#include "controller/base/text.h"

namespace pxegate {
namespace {

using Octets = std::array<std::uint8_t, 16>;

constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0,    0,
                                                  0, 0, 0, 0, 0xff, 0xff};
constexpr unsigned kMappedBits = 96;

bool is_mapped(const Octets& address) {
  return std::equal(kMapped.begin(), kMapped.end(), address.begin());
}

Failure invalid(std::string message) {
  return fail(std::move(message), ErrorCode::kInvalid);
}

bool parse_address(const std::string& text, Octets& out, bool& is_v4) {
  is_v4 = inet_pton(AF_INET, text.c_str(), &out[kMapped.size()]) == 1;
  if (is_v4) {
    std::ranges::copy(kMapped, out.begin());
    return true;
  }
  return inet_pton(AF_INET6, text.c_str(), out.data()) == 1;
}

Octets masked(Octets address, unsigned bits) {
  for (std::size_t i = 0; i < address.size(); ++i) {
    const unsigned kept = std::clamp(bits, static_cast<unsigned>(i) * 8,
                                     static_cast<unsigned>(i) * 8 + 8) -
                          static_cast<unsigned>(i) * 8;
    address[i] = static_cast<std::uint8_t>(address[i] & (0xff00U >> kept));
  }
  return address;
}

}  // namespace

std::string ip_to_string(const Octets& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (is_mapped(address)) {
    inet_ntop(AF_INET, &address[kMapped.size()], text.data(), text.size());
  } else {
    inet_ntop(AF_INET6, address.data(), text.data(), text.size());
  }
  return text.data();
}

Result<IpNetwork> IpNetwork::parse(std::string_view text) {
  const std::size_t slash = std::min(text.find('/'), text.size());
  const std::string before(text.substr(0, slash));
  IpNetwork network;
  bool is_v4 = false;
  // A NUL would end the text for inet_pton().
  if (before.find('\0') != std::string::npos ||
      !parse_address(before, network.address, is_v4)) {
    return invalid(quoted(text) +
                   " is no IP network: expected one as in 10.1.0.0/16 or "
                   "fd00:1::/64");
  }
  if (!is_v4 && is_mapped(network.address)) {
    return invalid(fmt::format("{} is an IPv4 network; write {} for it",
                               quoted(text), ip_to_string(network.address)));
  }
  if (slash == text.size()) return network;

  const std::string_view length = text.substr(slash + 1);
  const unsigned longest = is_v4 ? 32 : 128;
  unsigned bits = 0;
  const char* end = length.data() + length.size();
  const auto parsed = std::from_chars(length.data(), end, bits);
  if (parsed.ec != std::errc() || parsed.ptr != end || bits > longest) {
    return invalid(
        fmt::format("{} has no prefix length from 0 to {} behind its '/'",
                    quoted(text), longest));
  }
  network.prefix_length = bits + (is_v4 ? kMappedBits : 0);
  const Octets whole = masked(network.address, network.prefix_length);
  if (whole != network.address) {
    network.address = whole;
    return invalid(
        fmt::format("{} has bits set behind its prefix; the network "
                    "is {}",
                    quoted(text), network.to_string()));
  }
  return network;
}

std::string IpNetwork::to_string() const {
  const bool is_v4 = is_mapped(address) && prefix_length >= kMappedBits;
  return fmt::format("{}/{}", ip_to_string(address),
                     is_v4 ? prefix_length - kMappedBits : prefix_length);
}

}  // namespace pxegate
