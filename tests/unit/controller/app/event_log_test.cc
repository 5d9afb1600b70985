// SPDX-License-Identifier: Apache-2.0
#include "controller/app/event_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <numeric>
#include <thread>

namespace pxegate {
namespace {

using namespace std::chrono_literals;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr Monotonic kNow{1h};
constexpr WallTime kWall{1'795'291'200s};

std::vector<EventRecord> events(std::size_t count) {
  std::vector<EventRecord> out(count);
  for (EventRecord& event : out) event.time = 1h;
  return out;
}

class EventLogTest : public ::testing::Test {
 protected:
  void add(std::size_t count) { log_.add(events(count), kNow, kWall); }
  EventPage after(std::uint64_t sequence,
                  std::chrono::milliseconds wait = 0ms) {
    return log_.read({sequence, "run", wait});
  }

  EventLog log_{"run"};
};

TEST_F(EventLogTest, TellsEachReaderWhatIsNewToIt) {
  add(3);
  const EventPage all = log_.read({});
  ASSERT_THAT(all.events, SizeIs(3));
  EXPECT_EQ(all.events[0]->sequence, 1u);
  EXPECT_EQ(all.last, 3u);
  EXPECT_EQ(all.run, "run");
  const EventPage rest = after(2);
  ASSERT_THAT(rest.events, SizeIs(1));
  EXPECT_EQ(rest.events[0]->sequence, 3u);
  EXPECT_THAT(after(3).events, IsEmpty());
  EXPECT_THAT(after(0).events, SizeIs(3)) << "reading takes nothing away";
}

TEST_F(EventLogTest, KeepsTheLatestAndCountsWhatASlowReaderMissed) {
  add(10);
  add(kKeptEvents);
  const EventPage page = after(4);
  EXPECT_THAT(page.events, SizeIs(kKeptEvents));
  EXPECT_EQ(page.events.front()->sequence, 11u);
  EXPECT_EQ(page.missed, 6u);
  EXPECT_EQ(after(10).missed, 0u);
  EXPECT_EQ(after(0).missed, 10u) << "it knew the run when it was empty";
  EXPECT_EQ(log_.read({}).missed, 0u) << "it never asked before";
}

TEST_F(EventLogTest, AnotherRunsNumbersMeanNothing) {
  add(2);
  const EventPage page = log_.read({2, "another", 0ms});
  EXPECT_THAT(page.events, SizeIs(2));
  EXPECT_EQ(page.missed, 0u);
  EXPECT_THAT(after(99).events, SizeIs(2)) << "nor do made-up ones";
}

TEST_F(EventLogTest, SaysWhenItFellByTheClockOnTheWall) {
  auto two = events(2);
  two[0].time = 1h - 1500ms;
  two[1].time = 1h + 1s;  // between the two readings of the clocks
  log_.add(two, kNow, kWall);
  const EventPage page = log_.read({});
  EXPECT_EQ(page.events[0]->time, kWall - 1500ms);
  EXPECT_EQ(page.events[1]->time, kWall);
}

TEST_F(EventLogTest, WaitsForTheNext) {
  add(1);
  auto page = std::async(std::launch::async, [this] { return after(1, 60s); });
  EXPECT_EQ(page.wait_for(50ms), std::future_status::timeout);
  add(1);
  ASSERT_EQ(page.wait_for(30s), std::future_status::ready);
  EXPECT_THAT(page.get().events, SizeIs(1));
}

TEST_F(EventLogTest, DoesNotWaitWhereThereAreSomeAlready) {
  add(1);
  auto page = std::async(std::launch::async, [this] { return after(0, 600s); });
  ASSERT_EQ(page.wait_for(30s), std::future_status::ready);
}

TEST_F(EventLogTest, ClosingEndsAllWaiting) {
  auto one = std::async(std::launch::async, [this] { return after(0, 600s); });
  auto two = std::async(std::launch::async, [this] { return after(0, 600s); });
  log_.close();
  ASSERT_EQ(one.wait_for(30s), std::future_status::ready);
  ASSERT_EQ(two.wait_for(30s), std::future_status::ready);
  EXPECT_THAT(one.get().events, IsEmpty());
  EXPECT_THAT(after(0, 600s).events, IsEmpty());
}

}  // namespace
}  // namespace pxegate
