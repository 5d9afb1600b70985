// SPDX-License-Identifier: Apache-2.0
#include "controller/base/text.h"

#include <fmt/format.h>

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

}  // namespace pxegate
