// SPDX-License-Identifier: Apache-2.0
#include "controller/base/text.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>

namespace pxegate {
namespace {

using namespace std::string_view_literals;

TEST(Quoted, IsSafeToPrintAndToRead) {
  const struct {
    std::string_view text;
    std::string_view expected;
  } cases[] = {
      {"", R"("")"},
      {"node-1", R"("node-1")"},
      {R"(say "hi")", R"("say \"hi\"")"},
      {R"(a\b)", R"("a\\b")"},
      {"two\nlines", R"("two\x0alines")"},
      {"nul\0here"sv, R"("nul\x00here")"},
      {"\x1b[2J", R"("\x1b[2J")"},
      {"del\x7f", R"("del\x7f")"},
      {"\xc3\xa9", R"("\xc3\xa9")"},
      {"{}", R"("{}")"},
  };
  for (const auto& row : cases) EXPECT_EQ(quoted(row.text), row.expected);
}

TEST(Quoted, ShortensWhatIsLongerThanTheLimit) {
  EXPECT_EQ(quoted("abcd", 4), R"("abcd")");
  EXPECT_EQ(quoted("abcde", 4), R"("abcd…")");
  EXPECT_EQ(quoted("abc", 0), R"("…")");
  EXPECT_EQ(pxegate::quoted(std::string(80, 'x')).find("…"), std::string::npos);
  EXPECT_NE(pxegate::quoted(std::string(81, 'x')).find("…"), std::string::npos);
}

RC_GTEST_PROP(Quoted, NothingUnprintableGetsThrough, (const std::string& s)) {
  const std::string out = pxegate::quoted(s, s.size());
  RC_ASSERT(std::ranges::all_of(
      out, [](unsigned char c) { return c >= 0x20 && c < 0x7f; }));
}

RC_GTEST_PROP(Quoted, DifferentTextsStayDifferent,
              (const std::string& a, const std::string& b)) {
  const auto limit = std::max(a.size(), b.size());
  RC_ASSERT((pxegate::quoted(a, limit) == pxegate::quoted(b, limit)) ==
            (a == b));
}

TEST(ControlCharacters, AreFoundAnywhere) {
  for (const auto text : {"\n"sv, "a\0b"sv, "\x1f"sv, "end\x7f"sv}) {
    EXPECT_TRUE(has_control_characters(text)) << pxegate::quoted(text);
  }
  for (const auto text : {""sv, " ~"sv, "inspect wait"sv, "\xc3\xa9"sv}) {
    EXPECT_FALSE(has_control_characters(text)) << pxegate::quoted(text);
  }
}

TEST(LowerCase, ChangesLettersOfAsciiOnly) {
  EXPECT_EQ(lower_case("RabbitMQ-1 @[`{"), "rabbitmq-1 @[`{");
  EXPECT_EQ(lower_case("\xc3\x89"), "\xc3\x89");
}

TEST(PercentEncoded, LeavesWhatIsUnreserved) {
  EXPECT_EQ(percent_encoded("aZ09-._~"), "aZ09-._~");
  EXPECT_EQ(percent_encoded("inspect wait&x=1/%\xff"),
            "inspect%20wait%26x%3D1%2F%25%FF");
  EXPECT_EQ(percent_encoded("a,b/c", ","), "a,b%2Fc");
}

}  // namespace
}  // namespace pxegate
