// SPDX-License-Identifier: Apache-2.0
#include "drivers/dnsmasq/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pxegate {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Write = HostsPlan::Write;

constexpr auto kAllow = Verdict::kAllow;
constexpr auto kDeny = Verdict::kDeny;
constexpr MacAddress kOne(MacAddress::Bytes{2, 0, 0, 0, 0, 1});
constexpr MacAddress kTwo(MacAddress::Bytes{2, 0, 0, 0, 0, 2});

HostsEntry holding(Verdict verdict) { return {.verdict = verdict}; }

HostsListing listing(std::map<MacAddress, HostsEntry> machines,
                     Verdict unknown) {
  return {.machines = std::move(machines),
          .unknown = holding(unknown),
          .foreign = {}};
}

HostsPlan plan(const HostsListing& found, const Policy& desired,
               const Verdicts& held = {}, bool exclusive = true,
               bool unread = false) {
  return make_plan({.found = found,
                    .desired = desired,
                    .held = held,
                    .held_unknown = std::nullopt,
                    .exclusive = exclusive,
                    .unread = unread});
}

bool idle(const HostsPlan& plan) {
  return plan.upserts.empty() && !plan.unknown && plan.removals.empty() &&
         plan.purges.empty() && plan.repaired == 0;
}

TEST(HostsPlanTest, WhatIsAsDesiredStaysUntouched) {
  EXPECT_TRUE(idle(plan(listing({{kOne, holding(kDeny)}}, kAllow),
                        Policy({{kOne, kDeny}}, kAllow))));
}

TEST(HostsPlanTest, WhatHasToCloseComesFirst) {
  const auto made =
      plan(listing({}, kAllow), Policy({{kOne, kAllow}, {kTwo, kDeny}}, kDeny));
  EXPECT_THAT(made.upserts,
              ElementsAre(Write{kTwo, kDeny}, Write{kOne, kAllow}));
  EXPECT_EQ(made.unknown, kDeny);
  EXPECT_EQ(made.held, (Verdicts{{kOne, kAllow}, {kTwo, kDeny}}));
  EXPECT_EQ(made.rules, 2U);
}

TEST(HostsPlanTest, InfinibandHasNoFile) {
  const auto guid = HardwareAddress::infiniband({2, 0, 0, 0, 0, 0, 0, 1});
  EXPECT_TRUE(idle(plan(listing({}, kDeny), Policy({{guid, kDeny}}, kDeny))));
}

TEST(HostsPlanTest, WhoLeftIsRewrittenAndStaysHeld) {
  const Verdicts held{{kOne, kDeny}, {kTwo, kAllow}};
  const auto made =
      plan(listing({{kOne, holding(kDeny)}, {kTwo, holding(kAllow)}}, kAllow),
           Policy({}, kAllow), held);
  EXPECT_THAT(made.removals, ElementsAre(Write{kOne, kAllow}));
  EXPECT_THAT(made.purges, IsEmpty());
  EXPECT_EQ(made.held, (Verdicts{{kOne, kAllow}, {kTwo, kAllow}}));
  EXPECT_EQ(made.rules, 0U);
}

TEST(HostsPlanTest, WhatNobodyReadGoes) {
  const auto made = plan(listing({{kOne, holding(kDeny)}}, kDeny),
                         Policy({}, kDeny), {{kOne, kDeny}}, true, true);
  EXPECT_THAT(made.purges, ElementsAre(kOne));
  EXPECT_THAT(made.held, IsEmpty());
}

TEST(HostsPlanTest, AnExclusiveDirectoryHasNoOthersFiles) {
  const auto found = listing({{kOne, holding(kAllow)}}, kDeny);
  EXPECT_THAT(plan(found, Policy({}, kDeny)).removals,
              ElementsAre(Write{kOne, kDeny}));
  const auto shared = plan(found, Policy({}, kDeny), {}, false);
  EXPECT_TRUE(idle(shared));
  EXPECT_EQ(shared.stray_allows, 1U);
}

TEST(HostsPlanTest, ASharedDirectoryLeavesWhatWasTakenOver) {
  const auto found = listing({{kOne, holding(kAllow)}}, kDeny);
  EXPECT_TRUE(idle(plan(found, Policy({}, kDeny), {{kOne, kDeny}}, false)));
  EXPECT_THAT(plan(found, Policy({}, kDeny), {{kOne, kAllow}}, false).removals,
              ElementsAre(Write{kOne, kDeny}));
}

TEST(HostsPlanTest, OnlyWhatIsPutRightCountsAsRepaired) {
  const Verdicts held{{kOne, kDeny}};
  const auto found = listing({{kOne, holding(kAllow)}}, kDeny);
  EXPECT_EQ(plan(found, Policy({{kOne, kDeny}}, kDeny), held).repaired, 1U);
  EXPECT_EQ(plan(found, Policy({{kOne, kAllow}}, kDeny), held).repaired, 0U);
  EXPECT_EQ(plan(found, Policy({{kOne, kDeny}}, kDeny)).repaired, 0U);
}

TEST(HostsPlanTest, WhatIsNoFileOfOursIsAStrangerUnlessItIsInTheWay) {
  HostsEntry odd{.verdict = std::nullopt, .odd = true};
  HostsEntry directory{.verdict = std::nullopt, .odd = true, .directory = true};
  const auto found = listing({{kOne, odd}, {kTwo, directory}}, kDeny);
  EXPECT_THAT(plan(found, Policy({}, kDeny)).strangers,
              ElementsAre(kOne.to_string(), kTwo.to_string()));
  const auto made = plan(found, Policy({{kOne, kDeny}, {kTwo, kDeny}}, kDeny));
  EXPECT_THAT(made.upserts, ElementsAre(Write{kOne, kDeny}));
  EXPECT_THAT(made.blocked, ElementsAre(kTwo));
}

}  // namespace
}  // namespace pxegate
