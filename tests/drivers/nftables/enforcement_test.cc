// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <chrono>

#include "tests/drivers/nftables/nftables_fixture.h"

namespace pxegate::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

using NftablesEnforcementTest = NftablesTest;

TEST_F(NftablesEnforcementTest, EverythingIsDeniedBeforeTheFirstSync) {
  auto driver = make();
  ASSERT_THAT(driver->initialize(), Succeeds());
  EXPECT_FALSE(passes(kAllowed));
  EXPECT_FALSE(passes(kUnknown));
  EXPECT_EQ(driver->installed().value(), Policy());
}

TEST_F(NftablesEnforcementTest, ASyncBeforeInitializeIsRefused) {
  EXPECT_THAT(make()->sync(usual()), FailsWith(ErrorCode::kInvalidState, ""));
}

TEST_F(NftablesEnforcementTest, RulesDecideAboutKnownMachines) {
  auto driver = started(usual());
  EXPECT_FALSE(passes(kDenied));
  EXPECT_TRUE(passes(kAllowed));
  EXPECT_FALSE(passes(kUnknown));
}

TEST_F(NftablesEnforcementTest, UnknownMachinesFollowTheirOneVerdict) {
  auto driver = started(usual(kAllow));
  EXPECT_FALSE(passes(kDenied));
  EXPECT_TRUE(passes(kAllowed));
  EXPECT_TRUE(passes(kUnknown));
}

TEST_F(NftablesEnforcementTest, ASyncAppliesTheDifferenceAndSaysWhatItWas) {
  auto driver = started(snapshot({{kDenied, kAllow}, {machine(1), kDeny}}));
  auto report = driver->sync(usual(kAllow));
  ASSERT_THAT(report, Succeeds());
  EXPECT_EQ(report->upserts, 2U);
  EXPECT_EQ(report->removals, 1U);
  EXPECT_TRUE(report->unknown_changed);
  EXPECT_THAT(report->repaired, IsEmpty());
  EXPECT_EQ(driver->installed().value(), *usual(kAllow).policy);
  EXPECT_FALSE(passes(kDenied));
  EXPECT_EQ(driver->status().rules, 2U);
}

TEST_F(NftablesEnforcementTest, AnUnchangedSyncWritesNothing) {
  auto driver = started(usual(kAllow));
  const std::uint32_t before = generation();
  driver->woken();
  auto report = driver->sync(usual(kAllow));
  ASSERT_THAT(report, Succeeds());
  EXPECT_FALSE(report->changed());
  EXPECT_EQ(generation(), before);
  EXPECT_FALSE(driver->woken());
}

TEST_F(NftablesEnforcementTest, OneChangeIsOneTransaction) {
  auto driver = started(usual(kAllow));
  const std::uint32_t before = generation();
  ASSERT_THAT(driver->sync(snapshot({{kDenied, kAllow}, {kUnknown, kDeny}})),
              Succeeds());
  // Removals have to wait for the new verdict for unknown machines.
  EXPECT_EQ(generation(), before + 2);
  ASSERT_THAT(driver->sync(snapshot({{kDenied, kDeny}, {machine(1), kAllow}})),
              Succeeds());
  EXPECT_EQ(generation(), before + 3);
}

TEST_F(NftablesEnforcementTest, CountersTellWhyAndSurviveChanges) {
  auto driver = started(usual());
  passes(kDenied);
  passes(kAllowed);
  passes(kUnknown);
  ASSERT_THAT(driver->sync(usual(kAllow)), Succeeds());
  passes(kUnknown);
  EXPECT_EQ(packets(*driver, kDeny, "rule"), 1U);
  EXPECT_EQ(packets(*driver, kAllow, "rule"), 1U);
  EXPECT_EQ(packets(*driver, kDeny, "unknown"), 1U);
  EXPECT_EQ(packets(*driver, kAllow, "unknown"), 1U);
  EXPECT_EQ(packets(*driver, kDeny, "malformed"), 0U);
  EXPECT_TRUE(driver->observe()->supported);
}

TEST_F(NftablesEnforcementTest, InfinibandIsNamedAsALimit) {
  auto driver = started(usual());
  EXPECT_THAT(driver->status().notices, Not(Contains(HasSubstr("InfiniBand"))));
  const auto guid = HardwareAddress::infiniband({1, 2, 3, 4, 5, 6, 7, 8});
  const Snapshot mixed{
      std::make_shared<Inventory>(),
      std::make_shared<Policy>(
          std::vector<Policy::Entry>{
              {guid, kDeny}, {HardwareAddress(MacAddress(kAllowed)), kAllow}},
          kDeny)};
  ASSERT_THAT(driver->sync(mixed), Succeeds());
  EXPECT_TRUE(passes(kAllowed));
  EXPECT_THAT(driver->status().notices,
              Contains(HasSubstr("1 InfiniBand address is not enforced")));
  EXPECT_EQ(driver->status().rules, 1U);
  EXPECT_FALSE(driver->sync(mixed)->changed());
}

// What status says of servers that read raw sockets, and why: a denied frame
// comes by at a packet socket all the same.
TEST_F(NftablesEnforcementTest, ARawSocketSeesDeniedRequests) {
  auto driver = started(usual());
  Wire wire = Wire::open("eth1").value();
  EXPECT_TRUE(wire.passes(discover(kDenied)));
  EXPECT_FALSE(passes(kDenied));
  EXPECT_THAT(driver->status().notices, Contains(HasSubstr("raw sockets")));
  EXPECT_THAT(driver->status().notices, Contains(HasSubstr("DHCPv6")));
}

TEST_F(NftablesEnforcementTest, StatusTellsWhatIsFiltered) {
  auto driver = started(usual());
  const DriverStatus status = driver->status();
  EXPECT_EQ(status.driver, "nftables");
  EXPECT_TRUE(status.healthy);
  EXPECT_EQ(target_of(*driver).mode, "ingress");
  EXPECT_EQ(target_of(*driver).detail, "");
}

// A whole inspection's worth of changes, back and forth, under fire.
class NftablesOrderTest : public NftablesTest {
 protected:
  // kDenied is denied and kAllowed allowed by both, but never by the same
  // means: by a rule in one, as an unknown machine in the other.
  Snapshot while_open() const {
    auto rules = many(0, 5'000, kDeny);
    rules.push_back({kDenied, kDeny});
    return snapshot(rules, kAllow);
  }
  Snapshot while_closed() const {
    auto rules = many(5'000, 5'000, kDeny);
    rules.push_back({kAllowed, kAllow});
    return snapshot(rules, kDeny);
  }

  // Leaves the driver as it was after ten times to and fro.
  void alternate(FilterDriver& driver, const Flood& flood) const {
    const Snapshot open = while_open();
    const Snapshot closed = while_closed();
    for (int i = 0; i < 10; ++i) {
      ASSERT_TRUE(flood.wait_for(10));
      ASSERT_THAT(driver.sync(closed), Succeeds());
      ASSERT_TRUE(flood.wait_for(10));
      ASSERT_THAT(driver.sync(open), Succeeds());
    }
  }

  static std::uint64_t all(const FilterDriver& driver, Verdict verdict) {
    return packets(driver, verdict, "rule") +
           packets(driver, verdict, "unknown") +
           packets(driver, verdict, "foreign_htype");
  }
};

TEST_F(NftablesOrderTest, WhoIsDeniedBeforeAndAfterNeverGetsThrough) {
  auto driver = started(while_open());
  UdpServer server = UdpServer::open("eth1").value();
  Flood flood(peer_of("eth1"), discover(kDenied));
  alternate(*driver, flood);
  flood.stop();
  EXPECT_EQ(server.arrivals(), 0U);
  EXPECT_EQ(all(*driver, kAllow), 0U);
  EXPECT_GT(all(*driver, kDeny), 0U);
}

TEST_F(NftablesOrderTest, WhoIsAllowedBeforeAndAfterIsNeverDropped) {
  auto driver = started(while_open());
  Flood flood(peer_of("eth1"), discover(kAllowed));
  alternate(*driver, flood);
  flood.stop();
  EXPECT_EQ(all(*driver, kDeny), 0U);
  EXPECT_GT(all(*driver, kAllow), 0U);
}

TEST_F(NftablesOrderTest, NobodyGetsThroughWhileTheTableIsMadeAnew) {
  auto driver = started(usual(kAllow));
  UdpServer server = UdpServer::open("eth1").value();
  Flood flood(peer_of("eth1"), discover(kDenied));
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(flood.wait_for(10));
    driver->reset();
    ASSERT_THAT(driver->initialize(), Succeeds());
  }
  flood.stop();
  EXPECT_EQ(server.arrivals(), 0U);
}

TEST_F(NftablesEnforcementTest, AHundredThousandMachines) {
  using Clock = std::chrono::steady_clock;
  const auto timed = [](const char* what, auto&& body) {
    const auto begin = Clock::now();
    body();
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
        Clock::now() - begin);
    fmt::print("{}: {} ms\n", what, took.count());
  };
  auto rules = many(0, 100'000, kDeny);
  const Snapshot first = snapshot(rules, kAllow);
  rules.back().verdict = kAllow;
  const Snapshot second = snapshot(rules, kAllow);
  const Snapshot closed = snapshot(rules, kDeny);
  auto driver = make();
  ASSERT_THAT(driver->initialize(), Succeeds());
  timed("first sync",
        [&] { EXPECT_EQ(driver->sync(first).value().upserts, 100'000U); });
  timed("unchanged",
        [&] { EXPECT_FALSE(driver->sync(first).value().changed()); });
  timed("one machine changed",
        [&] { EXPECT_EQ(driver->sync(second).value().upserts, 1U); });
  nft("add table netdev somebody; delete table netdev somebody");
  timed("unchanged, read back",
        [&] { EXPECT_FALSE(driver->sync(second).value().changed()); });
  EXPECT_FALSE(passes(machine(0)));
  EXPECT_TRUE(passes(machine(99'999)));
  timed("unknown machines denied",
        [&] { EXPECT_TRUE(driver->sync(closed).value().unknown_changed); });
  timed("restart", [&] {
    driver->reset();
    ASSERT_THAT(driver->initialize(), Succeeds());
  });
  EXPECT_EQ(driver->installed().value(), *closed.policy);
  timed("teardown", [&] { ASSERT_THAT(driver->tear_down(), Succeeds()); });
}

}  // namespace
}  // namespace pxegate::testing
