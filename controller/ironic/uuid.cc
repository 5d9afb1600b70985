// SPDX-License-Identifier: Apache-2.0
#include "controller/ironic/uuid.h"

namespace pxegate {

std::optional<UuidBits> parse_uuid(std::string_view text) {
  if (text.size() > 36) return std::nullopt;
  UuidBits bits{};
  std::size_t digits = 0;
  for (const char c : text) {
    if (c == '-') continue;
    std::uint64_t value = 0;
    if (c >= '0' && c <= '9') {
      value = static_cast<std::uint64_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      value = static_cast<std::uint64_t>(c - 'a') + 10;
    } else if (c >= 'A' && c <= 'F') {
      value = static_cast<std::uint64_t>(c - 'A') + 10;
    } else {
      return std::nullopt;
    }
    if (digits == 32) return std::nullopt;
    std::uint64_t& half = bits[digits / 16];
    half = half << 4 | value;
    ++digits;
  }
  if (digits != 32) return std::nullopt;
  return bits;
}

}  // namespace pxegate
