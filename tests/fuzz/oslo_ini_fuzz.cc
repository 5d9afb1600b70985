// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a configuration file: the parser and the substitution must
// keep what their headers promise.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "controller/config/oslo_ini.h"
#include "controller/config/substitute.h"

namespace pxegate {
namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

// `entry` written so that it must be read back as it is: the vertical tab
// keeps a key that starts like a comment from being one, the quotes keep the
// blanks of the value's first line.
std::string render(const IniEntry& entry) {
  std::string_view rest = entry.value;
  const auto take_line = [&rest] {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    return std::string(line);
  };
  std::string out = "[" + entry.section + "]\n\v" + entry.key + " = ";
  out += "\"" + take_line() + "\"\n";
  while (!rest.empty()) out += " " + take_line() + "\n";
  return out;
}

void check(std::string_view text) {
  const IniFile file = parse_oslo_ini(text);
  require(file.problems.size() <= kMaxIniProblems + 1);

  std::string rendered;
  int line = 0;
  for (const IniEntry& entry : file.entries) {
    require(entry.line > line);
    line = entry.line;
    require(!entry.section.empty() && !entry.key.empty());
    require(entry.key.find_first_of("=:\r\n") == std::string::npos);
    require(entry.value.find('\0') == std::string::npos);
    rendered += render(entry);
  }
  const IniFile again = parse_oslo_ini(rendered);
  require(again.problems.empty());
  require(again.entries.size() == file.entries.size());
  for (std::size_t i = 0; i < file.entries.size(); ++i) {
    require(again.entries[i].section == file.entries[i].section);
    require(again.entries[i].key == file.entries[i].key);
    require(again.entries[i].value == file.entries[i].value);
  }

  const auto same =
      substitute(text, [](std::string_view name) -> Result<std::string> {
        require(!name.empty());
        return "${" + std::string(name) + "}";
      });
  require(!same || same->size() <= kMaxSubstituted);
}

}  // namespace
}  // namespace pxegate

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  pxegate::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
