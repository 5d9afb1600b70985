// SPDX-License-Identifier: Apache-2.0
#include "controller/config/combinations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/config/options.h"

namespace pxegate {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

auto is_misfit(std::string_view name, bool fatal, std::string_view what) {
  return AllOf(Field(&Misfit::section, "xdp"), Field(&Misfit::name, name),
               Field(&Misfit::fatal, fatal),
               Field(&Misfit::what, HasSubstr(std::string(what))));
}

class Misfits : public ::testing::Test {
 protected:
  Misfits() { config_.pxe_filter.driver = "xdp"; }

  Config config_ = default_config();
};

TEST_F(Misfits, AreNoneAmongTheDefaults) {
  EXPECT_THAT(find_misfits(config_), IsEmpty());
}

TEST_F(Misfits, ALeaseOutlivesItsRenewalTwice) {
  config_.ironic.timeout = seconds(1);
  for (const int stale_after : {1, 2}) {
    config_.xdp.stale_after = seconds(stale_after);
    EXPECT_THAT(find_misfits(config_),
                ElementsAre(is_misfit("stale_after", true, "too short")));
  }
  config_.xdp.stale_after = seconds(3);
  EXPECT_THAT(find_misfits(config_), IsEmpty());
}

TEST_F(Misfits, ALeaseShouldOutliveAnIronicThatHangs) {
  config_.xdp.stale_after = seconds(30);
  EXPECT_THAT(find_misfits(config_), ElementsAre(is_misfit("stale_after", false,
                                                           "answer of Ironic, "
                                                           "up to 30 s")));
  config_.xdp.stale_after = seconds(31);
  EXPECT_THAT(find_misfits(config_), IsEmpty());
}

// A login is no part of the same request: the policy is renewed in between.
// The pause before another try is.
TEST_F(Misfits, ALeaseShouldOutliveThePauseBeforeAnotherTry) {
  config_.ironic.auth_type = AuthType::kPassword;
  config_.xdp.stale_after = seconds(31);
  EXPECT_THAT(find_misfits(config_), IsEmpty());
  config_.ironic.connect_retries = 1;
  EXPECT_THAT(find_misfits(config_),
              ElementsAre(is_misfit("stale_after", false, "up to 40 s")));
  config_.xdp.stale_after = seconds(41);
  EXPECT_THAT(find_misfits(config_), IsEmpty());
}

TEST_F(Misfits, AnInspectorThatHangsCountsWhereItIsAsked) {
  config_.xdp.stale_after = seconds(40);
  config_.inspector.timeout = seconds(60);
  EXPECT_THAT(find_misfits(config_), IsEmpty());
  config_.inspector.endpoint_override = "http://192.0.2.1:5050";
  EXPECT_THAT(find_misfits(config_),
              ElementsAre(is_misfit("stale_after", false,
                                    "60 s ([inspector] timeout)")));
}

TEST_F(Misfits, APolicyThatNeverGetsStaleNeedsNoAction) {
  config_.xdp.stale_after = seconds(0);
  EXPECT_THAT(find_misfits(config_), IsEmpty());
  config_.xdp.stale_action = StaleAction::kAllow;
  EXPECT_THAT(find_misfits(config_),
              ElementsAre(is_misfit("stale_action", false, "no effect")));
}

TEST_F(Misfits, WhatIsAboutUnknownMachinesNeedsThemLetIn) {
  config_.xdp.discovery_relays = {*IpNetwork::parse("10.1.0.0/16")};
  config_.xdp.unknown_rate = 10;
  config_.xdp.relay_rate = 100;
  EXPECT_THAT(find_misfits(config_), IsEmpty());
  config_.pxe_filter.deny_unknown_macs = true;
  EXPECT_THAT(
      find_misfits(config_),
      ElementsAre(is_misfit("discovery_relays", false, "deny_unknown_macs"),
                  is_misfit("unknown_rate", false, "deny_unknown_macs"),
                  is_misfit("relay_rate", false, "deny_unknown_macs")));
}

TEST_F(Misfits, ThereIsRoomForSoManyRelays) {
  config_.xdp.discovery_relays.resize(1024);
  EXPECT_THAT(find_misfits(config_), IsEmpty());
  config_.xdp.discovery_relays.resize(1025);
  EXPECT_THAT(find_misfits(config_),
              ElementsAre(is_misfit("discovery_relays", true,
                                    "lists 1025 networks; expected 1024")));
}

TEST_F(Misfits, MatterToTheDriverInUseOnly) {
  config_.xdp.stale_after = seconds(1);
  config_.pxe_filter.driver = "nftables";
  EXPECT_THAT(find_misfits(config_), IsEmpty());
}

}  // namespace
}  // namespace pxegate
