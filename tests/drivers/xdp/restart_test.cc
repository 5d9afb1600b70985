// SPDX-License-Identifier: Apache-2.0
#include <bpf/bpf.h>
#include <fmt/format.h>
#include <net/if.h>

#include <filesystem>

#include "tests/drivers/xdp/xdp_fixture.h"

namespace pxegate::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using XdpRestartTest = XdpTest;

TEST_F(XdpRestartTest, ThePolicyOutlivesTheController) {
  started(usual(kAllow)).reset();
  EXPECT_FALSE(passes(kDenied));
  EXPECT_TRUE(passes(kAllowed));
  EXPECT_TRUE(passes(kUnknown));
}

TEST_F(XdpRestartTest, ThePolicyOutlivesAKilledProcess) {
  in_child([this]() -> std::string {
    auto driver = started(usual(kAllow));
    ::raise(SIGKILL);
    return {};
  });
  EXPECT_FALSE(passes(kDenied));
  EXPECT_TRUE(passes(kUnknown));
  auto next = make();
  EXPECT_THAT(next->initialize(), Succeeds());
}

TEST_F(XdpRestartTest, TheNextControllerTakesTheLinkOverWithANewProgram) {
  started(usual(kAllow)).reset();
  const std::uint32_t link = link_id();
  const std::uint32_t program = program_id();
  auto next = make();
  ASSERT_THAT(next->initialize(), Succeeds());
  EXPECT_EQ(link_id(), link);
  EXPECT_NE(program_id(), program);
  EXPECT_EQ(next->installed().value(), *usual(kAllow).policy);
  EXPECT_FALSE(passes(kDenied));
  EXPECT_TRUE(passes(kUnknown));
  auto report = next->sync(usual(kAllow));
  ASSERT_THAT(report, Succeeds());
  EXPECT_FALSE(report->changed());
}

TEST_F(XdpRestartTest, CountersAndClientsOutliveTheController) {
  started(usual()).reset();
  passes(kDenied);
  auto next = started(usual());
  passes(kDenied);
  auto seen = next->observe();
  ASSERT_THAT(seen, Succeeds());
  ASSERT_EQ(seen->clients.size(), 1U);
  EXPECT_EQ(seen->clients[0].count, 2U);
}

TEST_F(XdpRestartTest, NoRequestSlipsThroughWhileControllersComeAndGo) {
  const Snapshot policy = usual(kAllow);
  started(policy).reset();
  Wire wire = Wire::open("eth1").value();
  Flood flood(peer_of("eth1"), discover(kDenied));
  for (int i = 0; i < 40; ++i) {
    // All four ways to go: killed before and after the sync, clean, reset.
    auto driver = make();
    ASSERT_THAT(driver->initialize(), Succeeds());
    ASSERT_TRUE(flood.wait_for(20));
    if (i % 4 == 0) continue;
    ASSERT_THAT(driver->sync(policy), Succeeds());
    if (i % 4 == 1) driver->shut_down();
    if (i % 4 == 2) driver->reset();
    ASSERT_TRUE(flood.wait_for(20));
  }
  flood.stop();
  EXPECT_THAT(wire.arrivals(), IsEmpty());
}

TEST_F(XdpRestartTest, AnotherMaxClientsKeepsTheRulesInForce) {
  const Snapshot policy = usual(kAllow);
  started(policy).reset();
  Wire wire = Wire::open("eth1").value();
  Flood flood(peer_of("eth1"), discover(kDenied));
  for (int i = 0; i < 20; ++i) {
    XdpOptions other = options();
    other.max_clients = i % 2 == 0 ? 4 : 100'000;
    auto driver = make_xdp_driver(other);
    ASSERT_THAT(driver->initialize(), Succeeds());
    EXPECT_EQ(driver->installed().value(), *policy.policy);
    EXPECT_EQ(driver->status().capacity, other.max_clients);
    ASSERT_TRUE(flood.wait_for(20));
    ASSERT_FALSE(driver->sync(policy).value().changed());
  }
  flood.stop();
  EXPECT_THAT(wire.arrivals(), IsEmpty());
}

TEST_F(XdpRestartTest, AnotherMaxClientsKeepsARuleOfGarbageClosed) {
  started(usual(kAllow)).reset();
  *raw_rules().empty_slot(kUnknown) = pxe_slot(kUnknown.data()) | 0x4d;
  ASSERT_FALSE(passes(kUnknown));
  XdpOptions other = options();
  other.max_clients = 100;
  auto driver = make_xdp_driver(other);
  ASSERT_THAT(driver->initialize(), Succeeds());
  EXPECT_FALSE(passes(kUnknown));
}

TEST_F(XdpRestartTest, AMaxClientsBelowWhatIsInForceLeavesTheOldFilter) {
  started(snapshot(many(0, 100, kDeny), kAllow)).reset();
  const std::uint32_t program = program_id();
  XdpOptions other = options();
  other.max_clients = 10;
  auto driver = make_xdp_driver(other);
  EXPECT_THAT(driver->initialize(),
              FailsWith(ErrorCode::kCapacity, "max_clients"));
  driver->reset();
  EXPECT_EQ(program_id(), program);
  EXPECT_FALSE(passes(machine(99)));
  EXPECT_TRUE(passes(kUnknown));
  EXPECT_EQ(make()->installed().value().entries().size(), 100U);
}

// The kernel lets native and generic programs in only one after the other.
TEST_F(XdpRestartTest, TheModeCanChangeBetweenRuns) {
  XdpOptions other = options();
  for (const auto& [mode, name] :
       {std::pair{XdpAttachMode::kAuto, "native"},
        std::pair{XdpAttachMode::kSkb, "skb"},
        std::pair{XdpAttachMode::kAuto, "skb"},
        std::pair{XdpAttachMode::kNative, "native"}}) {
    other.mode = mode;
    auto driver = started(usual(), other);
    EXPECT_EQ(target_of(*driver).mode, name);
    EXPECT_TRUE(target_of(*driver).active);
    EXPECT_FALSE(passes(kDenied));
    EXPECT_TRUE(passes(kAllowed));
    EXPECT_FALSE(driver->sync(usual()).value().changed());
  }
}

TEST_F(XdpRestartTest, SkbModeOutlivesTheControllerWithoutAGap) {
  XdpOptions skb = options();
  skb.mode = XdpAttachMode::kSkb;
  started(usual(kAllow), skb).reset();
  Wire wire = Wire::open("eth1").value();
  Flood flood(peer_of("eth1"), discover(kDenied));
  for (int i = 0; i < 10; ++i) {
    auto driver = started(usual(kAllow), skb);
    ASSERT_TRUE(flood.wait_for(20));
  }
  flood.stop();
  EXPECT_THAT(wire.arrivals(), IsEmpty());
}

class XdpModeTest : public XdpTest {
 protected:
  void SetUp() override {
    XdpTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    // A bridge's driver runs no XDP programs.
    ASSERT_THAT(ip_command("link add br0 type bridge"), Succeeds());
  }
  XdpOptions on_bridge(XdpAttachMode mode) const {
    XdpOptions result = options({"br0", "eth1"});
    result.mode = mode;
    return result;
  }
};

TEST_F(XdpModeTest, AutoFallsBackWhereThereIsNoNativeMode) {
  auto driver = started(usual(), on_bridge(XdpAttachMode::kAuto));
  EXPECT_EQ(target_of(*driver, "br0").mode, "skb");
  EXPECT_EQ(target_of(*driver, "eth1").mode, "native");
  EXPECT_TRUE(driver->status().healthy);
}

TEST_F(XdpModeTest, NativeIsAnErrorOfThatInterfaceOnly) {
  auto driver = started(usual(), on_bridge(XdpAttachMode::kNative));
  EXPECT_FALSE(target_of(*driver, "br0").active);
  EXPECT_THAT(target_of(*driver, "br0").detail,
              HasSubstr("[xdp] mode = auto would fall back"));
  EXPECT_TRUE(target_of(*driver, "eth1").active);
  EXPECT_FALSE(driver->status().healthy);
}

TEST_F(XdpModeTest, ARefusedChangeOfModeLeavesTheInterfaceFiltered) {
  started(usual(), on_bridge(XdpAttachMode::kAuto)).reset();
  auto driver = started(usual(), on_bridge(XdpAttachMode::kNative));
  EXPECT_TRUE(target_of(*driver, "br0").active);
  EXPECT_EQ(target_of(*driver, "br0").mode, "skb");
  EXPECT_THAT(target_of(*driver, "br0").detail,
              HasSubstr("[xdp] mode = auto would fall back"));
  const std::uint32_t link = link_id("br0");
  ASSERT_THAT(driver->sync(usual()), Succeeds());
  EXPECT_EQ(link_id("br0"), link) << "it tries again and again";
}

}  // namespace
}  // namespace pxegate::testing
