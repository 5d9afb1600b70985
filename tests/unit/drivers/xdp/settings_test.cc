// SPDX-License-Identifier: Apache-2.0
#include "drivers/xdp/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pxegate {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(SettingsTest, OptionsSayWhatTheProgramDoes) {
  XdpOptions options;
  pxe_settings settings = to_settings(options, Verdict::kDeny);
  EXPECT_EQ(settings.abi_version, PXE_ABI_VERSION);
  EXPECT_EQ(settings.unknown_verdict, PXE_DENY);
  EXPECT_EQ(settings.scope, PXE_SCOPE_DHCP);
  EXPECT_EQ(settings.stale_action, PXE_STALE_DENY);
  EXPECT_EQ(settings.discovery_restricted, 0);
  EXPECT_EQ(settings.unknown_interval_ns, 0U);
  EXPECT_EQ(settings.relay_interval_ns, 0U);

  options.scope = XdpScope::kPxe;
  options.stale_action = XdpStaleAction::kKeep;
  options.discovery_relays = {IpNetwork{}};
  options.unknown_rate = 4;
  options.relay_rate = 1000;
  settings = to_settings(options, Verdict::kAllow);
  EXPECT_EQ(settings.unknown_verdict, PXE_ALLOW);
  EXPECT_EQ(settings.scope, PXE_SCOPE_PXE);
  EXPECT_EQ(settings.stale_action, PXE_STALE_KEEP);
  EXPECT_EQ(settings.discovery_restricted, 1);
  EXPECT_EQ(settings.unknown_interval_ns, 250'000'000U);
  EXPECT_EQ(settings.relay_interval_ns, 1'000'000U);
}

TEST(SettingsTest, ARateBeyondTheClockIsALimitStill) {
  XdpOptions options;
  options.unknown_rate = 4'000'000'000;
  EXPECT_EQ(to_settings(options, Verdict::kDeny).unknown_interval_ns, 1U);
}

TEST(SettingsTest, StricterTakesWhateverLetsLessIn) {
  pxe_settings open{};
  open.unknown_verdict = PXE_ALLOW;
  open.scope = PXE_SCOPE_PXE;
  open.lease_until_ns = 5;
  pxe_settings closed{};
  closed.discovery_restricted = 1;
  closed.unknown_interval_ns = 10;
  closed.relay_interval_ns = 20;
  for (const auto& both : {stricter(open, closed), stricter(closed, open)}) {
    EXPECT_EQ(both.scope, PXE_SCOPE_DHCP);
    EXPECT_EQ(both.discovery_restricted, 1);
    EXPECT_EQ(both.unknown_interval_ns, 10U);
    EXPECT_EQ(both.relay_interval_ns, 20U);
  }
  EXPECT_EQ(stricter(open, open).scope, PXE_SCOPE_PXE);
  // What has an order of its own is as it was.
  EXPECT_EQ(stricter(open, closed).unknown_verdict, PXE_ALLOW);
  EXPECT_EQ(stricter(open, closed).lease_until_ns, 5U);
}

TEST(SettingsTest, AScopeThatIsNoneCountsAsDhcpAndIsStricter) {
  pxe_settings odd{};
  odd.scope = 9;
  pxe_settings pxe{};
  pxe.scope = PXE_SCOPE_PXE;
  EXPECT_EQ(stricter(odd, pxe).scope, PXE_SCOPE_DHCP);
}

TEST(SettingsTest, ALeaseTellsHowLongAndWhatThen) {
  pxe_settings settings{};
  EXPECT_FALSE(lease_status(settings));

  XdpOptions options;
  options.stale_after = std::chrono::seconds(0);
  EXPECT_EQ(lease_end(options), 0U);

  options.stale_after = std::chrono::hours(1);
  settings.lease_until_ns = lease_end(options);
  settings.stale_action = PXE_STALE_KEEP;
  auto lease = lease_status(settings);
  ASSERT_TRUE(lease);
  EXPECT_FALSE(lease->expired);
  EXPECT_LE(lease->age, std::chrono::hours(1));
  EXPECT_GT(lease->age, std::chrono::minutes(59));
  EXPECT_EQ(lease->action, "keep");

  settings.lease_until_ns = 1;
  settings.stale_action = 77;
  lease = lease_status(settings);
  ASSERT_TRUE(lease);
  EXPECT_TRUE(lease->expired);
  EXPECT_GT(lease->age.count(), 0);
  EXPECT_EQ(lease->action, "deny");
}

TEST(SettingsTest, FieldsThatDifferAreNamed) {
  pxe_settings a{};
  pxe_settings b{};
  b.unknown_verdict = PXE_ALLOW;
  EXPECT_THAT(differing_fields(a, b), IsEmpty());
  b.abi_version = 1;
  b.scope = 1;
  b.stale_action = 1;
  b.discovery_restricted = 1;
  b.lease_until_ns = 1;
  b.unknown_interval_ns = 1;
  b.relay_interval_ns = 1;
  EXPECT_THAT(
      differing_fields(a, b),
      ElementsAre("version", "scope", "stale_action", "discovery_restricted",
                  "lease", "unknown_rate", "relay_rate"));
}

}  // namespace
}  // namespace pxegate
