// SPDX-License-Identifier: Apache-2.0
#include "controller/driver/guarded_driver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace pxegate {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::NiceMock;
using ::testing::Return;
using ::testing::Throw;

class MockDriver : public FilterDriver {
 public:
  MOCK_METHOD(Result<>, initialize, (), (override));
  MOCK_METHOD(Result<SyncReport>, sync, (const Snapshot&), (override));
  MOCK_METHOD(void, reset, (), (noexcept, override));
  MOCK_METHOD(void, shut_down, (), (noexcept, override));
  MOCK_METHOD(Result<>, tear_down, (), (override));
  MOCK_METHOD(std::optional<seconds>, sync_period, (seconds),
              (const, override));
  MOCK_METHOD(int, wake_fd, (), (const, override));
  MOCK_METHOD(bool, woken, (), (override));
  MOCK_METHOD(DriverStatus, status, (), (const, override));
  MOCK_METHOD(Result<Policy>, installed, (), (const, override));
  MOCK_METHOD(Result<Observations>, observe, (), (const, override));
  MOCK_METHOD(Result<>, renew_lease, (), (override));
  MOCK_METHOD(Result<std::vector<EventRecord>>, take_events, (std::size_t),
              (override));
  MOCK_METHOD(int, events_fd, (), (const, override));
};

class GuardedDriverTest : public ::testing::Test {
 protected:
  GuardedDriverTest() { ON_CALL(*driver_, wake_fd).WillByDefault(Return(-1)); }

  GuardedDriver& guard() {
    if (!guard_) guard_.emplace("vendor", "plugin x", std::move(driver_));
    return *guard_;
  }

  std::unique_ptr<NiceMock<MockDriver>> driver_ =
      std::make_unique<NiceMock<MockDriver>>();
  NiceMock<MockDriver>& mock_ = *driver_;

 private:
  std::optional<GuardedDriver> guard_;
};

const std::runtime_error kBroken("out of order");

TEST_F(GuardedDriverTest, PassesOnWhatTheDriverDoes) {
  EXPECT_CALL(mock_, initialize).WillOnce(Return(Result<>{}));
  EXPECT_CALL(mock_, sync)
      .WillOnce(Return(SyncReport{.upserts = 3,
                                  .removals = 0,
                                  .unknown_changed = false,
                                  .repaired = {}}));
  EXPECT_CALL(mock_, tear_down).WillOnce(Return(Result<>{}));
  EXPECT_CALL(mock_, reset);
  EXPECT_CALL(mock_, shut_down);
  EXPECT_CALL(mock_, woken).WillOnce(Return(true)).WillOnce(Return(false));
  EXPECT_CALL(mock_, sync_period).WillOnce(Return(std::nullopt));
  EXPECT_CALL(mock_, installed).WillOnce(Return(Policy({}, Verdict::kAllow)));
  EXPECT_CALL(mock_, observe)
      .WillOnce(Return(Observations{
          .supported = true, .clients = {}, .relays = {}, .counters = {}}));
  EXPECT_CALL(mock_, renew_lease).WillOnce(Return(Result<>{}));
  EXPECT_CALL(mock_, take_events(7))
      .WillOnce(Return(std::vector<EventRecord>(7)));
  EXPECT_CALL(mock_, events_fd).WillOnce(Return(0));
  EXPECT_TRUE(guard().renew_lease());
  EXPECT_EQ(guard().take_events(7)->size(), 7U);
  EXPECT_EQ(guard().events_fd(), 0);
  EXPECT_TRUE(guard().initialize());
  EXPECT_EQ(guard().sync({})->upserts, 3U);
  EXPECT_TRUE(guard().tear_down());
  guard().reset();
  guard().shut_down();
  EXPECT_TRUE(guard().woken());
  EXPECT_FALSE(guard().woken());
  EXPECT_EQ(guard().sync_period(seconds(15)), std::nullopt);
  EXPECT_EQ(guard().installed()->unknown(), Verdict::kAllow);
  EXPECT_TRUE(guard().observe()->supported);
}

TEST_F(GuardedDriverTest, WhatIsThrownBecomesAnErrorThatNamesPluginAndCall) {
  ON_CALL(mock_, initialize).WillByDefault(Throw(kBroken));
  ON_CALL(mock_, sync).WillByDefault(Throw(kBroken));
  ON_CALL(mock_, tear_down).WillByDefault(Throw(42));
  ON_CALL(mock_, installed).WillByDefault(Throw(kBroken));
  ON_CALL(mock_, observe).WillByDefault(Throw(kBroken));
  ON_CALL(mock_, renew_lease).WillByDefault(Throw(kBroken));
  ON_CALL(mock_, take_events).WillByDefault(Throw(kBroken));
  ON_CALL(mock_, events_fd).WillByDefault(Throw(kBroken));
  EXPECT_THAT(
      guard().initialize().error().message(),
      AllOf(HasSubstr("plugin x: initialize()"), HasSubstr("out of order")));
  EXPECT_THAT(guard().sync({}).error().message(), HasSubstr("sync()"));
  EXPECT_THAT(guard().tear_down().error().message(),
              AllOf(HasSubstr("tear_down()"), HasSubstr("unknown")));
  EXPECT_THAT(guard().installed().error().message(), HasSubstr("installed()"));
  EXPECT_THAT(guard().observe().error().message(), HasSubstr("observe()"));
  EXPECT_THAT(guard().renew_lease().error().message(),
              HasSubstr("renew_lease()"));
  EXPECT_THAT(guard().take_events(1).error().message(),
              HasSubstr("take_events()"));
  EXPECT_EQ(guard().events_fd(), -1);
}

TEST_F(GuardedDriverTest, AnErrorNamesThePluginAndKeepsItsCode) {
  EXPECT_CALL(mock_, sync)
      .WillOnce(Return(fail("no contact", ErrorCode::kUnavailable)))
      .WillOnce(Return(fail("")))
      .WillOnce(Return(fail(std::string(1 << 20, 'x'))));
  const auto first = guard().sync({});
  EXPECT_EQ(first.error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(first.error().message(), "plugin x: sync(): no contact");
  EXPECT_THAT(guard().sync({}).error().message(), HasSubstr("no reason"));
  EXPECT_LT(guard().sync({}).error().message().size(), 5000U);
}

TEST_F(GuardedDriverTest, AStatusThatThrowsIsNotHealthyAndSaysSo) {
  EXPECT_CALL(mock_, status).WillOnce(Throw(kBroken));
  const DriverStatus status = guard().status();
  EXPECT_EQ(status.driver, "vendor");
  EXPECT_FALSE(status.healthy);
  EXPECT_THAT(status.notices, ElementsAre(HasSubstr("out of order")));
}

TEST_F(GuardedDriverTest, AStatusThatMakesNoSenseIsNotHealthy) {
  DriverStatus other;
  other.driver = "xdp";
  other.healthy = true;
  DriverStatus nameless;
  nameless.driver = "vendor";
  nameless.healthy = true;
  nameless.targets.emplace_back();
  EXPECT_CALL(mock_, status).WillOnce(Return(other)).WillOnce(Return(nameless));
  for (int i = 0; i < 2; ++i) {
    const DriverStatus status = guard().status();
    EXPECT_EQ(status.driver, "vendor");
    EXPECT_FALSE(status.healthy);
    EXPECT_THAT(status.notices, ElementsAre(HasSubstr("plugin x")));
  }
}

TEST_F(GuardedDriverTest, ASensibleStatusIsPassedOn) {
  DriverStatus good;
  good.driver = "vendor";
  good.healthy = true;
  good.rules = 7;
  EXPECT_CALL(mock_, status).WillOnce(Return(good));
  const DriverStatus status = guard().status();
  EXPECT_TRUE(status.healthy);
  EXPECT_EQ(status.rules, 7U);
  EXPECT_TRUE(status.notices.empty());
}

TEST_F(GuardedDriverTest, ASyncPeriodThatIsNoneIsTheConfiguredOne) {
  EXPECT_CALL(mock_, sync_period)
      .WillOnce(Throw(kBroken))
      .WillOnce(Return(seconds(0)))
      .WillOnce(Return(seconds(-1)))
      .WillOnce(Return(seconds(60)));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(guard().sync_period(seconds(15)), seconds(15));
  }
  EXPECT_EQ(guard().sync_period(seconds(15)), seconds(60));
}

TEST_F(GuardedDriverTest, ADescriptorThatIsNoneIsNotWatched) {
  EXPECT_CALL(mock_, wake_fd).WillOnce(Return(1'000'000));
  EXPECT_EQ(guard().wake_fd(), -1);
}

TEST_F(GuardedDriverTest, ADescriptorIsAskedForOnce) {
  EXPECT_CALL(mock_, wake_fd).WillOnce(Return(0));
  EXPECT_EQ(guard().wake_fd(), 0);
  EXPECT_EQ(guard().wake_fd(), 0);
}

TEST_F(GuardedDriverTest, EventsOfADescriptorThatIsNoneAreNotWatched) {
  EXPECT_CALL(mock_, events_fd).WillOnce(Return(1'000'000));
  EXPECT_EQ(guard().events_fd(), -1);
}

TEST_F(GuardedDriverTest, MoreEventsThanAskedForAreAnError) {
  EXPECT_CALL(mock_, take_events(2))
      .WillOnce(Return(std::vector<EventRecord>(3)));
  EXPECT_THAT(guard().take_events(2).error().message(),
              HasSubstr("3 events, 2 were asked for"));
}

TEST_F(GuardedDriverTest, WokenThatThrowsAsksForASync) {
  EXPECT_CALL(mock_, woken).WillOnce(Throw(kBroken));
  EXPECT_TRUE(guard().woken());
}

}  // namespace
}  // namespace pxegate
