// SPDX-License-Identifier: Apache-2.0
#include "drivers/noop/noop_driver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>

#include "controller/driver/filter_host.h"

namespace pxegate {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Snapshot deny_all() {
  return {std::make_shared<const Inventory>(),
          std::make_shared<const Policy>(
              std::vector<Policy::Entry>{{MacAddress(), Verdict::kDeny}},
              Verdict::kDeny)};
}

TEST(NoopDriver, OptsOutOfThePeriodicSync) {
  EXPECT_EQ(make_noop_driver()->sync_period(15s), std::nullopt);
}

TEST(NoopDriver, IsHealthyAndSaysThatNothingIsFiltered) {
  const DriverStatus status = make_noop_driver()->status();
  EXPECT_EQ(status.driver, "noop");
  EXPECT_TRUE(status.healthy);
  EXPECT_THAT(status.notices, ElementsAre(HasSubstr("nothing is filtered")));
  EXPECT_THAT(status.targets, IsEmpty());
}

TEST(NoopDriver, NoSyncChangesAnything) {
  FilterHost host(make_noop_driver());
  ASSERT_TRUE(host.initialize());
  for (int i = 0; i < 2; ++i) {
    const auto report = host.sync(deny_all());
    ASSERT_TRUE(report);
    EXPECT_FALSE(report->changed());
  }
  EXPECT_EQ(host.status().rules, 0U);
}

TEST(NoopDriver, EveryCallMayBeRepeatedInAnyState) {
  const auto driver = make_noop_driver();
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(driver->tear_down());
    driver->reset();
    EXPECT_TRUE(driver->initialize());
    EXPECT_TRUE(driver->initialize());
    driver->shut_down();
  }
}

TEST(NoopDriver, SeesNoPackets) {
  const auto seen = make_noop_driver()->observe();
  ASSERT_TRUE(seen);
  EXPECT_FALSE(seen->supported);
  EXPECT_EQ(make_noop_driver()->wake_fd(), -1);
}

}  // namespace
}  // namespace pxegate
