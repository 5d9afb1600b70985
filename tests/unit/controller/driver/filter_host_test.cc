// SPDX-License-Identifier: Apache-2.0
#include "controller/driver/filter_host.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/controller/driver/fake_driver.h"

namespace pxegate {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using testing::FakeDriver;
using testing::FakeDriverScript;
using ::testing::IsEmpty;
using Calls = std::vector<std::string>;

constexpr FilterState kUninitialized = FilterState::kUninitialized;
constexpr FilterState kInitialized = FilterState::kInitialized;

Snapshot empty_snapshot() {
  return {std::make_shared<const Inventory>(),
          std::make_shared<const Policy>()};
}

enum class Event { kInitialize, kSync, kReset, kShutDown, kTearDown };

// The code of the error that the event returned, if any.
std::optional<ErrorCode> fire(FilterHost& host, Event event) {
  const auto code = [](const auto& result) -> std::optional<ErrorCode> {
    if (result) return std::nullopt;
    return result.error().code();
  };
  switch (event) {
    case Event::kInitialize:
      return code(host.initialize());
    case Event::kSync:
      return code(host.sync(empty_snapshot()));
    case Event::kTearDown:
      return code(host.tear_down());
    case Event::kReset:
      host.reset();
      break;
    case Event::kShutDown:
      host.shut_down();
      break;
  }
  return std::nullopt;
}

struct Transition {
  FilterState from;
  Event event;
  bool driver_fails;
  FilterState to;
  Calls calls;  // that reach the driver
  std::optional<ErrorCode> error;
};

TEST(FilterHost, EachEventInEachStateDoesWhatTheTableSays) {
  const auto ok = std::nullopt;
  const auto driver_error = ErrorCode::kPermission;
  const Transition table[] = {
      {kUninitialized,
       Event::kInitialize,
       false,
       kInitialized,
       {"initialize"},
       ok},
      {kUninitialized,
       Event::kInitialize,
       true,
       kUninitialized,
       {"initialize", "reset"},
       driver_error},
      {kUninitialized,
       Event::kSync,
       false,
       kUninitialized,
       {},
       ErrorCode::kInvalidState},
      {kUninitialized,
       Event::kSync,
       true,
       kUninitialized,
       {},
       ErrorCode::kInvalidState},
      {kUninitialized, Event::kReset, false, kUninitialized, {"reset"}, ok},
      {kUninitialized,
       Event::kShutDown,
       false,
       kUninitialized,
       {"shut_down"},
       ok},
      {kUninitialized,
       Event::kTearDown,
       false,
       kUninitialized,
       {"tear_down"},
       ok},
      {kUninitialized,
       Event::kTearDown,
       true,
       kUninitialized,
       {"tear_down", "reset"},
       driver_error},

      {kInitialized,
       Event::kInitialize,
       false,
       kInitialized,
       {"initialize"},
       ok},
      {kInitialized,
       Event::kInitialize,
       true,
       kUninitialized,
       {"initialize", "reset"},
       driver_error},
      {kInitialized, Event::kSync, false, kInitialized, {"sync"}, ok},
      {kInitialized,
       Event::kSync,
       true,
       kUninitialized,
       {"sync", "reset"},
       driver_error},
      {kInitialized, Event::kReset, false, kUninitialized, {"reset"}, ok},
      {kInitialized,
       Event::kShutDown,
       false,
       kUninitialized,
       {"shut_down"},
       ok},
      {kInitialized,
       Event::kTearDown,
       false,
       kUninitialized,
       {"tear_down"},
       ok},
      {kInitialized,
       Event::kTearDown,
       true,
       kUninitialized,
       {"tear_down", "reset"},
       driver_error},
  };
  for (std::size_t i = 0; i < std::size(table); ++i) {
    const Transition& row = table[i];
    FakeDriverScript script;
    FilterHost host(std::make_unique<FakeDriver>(script));
    if (row.from == kInitialized) {
      ASSERT_TRUE(host.initialize());
    }
    ASSERT_EQ(host.state(), row.from);
    script.calls.clear();
    if (row.driver_fails) {
      const Error error("driver", driver_error);
      script.initialize_error = error;
      script.sync_error = error;
      script.tear_down_error = error;
    }
    EXPECT_EQ(fire(host, row.event), row.error) << "row " << i;
    EXPECT_EQ(host.state(), row.to) << "row " << i;
    EXPECT_EQ(script.calls, row.calls) << "row " << i;
  }
}

TEST(FilterHost, TheDriversErrorReachesTheCallerAsItIs) {
  FakeDriverScript script;
  FilterHost host(std::make_unique<FakeDriver>(script));
  ASSERT_TRUE(host.initialize());
  script.sync_error = Error("rules: map is full", ErrorCode::kCapacity);
  const auto report = host.sync(empty_snapshot());
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().message(), "rules: map is full");
  EXPECT_EQ(report.error().code(), ErrorCode::kCapacity);
}

TEST(FilterHost, AfterAnErrorInitializeAndSyncWorkAgain) {
  FakeDriverScript script;
  FilterHost host(std::make_unique<FakeDriver>(script));
  ASSERT_TRUE(host.initialize());
  script.sync_error = Error("once");
  ASSERT_FALSE(host.sync(empty_snapshot()));
  script.sync_error.reset();
  EXPECT_FALSE(host.sync(empty_snapshot())) << "not initialized again yet";
  EXPECT_TRUE(host.initialize());
  EXPECT_TRUE(host.sync(empty_snapshot()));
  EXPECT_THAT(script.calls,
              ElementsAre("initialize", "sync", "reset", "initialize", "sync"));
}

TEST(FilterHost, TheReportOfASyncIsTheDrivers) {
  FakeDriverScript script;
  script.report.upserts = 3;
  script.report.repaired = {"somebody removed a rule"};
  FilterHost host(std::make_unique<FakeDriver>(script));
  ASSERT_TRUE(host.initialize());
  const auto report = host.sync(empty_snapshot());
  ASSERT_TRUE(report);
  EXPECT_EQ(report->upserts, 3U);
  EXPECT_THAT(report->repaired, ElementsAre("somebody removed a rule"));
  EXPECT_TRUE(report->changed());
}

TEST(FilterHost, QuestionsReachTheDriverInAnyStateAndChangeNone) {
  FakeDriverScript script;
  const FilterHost host(std::make_unique<FakeDriver>(script));
  EXPECT_EQ(host.sync_period(15s), 30s);
  EXPECT_EQ(host.wake_fd(), 42);
  EXPECT_EQ(host.status().driver, "fake");
  EXPECT_TRUE(host.observe());
  EXPECT_EQ(host.state(), kUninitialized);
  EXPECT_THAT(script.calls, IsEmpty());
}

TEST(FilterHost, StatesHaveNames) {
  EXPECT_EQ(to_string(kInitialized), "initialized");
  EXPECT_EQ(to_string(kUninitialized), "uninitialized");
}

TEST(FilterHost, CallsFromManyThreadsReachTheDriverOneAtATime) {
  constexpr std::size_t kThreads = 4;
  constexpr std::size_t kRounds = 2'000;
  FakeDriverScript script;
  FilterHost host(std::make_unique<FakeDriver>(script));
  {
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < kThreads; ++t) {
      threads.emplace_back([&host] {
        for (std::size_t i = 0; i < kRounds; ++i) {
          static_cast<void>(host.initialize());
          static_cast<void>(host.status());
          host.reset();
          static_cast<void>(host.state());
        }
      });
    }
  }
  // The fake's list has no lock: two calls at once lose an element, or worse.
  EXPECT_EQ(script.calls.size(), kThreads * kRounds * 2);
  EXPECT_EQ(host.state(), kUninitialized);
}

// A host whose driver is in the middle of a sync, until finish().
class BusyHost {
 public:
  BusyHost() {
    EXPECT_TRUE(host_.initialize());
    std::promise<void> begun;
    script_.on_sync = [&](const Snapshot&) {
      begun.set_value();
      finish_.get_future().wait();
    };
    thread_ =
        std::jthread([this] { EXPECT_TRUE(host_.sync(empty_snapshot())); });
    begun.get_future().wait();
  }
  ~BusyHost() { finish(); }

  FilterHost& host() { return host_; }
  FakeDriverScript& script() { return script_; }
  void finish() {
    if (!thread_.joinable()) return;
    finish_.set_value();
    thread_.join();
  }

 private:
  FakeDriverScript script_;
  FilterHost host_{std::make_unique<FakeDriver>(script_)};
  std::promise<void> finish_;
  std::jthread thread_;
};

TEST(FilterHost, TheStatusOfADriverAtWorkIsItsLastKnownOneAndSaysSo) {
  BusyHost busy;
  const DriverStatus status = busy.host().status();
  EXPECT_TRUE(status.busy);
  EXPECT_EQ(status.driver, "fake");
  EXPECT_EQ(status.rules, 1U) << "after initialize()";
  EXPECT_EQ(busy.host().state(), kInitialized);
  busy.finish();
  EXPECT_FALSE(busy.host().status().busy);
  EXPECT_EQ(busy.host().status().rules, 2U);
}

TEST(FilterHost, WhoOnlyLooksGivesUpOnADriverAtWork) {
  BusyHost busy;
  const auto observed = busy.host().observe();
  ASSERT_FALSE(observed);
  EXPECT_EQ(observed.error().code(), ErrorCode::kUnavailable);
  const auto installed = busy.host().installed();
  ASSERT_FALSE(installed);
  EXPECT_EQ(installed.error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(busy.host().wake_fd(), 42);
  busy.finish();
  EXPECT_TRUE(busy.host().observe());
}

TEST(FilterHost, ADriverAtWorkIsWokenWhenItIsDone) {
  BusyHost busy;
  EXPECT_FALSE(busy.host().woken());
  EXPECT_EQ(busy.script().woken, 0U) << "two calls at once";
  busy.finish();
  EXPECT_TRUE(busy.host().woken());
  EXPECT_EQ(busy.script().woken, 1U);
}

TEST(FilterHost, ALeaseIsRenewedWhileTheDriverIsInitializedOnly) {
  FakeDriverScript script;
  FilterHost host(std::make_unique<FakeDriver>(script));
  EXPECT_EQ(host.renew_lease().error().code(), ErrorCode::kInvalidState);
  EXPECT_THAT(script.calls, IsEmpty());
  ASSERT_TRUE(host.initialize());
  EXPECT_TRUE(host.renew_lease());
  host.reset();
  EXPECT_FALSE(host.renew_lease());
  EXPECT_THAT(script.calls, ElementsAre("initialize", "renew_lease", "reset"));
}

TEST(FilterHost, ALeaseThatCannotBeRenewedLeavesTheFilterAsItIs) {
  FakeDriverScript script;
  FilterHost host(std::make_unique<FakeDriver>(script));
  ASSERT_TRUE(host.initialize());
  script.renew_error = Error("settings: gone");
  EXPECT_EQ(host.renew_lease().error().message(), "settings: gone");
  EXPECT_EQ(host.state(), kInitialized);
  EXPECT_THAT(script.calls, ElementsAre("initialize", "renew_lease"));
}

TEST(FilterHost, TheStatusToldDuringASyncKnowsOfTheRenewal) {
  BusyHost busy;
  busy.script().leased = true;
  busy.finish();
  ASSERT_TRUE(busy.host().renew_lease());
  std::promise<void> begun;
  std::promise<void> finish;
  busy.script().on_sync = [&](const Snapshot&) {
    begun.set_value();
    finish.get_future().wait();
  };
  std::jthread sync([&] { EXPECT_TRUE(busy.host().sync(empty_snapshot())); });
  begun.get_future().wait();
  EXPECT_EQ(busy.host().status().rules, 3U) << "as of renew_lease()";
  finish.set_value();
}

TEST(FilterHost, ADriverWithoutALeaseIsNotAskedForItsStatusBySecond) {
  BusyHost busy;
  busy.finish();
  ASSERT_TRUE(busy.host().renew_lease());
  std::promise<void> begun;
  std::promise<void> finish;
  busy.script().on_sync = [&](const Snapshot&) {
    begun.set_value();
    finish.get_future().wait();
  };
  std::jthread sync([&] { EXPECT_TRUE(busy.host().sync(empty_snapshot())); });
  begun.get_future().wait();
  EXPECT_EQ(busy.host().status().rules, 2U) << "as of the sync before";
  finish.set_value();
}

TEST(FilterHost, EventsOfADriverAtWorkAreTakenWhenItIsDone) {
  BusyHost busy;
  busy.script().events.resize(3);
  const auto none = busy.host().take_events(10);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), ErrorCode::kUnavailable);
  busy.finish();
  EXPECT_EQ(busy.host().take_events(2)->size(), 2U);
}

TEST(FilterHost, AWatcherKeepsADescriptorOpenThatTheDriverHasClosed) {
  FakeDriverScript script;
  FilterHost host(std::make_unique<FakeDriver>(script));
  EXPECT_EQ(host.events_fd(), nullptr);
  UniqueFd first(eventfd(0, EFD_CLOEXEC));
  script.events_fd = first.get();
  ASSERT_TRUE(host.initialize());
  const auto watched = host.events_fd();
  ASSERT_NE(watched, nullptr);
  EXPECT_NE(watched->get(), first.get());
  ASSERT_TRUE(host.sync(empty_snapshot()));
  EXPECT_EQ(host.events_fd(), watched) << "the same as long as it holds";

  first.reset();
  script.events_fd = -1;
  host.reset();
  EXPECT_EQ(host.events_fd(), nullptr);
  EXPECT_GE(fcntl(watched->get(), F_GETFD), 0);
}

TEST(FilterHost, ADescriptorThatTurnsUpLaterIsFound) {
  FakeDriverScript script;
  const UniqueFd fd(eventfd(0, EFD_CLOEXEC));
  FilterHost host(std::make_unique<FakeDriver>(script));
  ASSERT_TRUE(host.initialize());
  script.events_fd = fd.get();
  ASSERT_TRUE(host.sync(empty_snapshot()));
  EXPECT_NE(host.events_fd(), nullptr);
}

TEST(FilterHost, TheDescriptorAfterAnotherInitializeIsAnotherObject) {
  FakeDriverScript script;
  const UniqueFd fd(eventfd(0, EFD_CLOEXEC));
  script.events_fd = fd.get();
  FilterHost host(std::make_unique<FakeDriver>(script));
  ASSERT_TRUE(host.initialize());
  const auto first = host.events_fd();
  ASSERT_TRUE(host.initialize());
  EXPECT_NE(host.events_fd(), first);
  script.sync_error = Error("once");
  const auto second = host.events_fd();
  ASSERT_FALSE(host.sync(empty_snapshot()));
  EXPECT_NE(host.events_fd(), second) << "the driver was reset";
}

TEST(FilterHost, WhatWasRetiredIsNeverBroughtBack) {
  FakeDriverScript script;
  FilterHost host(std::make_unique<FakeDriver>(script));
  ASSERT_TRUE(host.retire());
  EXPECT_EQ(host.initialize().error().code(), ErrorCode::kInvalidState);
  script.tear_down_error = Error("left");
  EXPECT_FALSE(host.retire());
  EXPECT_FALSE(host.initialize()) << "also after a retirement that failed";
  EXPECT_THAT(script.calls, ElementsAre("tear_down", "tear_down", "reset"));
}

TEST(SyncReport, AnyDifferenceIsAChange) {
  EXPECT_FALSE(SyncReport{}.changed());
  EXPECT_TRUE((SyncReport{1, 0, false, {}}).changed());
  EXPECT_TRUE((SyncReport{0, 1, false, {}}).changed());
  EXPECT_TRUE((SyncReport{0, 0, true, {}}).changed());
  EXPECT_TRUE((SyncReport{0, 0, false, {"x"}}).changed());
}

}  // namespace
}  // namespace pxegate
