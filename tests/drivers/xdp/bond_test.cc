// SPDX-License-Identifier: Apache-2.0
//
// Bonds and teams, where the kernel has them.
#include <fmt/format.h>

#include "tests/drivers/xdp/xdp_fixture.h"

namespace pxegate::testing {
namespace {

using ::testing::HasSubstr;

class XdpBondTest : public XdpTest {
 protected:
  void SetUp() override {
    XdpTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    if (auto made =
            ip_command("link add bond0 type bond mode active-backup miimon 10");
        !made) {
      GTEST_SKIP() << made.error().message();
    }
    ASSERT_THAT(add_veth("eth2"), Succeeds());
    for (const char* member : {"eth1", "eth2"}) enslave(member, "bond0");
    ASSERT_THAT(ip_command("link set bond0 up"), Succeeds());
  }

  static void enslave(const std::string& member, const std::string& master) {
    ASSERT_THAT(ip_command(fmt::format("link set {} down", member)),
                Succeeds());
    ASSERT_THAT(
        ip_command(fmt::format("link set {} master {}", member, master)),
        Succeeds());
    ASSERT_THAT(ip_command(fmt::format("link set {} up", member)), Succeeds());
  }

  // Whether a request that arrives at `member` gets to `master`.
  static bool reaches(const Mac& mac, const std::string& member,
                      const std::string& master) {
    const auto far = FrameSocket::open(peer_of(member)).value();
    const auto near = FrameSocket::open(master).value();
    // Another type of frame behind it, which every filter lets in.
    const Bytes marker =
        (Ethernet{.destination = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
                  .type = 0x88b5} /
         Raw{Bytes(46)})
            .bytes();
    bool reached = false;
    const bool ended = eventually([&] {
      if (!far.send(discover(mac)) || !far.send(marker)) return false;
      while (auto got = near.receive(std::chrono::steady_clock::now() +
                                     std::chrono::milliseconds(100))) {
        if (*got == discover(mac)) reached = true;
        if (*got == marker) return true;
      }
      return false;
    });
    EXPECT_TRUE(ended) << "nothing gets from " << member << " to " << master;
    return reached;
  }
};

TEST_F(XdpBondTest, TheBondItselfIsFilteredNatively) {
  auto driver = started(usual(), options({"bond0"}));
  EXPECT_EQ(target_of(*driver, "bond0").mode, "native");
  EXPECT_TRUE(driver->status().healthy);
  EXPECT_FALSE(reaches(kDenied, "eth1", "bond0"));
  EXPECT_TRUE(reaches(kAllowed, "eth1", "bond0"));
}

TEST_F(XdpBondTest, AMemberThatTakesOverIsFilteredToo) {
  auto driver = started(usual(), options({"bond0"}));
  ASSERT_THAT(ip_command("link set eth1 down"), Succeeds());
  EXPECT_FALSE(reaches(kDenied, "eth2", "bond0"));
  EXPECT_TRUE(reaches(kAllowed, "eth2", "bond0"));
  EXPECT_FALSE(driver->sync(usual())->changed());
}

TEST_F(XdpBondTest, AMemberThatJoinsLaterIsFilteredToo) {
  auto driver = started(usual(), options({"bond0"}));
  ASSERT_THAT(add_veth("eth3"), Succeeds());
  enslave("eth3", "bond0");
  for (const char* other : {"eth1", "eth2"}) {
    ASSERT_THAT(ip_command(fmt::format("link set {} down", other)), Succeeds());
  }
  EXPECT_FALSE(reaches(kDenied, "eth3", "bond0"));
  EXPECT_TRUE(reaches(kAllowed, "eth3", "bond0"));
}

TEST_F(XdpBondTest, MembersCanBeFilteredInsteadOfTheBond) {
  auto driver = started(usual(), options({"eth1", "eth2"}));
  EXPECT_EQ(target_of(*driver, "eth1").mode, "native");
  EXPECT_FALSE(reaches(kDenied, "eth1", "bond0"));
  EXPECT_TRUE(reaches(kAllowed, "eth1", "bond0"));
  // The kernel wants it one way or the other.
  auto both = make_xdp_driver([this] {
    XdpOptions other = options({"bond0"});
    other.pin_path = other_pin_path();
    other.mode = XdpAttachMode::kNative;
    return other;
  }());
  ASSERT_THAT(both->initialize(), Succeeds());
  EXPECT_THAT(target_of(*both, "bond0").detail, HasSubstr("bond0"));
  EXPECT_FALSE(target_of(*both, "bond0").active);
}

TEST_F(XdpBondTest, ABondThatIsMadeAnewIsAttachedAgain) {
  auto driver = started(usual(), options({"bond0"}));
  ASSERT_THAT(ip_command("link del bond0"), Succeeds());
  ASSERT_THAT(
      ip_command("link add bond0 type bond mode active-backup miimon 10"),
      Succeeds());
  for (const char* member : {"eth1", "eth2"}) enslave(member, "bond0");
  ASSERT_THAT(ip_command("link set bond0 up"), Succeeds());
  ASSERT_TRUE(wait_woken(*driver));
  ASSERT_THAT(driver->sync(usual()), Succeeds());
  EXPECT_TRUE(driver->status().healthy);
  EXPECT_FALSE(reaches(kDenied, "eth1", "bond0"));
}

TEST_F(XdpBondTest, ATeamIsFilteredInGenericModeAndItsPortsNatively) {
  ASSERT_THAT(ip_command("link add team0 type team"), Succeeds());
  ASSERT_THAT(add_veth("eth3"), Succeeds());
  auto driver = started(usual(), options({"team0", "eth3"}));
  EXPECT_EQ(target_of(*driver, "team0").mode, "skb");
  EXPECT_EQ(target_of(*driver, "eth3").mode, "native");
  enslave("eth3", "team0");
  EXPECT_TRUE(driver->status().healthy);
}

}  // namespace
}  // namespace pxegate::testing
