// SPDX-License-Identifier: Apache-2.0
#include "controller/app/event_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

#include "controller/app/reasons.h"
#include "tests/unit/controller/app/fake_backend.h"

namespace pxegate {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const FakeClock kClock;

class EventView : public ::testing::Test {
 protected:
  EventView() {
    setenv("TZ", "CET-1", 1);
    tzset();
    EventRecord event;
    static_cast<RequestRecord&>(event) = backend_.observations_.clients[0];
    event.time = std::chrono::hours(1) - std::chrono::milliseconds(1877);
    event.missed = 4;
    record_ = event;
  }
  ~EventView() override {
    unsetenv("TZ");
    tzset();
  }

  Json page() {
    EventLog log("run-7");
    log.add({record_}, kClock.now(), kClock.wall());
    return events_json(log.read({}), *backend_.policy().inventory,
                       Origin::kController, std::chrono::milliseconds(500));
  }
  Json event() { return page()["events"][0]; }

  FakeBackend backend_;
  EventRecord record_;
};

TEST_F(EventView, TheDocumentTellsARequestAndWhereToGoOn) {
  EXPECT_EQ(
      page().dump(),
      R"({"controller_running":true,"supported":true,"run":"run-7","last":1,)"
      R"("missed":0,"try_after":0.5,"events":[{"sequence":1,)"
      R"("time":"2026-11-21T19:59:58.123Z","address":"52:54:00:00:00:0b",)"
      R"("htype":1,"node":{"uuid":"0000-b","name":"rack1-n2"},)"
      R"("verdict":"deny","reason":"rule","relay":"198.51.100.1",)"
      R"("interface":"eth1","vlans":[],"ip_version":4,)"
      R"("message_type":"DISCOVER","architecture":"x86-64 UEFI","missed":4}]})");
}

TEST_F(EventView, ALineHasTheLocalTimeAndIsAligned) {
  EventLines lines;
  const std::string head = lines.header();
  const std::string line = lines.line(event());
  EXPECT_EQ(line,
            "2026-11-21 20:59:58.123  eth1       -     52:54:00:00:00:0b  "
            "rack1-n2  198.51.100.1  DISCOVER  x86-64 UEFI  deny     rule\n");
  EXPECT_EQ(head.find("INTERFACE"), line.find("eth1"));
  EXPECT_EQ(head.find("MAC"), line.find("52:54"));
}

TEST_F(EventView, ColumnsGrowAndStayWide) {
  EventLines lines;
  lines.make_room({event()});
  const std::string head = lines.header();
  EXPECT_EQ(head.find("TYPE"), lines.line(event()).find("DISCOVER"));
  record_.relay.clear();
  record_.architecture.clear();
  record_.vlans = {42, 7};
  const std::string line = lines.line(event());
  EXPECT_EQ(head.find("TYPE"), line.find("DISCOVER"));
  EXPECT_THAT(line, HasSubstr("  42.7  "));
}

TEST_F(EventView, NothingInALineCanSteerATerminal) {
  record_.address = "52:54:00:00:00:0c";  // its node has a hostile name
  record_.interface = "e\x1b[2J\n";
  const std::string line = EventLines().line(event());
  EXPECT_THAT(line, Not(HasSubstr("\x1b")));
  EXPECT_EQ(line.find('\n'), line.size() - 1);
}

TEST_F(EventView, ADocumentOfAnotherVersionShowsWhatItCan) {
  EXPECT_THAT(EventLines().line(Json::object()), HasSubstr("-"));
  EXPECT_THAT(EventLines().line(Json({{"time", "soon"}, {"vlans", "x"}})),
              HasSubstr("soon"));
}

TEST_F(EventView, AFilterNeedsAllThatItNames) {
  const Json denied = event();
  EventFilter filter;
  EXPECT_TRUE(filter.matches(denied));
  filter = {.denied = true,
            .address = mac("52:54:00:00:00:0b"),
            .relay = "198.51.100.1"};
  EXPECT_TRUE(filter.matches(denied));
  filter.relay = "198.51.100.2";
  EXPECT_FALSE(filter.matches(denied));
  filter.relay.clear();
  filter.address = mac("52:54:00:00:00:0a");
  EXPECT_FALSE(filter.matches(denied));
  record_.verdict = Verdict::kAllow;
  filter.address.reset();
  EXPECT_FALSE(filter.matches(event()));
}

TEST(Reasons, EachHasAMeaning) {
  for (const char* reason :
       {"rule", "unknown", "foreign_htype", "no_client_id", "malformed",
        "scope", "stale", "discovery", "relay_rate", "unknown_rate"}) {
    EXPECT_FALSE(explain_reason(reason).empty()) << reason;
  }
  EXPECT_EQ(explain_reason("of another version"), "");
}

}  // namespace
}  // namespace pxegate
