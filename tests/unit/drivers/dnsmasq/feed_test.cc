// SPDX-License-Identifier: Apache-2.0
#include "drivers/dnsmasq/feed.h"

#include <gtest/gtest.h>

namespace pxegate {
namespace {

using namespace std::chrono_literals;

TEST(BlindPaceTest, ABurstIsFreeAndTheRestIsPaced) {
  BlindPace pace(400);
  const BlindPace::Time start = std::chrono::steady_clock::now();
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(pace.wait(start), 0ms);
    pace.count();
  }
  EXPECT_GT(pace.wait(start), 0ms);
  EXPECT_EQ(pace.wait(start + 1s), 0ms);
}

// What is left behind does not shrink by asking, nor below nothing.
TEST(BlindPaceTest, TheRestTakesItsTime) {
  BlindPace pace(400);
  const BlindPace::Time start = std::chrono::steady_clock::now();
  EXPECT_EQ(pace.wait(start), 0ms);
  for (int i = 0; i < 100; ++i) pace.count();
  EXPECT_EQ(pace.rest(start), 500ms);
  EXPECT_EQ(pace.rest(start + 200ms), 300ms);
  EXPECT_EQ(pace.rest(start + 1h), 0ms);
}

// What dnsmasq has is the limit of the time when it started.
TEST(InotifyQueueLimitTest, NoMoreThanTheKernelsDefaultIsCountedOn) {
  EXPECT_GT(inotify_queue_limit(), 0U);
  EXPECT_LE(inotify_queue_limit(), 16384U);
}

}  // namespace
}  // namespace pxegate
