// SPDX-License-Identifier: Apache-2.0
#include "drivers/nftables/listing.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "drivers/nftables/ruleset.h"

namespace pxegate {
namespace {

// Takes a line off the front of `text`.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\n";
  const std::size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

// What stands between the lines "table netdev NAME {" and "}".
std::optional<std::string_view> table_in(std::string_view listing,
                                         const std::string& table) {
  const std::string head = fmt::format("table netdev {} {{", table);
  while (!listing.empty()) {
    if (take_line(listing) != head) continue;
    std::string_view rest = listing;
    while (!rest.empty()) {
      const std::string_view before = rest;
      if (take_line(rest) == "}") {
        return listing.substr(0, listing.size() - before.size());
      }
    }
    return listing;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> number_in(std::string_view text) {
  int base = 10;
  if (text.starts_with("0x")) {
    base = 16;
    text.remove_prefix(2);
  }
  std::uint64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number, base);
  if (error != std::errc() || rest != end) return std::nullopt;
  return number;
}

std::string describe_part(const std::string& part) {
  return part.empty() ? "the table's flags or comment" : part;
}

}  // namespace

std::optional<Structure> structure_in(std::string_view listing,
                                      const std::string& table) {
  auto inside = table_in(listing, table);
  if (!inside) return std::nullopt;
  Structure structure;
  std::string* part = &structure[""];
  while (!inside->empty()) {
    std::string_view line = take_line(*inside);
    const bool outermost =
        line.starts_with('\t') && !line.substr(1).starts_with('\t');
    line = trimmed(line);
    if (line.empty()) continue;
    if (outermost && line == "}") {
      part = &structure[""];
    } else if (outermost && line.ends_with(" {")) {
      line.remove_suffix(2);
      part = &structure[std::string(line)];
    } else {
      part->append(line).append("\n");
    }
  }
  return structure;
}

bool is_ours(const Structure& structure) {
  const auto head = structure.find("");
  return head != structure.end() &&
         head->second.find(fmt::format("comment \"{}\"\n", kTableComment)) !=
             std::string::npos;
}

std::optional<Verdict> unknown_verdict_in(const Structure& structure) {
  const auto chain = structure.find(fmt::format("chain {}", kUnknownChain));
  if (chain == structure.end()) return std::nullopt;
  // Each ends a packet's way, so the first rule is the one that counts.
  std::string_view text = chain->second;
  const std::string_view rule = take_line(text);
  for (const auto& [verdict, word] :
       {std::pair(Verdict::kDeny, "drop"), {Verdict::kAllow, "accept"}}) {
    if (rule == fmt::format("counter name \"{}\" {}",
                            counter_name(verdict, "unknown"), word)) {
      return verdict;
    }
  }
  return std::nullopt;
}

bool filters(const Structure& structure, const std::string& interface) {
  return structure.contains("chain " + chain_name(interface));
}

std::vector<std::string> differences(const Structure& expected,
                                     const Structure& found) {
  std::vector<std::string> result;
  for (const auto& [part, text] : expected) {
    const auto now = found.find(part);
    if (now == found.end()) {
      result.push_back(fmt::format("{} had been removed by somebody else",
                                   describe_part(part)));
    } else if (now->second != text) {
      result.push_back(fmt::format("{} had been changed by somebody else",
                                   describe_part(part)));
    }
  }
  for (const auto& [part, text] : found) {
    if (!expected.contains(part)) {
      result.push_back(fmt::format("{} had been added by somebody else",
                                   describe_part(part)));
    }
  }
  return result;
}

std::vector<CounterRecord> counters_in(std::string_view listing,
                                       const std::string& table) {
  std::vector<CounterRecord> records;
  const auto structure = structure_in(listing, table);
  if (!structure) return records;
  for (const auto& [part, text] : *structure) {
    constexpr std::string_view kKind = "counter ";
    constexpr std::string_view kPackets = "packets ";
    if (!part.starts_with(kKind) || !text.starts_with(kPackets)) continue;
    const std::string name = part.substr(kKind.size());
    const std::string_view rest =
        std::string_view(text).substr(kPackets.size());
    const auto packets = number_in(rest.substr(0, rest.find(' ')));
    const std::size_t underscore = name.find('_');
    if (!packets || underscore == std::string::npos) continue;
    CounterRecord record;
    record.verdict =
        name.starts_with("allow_") ? Verdict::kAllow : Verdict::kDeny;
    record.reason = name.substr(underscore + 1);
    record.packets = *packets;
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace pxegate
