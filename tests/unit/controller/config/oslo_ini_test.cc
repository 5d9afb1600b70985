// SPDX-License-Identifier: Apache-2.0
#include "controller/config/oslo_ini.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace pxegate {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

// The value of the only entry of a text that is right.
std::string only_value(std::string_view text) {
  const IniFile file = parse_oslo_ini(text);
  EXPECT_THAT(file.problems, IsEmpty());
  EXPECT_THAT(file.entries, SizeIs(1));
  return file.entries.size() == 1 ? file.entries[0].value : "none";
}

// The only problem of a text, as "line: message".
std::string only_problem(std::string_view text) {
  const IniFile file = parse_oslo_ini(text);
  EXPECT_THAT(file.problems, SizeIs(1));
  if (file.problems.size() != 1) return "none";
  return std::to_string(file.problems[0].line) + ": " +
         file.problems[0].message;
}

TEST(OsloIni, EntriesKeepOrderSectionAndLine) {
  const IniFile file =
      parse_oslo_ini("[a]\nx = 1\n\n# note\n[b]\ny: 2\n[a]\nx = 3\n");
  EXPECT_THAT(file.problems, IsEmpty());
  EXPECT_THAT(file.entries, ElementsAre(IniEntry{"a", "x", "1", 2},
                                        IniEntry{"b", "y", "2", 6},
                                        IniEntry{"a", "x", "3", 8}));
  EXPECT_THAT(file.sections, ElementsAre(IniSection{"a", 1}, IniSection{"b", 5},
                                         IniSection{"a", 7}));
}

TEST(OsloIni, TheFirstOfColonAndEqualsEndsTheKey) {
  EXPECT_EQ(only_value("[a]\nurl = http://host:1\n"), "http://host:1");
  EXPECT_EQ(only_value("[a]\nurl: a=b\n"), "a=b");
}

TEST(OsloIni, NothingAfterTheValueIsAComment) {
  EXPECT_EQ(only_value("[a]\nx = 1 # one ; more\n"), "1 # one ; more");
}

TEST(OsloIni, HashAndSemicolonStartCommentsInTheFirstColumn) {
  const IniFile file = parse_oslo_ini("#x = 1\n;y = 2\n[a]\n# z\n");
  EXPECT_THAT(file.problems, IsEmpty());
  EXPECT_THAT(file.entries, IsEmpty());
}

TEST(OsloIni, KeysAndSectionsKeepTheirCase) {
  const IniFile file = parse_oslo_ini("[Aa]\nKey = 1\n");
  EXPECT_THAT(file.entries, ElementsAre(IniEntry{"Aa", "Key", "1", 2}));
}

TEST(OsloIni, ALineThatStartsWithABlankContinuesTheValue) {
  EXPECT_EQ(only_value("[a]\nx = 1,\n  2,\n\t3  \n"), "1,\n2,\n3");
  EXPECT_EQ(only_value("[a]\nx =\n  1\n"), "\n1");
  EXPECT_EQ(only_value("[a]\nx = 1\n  # not a comment\n  y = 2\n"),
            "1\n# not a comment\ny = 2");
}

TEST(OsloIni, AnEmptyLineACommentOrASectionEndsTheValue) {
  EXPECT_THAT(only_problem("[a]\nx = 1\n\n  2\n"), HasSubstr("4: "));
  EXPECT_THAT(only_problem("[a]\nx = 1\n# c\n  2\n"), HasSubstr("4: "));
  EXPECT_THAT(only_problem("[a]\nx = 1\n[b]\n  2\n"),
              HasSubstr("4: starts with a blank"));
}

TEST(OsloIni, OnePairOfEqualQuotesAroundTheFirstLineIsDropped) {
  EXPECT_EQ(only_value("[a]\nx = \" 1 \"\n"), " 1 ");
  EXPECT_EQ(only_value("[a]\nx = '1'\n"), "1");
  EXPECT_EQ(only_value("[a]\nx = '\"1\"'\n"), "\"1\"");
  EXPECT_EQ(only_value("[a]\nx = \"1'\n"), "\"1'");
  EXPECT_EQ(only_value("[a]\nx = \"\n"), "");
  EXPECT_EQ(only_value("[a]\nx = \"a\", \"b\"\n"), "a\", \"b");
  EXPECT_EQ(only_value("[a]\nx = 1\n \"2\"\n"), "1\n\"2\"");
}

TEST(OsloIni, AnyLineEndWillDo) {
  for (const std::string end : {"\n", "\r\n", "\r"}) {
    const IniFile file =
        parse_oslo_ini("[a]" + end + "x = 1" + end + " 2" + end + "y = 3");
    EXPECT_THAT(file.entries, ElementsAre(IniEntry{"a", "x", "1\n2", 2},
                                          IniEntry{"a", "y", "3", 4}));
  }
}

TEST(OsloIni, AByteOrderMarkIsSkipped) {
  EXPECT_EQ(only_value("\xef\xbb\xbf[a]\nx = 1\n"), "1");
}

TEST(OsloIni, BytesThatAreNoAsciiStayAsTheyAre) {
  EXPECT_EQ(only_value("[a]\nx = \xc3\xa4\xff\n"), "\xc3\xa4\xff");
}

TEST(OsloIni, AnEmptyTextHasNothingInIt) {
  EXPECT_THAT(parse_oslo_ini("").entries, IsEmpty());
  EXPECT_THAT(parse_oslo_ini("").problems, IsEmpty());
}

TEST(OsloIni, WhatIsNoAssignmentIsAProblem) {
  EXPECT_THAT(only_problem("[a]\nx = 1\nhello\n"), HasSubstr("3: is neither"));
  EXPECT_THAT(only_problem("[a]\n = 1\n"), HasSubstr("2: starts with a blank"));
  EXPECT_THAT(only_problem("[a]\n: 1\n"), HasSubstr("2: has no option name"));
}

TEST(OsloIni, AnOptionWithoutASectionIsAProblem) {
  EXPECT_THAT(only_problem("x = 1\n"), HasSubstr("1: an option needs a"));
}

TEST(OsloIni, ASectionMustEndInItsBracketAndHaveAName) {
  EXPECT_THAT(only_problem("[a\n"), HasSubstr("1: a section must end"));
  EXPECT_THAT(only_problem("[a] # c\n"), HasSubstr("1: a section must end"));
  EXPECT_THAT(only_problem("[]\n"), HasSubstr("1: the section has no name"));
  EXPECT_THAT(only_problem("[\n"), HasSubstr("1: a section must end"));
}

TEST(OsloIni, OptionsBelowABadSectionBelongToNoOther) {
  const IniFile file = parse_oslo_ini("[a]\nx = 1\n[b\ny = 2\n  3\n");
  EXPECT_THAT(file.problems, SizeIs(1));
  EXPECT_THAT(file.entries, ElementsAre(IniEntry{"a", "x", "1", 2}));
}

TEST(OsloIni, ANulByteIsAProblem) {
  using std::string_literals::operator""s;
  EXPECT_THAT(only_problem("[a]\nx = 1\0 2\n"s), HasSubstr("2: holds a NUL"));
}

TEST(OsloIni, AllProblemsAreToldAndReadingGoesOn) {
  const IniFile file = parse_oslo_ini("[a]\nbad\nx = 1\nworse\n");
  EXPECT_THAT(file.problems, SizeIs(2));
  EXPECT_THAT(file.entries, ElementsAre(IniEntry{"a", "x", "1", 3}));
}

TEST(OsloIni, AfterTooManyProblemsItStops) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "bad\n";
  const IniFile file = parse_oslo_ini(text);
  ASSERT_THAT(file.problems, SizeIs(kMaxIniProblems + 1));
  EXPECT_THAT(file.problems.back().message, HasSubstr("too many problems"));
}

TEST(OsloIni, AProblemDoesNotQuoteTheLine) {
  EXPECT_THAT(only_problem("[a]\npassword hunter2\n"),
              Not(HasSubstr("hunter2")));
}

// A name or a line of a value: no blanks at its ends, no character that
// would end it.
rc::Gen<std::string> gen_word(const std::string& others) {
  return rc::gen::nonEmpty(rc::gen::container<std::string>(
      rc::gen::elementOf(std::string("abcXYZ019_-.\xc3\xa4") + others)));
}

RC_GTEST_PROP(OsloIni, WhatIsWrittenIsReadBack, ()) {
  const auto entries = *rc::gen::container<std::vector<IniEntry>>(rc::gen::map(
      rc::gen::tuple(
          gen_word("=:[]#"), gen_word("[]#;"),
          rc::gen::container<std::vector<std::string>>(gen_word("=:[]#;\"'$"))),
      [](const auto& parts) {
        IniEntry entry;
        entry.section = std::get<0>(parts);
        entry.key = "k" + std::get<1>(parts);
        for (const std::string& line : std::get<2>(parts)) {
          if (!entry.value.empty()) entry.value += '\n';
          entry.value += line;
        }
        return entry;
      }));
  const std::string sign = *rc::gen::element<std::string>(" = ", "=", ": ");
  const std::string end = *rc::gen::element<std::string>("\n", "\r\n");
  std::string text;
  for (const IniEntry& entry : entries) {
    text += "[" + entry.section + "]" + end + "# comment" + end + entry.key +
            sign + "'";
    bool first = true;
    std::string line;
    for (const char c : entry.value + "\n") {
      if (c != '\n') {
        line += c;
        continue;
      }
      text += (first ? "" : "  ") + line + (first ? "'" : "") + end;
      line.clear();
      first = false;
    }
  }
  const IniFile file = parse_oslo_ini(text);
  RC_ASSERT(file.problems.empty());
  RC_ASSERT(file.entries.size() == entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    RC_ASSERT(file.entries[i].section == entries[i].section);
    RC_ASSERT(file.entries[i].key == entries[i].key);
    RC_ASSERT(file.entries[i].value == entries[i].value);
  }
}

}  // namespace
}  // namespace pxegate
