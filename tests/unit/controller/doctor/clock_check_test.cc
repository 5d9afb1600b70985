// SPDX-License-Identifier: Apache-2.0
#include "controller/doctor/clock_check.h"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>

namespace pxegate {
namespace {

using Outcome = Finding::Outcome;
using std::chrono::seconds;

TEST(HttpDate, IsReadAsItIsWritten) {
  const auto read = http_date("Sun, 06 Nov 1994 08:49:37 GMT");
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, WallTime(seconds(784111777)));
  EXPECT_EQ(http_date("Thu, 01 Jan 1970 00:00:00 GMT"), WallTime());
}

TEST(HttpDate, IsNothingElse) {
  for (const char* text :
       {"", "now", "Sun, 06 Nov 1994", "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 GMT trailing",
        "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Foo 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT", "Sun, 06 Nov 1994 08:49:-7 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT"}) {
    EXPECT_FALSE(http_date(text)) << text;
  }
}

TEST(Clock, IsJudgedByWhatIsCertain) {
  const WallTime now(seconds(1'700'000'000));
  const struct {
    const char* name;
    std::optional<WallTime> server;
    bool synchronized;
    Outcome outcome;
    const char* seen;
  } rows[] = {
      {"the same", now, true, Outcome::kGood, "agrees"},
      {"its second was cut off", now - seconds(1), true, Outcome::kGood,
       "agrees"},
      {"a little ahead", now + seconds(9), true, Outcome::kGood, "agrees"},
      {"ahead", now + seconds(12), true, Outcome::kWarning,
       "10 s ahead of this host's"},
      {"behind", now - seconds(12), true, Outcome::kWarning,
       "11 s behind this host's"},
      {"far ahead", now + seconds(302), true, Outcome::kProblem, "tokens"},
      {"far behind", now - seconds(302), true, Outcome::kProblem, "tokens"},
      {"it tells nothing", std::nullopt, true, Outcome::kGood, "kept right"},
      {"nobody knows", std::nullopt, false, Outcome::kWarning, "nothing keeps"},
  };
  for (const auto& row : rows) {
    // The request took two seconds.
    const Finding finding =
        judge_clock(row.server, now, now + seconds(2), row.synchronized);
    EXPECT_EQ(finding.outcome, row.outcome) << row.name;
    EXPECT_NE(finding.seen.find(row.seen), std::string::npos)
        << row.name << ": " << finding.seen;
  }
}

}  // namespace
}  // namespace pxegate
