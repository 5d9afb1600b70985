// SPDX-License-Identifier: Apache-2.0
#include "drivers/dnsmasq/hosts_file.h"

#include <algorithm>

namespace pxegate::hosts {
namespace {

constexpr std::string_view kIgnore = ",ignore";
constexpr std::string_view kBlanks = " \t\r";

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

// Takes what precedes the next `separator` off `rest`.
std::string_view take(std::string_view& rest, char separator) {
  const std::size_t end = std::min(rest.find(separator), rest.size());
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

bool line_lets_in(std::string_view line) {
  line = trimmed(take(line, '#'));
  if (line.empty()) return false;
  while (!line.empty()) {
    if (trimmed(take(line, ',')) == "ignore") return false;
  }
  return true;
}

}  // namespace

std::optional<MacAddress> mac_of_name(std::string_view name) {
  if (name.size() != 17) return std::nullopt;
  const auto mac = MacAddress::parse(name);
  if (!mac || mac->to_string() != name) return std::nullopt;
  return *mac;
}

std::string contents_for(std::string_view pattern, Verdict verdict) {
  std::string contents(pattern);
  if (verdict == Verdict::kDeny) contents += kIgnore;
  contents += '\n';
  return contents;
}

std::optional<Verdict> verdict_in(std::string_view pattern,
                                  std::string_view contents) {
  for (const Verdict verdict : {Verdict::kDeny, Verdict::kAllow}) {
    if (contents == contents_for(pattern, verdict)) return verdict;
  }
  return std::nullopt;
}

bool is_passed_over(std::string_view name) {
  return name.empty() || name.front() == '.' || name.back() == '~' ||
         (name.front() == '#' && name.back() == '#');
}

bool lets_in(std::string_view contents) {
  while (!contents.empty()) {
    if (line_lets_in(take(contents, '\n'))) return true;
  }
  return false;
}

}  // namespace pxegate::hosts
