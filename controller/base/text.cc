// SPDX-License-Identifier: Apache-2.0
#include "controller/base/text.h"

#include <fmt/format.h>

#include <algorithm>

namespace pxegate {

std::string quoted(std::string_view text, std::size_t limit) {
  std::string out = "\"";
  for (const char raw : text.substr(0, limit)) {
    const auto byte = static_cast<unsigned char>(raw);
    if (raw == '"' || raw == '\\') {
      out += '\\';
      out += raw;
    } else if (byte >= 0x20 && byte < 0x7f) {
      out += raw;
    } else {
      out += fmt::format("\\x{:02x}", byte);
    }
  }
  if (text.size() > limit) out += "…";
  out += '"';
  return out;
}

bool has_control_characters(std::string_view text) {
  return std::ranges::any_of(text, [](char raw) {
    const auto byte = static_cast<unsigned char>(raw);
    return byte < 0x20 || byte == 0x7f;
  });
}

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string percent_encoded(std::string_view text,
                            std::string_view also_plain) {
  std::string out;
  for (const char raw : text) {
    const bool letter =
        (raw >= 'a' && raw <= 'z') || (raw >= 'A' && raw <= 'Z');
    const bool digit = raw >= '0' && raw <= '9';
    if (letter || digit ||
        std::string_view("-._~").find(raw) != std::string_view::npos ||
        also_plain.find(raw) != std::string_view::npos) {
      out += raw;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(raw));
    }
  }
  return out;
}

}  // namespace pxegate
