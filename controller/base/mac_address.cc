// SPDX-License-Identifier: Apache-2.0
#include "controller/base/mac_address.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "controller/base/text.h"

namespace pxegate {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Reads exactly out.size() pairs of hex digits with one separator throughout.
bool parse_octets(std::string_view text, std::span<std::uint8_t> out) {
  if (text.size() != out.size() * 3 - 1) return false;
  const char separator = text[2];
  if (separator != ':' && separator != '-') return false;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const int high = hex_digit(text[i * 3]);
    const int low = hex_digit(text[i * 3 + 1]);
    if (high < 0 || low < 0) return false;
    if (i + 1 < out.size() && text[i * 3 + 2] != separator) return false;
    out[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return true;
}

std::string format_octets(std::span<const std::uint8_t> octets) {
  return fmt::format("{:02x}", fmt::join(octets, ":"));
}

}  // namespace

Result<MacAddress> MacAddress::parse(std::string_view text) {
  Bytes bytes{};
  if (!parse_octets(text, bytes)) {
    return fail(quoted(text) +
                    " is not a MAC address: expected six pairs of hex digits, "
                    "as in 52:54:00:12:34:56",
                ErrorCode::kInvalid);
  }
  return MacAddress(bytes);
}

std::string MacAddress::to_string() const { return format_octets(bytes_); }

Result<HardwareAddress> HardwareAddress::parse(std::string_view text) {
  Guid guid{};
  if (parse_octets(text, guid)) return infiniband(guid);
  MacAddress::Bytes mac{};
  if (parse_octets(text, mac)) return HardwareAddress(MacAddress(mac));
  return fail(quoted(text) +
                  " is not a hardware address: expected a MAC address as in "
                  "52:54:00:12:34:56, or the eight pairs of an InfiniBand GUID",
              ErrorCode::kInvalid);
}

std::string HardwareAddress::to_string() const {
  return format_octets(octets());
}

}  // namespace pxegate
