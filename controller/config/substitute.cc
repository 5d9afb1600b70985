// SPDX-License-Identifier: Apache-2.0
#include "controller/config/substitute.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace pxegate {
namespace {

bool starts_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

// The name at the start of `text`; empty where none starts there.
std::string_view leading_name(std::string_view text) {
  if (text.empty() || !starts_name(text.front())) return {};
  std::size_t size = 1;
  while (size < text.size() && (starts_name(text[size]) || text[size] == '.' ||
                                (text[size] >= '0' && text[size] <= '9'))) {
    ++size;
  }
  return text.substr(0, size);
}

}  // namespace

Result<std::string> substitute(std::string_view text,
                               const ReferenceLookup& lookup) {
  // First, as in oslo.config, where it makes "$\\$x" mean "$$$x".
  std::string dollars;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escaped = text.substr(i).starts_with("\\$");
    dollars += escaped ? '$' : text[i];
  }

  std::string out;
  std::string_view rest = dollars;
  while (!rest.empty()) {
    const std::size_t plain = std::min(rest.find('$'), rest.size());
    out += rest.substr(0, plain);
    rest.remove_prefix(plain);
    const bool braced = rest.starts_with("${");
    const std::size_t start = braced ? 2 : 1;
    const std::string_view name =
        rest.empty() ? rest : leading_name(rest.substr(start));
    const bool closed =
        !braced || rest.substr(start + name.size()).starts_with('}');
    if (!name.empty() && closed) {
      Result<std::string> value = lookup(name);
      if (!value) return value;
      out += *value;
      rest.remove_prefix(start + name.size() + (braced ? 1 : 0));
    } else if (!rest.empty()) {
      out += '$';
      rest.remove_prefix(rest.starts_with("$$") ? 2 : 1);
    }
    if (out.size() > kMaxSubstituted) {
      return fail(
          fmt::format("grows beyond {} bytes by substitution", kMaxSubstituted),
          ErrorCode::kCapacity);
    }
  }
  return out;
}

}  // namespace pxegate
