// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_TEXT_TABLE_H_
#define PXEGATE_CONTROLLER_APP_TEXT_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pxegate {

// `text` as it may go to a terminal: bytes outside printable ASCII become
// \xNN, so that a node's name can neither move the cursor nor forge a line.
// The ellipsis of quoted() becomes three dots.
std::string printable(std::string_view text);

// "1 request", "7 requests"
std::string count_text(std::uint64_t count, std::string_view noun);

// A number of seconds for people: "0.4 s", "47 s", "12 min", "5 h", "3 d".
std::string age_text(double seconds);

// Every line cut to `columns` bytes, which are characters where the text is
// printable().
std::string clipped(const std::string& lines, std::size_t columns);

// Text in aligned columns under a header, two spaces apart, without trailing
// blanks. Cells are made printable(); an empty one shows as "-".
class TextTable {
 public:
  enum class Align { kLeft, kRight };
  struct Column {
    std::string title;
    Align align = Align::kLeft;
    // Left out where every cell is empty.
    bool optional = false;
  };

  explicit TextTable(std::vector<Column> columns);

  // As many cells as there are columns.
  void add(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }
  std::size_t size() const { return rows_.size(); }

  // Header and rows, one a line.
  std::string render() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_TEXT_TABLE_H_
