// SPDX-License-Identifier: Apache-2.0
#include <bpf/bpf.h>
#include <poll.h>

#include <chrono>
#include <cstring>
#include <vector>

#include "tests/drivers/xdp/xdp_fixture.h"

namespace pxegate::testing {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// What options ask of the program, read back and written as anybody could.
class XdpSettingsTest : public XdpTest {
 protected:
  pxe_settings read() const {
    pxe_settings settings{};
    const __u32 first = 0;
    EXPECT_EQ(::bpf_map_lookup_elem(open_pin(pin("settings")).get(), &first,
                                    &settings),
              0);
    return settings;
  }
  template <typename T>
  void set(T pxe_settings::*field, T value) const {
    pxe_settings settings = read();
    settings.*field = value;
    const __u32 first = 0;
    ASSERT_EQ(::bpf_map_update_elem(open_pin(pin("settings")).get(), &first,
                                    &settings, BPF_ANY),
              0);
  }
  void expire() const { set(&pxe_settings::lease_until_ns, __u64{1}); }
  std::size_t relays() const {
    const UniqueFd map = open_pin(pin("discovery_relays"));
    pxe_network key{};
    std::size_t count = 0;
    while (::bpf_map_get_next_key(map.get(), count == 0 ? nullptr : &key,
                                  &key) == 0) {
      ++count;
    }
    return count;
  }
  static Bytes relayed(const Mac& mac, std::uint8_t network) {
    return (Ethernet{} / Ipv4{} / Udp{} /
            Bootp{.giaddr = ip(10, network, 0, 1),
                  .chaddr = {mac.begin(), mac.end()}} /
            DhcpOptions{})
        .bytes();
  }
  // 10.<number>.0.0/16
  static IpNetwork network(std::uint8_t number) {
    IpNetwork network;
    network.address = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, number};
    network.prefix_length = 112;
    return network;
  }
};

TEST_F(XdpSettingsTest, EveryOneThatSomebodyChangesIsPutBackAndNamed) {
  XdpOptions all = options();
  all.scope = XdpScope::kPxe;
  all.stale_action = XdpStaleAction::kKeep;
  all.unknown_rate = 10;
  all.relay_rate = 20;
  all.discovery_relays = {network(1)};
  auto driver = started(usual(kAllow), all);
  const pxe_settings wanted = read();
  const auto expect_healed = [&](const char* name) {
    auto report = driver->sync(usual(kAllow));
    ASSERT_THAT(report, Succeeds());
    EXPECT_THAT(report->repaired, ElementsAre(HasSubstr(name)));
    pxe_settings now = read();
    EXPECT_GE(now.lease_until_ns, wanted.lease_until_ns);
    now.lease_until_ns = wanted.lease_until_ns;
    EXPECT_EQ(std::memcmp(&now, &wanted, sizeof(now)), 0) << name;
    EXPECT_FALSE(driver->sync(usual(kAllow)).value().changed());
  };
  set(&pxe_settings::scope, __u8{PXE_SCOPE_DHCP});
  expect_healed("else: scope");
  set(&pxe_settings::stale_action, __u8{PXE_STALE_ALLOW});
  expect_healed("else: stale_action");
  set(&pxe_settings::discovery_restricted, __u8{0});
  expect_healed("else: discovery_restricted");
  set(&pxe_settings::unknown_interval_ns, __u64{0});
  expect_healed("else: unknown_rate");
  set(&pxe_settings::relay_interval_ns, __u64{0});
  expect_healed("else: relay_rate");
  expire();
  expect_healed("else: lease");
}

TEST_F(XdpSettingsTest, UnknownMachinesComeInThroughDiscoveryRelaysOnly) {
  XdpOptions restricted = options();
  restricted.discovery_relays = {network(1), network(2)};
  auto driver = started(usual(kAllow), restricted);
  Wire wire = Wire::open("eth1").value();
  EXPECT_TRUE(wire.passes(relayed(kUnknown, 1)));
  EXPECT_TRUE(wire.passes(relayed(kUnknown, 2)));
  EXPECT_FALSE(wire.passes(relayed(kUnknown, 3)));
  EXPECT_FALSE(wire.passes(discover(kUnknown)));
  EXPECT_TRUE(wire.passes(relayed(kAllowed, 3)));
}

TEST_F(XdpSettingsTest, DiscoveryRelaysThatSomebodyChangesArePutBack) {
  XdpOptions restricted = options();
  restricted.discovery_relays = {network(1)};
  auto driver = started(usual(kAllow), restricted);
  const UniqueFd map = open_pin(pin("discovery_relays"));
  pxe_network everything{};
  const __u8 present = 1;
  ASSERT_EQ(::bpf_map_update_elem(map.get(), &everything, &present, BPF_ANY),
            0);
  ASSERT_TRUE(Wire::open("eth1")->passes(relayed(kUnknown, 3)));
  auto report = driver->sync(usual(kAllow));
  ASSERT_THAT(report, Succeeds());
  EXPECT_THAT(report->repaired, ElementsAre(HasSubstr("discovery relays")));
  EXPECT_FALSE(Wire::open("eth1")->passes(relayed(kUnknown, 3)));
  EXPECT_TRUE(Wire::open("eth1")->passes(relayed(kUnknown, 1)));
}

// All options change at once, to and fro, under requests that both refuse.
TEST_F(XdpSettingsTest, NobodyGetsInWhileOtherOptionsTakeOver) {
  XdpOptions one = options();
  one.discovery_relays = {network(1)};
  XdpOptions other = options();
  other.discovery_relays = {network(2)};
  // Refused by the restriction in both; and the other way, by the verdict.
  started(usual(kDeny), one).reset();
  Wire wire = Wire::open("eth1").value();
  Flood flood(peer_of("eth1"), relayed(kUnknown, 3));
  for (int i = 0; i < 4; ++i) {
    auto driver = make_xdp_driver(i % 2 == 0 ? other : one);
    ASSERT_THAT(driver->initialize(), Succeeds());
    ASSERT_THAT(driver->sync(usual(i % 2 == 0 ? kAllow : kDeny)), Succeeds());
    EXPECT_EQ(relays(), 1U);
    ASSERT_TRUE(flood.wait_for(20));
  }
  flood.stop();
  EXPECT_THAT(wire.arrivals(), IsEmpty());
}

TEST_F(XdpSettingsTest, WithoutDiscoveryRelaysThoseOfBeforeAreForgotten) {
  XdpOptions restricted = options();
  restricted.discovery_relays = {network(1)};
  started(usual(kAllow), restricted).reset();
  auto driver = started(usual(kAllow));
  EXPECT_EQ(relays(), 0U);
  EXPECT_EQ(read().discovery_restricted, 0);
  EXPECT_TRUE(passes(kUnknown));
}

using XdpLeaseTest = XdpSettingsTest;

TEST_F(XdpLeaseTest, ASyncGivesItAndARenewalProlongsIt) {
  auto driver = started(usual());
  const __u64 given = read().lease_until_ns;
  EXPECT_GT(given, 0U);
  ASSERT_THAT(driver->renew_lease(), Succeeds());
  EXPECT_GT(read().lease_until_ns, given);
  const auto lease = driver->status().lease;
  ASSERT_TRUE(lease);
  EXPECT_FALSE(lease->expired);
  EXPECT_LE(lease->age, seconds(300));
  EXPECT_GT(lease->age, seconds(200));
  EXPECT_EQ(lease->action, "deny");
  EXPECT_FALSE(driver->sync(usual()).value().changed());
}

TEST_F(XdpLeaseTest, OneThatRanOutDeniesAndIsToldButTheRulesAreStillThere) {
  auto driver = started(usual(kAllow));
  expire();
  EXPECT_FALSE(passes(kAllowed));
  EXPECT_FALSE(passes(kUnknown));
  for (const bool running : {true, false}) {
    if (!running) driver->reset();
    ASSERT_TRUE(driver->status().lease);
    EXPECT_TRUE(driver->status().lease->expired);
    EXPECT_FALSE(driver->status().healthy);
    EXPECT_TRUE(driver->observe().value().lease->expired);
    EXPECT_EQ(driver->installed().value(), *usual(kAllow).policy);
  }
}

TEST_F(XdpLeaseTest, ASyncIsWhatEndsOneThatRanOut) {
  started(usual(kAllow)).reset();
  expire();
  auto driver = make();
  ASSERT_THAT(driver->initialize(), Succeeds());
  ASSERT_THAT(driver->renew_lease(), Succeeds());
  EXPECT_EQ(read().lease_until_ns, 1U) << "renewed what it has not brought";
  EXPECT_FALSE(passes(kAllowed));
  ASSERT_THAT(driver->sync(usual(kAllow)), Succeeds());
  EXPECT_TRUE(passes(kAllowed));
  EXPECT_TRUE(driver->status().healthy);
}

TEST_F(XdpLeaseTest, OneThatSomebodyChangedBetweenSyncsIsReported) {
  auto driver = started(usual());
  expire();
  ASSERT_THAT(driver->renew_lease(), Succeeds());
  EXPECT_TRUE(passes(kAllowed));
  EXPECT_THAT(driver->sync(usual()).value().repaired,
              ElementsAre(HasSubstr("the lease had been changed")));
}

TEST_F(XdpLeaseTest, KeepIsHealthyAndGoesOn) {
  XdpOptions keep = options();
  keep.stale_action = XdpStaleAction::kKeep;
  auto driver = started(usual(), keep);
  expire();
  EXPECT_TRUE(passes(kAllowed));
  EXPECT_FALSE(passes(kDenied));
  EXPECT_TRUE(driver->status().healthy);
  EXPECT_EQ(driver->status().lease->action, "keep");
}

TEST_F(XdpLeaseTest, WithoutOneThePolicyHoldsForever) {
  XdpOptions forever = options();
  started(usual()).reset();
  forever.stale_after = seconds(0);
  auto driver = started(usual(), forever);
  EXPECT_EQ(read().lease_until_ns, 0U);
  ASSERT_THAT(driver->renew_lease(), Succeeds());
  EXPECT_EQ(read().lease_until_ns, 0U);
  EXPECT_FALSE(driver->status().lease);
}

// Once in force, an action that opens must not be in force with the lease of
// before.
TEST_F(XdpLeaseTest, AnActionThatOpensIsNotTakenBeforeTheLeaseIsRenewed) {
  started(usual()).reset();
  expire();
  XdpOptions opening = options();
  opening.stale_action = XdpStaleAction::kAllow;
  Wire wire = Wire::open("eth1").value();
  Flood flood(peer_of("eth1"), discover(kDenied));
  for (int i = 0; i < 3; ++i) {
    auto driver = make_xdp_driver(opening);
    ASSERT_THAT(driver->initialize(), Succeeds());
    ASSERT_THAT(driver->sync(usual()), Succeeds());
    ASSERT_TRUE(flood.wait_for(20));
    EXPECT_EQ(read().stale_action, PXE_STALE_ALLOW);
    set(&pxe_settings::stale_action, __u8{PXE_STALE_DENY});
    expire();
  }
  flood.stop();
  EXPECT_THAT(wire.arrivals(), IsEmpty());
}

using XdpEventsTest = XdpTest;

TEST_F(XdpEventsTest, AreTakenOnceInTheirOrderAndTellAll) {
  auto driver = started(usual());
  ASSERT_GE(driver->events_fd(), 0);
  pollfd waiting{.fd = driver->events_fd(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&waiting, 1, 0), 0);
  passes(kDenied);
  passes(kAllowed);
  passes(kUnknown);
  EXPECT_EQ(::poll(&waiting, 1, 10'000), 1);
  auto two = driver->take_events(2);
  ASSERT_THAT(two, Succeeds());
  ASSERT_THAT(*two, SizeIs(2));
  EXPECT_EQ((*two)[0].address, "52:54:00:00:00:0d");
  EXPECT_EQ((*two)[0].verdict, kDeny);
  EXPECT_EQ((*two)[0].reason, "rule");
  EXPECT_EQ((*two)[0].interface, "eth1");
  EXPECT_EQ((*two)[0].ip_version, 4);
  EXPECT_EQ((*two)[1].verdict, kAllow);
  EXPECT_GE((*two)[1].time, (*two)[0].time);
  auto rest = driver->take_events(100);
  ASSERT_THAT(rest, Succeeds());
  ASSERT_THAT(*rest, SizeIs(1));
  EXPECT_EQ((*rest)[0].reason, "unknown");
  EXPECT_THAT(driver->take_events(100).value(), IsEmpty());
  EXPECT_EQ(::poll(&waiting, 1, 0), 0);
}

TEST_F(XdpEventsTest, AreTakenWithoutAControllerToo) {
  started(usual()).reset();
  passes(kDenied);
  auto reader = make();
  EXPECT_EQ(reader->events_fd(), -1);
  EXPECT_THAT(reader->take_events(10).value(), SizeIs(1));
  EXPECT_GE(reader->events_fd(), 0);
  // One at a time; a controller starts all the same, and takes them when the
  // other one is done.
  EXPECT_THAT(make()->take_events(10),
              FailsWith(ErrorCode::kConflict, "takes the events"));
  auto driver = started(usual());
  EXPECT_EQ(driver->events_fd(), -1);
  reader.reset();
  ASSERT_THAT(driver->sync(usual()), Succeeds());
  EXPECT_GE(driver->events_fd(), 0);
}

TEST_F(XdpEventsTest, OfARunningControllerAreItsOwn) {
  auto driver = started(usual());
  EXPECT_THAT(make()->take_events(10),
              FailsWith(ErrorCode::kConflict, "takes the events"));
  passes(kDenied);
  EXPECT_THAT(driver->take_events(10).value(), SizeIs(1));
}

TEST_F(XdpEventsTest, WithoutAFilterThereAreNone) {
  EXPECT_THAT(make()->take_events(10), FailsWith(ErrorCode::kNotFound, ""));
}

TEST_F(XdpEventsTest, ThoseThatAreNotReportedAreCounted) {
  auto driver = started(usual());
  EXPECT_EQ(driver->observe().value().events_lost, 0U);
  Wire wire = Wire::open("eth1").value();
  // More than the program reports in a second, all different machines.
  const auto far = FrameSocket::open(peer_of("eth1"));
  ASSERT_THAT(far, Succeeds());
  for (std::uint32_t i = 0; i < 5'000; ++i) {
    ASSERT_THAT(far->send(discover(machine(i))), Succeeds());
  }
  EXPECT_THAT(wire.arrivals(), IsEmpty());
  const auto seen = driver->observe();
  ASSERT_THAT(seen, Succeeds());
  std::uint64_t told = 0;
  for (std::vector<EventRecord> some;
       !(some = driver->take_events(64).value()).empty();) {
    EXPECT_LE(some.size(), 64U);
    told += some.size();
  }
  EXPECT_GT(seen->events_lost, 0U);
  std::uint64_t fell = 0;
  for (const CounterRecord& counter : seen->counters) fell += counter.packets;
  EXPECT_GT(fell, 0U);
  EXPECT_EQ(told + seen->events_lost + seen->clients_unrecorded, fell);
}

TEST_F(XdpEventsTest, Dhcpv6IsToldInItsOwnWords) {
  auto driver = started(usual());
  Wire wire = Wire::open("eth1").value();
  EXPECT_FALSE(wire.passes(
      (Ethernet{.source = kDenied} / Ipv6{} / kUdp6 / Dhcpv6{.type = 1})
          .bytes()));
  const auto events = driver->take_events(10);
  ASSERT_THAT(events, Succeeds());
  ASSERT_THAT(*events, SizeIs(1));
  EXPECT_EQ((*events)[0].ip_version, 6);
  EXPECT_EQ((*events)[0].message_type, "SOLICIT");
  EXPECT_EQ(driver->observe().value().clients.at(0).message_type, "SOLICIT");
}

}  // namespace
}  // namespace pxegate::testing
