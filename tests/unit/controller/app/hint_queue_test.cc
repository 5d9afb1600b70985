// SPDX-License-Identifier: Apache-2.0
#include "controller/app/hint_queue.h"

#include <gtest/gtest.h>

namespace pxegate {
namespace {

using namespace std::chrono_literals;

constexpr Monotonic kStart{1h};

HintQueue::Look look(int node, Monotonic since, bool state = true,
                     bool ports = false) {
  return {"n" + std::to_string(node), state, ports, since};
}

TEST(HintQueue, HandsOutInTheOrderOfArrivalAndOnePerNode) {
  HintQueue queue(kStart);
  EXPECT_EQ(queue.since(), Monotonic::max());
  EXPECT_TRUE(queue.add(look(1, kStart), kStart));
  EXPECT_TRUE(queue.add(look(2, kStart + 1s), kStart + 1s));
  EXPECT_TRUE(queue.add(look(1, kStart + 2s, false, true), kStart + 2s));
  auto taken = queue.take();
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->node, "n1");
  EXPECT_TRUE(taken->state && taken->ports);
  EXPECT_EQ(queue.since(), kStart + 1s);
  taken = queue.take();
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->node, "n2");
  EXPECT_FALSE(queue.take());
}

TEST(HintQueue, TakesSoManyASecond) {
  HintQueue queue(kStart);
  int taken = 0;
  Monotonic now = kStart;
  for (int i = 0; now < kStart + 10s; ++i, now += 1ms) {
    if (!queue.add(look(i, now), now)) continue;
    ++taken;
    queue.take();
  }
  EXPECT_GE(taken, 10 * HintQueue::kPerSecond);
  EXPECT_LE(taken, 10 * HintQueue::kPerSecond + int{HintQueue::kRoom} + 1);
}

TEST(HintQueue, HasRoomForAFewHoweverLongTheyWait) {
  HintQueue queue(kStart);
  std::size_t waiting = 0;
  for (int i = 0; i < 1000; ++i) {
    const Monotonic now = kStart + i * 1s;
    waiting += queue.add(look(i, now), now) ? 1 : 0;
  }
  EXPECT_EQ(waiting, HintQueue::kRoom);
}

TEST(HintQueue, APollAnswersWhatWasAskedBeforeIt) {
  HintQueue queue(kStart);
  queue.add(look(1, kStart), kStart);
  queue.add(look(2, kStart, true, true), kStart);
  queue.add(look(3, kStart), kStart);
  queue.add(look(3, kStart + 2s), kStart + 2s);  // asked again
  queue.answered_by_poll(kStart + 1s);
  auto taken = queue.take();
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->node, "n2");
  EXPECT_FALSE(taken->state);
  EXPECT_TRUE(taken->ports);
  taken = queue.take();
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->node, "n3");
  EXPECT_TRUE(taken->state);
}

}  // namespace
}  // namespace pxegate
