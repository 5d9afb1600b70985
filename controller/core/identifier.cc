// SPDX-License-Identifier: Apache-2.0
#include "controller/core/identifier.h"

#include <optional>

namespace pxegate {
namespace {

constexpr std::size_t kUuidText = 36;

constexpr bool is_hyphen_at(std::size_t i) {
  return i == 8 || i == 13 || i == 18 || i == 23;
}

constexpr int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

std::optional<Identifier::Bits> parse(std::string_view text) {
  if (text.size() != kUuidText) return std::nullopt;
  Identifier::Bits bits{};
  std::size_t digits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_hyphen_at(i)) {
      if (text[i] != '-') return std::nullopt;
      continue;
    }
    const int digit = hex_digit(text[i]);
    if (digit < 0) return std::nullopt;
    std::uint8_t& byte = bits.at(digits++ / 2);
    byte = static_cast<std::uint8_t>(byte << 4 | digit);
  }
  return bits;
}

}  // namespace

Identifier::Identifier(std::string_view text) {
  if (const auto bits = parse(text)) {
    bits_ = *bits;
    is_uuid_ = true;
  } else {
    text_ = text;
  }
}

std::string Identifier::to_string() const {
  if (!is_uuid_) return std::string(text_);
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(kUuidText);
  for (const std::uint8_t byte : bits_) {
    if (is_hyphen_at(text.size())) text += '-';
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace pxegate
