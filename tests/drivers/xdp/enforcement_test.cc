// SPDX-License-Identifier: Apache-2.0
#include <bpf/bpf.h>
#include <fmt/format.h>
#include <net/if.h>

#include <algorithm>
#include <filesystem>

#include "tests/drivers/xdp/xdp_fixture.h"

namespace pxegate::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using XdpEnforcementTest = XdpTest;

Bytes arp() { return (Ethernet{.type = kEtherArp} / Raw{Bytes(46)}).bytes(); }

std::uint64_t packets(const FilterDriver& driver, Verdict verdict) {
  auto seen = driver.observe();
  EXPECT_THAT(seen, Succeeds());
  std::uint64_t sum = 0;
  for (const CounterRecord& counter : seen->counters) {
    if (counter.verdict == verdict) sum += counter.packets;
  }
  return sum;
}

TEST_F(XdpEnforcementTest, EverythingIsDeniedBeforeTheFirstSync) {
  auto driver = make();
  ASSERT_THAT(driver->initialize(), Succeeds());
  EXPECT_FALSE(passes(kAllowed));
  EXPECT_FALSE(passes(kUnknown));
  EXPECT_EQ(driver->installed().value(), Policy());
}

TEST_F(XdpEnforcementTest, WhatIsNoDhcpRequestPassesFromTheStart) {
  auto driver = make();
  ASSERT_THAT(driver->initialize(), Succeeds());
  EXPECT_TRUE(Wire::open("eth1").value().passes(arp()));
}

TEST_F(XdpEnforcementTest, RulesDecideAboutKnownMachines) {
  auto driver = started(usual());
  EXPECT_FALSE(passes(kDenied));
  EXPECT_TRUE(passes(kAllowed));
  EXPECT_FALSE(passes(kUnknown));
}

TEST_F(XdpEnforcementTest, UnknownMachinesFollowTheirOneVerdict) {
  auto driver = started(usual(kAllow));
  EXPECT_FALSE(passes(kDenied));
  EXPECT_TRUE(passes(kAllowed));
  EXPECT_TRUE(passes(kUnknown));
}

TEST_F(XdpEnforcementTest, ASyncAppliesTheDifferenceAndSaysWhatItWas) {
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

TEST_F(XdpEnforcementTest, AnUnchangedSyncReportsNothingAndWakesNobody) {
  auto driver = started(usual(kAllow));
  const std::uint32_t program = program_id();
  driver->woken();
  auto report = driver->sync(usual(kAllow));
  ASSERT_THAT(report, Succeeds());
  EXPECT_FALSE(report->changed());
  EXPECT_EQ(program_id(), program);
  EXPECT_FALSE(driver->woken());
}

// A whole inspection's worth of changes, back and forth, under fire.
class XdpOrderTest : public XdpTest {
 protected:
  // kDenied is denied and kAllowed allowed by both, but never by the same
  // means: by a rule in one, as an unknown machine in the other.
  Snapshot while_open() const {
    auto rules = many(0, 10'000, kDeny);
    rules.push_back({kDenied, kDeny});
    return snapshot(rules, kAllow);
  }
  Snapshot while_closed() const {
    auto rules = many(10'000, 10'000, kDeny);
    rules.push_back({kAllowed, kAllow});
    return snapshot(rules, kDeny);
  }

  // Leaves the driver as it was after five times to and fro.
  void alternate(FilterDriver& driver, const Flood& flood) const {
    const Snapshot open = while_open();
    const Snapshot closed = while_closed();
    for (int i = 0; i < 5; ++i) {
      ASSERT_TRUE(flood.wait_for(10));
      ASSERT_THAT(driver.sync(closed), Succeeds());
      ASSERT_TRUE(flood.wait_for(10));
      ASSERT_THAT(driver.sync(open), Succeeds());
    }
  }
};

TEST_F(XdpOrderTest, WhoIsDeniedBeforeAndAfterNeverGetsThrough) {
  auto driver = started(while_open());
  Wire wire = Wire::open("eth1").value();
  Flood flood(peer_of("eth1"), discover(kDenied));
  alternate(*driver, flood);
  flood.stop();
  EXPECT_THAT(wire.arrivals(), IsEmpty());
  EXPECT_EQ(packets(*driver, kAllow), 0U);
  EXPECT_GT(packets(*driver, kDeny), 0U);
}

TEST_F(XdpOrderTest, WhoIsAllowedBeforeAndAfterIsNeverDropped) {
  auto driver = started(while_open());
  Flood flood(peer_of("eth1"), discover(kAllowed));
  alternate(*driver, flood);
  flood.stop();
  EXPECT_EQ(packets(*driver, kDeny), 0U);
  EXPECT_GT(packets(*driver, kAllow), 0U);
}

TEST_F(XdpEnforcementTest, AClientIsRememberedAsItAsked) {
  auto driver = started(usual());
  const Bytes frame =
      (Ethernet{} / Vlan{.id = 100} / Vlan{.id = 7} / Ipv4{} / Udp{} /
       Bootp{.giaddr = ip(10, 1, 2, 3),
             .chaddr = {kDenied.begin(), kDenied.end()}} /
       DhcpOptions{{message_type(1), client_arch(7)}})
          .bytes();
  Wire wire = Wire::open("eth1").value();
  EXPECT_FALSE(wire.passes(frame));
  EXPECT_FALSE(wire.passes(frame));

  auto seen = driver->observe();
  ASSERT_THAT(seen, Succeeds());
  EXPECT_TRUE(seen->supported);
  ASSERT_EQ(seen->clients.size(), 1U);
  const ClientRecord& client = seen->clients[0];
  EXPECT_EQ(client.address, "52:54:00:00:00:0d");
  EXPECT_EQ(client.htype, 1);
  EXPECT_EQ(client.verdict, kDeny);
  EXPECT_EQ(client.reason, "rule");
  EXPECT_EQ(client.relay, "10.1.2.3");
  EXPECT_EQ(client.interface, "eth1");
  EXPECT_THAT(client.vlans, ElementsAre(100, 7));
  EXPECT_EQ(client.message_type, "DISCOVER");
  EXPECT_EQ(client.architecture, "x64 UEFI");
  EXPECT_EQ(client.count, 2U);
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const auto age = std::chrono::seconds(now.tv_sec) +
                   std::chrono::nanoseconds(now.tv_nsec) - client.last_seen;
  EXPECT_GE(age.count(), 0);
  EXPECT_LT(age, std::chrono::minutes(1));
}

TEST_F(XdpEnforcementTest, ClientsAreListedLatestFirst) {
  auto driver = started(usual());
  passes(kDenied);
  passes(kAllowed);
  passes(kUnknown);
  passes(kDenied);
  auto seen = driver->observe();
  ASSERT_THAT(seen, Succeeds());
  ASSERT_EQ(seen->clients.size(), 3U);
  EXPECT_EQ(seen->clients[0].address, "52:54:00:00:00:0d");
  EXPECT_EQ(seen->clients[0].relay, "");
  EXPECT_THAT(seen->clients[0].vlans, IsEmpty());
  EXPECT_EQ(seen->clients[1].reason, "unknown");
  EXPECT_EQ(seen->clients[2].verdict, kAllow);
}

TEST_F(XdpEnforcementTest, RelaysAreCountedByVerdict) {
  auto driver = started(usual());
  Wire wire = Wire::open("eth1").value();
  for (const Mac& mac : {kDenied, kAllowed, kDenied}) {
    wire.passes(
        (Ethernet{} / Ipv4{} / Udp{} /
         Bootp{.giaddr = ip(10, 0, 0, 1), .chaddr = {mac.begin(), mac.end()}} /
         DhcpOptions{})
            .bytes());
  }
  auto seen = driver->observe();
  ASSERT_THAT(seen, Succeeds());
  ASSERT_EQ(seen->relays.size(), 1U);
  EXPECT_EQ(seen->relays[0].relay, "10.0.0.1");
  EXPECT_EQ(seen->relays[0].allowed, 1U);
  EXPECT_EQ(seen->relays[0].dropped, 2U);
  EXPECT_GT(seen->relays[0].last_seen.count(), 0);
}

TEST_F(XdpEnforcementTest, CountsByInterfaceAndWhetherItWasRelayed) {
  auto driver = started(usual(kAllow));
  passes(kDenied);
  passes(kDenied);
  Wire wire = Wire::open("eth1").value();
  wire.passes((Ethernet{} / Ipv4{} / Udp{} /
               Bootp{.giaddr = ip(10, 0, 0, 1),
                     .chaddr = {kAllowed.begin(), kAllowed.end()}} /
               DhcpOptions{})
                  .bytes());
  const auto seen = driver->observe();
  ASSERT_THAT(seen, Succeeds());
  ASSERT_TRUE(seen->requests);
  std::vector<std::string> told;
  for (const RequestCount& count : *seen->requests) {
    if (count.packets == 0) continue;
    told.push_back(fmt::format("{} {} {} {} {}", count.interface, count.relayed,
                               to_string(count.verdict), count.reason,
                               count.packets));
  }
  EXPECT_THAT(told, ::testing::UnorderedElementsAre("eth1 false deny rule 2",
                                                    "eth1 true allow rule 1"));
}

TEST_F(XdpEnforcementTest, CountersTellEveryReason) {
  auto driver = started(usual(kAllow));
  passes(kDenied);
  passes(kAllowed);
  passes(kUnknown);
  Wire wire = Wire::open("eth1").value();
  wire.passes((Ethernet{} / Ipv4{} / Udp{} / Raw{Bytes(20)}).bytes());
  wire.passes((Ethernet{} / Ipv4{} / Udp{} / Bootp{.htype = 6} / DhcpOptions{})
                  .bytes());
  wire.passes((Ethernet{} / Ipv4{} / Udp{} / Bootp{.htype = 32, .hlen = 0} /
               DhcpOptions{})
                  .bytes());
  auto seen = driver->observe();
  ASSERT_THAT(seen, Succeeds());
  std::vector<std::string> told;
  for (const CounterRecord& counter : seen->counters) {
    if (counter.packets == 0) continue;
    told.push_back(fmt::format("{} {} {}", to_string(counter.verdict),
                               counter.reason, counter.packets));
  }
  EXPECT_THAT(told, ::testing::UnorderedElementsAre(
                        "deny rule 1", "allow rule 1", "allow unknown 1",
                        "deny malformed 1", "allow foreign_htype 1",
                        "allow no_client_id 1"));
}

TEST_F(XdpEnforcementTest, WithoutInitializeThePinsAreRead) {
  started(usual(kAllow)).reset();
  passes(kDenied);
  auto reader = make();
  EXPECT_EQ(reader->installed().value(), *usual(kAllow).policy);
  EXPECT_EQ(reader->observe().value().clients.size(), 1U);
  EXPECT_TRUE(target_of(*reader).active);
  EXPECT_EQ(target_of(*reader).mode, "native");
}

TEST_F(XdpEnforcementTest, WithoutInitializeAndPinsTheErrorNamesThePin) {
  auto reader = make();
  EXPECT_THAT(reader->installed(),
              FailsWith(ErrorCode::kNotFound, pin("rules")));
  EXPECT_THAT(reader->observe(), FailsWith(ErrorCode::kNotFound, pin("rules")));
}

TEST_F(XdpEnforcementTest, EveryCallIsSafeInEveryState) {
  auto driver = make();
  for (int i = 0; i < 2; ++i) {
    driver->reset();
    driver->reset();
    EXPECT_THAT(driver->sync(usual()), FailsWith(ErrorCode::kInvalidState, ""));
    EXPECT_FALSE(driver->status().healthy);
    driver->observe();
    driver->installed();
    driver->woken();
    driver->shut_down();
    EXPECT_THAT(driver->tear_down(), Succeeds());
    EXPECT_THAT(driver->tear_down(), Succeeds());
    ASSERT_THAT(driver->initialize(), Succeeds());
    ASSERT_THAT(driver->initialize(), Succeeds());
    ASSERT_THAT(driver->sync(usual()), Succeeds());
    EXPECT_TRUE(driver->status().healthy);
    driver->reset();
    EXPECT_TRUE(passes(kAllowed));
    EXPECT_FALSE(passes(kDenied));
    ASSERT_THAT(driver->initialize(), Succeeds());
    EXPECT_FALSE(driver->sync(usual()).value().changed());
    EXPECT_THAT(driver->tear_down(), Succeeds());
    EXPECT_EQ(driver->status().rules, 0U);
  }
}

}  // namespace
}  // namespace pxegate::testing
