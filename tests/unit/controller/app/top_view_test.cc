// SPDX-License-Identifier: Apache-2.0
#include "controller/app/top_view.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <sstream>
#include <string>
#include <vector>

namespace pxegate {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

Json clients(std::uint64_t allowed, std::uint64_t dropped,
             std::vector<std::string> relays = {"192.0.2.1"}) {
  Json json = {{"supported", true},
               {"clients", {{{"age", 0.5}}}},
               {"relays", Json::array()},
               {"counters",
                {{{"verdict", "allow"}, {"packets", allowed}},
                 {{"verdict", "deny"}, {"packets", dropped}}}}};
  for (const std::string& relay : relays) {
    json["relays"].push_back({{"relay", relay},
                              {"allowed", allowed},
                              {"dropped", dropped},
                              {"age", 1.0}});
  }
  return json;
}

Json status() {
  return {{"controller_running", true},
          {"healthy", true},
          {"policy", {{"allowed", 1}, {"denied", 2}, {"unknown", "deny"}}},
          {"driver",
           {{"name", "xdp"},
            {"rules", 3},
            {"targets",
             {{{"name", "eth1"}, {"active", true}, {"mode", "native"}}}}}},
          {"inventory", {{"nodes", 1}, {"being_inspected", 1}}}};
}

Json events(std::uint64_t last, std::vector<std::string> addresses) {
  Json json = {{"run", "r1"}, {"last", last}, {"events", Json::array()}};
  for (const std::string& address : addresses) {
    json["events"].push_back({{"time", "2026-11-22T10:00:00.000Z"},
                              {"address", address},
                              {"verdict", "deny"},
                              {"reason", "rule"}});
  }
  return json;
}

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

TEST(TopView, ShowsRatesFromTheSecondLookOn) {
  TopView view;
  view.set_status(status());
  view.add_clients(clients(10, 100), Monotonic(seconds(100)));
  EXPECT_THAT(view.render({}), HasSubstr("all requests          -          -"));
  view.add_clients(clients(15, 200), Monotonic(seconds(102)));
  const std::string text = view.render({});
  EXPECT_THAT(text, StartsWith("healthy: "));
  EXPECT_THAT(text, HasSubstr("xdp eth1 (native); 3 rules; 1 of 1 node being"));
  EXPECT_THAT(text, HasSubstr("192.0.2.1           2.5       50.0       15"));
}

TEST(TopView, StartsAnewWhereCountersWentBack) {
  TopView view;
  view.add_clients(clients(10, 100), Monotonic(seconds(100)));
  view.add_clients(clients(0, 0), Monotonic(seconds(101)));
  EXPECT_THAT(view.render({}), HasSubstr("192.0.2.1             -          -"));
}

TEST(TopView, ForgetsRelaysThatAreGone) {
  TopView view;
  view.add_clients(clients(1, 1, {"192.0.2.1", "192.0.2.2"}), Monotonic());
  view.add_clients(clients(1, 1, {"192.0.2.2"}), Monotonic(seconds(1)));
  EXPECT_THAT(view.render({}), Not(HasSubstr("192.0.2.1 ")));
  EXPECT_THAT(view.render({}), HasSubstr("192.0.2.2 "));
}

TEST(TopView, ShowsTheLatestVerdictFirst) {
  TopView view;
  view.add_clients(clients(1, 1), Monotonic());
  view.add_events(events(2, {"52:54:00:00:00:01", "52:54:00:00:00:02"}));
  view.add_events(events(3, {"52:54:00:00:00:03"}));
  EXPECT_EQ(view.last_event(), 3U);
  EXPECT_EQ(view.run(), "r1");
  const std::string text = view.render({});
  EXPECT_LT(text.find(":03"), text.find(":02"));
  EXPECT_LT(text.find(":02"), text.find(":01"));
}

TEST(TopView, FitsEveryTerminal) {
  TopView view;
  view.set_status(status());
  std::vector<std::string> relays;
  std::vector<std::string> addresses;
  for (int i = 0; i < 60; ++i) {
    relays.push_back(fmt::format("192.0.2.{}", i));
    addresses.push_back(fmt::format("52:54:00:00:00:{:02x}", i));
  }
  view.add_clients(clients(1, 1, relays), Monotonic());
  view.add_events(events(60, addresses));
  for (const std::size_t rows : {1U, 2U, 5U, 10U, 24U, 60U, 200U}) {
    for (const std::size_t columns : {1U, 20U, 80U, 200U}) {
      const auto shown = lines(view.render(TerminalSize{rows, columns}));
      EXPECT_LT(shown.size(), std::max<std::size_t>(rows, 2)) << rows;
      for (const std::string& line : shown) EXPECT_LE(line.size(), columns);
    }
  }
  // Of a usual one each part has its share.
  const std::string usual = view.render(TerminalSize{24, 100});
  EXPECT_EQ(lines(usual).size(), 23U) << usual;
  EXPECT_THAT(usual, HasSubstr("more relays"));
  EXPECT_GE(std::ranges::count(usual, '\n'), 20);
  EXPECT_THAT(usual, HasSubstr("52:54:00:00:00:3b"));
}

TEST(TopView, PutsTheBusiestRelayFirst) {
  TopView view;
  Json quiet = clients(1, 1, {"192.0.2.1", "192.0.2.2"});
  view.add_clients(quiet, Monotonic());
  quiet["relays"][1]["dropped"] = 500;
  view.add_clients(quiet, Monotonic(seconds(1)));
  const std::string text = view.render({});
  EXPECT_LT(text.find("192.0.2.2"), text.find("192.0.2.1"));
  EXPECT_LT(text.find("all requests"), text.find("192.0.2.2"));
}

TEST(TopView, ShowsNothingUnescaped) {
  TopView view;
  Json hostile = status();
  hostile["driver"]["name"] = "\x1b[2J";
  view.set_status(hostile);
  view.add_clients(clients(1, 1, {"\x1b[31m"}), Monotonic());
  view.add_events(events(1, {"\x1b]0;title\x07"}));
  view.set_problem("no\x1b answer");
  for (const char c : view.render({})) {
    EXPECT_TRUE(c == '\n' || (c >= 0x20 && c < 0x7f)) << static_cast<int>(c);
  }
}

TEST(TopView, TakesWhateverItIsGiven) {
  TopView view;
  for (const char* text : {"null", "[]", "{}", "3", R"({"relays": 1})",
                           R"({"relays": [1, {"relay": 2}], "events": [7]})",
                           R"({"driver": [], "sync": 3})"}) {
    const Json json = parse_json(text).value();
    view.set_status(json);
    view.add_clients(json, Monotonic());
    view.add_events(json);
    EXPECT_FALSE(view.render(TerminalSize{24, 80}).empty()) << text;
  }
}

TEST(TopView, SaysWhereTheDriverSeesNothing) {
  TopView view;
  view.set_status(status());
  view.add_clients({{"supported", false}}, Monotonic());
  EXPECT_THAT(view.render({}), HasSubstr("sees no packets"));
}

}  // namespace
}  // namespace pxegate
