// SPDX-License-Identifier: Apache-2.0
// What a source or a driver that fails may and may not do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/base/fd.h"
#include "controller/base/log.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/controller/app/sync_loop_fixture.h"

namespace pxegate {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::mac;
using testing::make_port;

class SyncLoopFailuresTest : public ::testing::Test,
                             public testing::SyncLoopFixture {
 protected:
  std::vector<std::string> driver_calls_since(std::size_t from) const {
    return {filter_.calls.begin() + static_cast<std::ptrdiff_t>(from),
            filter_.calls.end()};
  }
};

TEST_F(SyncLoopFailuresTest, WhileIronicFailsThePolicyStaysAndGetsStale) {
  ironic_.truth.set_state("n1", "inspecting");
  settle();
  const auto in_force = filter_.policy;
  fail_calls("");
  ironic_.truth.set_state("n1", "active");
  run_for(9s);
  EXPECT_FALSE(status().stale);
  run_for(2s);
  EXPECT_TRUE(status().stale);
  EXPECT_EQ(loop_->stale_from(), clock_.now() - 1s);
  const auto as_of = status().last_poll;
  run_for(1h);
  EXPECT_EQ(filter_.policy, in_force);
  auto now = status();
  EXPECT_TRUE(now.stale);
  EXPECT_TRUE(now.synced);
  EXPECT_EQ(now.last_poll, as_of);
  EXPECT_EQ(now.sources[0].last_error, "503 Service Unavailable");
  EXPECT_EQ(now.sources[0].endpoint, "http://ironic");
  EXPECT_FALSE(now.sources[0].login);
  ironic_.login = SourceLogin{"pxegate", "system"};
  EXPECT_EQ(status().sources[0].login, ironic_.login);
  EXPECT_GT(now.sources[0].consecutive_failures, 60U);

  heal_calls();
  run_for(31s);
  now = status();
  EXPECT_FALSE(now.stale);
  EXPECT_EQ(now.sources[0].consecutive_failures, 0U);
  EXPECT_FALSE(allows(1));
}

// Keystone refused the login, and nobody asks it again for a quarter of an
// hour; then somebody corrects that.
TEST_F(SyncLoopFailuresTest, ARequestOrNewOptionsTryTheLoginAgainAtOnce) {
  settle();
  fail_calls("", Error("HTTP 401", ErrorCode::kPermission).retry_after(15min));
  run_for(1min);
  EXPECT_EQ(ironic_.login_retries, 0);
  EXPECT_GT(status().sources[0].consecutive_failures, 0U);
  loop_->reconfigure(options_);
  EXPECT_EQ(ironic_.login_retries, 1);
  heal_calls();
  settle();
  EXPECT_EQ(status().sources[0].consecutive_failures, 0U);

  fail_calls("", Error("HTTP 401", ErrorCode::kPermission).retry_after(15min));
  run_for(1min);
  heal_calls();
  request();
  EXPECT_EQ(ironic_.login_retries, 2);
  settle();
  ASSERT_TRUE(answer_);
  EXPECT_TRUE(*answer_);
  EXPECT_EQ(status().sources[0].consecutive_failures, 0U);
  // As long as nothing fails there is nothing to try.
  loop_->reconfigure(options_);
  EXPECT_EQ(ironic_.login_retries, 2);
}

TEST_F(SyncLoopFailuresTest, WhileIronicFailsItIsAskedLessAndLess) {
  settle();
  fail_calls("");
  run_for(1h);
  const auto calls = ironic_.calls.size();
  run_for(1h);
  EXPECT_LE(ironic_.calls.size() - calls, 2U * 3600 / 15 + 2);
  EXPECT_GE(ironic_.calls.size() - calls, 2U * 3600 / 30 - 2);
}

TEST_F(SyncLoopFailuresTest, AFailingPollComesNoMoreOftenThanTheInterval) {
  settle();
  fail_calls("state ");
  const auto polls = ironic_.count("state inspecting");
  run_for(6s);
  EXPECT_LE(ironic_.count("state inspecting") - polls, 3);
}

TEST_F(SyncLoopFailuresTest, RetryAfterIsHonoured) {
  settle();
  fail_calls("", Error("429", ErrorCode::kUnavailable).retry_after(20s));
  run_for(2s);
  const auto polls = ironic_.count("state ");
  run_for(19s);
  EXPECT_EQ(ironic_.count("state "), polls);
  run_for(2s);
  EXPECT_EQ(ironic_.count("state "), polls + 1);
}

TEST_F(SyncLoopFailuresTest, RetryAfterPutsOffPollsForHalfAMinuteAtMost) {
  settle();
  fail_calls("", Error("429", ErrorCode::kUnavailable).retry_after(300s));
  run_for(15s);
  const auto lists = ironic_.count("nodes ");
  heal_calls();
  ironic_.truth.set_state("n1", "inspecting");
  run_for(31s);
  EXPECT_TRUE(allows(1));
  EXPECT_EQ(ironic_.count("nodes "), lists) << "a full list waits longer";
}

TEST_F(SyncLoopFailuresTest, RetryAfterPutsOffANodesPortsForHalfAMinuteAtMost) {
  settle();
  ironic_.truth.ports.push_back(make_port("p4", "n1", mac(4)));
  ironic_.truth.set_state("n1", "inspecting");
  bool failed = false;
  ironic_.before_call = [&](const std::string& call) -> std::optional<Error> {
    if (call.starts_with("state ")) return std::nullopt;
    if (call.starts_with("of ") && std::exchange(failed, true)) return {};
    return Error("429", ErrorCode::kUnavailable).retry_after(300s);
  };
  run_for(33s);
  EXPECT_EQ(filter_.policy.find(mac(4)), Verdict::kAllow);
}

TEST_F(SyncLoopFailuresTest, BeingToldToStopIsNoFailure) {
  const testing::TempDir dir;
  const std::string file = dir / "log";
  settle();
  ASSERT_TRUE(log::configure(log::Level::kInfo, file));
  fail_calls("", Error("stopped", ErrorCode::kCancelled));
  run_for(20s);
  ASSERT_TRUE(log::configure(log::Level::kInfo, ""));
  EXPECT_EQ(read_file(file).value(), "");
  EXPECT_EQ(status().sources[0].consecutive_failures, 0U);
  EXPECT_EQ(status().sources[0].last_error, "");
}

TEST_F(SyncLoopFailuresTest, PagesThatHangCostATenthOfTheTimeAtMost) {
  settle();
  fail_calls("nodes ", Error("timed out", ErrorCode::kUnavailable));
  ironic_.page_cost = 30s;
  run_for(15s);
  const auto pages = ironic_.count("nodes ");
  run_for(50min);
  EXPECT_GE(ironic_.count("nodes ") - pages, 8);
  EXPECT_LE(ironic_.count("nodes ") - pages, 11);
}

class SyncLoopInspectorFailuresTest : public ::testing::Test,
                                      public testing::SyncLoopFixture {
 protected:
  SyncLoopInspectorFailuresTest() : SyncLoopFixture(true) {}

  void hang_for(std::chrono::seconds timeout) {
    inspector_.before_call = [this, timeout] { clock_.advance(timeout); };
    inspector_.error = Error("timed out", ErrorCode::kUnavailable);
  }
};

TEST_F(SyncLoopInspectorFailuresTest, OneThatHangsCostsATenthOfTheTimeAtMost) {
  settle();
  hang_for(5s);
  run_for(10s);
  const int calls = inspector_.calls;
  const auto polls = ironic_.count("state inspecting");
  run_for(1000s);
  EXPECT_GE(inspector_.calls - calls, 18);
  EXPECT_LE(inspector_.calls - calls, 21);
  EXPECT_GE(ironic_.count("state inspecting") - polls, 440);
}

TEST_F(SyncLoopInspectorFailuresTest, OneThatHangsIsWaitedForBeforeItsFirst) {
  hang_for(20s);
  run_for(10min);
  EXPECT_EQ(syncs(), 0U);
  EXPECT_GE(inspector_.calls, 10) << "nothing can be done without it";
}

TEST_F(SyncLoopFailuresTest, ARequestIsTriedAtOnceAndAnsweredWithTheError) {
  settle();
  fail_calls("");
  run_for(10min);
  request();
  settle();
  ASSERT_TRUE(answer_);
  ASSERT_FALSE(*answer_);
  EXPECT_EQ(answer_->error().message(), "503 Service Unavailable");
  heal_calls();
  request();
  settle();
  ASSERT_TRUE(answer_);
  EXPECT_TRUE(*answer_);
}

TEST_F(SyncLoopFailuresTest, AListThatWaitsForAPollThatFailsAnswersWithIt) {
  settle();
  fail_calls("state ");
  request();
  settle();
  ASSERT_FALSE(answer_);  // one list may outlast a poll's backoff
  run_for(5s);
  ASSERT_TRUE(answer_);
  EXPECT_FALSE(*answer_);
}

TEST_F(SyncLoopFailuresTest, ANodeWhosePortsFailDoesNotHoldUpTheOthers) {
  settle();
  ironic_.truth.set_state("n1", "inspecting");
  ironic_.truth.set_state("n2", "inspecting");
  ironic_.truth.ports.push_back(make_port("p4", "n2", mac(4)));
  fail_calls("of n1");
  run_for(2s);
  EXPECT_TRUE(filter_.policy.find(mac(4)).has_value());
  EXPECT_GT(status().sources[0].consecutive_failures, 0U);
  run_for(60s);
  // The full list has answered what it was asked for.
  EXPECT_EQ(status().sources[0].consecutive_failures, 0U);
}

TEST_F(SyncLoopFailuresTest, ADriverThatFailsIsBroughtBackWithTheLastPolicy) {
  settle();
  filter_.sync_error = Error("map update: no space", ErrorCode::kCapacity);
  filter_.initialize_error = Error("no such device", ErrorCode::kNotFound);
  ironic_.truth.set_state("n1", "inspecting");
  const auto from = filter_.calls.size();
  run_for(2s);
  EXPECT_THAT(driver_calls_since(from), ElementsAre("sync", "reset"));
  EXPECT_EQ(status().driver_error, "map update: no space");
  EXPECT_EQ(host_.state(), FilterState::kUninitialized);

  run_for(500ms);
  EXPECT_THAT(driver_calls_since(from),
              ElementsAre("sync", "reset", "initialize", "reset"));
  EXPECT_EQ(status().driver_error, "no such device");
  run_for(1h);
  EXPECT_LE(filter_.calls.size() - from, 2U * 3600 / 15 + 20);
  EXPECT_TRUE(status().stale);
  EXPECT_FALSE(allows(1));
  EXPECT_EQ(loop_->policy_in_force().policy->verdict(mac(1)), Verdict::kDeny)
      << "what is told as in force is what the driver took over";

  filter_.sync_error.reset();
  filter_.initialize_error.reset();
  fail_calls("");
  run_for(30s);
  EXPECT_TRUE(allows(1)) << "without asking Ironic";
  EXPECT_EQ(status().driver_error, "");
}

TEST_F(SyncLoopFailuresTest, ADriverThatSomebodyResetIsBackAtTheNextSync) {
  settle();
  host_.reset();
  loop_->request_driver_sync();
  settle();
  EXPECT_EQ(host_.state(), FilterState::kInitialized);
  EXPECT_EQ(filter_.calls.back(), "sync");
}

TEST_F(SyncLoopFailuresTest, ADriverThatIsNotInitializedIsAtTheStart) {
  host_.reset();
  start();
  settle();
  EXPECT_EQ(host_.state(), FilterState::kInitialized);
  EXPECT_TRUE(status().synced);
}

TEST_F(SyncLoopFailuresTest, ARequestIsAnsweredWithTheDriversError) {
  settle();
  filter_.sync_error = Error("map update: no space", ErrorCode::kCapacity);
  request();
  settle();
  ASSERT_TRUE(answer_);
  ASSERT_FALSE(*answer_);
  EXPECT_THAT(answer_->error().message(), HasSubstr("no space"));
}

TEST_F(SyncLoopFailuresTest, TroubleIsLoggedOnceAndItsEndOnce) {
  const testing::TempDir dir;
  const std::string file = dir / "log";
  settle();
  ASSERT_TRUE(log::configure(log::Level::kInfo, file));
  int n = 0;
  ironic_.before_call = [&](const std::string& call) -> std::optional<Error> {
    if (!call.starts_with("state ")) return std::nullopt;
    return Error("timed out after " + std::to_string(30'000 + n++) + " ms",
                 ErrorCode::kUnavailable);
  };
  run_for(10min);
  heal_calls();
  run_for(1min);
  ASSERT_TRUE(log::configure(log::Level::kInfo, ""));
  const auto lines = read_file(file).value();
  EXPECT_EQ(std::ranges::count(lines, '\n'), 2) << lines;
  EXPECT_THAT(lines, HasSubstr("timed out after 30000 ms"));
  EXPECT_THAT(lines, HasSubstr("works again after"));
}

TEST_F(SyncLoopFailuresTest, WhatTheDriverRepairedIsLogged) {
  const testing::TempDir dir;
  const std::string file = dir / "log";
  settle();
  ASSERT_TRUE(log::configure(log::Level::kInfo, file));
  filter_.repaired = {"the program on eth1 was gone"};
  run_for(16s);
  ASSERT_TRUE(log::configure(log::Level::kInfo, ""));
  EXPECT_THAT(read_file(file).value(),
              HasSubstr("warning the filter was repaired: the program on eth1 "
                        "was gone"));
}

}  // namespace
}  // namespace pxegate
