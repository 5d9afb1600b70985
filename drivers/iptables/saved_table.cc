// SPDX-License-Identifier: Apache-2.0
#include "drivers/iptables/saved_table.h"

#include <utility>

#include "controller/base/text.h"

namespace pxegate {
namespace {

// Cuts the first line off `text`, without its end.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

// Cuts the first word off `text`. No name of a chain has a blank.
std::string_view take_word(std::string_view& text) {
  const std::size_t end = text.find(' ');
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return word;
}

// "[12:345] ", which option -c puts before a rule.
void skip_counters(std::string_view& line) {
  if (!line.starts_with('[')) return;
  const std::size_t end = line.find("] ");
  if (end != std::string_view::npos) line.remove_prefix(end + 2);
}

Failure strange(std::string_view line) {
  return fail("iptables-save printed a line that is not understood: " +
              quoted(line));
}

// One line of the table `filter`.
Result<> read_line(std::string_view line, SavedTable& table) {
  if (line.starts_with(':')) {
    line.remove_prefix(1);
    const std::string_view name = take_word(line);
    if (name.empty()) return strange(line);
    table.chains.try_emplace(std::string(name));
    return {};
  }
  const std::string_view whole = line;
  skip_counters(line);
  if (take_word(line) != "-A") return strange(whole);
  const std::string_view name = take_word(line);
  if (name.empty()) return strange(whole);
  auto chain = table.chains.find(name);
  if (chain == table.chains.end()) {
    chain = table.chains.try_emplace(std::string(name)).first;
  }
  chain->second.emplace_back(line);
  return {};
}

}  // namespace

const SavedTable::Rules* SavedTable::find(std::string_view chain) const {
  const auto found = chains.find(chain);
  return found == chains.end() ? nullptr : &found->second;
}

Result<SavedTable> parse_filter_table(std::string_view output) {
  SavedTable table;
  enum class Where { kOutside, kFilter, kElsewhere } where = Where::kOutside;
  while (!output.empty()) {
    const std::string_view line = take_line(output);
    if (line.starts_with('#')) {
      // With exit status 0, and in the place of the table.
      if (line.find("`filter' is incompatible") != std::string_view::npos) {
        return fail(
            "iptables cannot show the table filter, since it holds something "
            "that was made with nft: remove that, or keep it in a table of its "
            "own",
            ErrorCode::kConflict);
      }
      continue;
    }
    if (line.empty()) continue;
    if (line.starts_with('*')) {
      if (where != Where::kOutside) return strange(line);
      where = line == "*filter" ? Where::kFilter : Where::kElsewhere;
    } else if (line == "COMMIT") {
      if (where == Where::kOutside) return strange(line);
      where = Where::kOutside;
    } else if (where == Where::kFilter) {
      if (auto read = read_line(line, table); !read) return fail(read.error());
    } else if (where == Where::kOutside) {
      return strange(line);
    }
  }
  if (where != Where::kOutside) {
    return fail("the output of iptables-save ends in the middle of a table");
  }
  return table;
}

std::optional<std::vector<std::string>> split_rule(std::string_view rule) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  bool in_quotes = false;
  bool escaped = false;
  for (const char c : rule) {
    if (escaped) {
      word += c;
      escaped = false;
    } else if (in_quotes && c == '\\') {
      escaped = true;
    } else if (c == '"') {
      in_quotes = !in_quotes;
      in_word = true;
    } else if (!in_quotes && (c == ' ' || c == '\t')) {
      if (in_word) words.push_back(std::exchange(word, {}));
      in_word = false;
    } else {
      word += c;
      in_word = true;
    }
  }
  if (in_quotes) return std::nullopt;
  if (in_word) words.push_back(std::move(word));
  return words;
}

}  // namespace pxegate
