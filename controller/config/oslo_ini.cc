// SPDX-License-Identifier: Apache-2.0
#include "controller/config/oslo_ini.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace pxegate {
namespace {

// What Python's str.strip() drops, as far as ASCII goes.
constexpr std::string_view kBlanks = " \t\n\v\f\r\x1c\x1d\x1e\x1f";

std::string_view trim_right(std::string_view text) {
  return text.substr(0, text.find_last_not_of(kBlanks) + 1);
}

std::string_view trim_left(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of(kBlanks), text.size()));
}

std::string_view unquote(std::string_view value) {
  if (value.empty() || value.front() != value.back()) return value;
  if (value.front() != '"' && value.front() != '\'') return value;
  value.remove_prefix(1);
  if (!value.empty()) value.remove_suffix(1);
  return value;
}

// Cuts the first line off `rest`.
std::string_view take_line(std::string_view& rest) {
  const std::size_t end = std::min(rest.find_first_of("\r\n"), rest.size());
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end);
  if (rest.starts_with("\r\n")) {
    rest.remove_prefix(2);
  } else if (!rest.empty()) {
    rest.remove_prefix(1);
  }
  return line;
}

class Parser {
 public:
  IniFile parse(std::string_view text) {
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
    while (!text.empty() && file_.problems.size() < kMaxIniProblems) {
      ++line_;
      read_line(trim_right(take_line(text)));
    }
    if (!text.empty()) problem("too many problems; the rest was not read");
    return std::move(file_);
  }

 private:
  // What a line that starts with a blank would continue.
  enum class Above { kNothing, kEntry, kBadEntry };

  void read_line(std::string_view line) {
    if (line.find('\0') != std::string_view::npos) {
      problem("holds a NUL byte: this is not a text file");
      above_ = Above::kBadEntry;
    } else if (line.empty() || line.front() == '#' || line.front() == ';') {
      above_ = Above::kNothing;
    } else if (line.front() == ' ' || line.front() == '\t') {
      read_continuation(trim_left(line));
    } else if (line.front() == '[') {
      above_ = Above::kNothing;
      read_section(line);
    } else {
      above_ = read_assignment(line) ? Above::kEntry : Above::kBadEntry;
    }
  }

  void read_continuation(std::string_view text) {
    if (above_ == Above::kNothing) {
      problem("starts with a blank, but there is no value above to continue");
    } else if (above_ == Above::kEntry) {
      file_.entries.back().value.append("\n").append(text);
    }
  }

  void read_section(std::string_view line) {
    // A bad header must not hand its options to the section before.
    section_.reset();
    in_bad_section_ = true;
    if (line.back() != ']') {
      problem("a section must end with ']', and nothing may follow it");
    } else if (line.size() <= 2) {
      problem("the section has no name");
    } else {
      in_bad_section_ = false;
      section_ = line.substr(1, line.size() - 2);
      file_.sections.push_back({*section_, line_});
    }
  }

  bool read_assignment(std::string_view line) {
    const std::size_t sign = line.find_first_of(":=");
    if (sign == std::string_view::npos) {
      problem("is neither a section nor a comment nor 'option = value'");
      return false;
    }
    const std::string_view key = trim_right(trim_left(line.substr(0, sign)));
    if (key.empty()) {
      problem("has no option name before '" + std::string(1, line[sign]) + "'");
      return false;
    }
    if (!section_) {
      if (!in_bad_section_) {
        problem("an option needs a [section] line above it");
      }
      return false;
    }
    const std::string_view value = trim_left(line.substr(sign + 1));
    file_.entries.push_back(
        {*section_, std::string(key), std::string(unquote(value)), line_});
    return true;
  }

  void problem(std::string message) {
    file_.problems.push_back({line_, std::move(message)});
  }

  IniFile file_;
  std::optional<std::string> section_;
  bool in_bad_section_ = false;
  Above above_ = Above::kNothing;
  int line_ = 0;
};

}  // namespace

IniFile parse_oslo_ini(std::string_view text) { return Parser().parse(text); }

}  // namespace pxegate
