// SPDX-License-Identifier: Apache-2.0
#include "controller/ironic/hint_mailbox.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <thread>

namespace pxegate {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::string uuid(int n) {
  return fmt::format("00000000-0000-0000-0000-{:012x}", n);
}

Hint state(int node, std::string state) {
  return {.node_uuid = uuid(node), .provision_state = std::move(state)};
}
Hint ports(int node) {
  return {.node_uuid = uuid(node), .provision_state = {}, .ports = true};
}
Hint gone(int node) {
  return {.node_uuid = uuid(node), .provision_state = {}, .gone = true};
}

TEST(HintMailbox, HandsOutWhatCameInItsOrderAndOnce) {
  HintMailbox mailbox(10);
  mailbox.put(state(2, "inspecting"));
  mailbox.put(ports(1));
  const Hints hints = mailbox.take();
  EXPECT_THAT(hints.hints, ElementsAre(state(2, "inspecting"), ports(1)));
  EXPECT_FALSE(hints.missed);
  EXPECT_THAT(mailbox.take().hints, IsEmpty());
}

TEST(HintMailbox, KeepsTheLatestClaimAndAllFlagsOfANode) {
  HintMailbox mailbox(10);
  mailbox.put(state(1, "inspecting"));
  mailbox.put(state(2, "manageable"));
  mailbox.put(state(1, "inspect wait"));
  mailbox.put(ports(1));
  mailbox.put(gone(1));
  Hint first = state(1, "inspect wait");
  first.ports = true;
  first.gone = true;
  first.differing = true;
  EXPECT_THAT(mailbox.take().hints, ElementsAre(first, state(2, "manageable")));
}

TEST(HintMailbox, SaysWhereClaimsDiffered) {
  HintMailbox mailbox(10);
  mailbox.put(ports(1));
  mailbox.put(state(1, "inspecting"));
  mailbox.put(state(1, "inspecting"));
  EXPECT_FALSE(mailbox.take().hints.at(0).differing);
  mailbox.put(state(1, "manageable"));
  mailbox.put(state(1, "inspecting"));
  mailbox.put(state(1, "inspecting"));
  EXPECT_TRUE(mailbox.take().hints.at(0).differing);
}

TEST(HintMailbox, SaysWhereNotAllClaimedThatTheNodeIsGone) {
  HintMailbox mailbox(10);
  Hint gone = state(1, "inspecting");
  gone.gone = true;
  mailbox.put(ports(1));
  mailbox.put(gone);
  mailbox.put(gone);
  mailbox.put(ports(1));
  EXPECT_FALSE(mailbox.take().hints.at(0).differing);
  mailbox.put(gone);
  mailbox.put(state(1, "inspecting"));
  EXPECT_TRUE(mailbox.take().hints.at(0).differing);
  mailbox.put(state(1, "inspecting"));
  mailbox.put(gone);
  EXPECT_TRUE(mailbox.take().hints.at(0).differing);
}

TEST(HintMailbox, TakesBothWaysToWriteAUuidForTheSameNode) {
  HintMailbox mailbox(10);
  mailbox.put(state(0xab, "inspecting"));
  mailbox.put({.node_uuid = "000000000000000000000000000000AB",
               .provision_state = "inspect wait"});
  Hint both = state(0xab, "inspect wait");
  both.differing = true;
  EXPECT_THAT(mailbox.take().hints, ElementsAre(both));
}

TEST(HintMailbox, TellsWhoeverPutsTheFirstToWake) {
  HintMailbox mailbox(1);
  EXPECT_TRUE(mailbox.put(ports(1)));
  EXPECT_FALSE(mailbox.put(ports(1)));
  EXPECT_FALSE(mailbox.put(ports(2)));
  EXPECT_FALSE(mailbox.miss());
  mailbox.take();
  EXPECT_TRUE(mailbox.miss());
  EXPECT_FALSE(mailbox.put(ports(1)));
  EXPECT_FALSE(mailbox.miss());
  mailbox.take();
  EXPECT_TRUE(mailbox.put(ports(1)));
}

TEST(HintMailbox, TellsOfMissedOnesOnce) {
  HintMailbox mailbox(10);
  mailbox.miss();
  EXPECT_TRUE(mailbox.take().missed);
  EXPECT_FALSE(mailbox.take().missed);
}

TEST(HintMailbox, HoldsNoMoreNodesThanItMayAndTellsThatItMissedSome) {
  HintMailbox mailbox(3);
  for (int i = 0; i < 5; ++i) mailbox.put(state(i, "inspecting"));
  // A node that is known needs no room.
  mailbox.put(state(1, "inspect wait"));
  const Hints hints = mailbox.take();
  Hint both = state(1, "inspect wait");
  both.differing = true;
  EXPECT_THAT(hints.hints, ElementsAre(state(0, "inspecting"), both,
                                       state(2, "inspecting")));
  EXPECT_TRUE(hints.missed);
  // There is room again.
  mailbox.put(state(4, "inspecting"));
  const Hints later = mailbox.take();
  EXPECT_THAT(later.hints, ElementsAre(state(4, "inspecting")));
  EXPECT_FALSE(later.missed);
}

TEST(HintMailbox, LosesNothingBetweenTwoThreads) {
  constexpr int kNodes = 20'000;
  HintMailbox mailbox(kNodes);
  std::jthread writer([&] {
    for (int i = 0; i < kNodes; ++i) mailbox.put(ports(i));
  });
  int seen = 0;
  while (seen < kNodes) {
    const Hints hints = mailbox.take();
    for (const Hint& hint : hints.hints) ASSERT_EQ(hint, ports(seen++));
    ASSERT_FALSE(hints.missed);
  }
}

}  // namespace
}  // namespace pxegate
