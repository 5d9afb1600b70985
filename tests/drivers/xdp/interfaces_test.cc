// SPDX-License-Identifier: Apache-2.0
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <unistd.h>

#include <filesystem>

#include "tests/drivers/xdp/xdp_fixture.h"

namespace pxegate::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using XdpInterfacesTest = XdpTest;

TEST_F(XdpInterfacesTest, AMissingOneIsNamedAndTheOthersWork) {
  auto driver = started(usual(), options({"eth1", "eth2"}));
  EXPECT_TRUE(target_of(*driver, "eth1").active);
  EXPECT_FALSE(target_of(*driver, "eth2").active);
  EXPECT_EQ(target_of(*driver, "eth2").mode, "");
  EXPECT_THAT(target_of(*driver, "eth2").detail, HasSubstr("eth2"));
  EXPECT_FALSE(driver->status().healthy);
  EXPECT_FALSE(passes(kDenied));
}

TEST_F(XdpInterfacesTest, OneThatAppearsWakesTheDriverAndIsAttached) {
  auto driver = started(usual(), options({"eth2"}));
  driver->woken();
  ASSERT_THAT(add_veth("eth2"), Succeeds());
  EXPECT_TRUE(wait_woken(*driver));
  ASSERT_THAT(driver->sync(usual()), Succeeds());
  EXPECT_TRUE(driver->status().healthy);
  EXPECT_EQ(target_of(*driver, "eth2").detail, "");
  EXPECT_FALSE(passes(kDenied, "eth2"));
  EXPECT_TRUE(passes(kAllowed, "eth2"));
}

TEST_F(XdpInterfacesTest, AForeignOneWakesNobody) {
  auto driver = started(usual());
  driver->woken();
  ASSERT_THAT(add_veth("eth2"), Succeeds());
  EXPECT_FALSE(driver->woken());
}

TEST_F(XdpInterfacesTest, OneThatIsDeletedIsInactiveAndWakesTheDriver) {
  auto driver = started(usual());
  driver->woken();
  ASSERT_THAT(ip_command("link del eth1"), Succeeds());
  EXPECT_TRUE(wait_woken(*driver));
  ASSERT_THAT(driver->sync(usual()), Succeeds());
  EXPECT_FALSE(driver->status().healthy);
  EXPECT_THAT(target_of(*driver).detail, HasSubstr("no such"));
}

TEST_F(XdpInterfacesTest, OneThatIsMadeAnewIsAttachedAgain) {
  auto driver = started(usual());
  const unsigned before = ::if_nametoindex("eth1");
  ASSERT_THAT(ip_command("link del eth1"), Succeeds());
  ASSERT_THAT(add_veth("eth1"), Succeeds());
  ASSERT_NE(::if_nametoindex("eth1"), before);
  EXPECT_FALSE(target_of(*driver).active);
  ASSERT_TRUE(wait_woken(*driver));
  auto report = driver->sync(usual());
  ASSERT_THAT(report, Succeeds());
  EXPECT_THAT(report->repaired,
              ElementsAre(HasSubstr("eth1 was no longer filtered")));
  EXPECT_FALSE(passes(kDenied));
  EXPECT_TRUE(passes(kAllowed));
}

// However often: what was counted for those that are gone makes room.
TEST_F(XdpInterfacesTest, OneThatIsMadeAnewBeginsToCountAnew) {
  const auto counted = [](const FilterDriver& driver, const char* interface) {
    std::uint64_t sum = 0;
    const auto seen = driver.observe();
    EXPECT_THAT(seen, Succeeds());
    for (const RequestCount& count : *seen->requests) {
      if (count.interface == interface) sum += count.packets;
    }
    return sum;
  };
  auto driver = started(usual());
  passes(kDenied);
  passes(kDenied);
  EXPECT_EQ(counted(*driver, "eth1"), 2U);
  for (int i = 0; i <= PXE_TRAFFIC_PLACES; ++i) {
    ASSERT_THAT(ip_command("link del eth1"), Succeeds());
    ASSERT_THAT(add_veth("eth1"), Succeeds());
    ASSERT_THAT(driver->sync(usual()), Succeeds());
    passes(kDenied);
    EXPECT_EQ(counted(*driver, "eth1"), 1U) << i;
    EXPECT_EQ(counted(*driver, ""), 0U) << i;
  }
}

// The sync may have to wait for Ironic.
TEST_F(XdpInterfacesTest, OneThatIsMadeAnewIsAttachedBeforeTheSync) {
  auto driver = started(usual(kAllow));
  ASSERT_THAT(ip_command("link del eth1"), Succeeds());
  ASSERT_THAT(add_veth("eth1"), Succeeds());
  ASSERT_TRUE(wait_woken(*driver));
  EXPECT_TRUE(target_of(*driver).active);
  EXPECT_FALSE(passes(kDenied));
  EXPECT_TRUE(passes(kUnknown));
}

TEST_F(XdpInterfacesTest, OneThatIsRenamedBetweenRunsKeepsItsLink) {
  started(usual(kAllow)).reset();
  const std::uint32_t link = link_id();
  ASSERT_THAT(ip_command("link set eth1 down"), Succeeds());
  ASSERT_THAT(ip_command("link set eth1 name prov0"), Succeeds());
  ASSERT_THAT(ip_command("link set prov0 up"), Succeeds());
  auto next = make_xdp_driver(options({"prov0"}));
  ASSERT_THAT(next->initialize(), Succeeds());
  EXPECT_TRUE(target_of(*next, "prov0").active);
  EXPECT_EQ(link_id("prov0"), link);
  EXPECT_FALSE(std::filesystem::exists(link_pin("eth1")));
  EXPECT_EQ(next->installed().value(), *usual(kAllow).policy);
}

TEST_F(XdpInterfacesTest, OnesThatSwapNamesBetweenRunsKeepTheirLinks) {
  ASSERT_THAT(add_veth("eth2"), Succeeds());
  started(usual(), options({"eth1", "eth2"})).reset();
  const std::uint32_t first = link_id("eth1");
  const std::uint32_t second = link_id("eth2");
  for (const char* change : {"eth1 down", "eth2 down", "eth1 name eth3",
                             "eth2 name eth1", "eth3 name eth2"}) {
    ASSERT_THAT(ip_command(fmt::format("link set {}", change)), Succeeds());
  }
  auto next = make_xdp_driver(options({"eth1", "eth2"}));
  ASSERT_THAT(next->initialize(), Succeeds());
  EXPECT_EQ(link_id("eth1"), second);
  EXPECT_EQ(link_id("eth2"), first);
}

TEST_F(XdpInterfacesTest, OneThatIsMadeAnewBetweenRunsIsAttached) {
  started(usual()).reset();
  ASSERT_THAT(ip_command("link del eth1"), Succeeds());
  ASSERT_THAT(add_veth("eth1"), Succeeds());
  auto next = make();
  ASSERT_THAT(next->initialize(), Succeeds());
  EXPECT_TRUE(target_of(*next).active);
  EXPECT_FALSE(passes(kDenied));
  EXPECT_TRUE(passes(kAllowed));
}

TEST_F(XdpInterfacesTest, OneThatIsRenamedStaysFilteredAndComesBack) {
  auto driver = started(usual(kAllow));
  const std::uint32_t link = link_id();
  ASSERT_THAT(ip_command("link set eth1 down"), Succeeds());
  ASSERT_THAT(ip_command("link set eth1 name eth9"), Succeeds());
  ASSERT_THAT(ip_command("link set eth1-peer name eth9-peer"), Succeeds());
  ASSERT_THAT(ip_command("link set eth9 up"), Succeeds());
  EXPECT_TRUE(wait_woken(*driver));
  ASSERT_THAT(driver->sync(usual(kAllow)), Succeeds());
  EXPECT_FALSE(target_of(*driver).active);
  EXPECT_FALSE(passes(kDenied, "eth9"));

  ASSERT_THAT(ip_command("link set eth9 down"), Succeeds());
  ASSERT_THAT(ip_command("link set eth9 name eth1"), Succeeds());
  ASSERT_THAT(ip_command("link set eth9-peer name eth1-peer"), Succeeds());
  ASSERT_THAT(ip_command("link set eth1 up"), Succeeds());
  EXPECT_TRUE(wait_woken(*driver));
  ASSERT_THAT(driver->sync(usual(kAllow)), Succeeds());
  EXPECT_TRUE(target_of(*driver).active);
  EXPECT_EQ(link_id(), link);
  EXPECT_FALSE(passes(kDenied));
}

TEST_F(XdpInterfacesTest, OneThatIsRenamedToTheConfiguredNameIsAttached) {
  auto driver = started(usual(), options({"prov0"}));
  ASSERT_THAT(ip_command("link set eth1 down"), Succeeds());
  ASSERT_THAT(ip_command("link set eth1 name prov0"), Succeeds());
  ASSERT_THAT(ip_command("link set prov0 up"), Succeeds());
  EXPECT_TRUE(wait_woken(*driver));
  ASSERT_THAT(driver->sync(usual()), Succeeds());
  EXPECT_TRUE(driver->status().healthy);
}

TEST_F(XdpInterfacesTest, DownAndUpChangesNothing) {
  auto driver = started(usual(kAllow));
  const std::uint32_t link = link_id();
  ASSERT_THAT(ip_command("link set eth1 down"), Succeeds());
  EXPECT_FALSE(driver->sync(usual(kAllow)).value().changed());
  ASSERT_THAT(ip_command("link set eth1 up"), Succeeds());
  EXPECT_FALSE(driver->sync(usual(kAllow)).value().changed());
  EXPECT_EQ(link_id(), link);
  EXPECT_FALSE(passes(kDenied));
  EXPECT_TRUE(passes(kUnknown));
}

TEST_F(XdpInterfacesTest, OneThatIsDownIsAttachedBeforeItComesUp) {
  ASSERT_THAT(ip_command("link set eth1 down"), Succeeds());
  auto driver = started(usual(kAllow));
  EXPECT_TRUE(driver->status().healthy);
  ASSERT_THAT(ip_command("link set eth1 up"), Succeeds());
  EXPECT_FALSE(passes(kDenied));
}

TEST_F(XdpInterfacesTest, SeveralAreFilteredByOnePolicy) {
  ASSERT_THAT(add_veth("eth2"), Succeeds());
  ASSERT_THAT(add_veth("eth3"), Succeeds());
  auto driver = started(usual(), options({"eth1", "eth2", "eth3"}));
  for (const char* name : {"eth1", "eth2", "eth3"}) {
    EXPECT_FALSE(passes(kDenied, name));
    EXPECT_TRUE(passes(kAllowed, name));
  }
  EXPECT_EQ(driver->observe().value().clients.size(), 2U);
}

TEST_F(XdpInterfacesTest, OneThatIsNoLongerConfiguredIsLetGo) {
  ASSERT_THAT(add_veth("eth2"), Succeeds());
  started(usual(), options({"eth1", "eth2"})).reset();
  auto next = make();
  ASSERT_THAT(next->initialize(), Succeeds());
  EXPECT_EQ(program_id("eth2"), 0U);
  EXPECT_TRUE(passes(kDenied, "eth2"));
  EXPECT_FALSE(passes(kDenied, "eth1"));
  EXPECT_THAT(next->status().targets, ::testing::SizeIs(1));
  EXPECT_THAT(pins(), ::testing::Not(::testing::Contains("links/eth2")));
}

TEST_F(XdpInterfacesTest, OneThatIsNoLongerConfiguredAndGoneIsForgotten) {
  ASSERT_THAT(add_veth("eth2"), Succeeds());
  started(usual(), options({"eth1", "eth2"})).reset();
  ASSERT_THAT(ip_command("link del eth2"), Succeeds());
  auto next = make();
  ASSERT_THAT(next->initialize(), Succeeds());
  EXPECT_THAT(pins(), ::testing::Not(::testing::Contains("links/eth2")));
}

// The BPF file system takes no dots in names.
TEST_F(XdpInterfacesTest, NamesThatAPinCannotHaveAreEncoded) {
  for (const char* name : {"eth0.100", "eth0.200"}) {
    ASSERT_THAT(add_veth(name), Succeeds());
  }
  started(usual(), options({"eth0.100", "eth0.200"})).reset();
  EXPECT_THAT(pins(), ::testing::IsSupersetOf(
                          {"links/eth0%2e100", "links/eth0%2e200"}));
  const std::uint32_t link = link_id("eth0%2e100");
  auto next = make_xdp_driver(options({"eth0.100"}));
  ASSERT_THAT(next->initialize(), Succeeds());
  EXPECT_EQ(link_id("eth0%2e100"), link);
  EXPECT_FALSE(passes(kDenied, "eth0.100"));
  EXPECT_EQ(program_id("eth0.200"), 0U);
}

using XdpCapacityTest = XdpTest;

TEST_F(XdpCapacityTest, APolicyThatDoesNotFitIsAnErrorAndFailsClosed) {
  XdpOptions small = options();
  small.max_clients = 4;
  auto driver =
      started(snapshot({{kDenied, kDeny}, {kAllowed, kAllow}}, kAllow), small);
  ASSERT_TRUE(passes(kUnknown));
  auto larger = many(0, 10, kAllow);
  larger.push_back({kAllowed, kDeny});
  EXPECT_THAT(driver->sync(snapshot(larger, kAllow)),
              FailsWith(ErrorCode::kCapacity, "[xdp] max_clients = 4"));
  EXPECT_FALSE(passes(kUnknown)) << "unknown machines";
  EXPECT_FALSE(passes(kAllowed)) << "one that must be closed now";
  EXPECT_FALSE(passes(kDenied)) << "one that was closed";
  EXPECT_FALSE(passes(machine(1))) << "one that did not fit";
}

TEST_F(XdpCapacityTest, ItRecoversWhenThePolicyFitsAgain) {
  XdpOptions small = options();
  small.max_clients = 4;
  auto driver = started(usual(kAllow), small);
  ASSERT_THAT(driver->sync(snapshot(many(0, 5, kAllow), kAllow)),
              FailsWith(ErrorCode::kCapacity, "max_clients"));
  driver->reset();
  ASSERT_THAT(driver->initialize(), Succeeds());
  ASSERT_THAT(driver->sync(snapshot(many(0, 4, kAllow), kAllow)), Succeeds());
  EXPECT_TRUE(passes(kUnknown));
  EXPECT_TRUE(passes(machine(3)));
}

TEST_F(XdpCapacityTest, AsManyAsMaxClientsFitWhateverWasBefore) {
  XdpOptions small = options();
  small.max_clients = 50;
  auto driver = started(snapshot(many(0, 50, kDeny), kAllow), small);
  auto report = driver->sync(snapshot(many(50, 50, kAllow)));
  ASSERT_THAT(report, Succeeds());
  EXPECT_EQ(report->upserts, 50U);
  EXPECT_EQ(report->removals, 50U);
  EXPECT_EQ(driver->installed().value().entries().size(), 50U);
}

TEST_F(XdpCapacityTest, MapsFilledUpBySomebodyElseAreEmptiedAgain) {
  XdpOptions small = options();
  small.max_clients = 4;
  auto driver = started(snapshot({}, kAllow), small);
  const RawRules raw = raw_rules();
  for (const Mac& mac :
       sharing_bucket(kDenied, PXE_BUCKET_SLOTS,
                      static_cast<std::uint32_t>(raw.buckets.size()))) {
    *raw.empty_slot(mac) = pxe_slot(mac.data());
  }
  const UniqueFd more = open_pin(pin("more_rules"));
  const pxe_rule allow{.verdict = PXE_ALLOW, .pad = {}};
  for (std::uint8_t i = 0; i < 8; ++i) {
    const pxe_addr guid{
        .octets = {i, 1}, .htype = PXE_HTYPE_INFINIBAND, .hlen = 8, .pad = {}};
    ASSERT_EQ(::bpf_map_update_elem(more.get(), &guid, &allow, BPF_ANY), 0);
  }
  auto report = driver->sync(usual(kAllow));
  ASSERT_THAT(report, Succeeds());
  EXPECT_EQ(driver->installed().value(), *usual(kAllow).policy);
  EXPECT_THAT(report->repaired, ElementsAre(HasSubstr("16 rules")));
  EXPECT_TRUE(passes(kUnknown));
  EXPECT_FALSE(passes(kDenied));
}

}  // namespace
}  // namespace pxegate::testing
