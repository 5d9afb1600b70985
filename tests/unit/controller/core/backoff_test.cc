// SPDX-License-Identifier: Apache-2.0
#include "controller/core/backoff.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>

namespace pxegate {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

// The random bits that give the shortest delay.
constexpr std::uint64_t kLow = 0;
// ... and the longest one of a Backoff whose ceiling is `ceiling`.
std::uint64_t high(milliseconds ceiling) {
  return static_cast<std::uint64_t>((ceiling - ceiling / 2).count());
}

TEST(Backoff, TheCeilingDoublesUpToTheMaximum) {
  const milliseconds ceilings[] = {500ms, 1s, 2s, 4s, 8s, 16s, 30s, 30s, 30s};
  Backoff shortest({.first = 500ms, .max = 30s});
  Backoff longest({.first = 500ms, .max = 30s});
  for (const milliseconds ceiling : ceilings) {
    EXPECT_EQ(shortest.next(kLow), ceiling / 2);
    EXPECT_EQ(longest.next(high(ceiling)), ceiling);
  }
}

TEST(Backoff, ResetStartsOver) {
  Backoff backoff({.first = 1s, .max = 60s});
  for (int i = 0; i < 5; ++i) backoff.next(kLow);
  EXPECT_EQ(backoff.failures(), 5U);
  backoff.reset();
  EXPECT_EQ(backoff.failures(), 0U);
  EXPECT_EQ(backoff.next(high(1s)), 1s);
}

TEST(Backoff, AFirstDelayAboveTheMaximumIsCutToIt) {
  Backoff backoff({.first = 10s, .max = 4s});
  EXPECT_EQ(backoff.next(high(4s)), 4s);
  EXPECT_EQ(backoff.next(kLow), 2s);
}

TEST(Backoff, RetryAfterRaisesTheDelayAndNeverLowersIt) {
  Backoff backoff({.first = 1s, .max = 8s});
  EXPECT_EQ(backoff.next(kLow, 5s), 5s);
  EXPECT_EQ(backoff.next(high(2s), 1s), 2s);
  EXPECT_EQ(backoff.next(high(4s), 0s), 4s);
  EXPECT_EQ(backoff.next(high(8s), -100s), 8s);
}

TEST(Backoff, RetryAfterIsBelievedUpToTenTimesTheMaximum) {
  Backoff backoff({.first = 1s, .max = 8s});
  EXPECT_EQ(backoff.next(kLow, 80s), 80s);
  EXPECT_EQ(backoff.next(kLow, 81s), 80s);
  EXPECT_EQ(backoff.next(kLow, milliseconds::max()), 80s);
}

TEST(Backoff, WithLessPatienceRetryAfterIsBelievedLess) {
  Backoff backoff({.first = 1s, .max = 8s, .patience = 1});
  EXPECT_EQ(backoff.next(kLow, 5s), 5s);
  EXPECT_EQ(backoff.next(kLow, 80s), 8s);
}

TEST(Backoff, AVeryLongSeriesOfFailuresOverflowsNothing) {
  const milliseconds max = milliseconds::max();
  Backoff backoff({.first = 1h, .max = max});
  milliseconds last = 0ms;
  for (int i = 0; i < 100'000; ++i) {
    const milliseconds delay = backoff.next(kLow);
    ASSERT_GE(delay, last);
    ASSERT_LE(delay, max);
    last = delay;
  }
  EXPECT_EQ(last, max / 2);
}

RC_GTEST_PROP(Backoff, TheDelayIsBetweenHalfTheCeilingAndAllOfIt, ()) {
  const auto first = milliseconds(*rc::gen::inRange(1, 5'000));
  const auto max = milliseconds(*rc::gen::inRange(1, 100'000));
  const auto failures = *rc::gen::inRange(0, 100);
  const auto bits = *rc::gen::arbitrary<std::uint64_t>();
  Backoff backoff({.first = first, .max = max});
  milliseconds ceiling = std::min(first, max);
  for (int i = 0; i < failures; ++i) {
    backoff.next(*rc::gen::arbitrary<std::uint64_t>());
    ceiling = std::min(ceiling * 2, max);
  }
  const milliseconds delay = backoff.next(bits);
  RC_ASSERT(delay >= ceiling / 2);
  RC_ASSERT(delay <= ceiling);
}

RC_GTEST_PROP(Backoff, TheSameBitsAfterOneMoreFailureNeverWaitLess, ()) {
  const auto first = milliseconds(*rc::gen::inRange(1, 5'000));
  const auto max = first * *rc::gen::inRange(1, 1'000);
  Backoff shortest({.first = first, .max = max});
  milliseconds last = 0ms;
  for (int i = 0; i < 50; ++i) {
    const milliseconds delay = shortest.next(kLow);
    RC_ASSERT(delay >= last);
    last = delay;
  }
}

}  // namespace
}  // namespace pxegate
