// SPDX-License-Identifier: Apache-2.0
#include "controller/app/broker_trust.h"

#include <gtest/gtest.h>

namespace pxegate {
namespace {

using namespace std::chrono_literals;

constexpr Monotonic kStart{1h};
// Long enough after the connection was made.
constexpr Monotonic kLater = kStart + 5min;

BrokerTrust connected() {
  BrokerTrust trust;
  trust.status(true, true, kStart);
  return trust;
}

TEST(BrokerTrust, NeedsAConnectionAndAMessage) {
  BrokerTrust trust;
  EXPECT_FALSE(trust.trusted(kStart));
  trust.status(true, false, kStart);
  EXPECT_FALSE(trust.trusted(kStart));
  trust.status(true, true, kStart);
  EXPECT_TRUE(trust.trusted(kStart));
  trust.status(false, true, kStart);
  EXPECT_FALSE(trust.trusted(kStart));
}

TEST(BrokerTrust, IsLostForAWhileByNewsThatNothingHintedAt) {
  BrokerTrust trust = connected();
  trust.found("a", true, kLater);
  EXPECT_FALSE(trust.review(kLater + 4s)) << "the hint may be on its way";
  EXPECT_TRUE(trust.trusted(kLater + 4s));
  EXPECT_TRUE(trust.review(kLater + 5s));
  EXPECT_FALSE(trust.review(kLater + 6s)) << "told once";
  EXPECT_FALSE(trust.trusted(kLater + 6s));
  EXPECT_TRUE(trust.trusted(kLater + 5s + BrokerTrust::kDistrust));
}

TEST(BrokerTrust, AHintBeforeOrSoonAfterIsEnough) {
  BrokerTrust trust = connected();
  trust.hinted("a", true, kLater);
  trust.found("a", true, kLater + 30s);
  trust.found("b", true, kLater + 30s);
  trust.hinted("b", true, kLater + 34s);
  EXPECT_FALSE(trust.review(kLater + 60s));
  // What was hinted at long ago was something else.
  trust.found("a", true, kLater + 61s);
  EXPECT_TRUE(trust.review(kLater + 70s));
}

TEST(BrokerTrust, AHintAtTheContraryIsNone) {
  BrokerTrust trust = connected();
  trust.hinted("a", true, kLater);
  trust.found("a", false, kLater + 1s);
  trust.hinted("a", true, kLater + 2s);
  EXPECT_TRUE(trust.review(kLater + 30s));
}

TEST(BrokerTrust, WhatCouldNotBeHeardCountsForNothing) {
  BrokerTrust trust = connected();
  trust.found("early", true, kStart + 1s);
  trust.status(false, true, kLater);
  trust.found("while away", true, kLater);
  trust.status(true, true, kLater + 1s);
  trust.found("right after", true, kLater + 2s);
  trust.missed(kLater + 3s);
  EXPECT_FALSE(trust.review(kLater + 10min));
  trust.found("before it was missed", true, kLater + 10min);
  trust.missed(kLater + 10min);
  EXPECT_FALSE(trust.review(kLater + 20min));
}

TEST(BrokerTrust, AFloodMakesItForgetNotDoubt) {
  BrokerTrust trust = connected();
  trust.hinted("a", true, kLater);
  for (int i = 0; i < 10'000; ++i)
    trust.hinted(std::to_string(i), true, kLater);
  trust.found("a", true, kLater);
  EXPECT_FALSE(trust.review(kLater + 30s));
}

}  // namespace
}  // namespace pxegate
