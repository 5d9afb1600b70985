// SPDX-License-Identifier: Apache-2.0
#include "controller/app/text_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace pxegate {

std::string printable(std::string_view text) {
  constexpr std::string_view kEllipsis = "…";
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte >= 0x20 && byte < 0x7f) {
      out += text[i];
    } else if (text.substr(i).starts_with(kEllipsis)) {
      out += "...";
      i += kEllipsis.size() - 1;
    } else {
      out += fmt::format("\\x{:02x}", byte);
    }
  }
  return out;
}

std::string count_text(std::uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string age_text(double seconds) {
  constexpr double kMinute = 60;
  constexpr double kHour = 60 * kMinute;
  constexpr double kDay = 24 * kHour;
  // Rounded down: an age that says "2 h" is at least that.
  const auto whole = [](double value) {
    return static_cast<std::uint64_t>(value);
  };
  if (!(seconds > 0)) return "0.0 s";
  if (seconds < 10) return fmt::format("{:.1f} s", seconds);
  if (seconds < 2 * kMinute) return fmt::format("{} s", whole(seconds));
  if (seconds < 2 * kHour)
    return fmt::format("{} min", whole(seconds / kMinute));
  if (seconds < 2 * kDay) return fmt::format("{} h", whole(seconds / kHour));
  if (!std::isfinite(seconds)) return "never";
  return fmt::format("{:.0f} d", std::floor(seconds / kDay));
}

std::string clipped(const std::string& lines, std::size_t columns) {
  std::string out;
  std::size_t begin = 0;
  while (begin < lines.size()) {
    const std::size_t end = std::min(lines.find('\n', begin), lines.size());
    out += lines.substr(begin, std::min(end - begin, columns)) + '\n';
    begin = end + 1;
  }
  return out;
}

TextTable::TextTable(std::vector<Column> columns)
    : columns_(std::move(columns)) {}

void TextTable::add(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  for (std::string& cell : cells) cell = printable(cell);
  rows_.push_back(std::move(cells));
}

std::string TextTable::render() const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = 0;
    for (const auto& row : rows_) width = std::max(width, row[i].size());
    const bool left_out = columns_[i].optional && width == 0;
    widths.push_back(left_out ? 0 : std::max(width, columns_[i].title.size()));
  }

  std::string out;
  const auto line = [&](const auto& cell_of) {
    std::string text;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (widths[i] == 0) continue;
      if (!text.empty()) text += "  ";
      const std::string& cell = cell_of(i);
      const std::string padding(widths[i] - cell.size(), ' ');
      const bool right = columns_[i].align == Align::kRight;
      text += right ? padding + cell : cell + padding;
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + '\n';
  };
  line([&](std::size_t i) -> const std::string& { return columns_[i].title; });
  const std::string nothing = "-";
  for (const auto& row : rows_) {
    line([&](std::size_t i) -> const std::string& {
      return row[i].empty() ? nothing : row[i];
    });
  }
  return out;
}

}  // namespace pxegate
