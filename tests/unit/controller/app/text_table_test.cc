// SPDX-License-Identifier: Apache-2.0
#include "controller/app/text_table.h"

#include <gtest/gtest.h>

#include <limits>

namespace pxegate {
namespace {

TEST(Printable, LeavesPrintableAsciiAlone) {
  EXPECT_EQ(printable("rack1-n2 (a\\b) ~"), "rack1-n2 (a\\b) ~");
}

TEST(Printable, EscapesWhateverCouldSteerATerminal) {
  EXPECT_EQ(printable("\x1b[2J\r\n\t\x7f\x9b"),
            "\\x1b[2J\\x0d\\x0a\\x09\\x7f\\x9b");
  EXPECT_EQ(printable("\u202e"), "\\xe2\\x80\\xae");
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a\\x00b");
}

TEST(Printable, WritesTheEllipsisOfQuotedTextAsDots) {
  EXPECT_EQ(printable("\"abc…\""), "\"abc...\"");
}

TEST(AgeText, UsesTheUnitThatReadsBest) {
  EXPECT_EQ(age_text(0), "0.0 s");
  EXPECT_EQ(age_text(-5), "0.0 s");
  EXPECT_EQ(age_text(0.42), "0.4 s");
  EXPECT_EQ(age_text(15), "15 s");
  EXPECT_EQ(age_text(119.9), "119 s");
  EXPECT_EQ(age_text(120), "2 min");
  EXPECT_EQ(age_text(7199), "119 min");
  EXPECT_EQ(age_text(7200), "2 h");
  EXPECT_EQ(age_text(3 * 86400.0), "3 d");
  EXPECT_EQ(age_text(std::numeric_limits<double>::infinity()), "never");
  EXPECT_EQ(age_text(std::numeric_limits<double>::quiet_NaN()), "0.0 s");
}

TEST(TextTable, AlignsColumnsWithoutTrailingBlanks) {
  TextTable table({{"NAME"}, {"COUNT", TextTable::Align::kRight}, {"NOTE"}});
  table.add({"a", "7", "first"});
  table.add({"longer", "12345", ""});
  EXPECT_EQ(table.render(),
            "NAME    COUNT  NOTE\n"
            "a           7  first\n"
            "longer  12345  -\n");
}

TEST(TextTable, LeavesOutAnOptionalColumnThatIsEmptyThroughout) {
  TextTable table(
      {{"NAME"}, {"VLAN", TextTable::Align::kLeft, true}, {"LAST"}});
  table.add({"a", "", "x"});
  EXPECT_EQ(table.render(), "NAME  LAST\na     x\n");
  table.add({"b", "100", "y"});
  EXPECT_EQ(table.render(), "NAME  VLAN  LAST\na     -     x\nb     100   y\n");
}

}  // namespace
}  // namespace pxegate
