// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_CONFIG_OSLO_INI_H_
#define PXEGATE_CONTROLLER_CONFIG_OSLO_INI_H_

#include <string>
#include <string_view>
#include <vector>

namespace pxegate {

// One `key = value` of a file, in the order of the file.
struct IniEntry {
  std::string section;
  std::string key;
  std::string value;  // continuation lines follow after '\n'
  int line = 0;       // of the key, from 1
  bool operator==(const IniEntry&) const = default;
};

// One `[section]` line. A section may be opened several times.
struct IniSection {
  std::string name;
  int line = 0;
  bool operator==(const IniSection&) const = default;
};

// Why a line could not be read. Never quotes the line: it may hold a secret.
struct IniProblem {
  int line = 0;
  std::string message;
  bool operator==(const IniProblem&) const = default;
};

struct IniFile {
  std::vector<IniSection> sections;
  std::vector<IniEntry> entries;
  std::vector<IniProblem> problems;  // in line order; empty: all was read
};

// After this many problems the rest of the text is left unread, and the last
// problem says so.
inline constexpr std::size_t kMaxIniProblems = 20;

// Reads the dialect of oslo.config:
// - "[name]" alone on its line opens a section; the name is kept as written.
// - "key = value" or "key: value", whichever sign comes first. Blanks around
//   both are dropped, then one pair of equal quotes around the value.
// - A line that starts with a blank or a tab continues the value above. An
//   empty line or a comment ends it.
// - A line whose first character is '#' or ';' is a comment. Nothing else is:
//   these characters belong to the value anywhere else.
// - A repeated key yields an entry each time.
// - "\n", "\r\n" and "\r" end a line.
// Unlike oslo.config it skips a UTF-8 byte order mark, treats a NUL byte as a
// problem, takes only ASCII blanks for blanks, and goes on after a problem so
// that all of them can be told at once. Total: any bytes may be given.
IniFile parse_oslo_ini(std::string_view text);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_CONFIG_OSLO_INI_H_
