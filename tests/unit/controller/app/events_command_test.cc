// SPDX-License-Identifier: Apache-2.0
#include "controller/app/events_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

#include "controller/app/control_api.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/controller/app/fake_backend.h"

namespace pxegate {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// What two threads write and a test waits for.
class Text {
 public:
  void add(const std::string& text) {
    const std::lock_guard lock(mutex_);
    text_ += text;
    changed_.notify_all();
  }
  bool wait_for(const std::string& part) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(
        lock, 30s, [&] { return text_.find(part) != std::string::npos; });
  }
  std::string all() const {
    const std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::string text_;
};

std::vector<EventRecord> events(std::size_t count,
                                Verdict verdict = Verdict::kDeny) {
  std::vector<EventRecord> out(count);
  for (std::size_t i = 0; i < count; ++i) {
    out[i].address = "52:54:00:00:00:0b";
    out[i].verdict = verdict;
    out[i].reason = "number" + std::to_string(i);
    out[i].time = 1h;
  }
  return out;
}

// The filter itself, as the commands read it; a test changes it meanwhile.
class Filter final : public ControlBackend {
 public:
  explicit Filter(FakeBackend& backend) : backend_(backend) {}
  ControllerStatus status() const override { return {}; }
  PolicyInForce policy() const override { return backend_.policy(); }
  Result<Observations> observe() const override { return Observations{}; }
  Result<EventPage> events(const EventQuery&) override {
    auto page = backend_.events({told_, "run-1", {}});
    if (page) told_ = page->last;
    return page;
  }
  Result<SyncOutcome> sync(const SyncRequest&) override { return fail("none"); }
  Result<> tear_down() override { return {}; }

 private:
  FakeBackend& backend_;
  std::uint64_t told_ = 0;
};

class EventsCommandTest : public ::testing::Test {
 protected:
  ~EventsCommandTest() override {
    if (command_.joinable()) stop_now();
  }

  void start_controller() {
    controller_ = std::make_unique<FakeBackend>();
    api_ = std::make_unique<ControlApi>(*controller_, clock_,
                                        ControlApiOptions{socket(), ""});
    ASSERT_TRUE(api_->start());
  }
  void end_controller() {
    controller_->events_.close();
    api_->stop();
    api_ = nullptr;
  }
  void add(FakeBackend& backend, std::vector<EventRecord> records) {
    backend.events_.add(std::move(records), clock_.now(), clock_.wall());
  }

  bool run(EventsCommand::Wishes wishes) {
    EventsCommand command(
        {.client = ControlClient(socket()),
         .offline = [this]() -> Result<std::unique_ptr<ControlBackend>> {
           if (!filter_there_) {
             return fail("no filter is in force", ErrorCode::kNotFound);
           }
           return std::make_unique<Filter>(filter_);
         },
         .stop = stop_.get_token(),
         .emit =
             [this](const std::string& text) {
               out_.add(text);
               return true;
             },
         .reader_left = [this] { return reader_left_.load(); },
         .complain =
             [this](const std::string& text) { err_.add(text + "\n"); }},
        std::move(wishes));
    return command.run();
  }
  void follow(EventsCommand::Wishes wishes = {}) {
    wishes.follow = true;
    command_ = std::thread([this, wishes] { good_ = run(wishes); });
  }
  bool stop_now() {
    stop_.request_stop();
    command_.join();
    return good_;
  }

  const testing::TempDir folder_;
  std::string socket() const { return folder_ / "pxegate.sock"; }
  const FakeClock clock_{};
  std::unique_ptr<FakeBackend> controller_;
  std::unique_ptr<ControlApi> api_;
  FakeBackend filter_;
  std::atomic<bool> filter_there_ = true;
  std::atomic<bool> reader_left_ = false;
  std::stop_source stop_;
  std::thread command_;
  std::atomic<bool> good_ = false;
  Text out_;
  Text err_;
};

TEST_F(EventsCommandTest, ShowsWhatTheControllerRemembersAndEnds) {
  start_controller();
  add(*controller_, events(20));
  EXPECT_TRUE(run({}));
  EXPECT_THAT(out_.all(), AllOf(HasSubstr("TIME"), HasSubstr("number0\n"),
                                HasSubstr("number19\n")));
  EXPECT_EQ(err_.all(), "");
}

TEST_F(EventsCommandTest, FollowingShowsTheLastFewAndWhatFalls) {
  start_controller();
  add(*controller_, events(20));
  follow();
  ASSERT_TRUE(out_.wait_for("number19"));
  EXPECT_THAT(out_.all(),
              AllOf(Not(HasSubstr("number9\n")), HasSubstr("number10\n")));
  add(*controller_, events(1));
  EXPECT_TRUE(out_.wait_for("number0\n"));
  EXPECT_TRUE(stop_now());
}

TEST_F(EventsCommandTest, AStopEndsItWhileItWaits) {
  start_controller();
  follow();
  ASSERT_TRUE(out_.wait_for("TIME"));
  auto stopped = std::async(std::launch::async, [this] { return stop_now(); });
  ASSERT_EQ(stopped.wait_for(60s), std::future_status::ready);
  EXPECT_TRUE(stopped.get());
  EXPECT_EQ(err_.all(), "");
}

TEST_F(EventsCommandTest, JsonIsOneObjectALine) {
  start_controller();
  auto two = events(2);
  two[1].missed = 3;
  add(*controller_, two);
  EXPECT_TRUE(run({.json = true}));
  std::istringstream lines(out_.all());
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const auto json = parse_json(line);
    ASSERT_TRUE(json) << line;
    EXPECT_EQ((*json)["reason"], "number" + std::to_string(count));
    EXPECT_EQ((*json)["missed"], count == 0 ? 0 : 3);
  }
  EXPECT_EQ(count, 2u);
}

TEST_F(EventsCommandTest, WhatTheFilterDidNotReportIsCounted) {
  start_controller();
  auto one = events(1);
  one[0].missed = 3;
  add(*controller_, one);
  EXPECT_TRUE(run({}));
  EXPECT_THAT(out_.all(), HasSubstr("... 3 verdicts not shown"));
}

TEST_F(EventsCommandTest, AFollowerThatIsTooSlowIsTold) {
  start_controller();
  add(*controller_, events(1));
  follow({.json = true});
  ASSERT_TRUE(out_.wait_for("number0"));
  add(*controller_, events(kKeptEvents + 5));
  EXPECT_TRUE(out_.wait_for("{\"missed\":5}\n"));
  EXPECT_TRUE(stop_now());
}

TEST_F(EventsCommandTest, AFilterHidesTheRest) {
  start_controller();
  add(*controller_, events(3, Verdict::kAllow));
  auto denied = events(1);
  denied[0].reason = "rule";
  add(*controller_, denied);
  EXPECT_TRUE(run({.filter = {.denied = true}}));
  EXPECT_THAT(out_.all(), AllOf(HasSubstr("rule"), Not(HasSubstr("number"))));
}

TEST_F(EventsCommandTest, WithoutAControllerTheFilterItselfIsRead) {
  add(filter_, events(2));
  EXPECT_TRUE(run({}));
  EXPECT_THAT(out_.all(), HasSubstr("number1"));
  EXPECT_THAT(err_.all(), HasSubstr("no controller runs"));
}

TEST_F(EventsCommandTest, WithoutControllerAndFilterItFails) {
  filter_there_ = false;
  EXPECT_FALSE(run({}));
  EXPECT_FALSE(run({.follow = true}));
  EXPECT_THAT(err_.all(), AllOf(HasSubstr("no controller runs at"),
                                HasSubstr("no filter is in force")));
}

TEST_F(EventsCommandTest, ADriverWithoutEventsIsAnError) {
  filter_.events_error_ = Error("this driver does not see requests");
  EXPECT_FALSE(run({.follow = true}));
  EXPECT_THAT(err_.all(), HasSubstr("does not see requests"));
}

TEST_F(EventsCommandTest, GoesFromTheFilterToTheControllerAndBack) {
  follow();
  ASSERT_TRUE(err_.wait_for("no controller runs"));
  add(filter_, events(1));
  ASSERT_TRUE(out_.wait_for("number0\n"));
  start_controller();
  ASSERT_TRUE(err_.wait_for("a controller runs"));
  auto more = events(1);
  more[0].reason = "fromthecontroller";
  add(*controller_, more);
  ASSERT_TRUE(out_.wait_for("fromthecontroller"));
  end_controller();
  more[0].reason = "fromthefilter";
  add(filter_, more);
  EXPECT_TRUE(out_.wait_for("fromthefilter"));
  EXPECT_TRUE(stop_now());
}

TEST_F(EventsCommandTest, SurvivesARestartOfTheController) {
  filter_there_ = false;
  start_controller();
  add(*controller_, events(5));
  follow();
  ASSERT_TRUE(out_.wait_for("number4"));
  end_controller();
  ASSERT_TRUE(err_.wait_for("waiting for a controller"));
  start_controller();
  auto after = events(1);
  after[0].reason = "afterwards";
  add(*controller_, after);
  EXPECT_TRUE(out_.wait_for("afterwards"));
  EXPECT_TRUE(stop_now());
}

TEST_F(EventsCommandTest, AReaderThatHasGoneEndsItQuietly) {
  start_controller();
  follow();
  ASSERT_TRUE(out_.wait_for("TIME"));
  reader_left_ = true;
  add(*controller_, events(1));
  command_.join();
  EXPECT_TRUE(good_);
  EXPECT_EQ(err_.all(), "");
}

}  // namespace
}  // namespace pxegate
