// SPDX-License-Identifier: Apache-2.0
#include "controller/doctor/clock_check.h"

#include <fmt/format.h>
#include <sys/timex.h>

#include <array>
#include <cstdio>
#include <ctime>
#include <string_view>

namespace pxegate {
namespace {

using std::chrono::seconds;

constexpr seconds kTolerable{10};
// Tokens and certificates are refused, or believed for too long.
constexpr seconds kHarmful{300};

}  // namespace

std::optional<WallTime> http_date(const std::string& text) {
  constexpr std::array<std::string_view, 12> kMonths{
      "Jan", "Feb", "Mar", "Apr", "May", "Jun",
      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::array<char, 4> month{};
  int day = 0;
  int year = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  int end = 0;
  // NOLINTNEXTLINE(cert-err34-c): what the numbers may be is checked below
  if (std::sscanf(text.c_str(), "%*3[A-Za-z], %2d %3s %4d %2d:%2d:%2d GMT%n",
                  &day, month.data(), &year, &hour, &minute, &second,
                  &end) != 6 ||
      end == 0 || static_cast<std::size_t>(end) != text.size()) {
    return std::nullopt;
  }
  unsigned number = 0;
  while (number < kMonths.size() && kMonths[number] != month.data()) ++number;
  const std::chrono::year_month_day date{
      std::chrono::year(year), std::chrono::month(number + 1),
      std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok() || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
      second < 0 || second > 60) {
    return std::nullopt;
  }
  return std::chrono::sys_days(date) + std::chrono::hours(hour) +
         std::chrono::minutes(minute) + seconds(second);
}

bool clock_is_synchronized() {
  timex state{};
  return ::adjtimex(&state) != TIME_ERROR && (state.status & STA_UNSYNC) == 0;
}

Finding judge_clock(const std::optional<WallTime>& server, WallTime before,
                    WallTime after, bool synchronized) {
  const std::string check = "clock";
  const std::string remedy =
      "keep the time of both hosts right with NTP (apt install chrony)";
  const std::string alone = synchronized
                                ? "this host's is kept right by NTP"
                                : "nothing keeps this host's right (NTP)";
  if (!server) {
    if (synchronized) return good(check, alone);
    return warning(check, alone, remedy);
  }
  // The server cuts its second off; what remains is the least that it is off.
  using Skew = WallTime::duration;
  Skew skew{0};
  if (*server + seconds(1) < before) skew = before - (*server + seconds(1));
  if (*server > after) skew = *server - after;
  if (skew < kTolerable) {
    return good(check,
                fmt::format("Ironic's agrees with this host's; {}", alone));
  }
  const std::string seen =
      fmt::format("Ironic's is {} s {} this host's; {}",
                  std::chrono::duration_cast<seconds>(skew).count(),
                  *server > after ? "ahead of" : "behind", alone);
  if (skew < kHarmful) return warning(check, seen, remedy);
  return problem(check, seen + ": tokens and certificates may be refused",
                 remedy);
}

}  // namespace pxegate
