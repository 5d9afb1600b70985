// SPDX-License-Identifier: Apache-2.0
//
// What the ring buffer tells of requests, and how much of it.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "tests/bpf/bpf_fixture.h"
#include "tests/bpf/rows.h"

namespace pxegate::testing {
namespace {

Bytes discover_of(std::uint32_t number) {
  const auto byte = [&](int shift) {
    return static_cast<std::uint8_t>(number >> shift);
  };
  return (Ethernet{} / Ipv4{} / Udp{} /
          Bootp{.chaddr = {0x02, 0xee, byte(24), byte(16), byte(8), byte(0)}} /
          DhcpOptions{})
      .bytes();
}

class Events : public BpfTest {
 protected:
  // Denied, each of another client, all on one CPU.
  void flood(std::uint32_t clients) {
    for (std::uint32_t i = 0; i < clients; ++i) passes(discover_of(next_++));
  }

  pxe_counters own() { return program().counters_by_cpu()[0]; }

  std::uint32_t next_ = 0;
};

TEST_F(Events, TellOfADhcpv4Request) {
  program().set_rule(ethernet_addr(kClientMac), PXE_ALLOW);
  const std::uint64_t before = monotonic_ns();
  passes((Ethernet{.source = kRelayMac} / Vlan{.id = 7} / Vlan{.id = 8} /
          Ipv4{} / Udp{} / Bootp{.giaddr = kGiaddr} /
          DhcpOptions{.options = {message_type(3), client_arch(11)}})
             .bytes());
  const auto events = program().events();
  ASSERT_EQ(events.size(), 1U);
  const pxe_event& event = events[0];
  EXPECT_GE(event.time_ns, before);
  EXPECT_LE(event.time_ns, monotonic_ns() + PXE_SECOND_NS);
  EXPECT_EQ(event.missed, 0U);
  const pxe_addr client = ethernet_addr(kClientMac);
  EXPECT_EQ(std::memcmp(&event.addr, &client, sizeof(client)), 0);
  const pxe_ip relay = mapped_ip(kGiaddr);
  EXPECT_EQ(std::memcmp(&event.seen.relay, &relay, sizeof(relay)), 0);
  EXPECT_EQ(event.seen.ifindex, 1U);
  EXPECT_EQ(event.seen.vlan[0], 7);
  EXPECT_EQ(event.seen.vlan[1], 8);
  EXPECT_EQ(event.seen.vlans, 2);
  EXPECT_EQ(event.seen.arch, 11);
  EXPECT_EQ(event.seen.message_type, 3);
  EXPECT_EQ(event.seen.verdict, PXE_ALLOW);
  EXPECT_EQ(event.seen.reason, PXE_REASON_RULE);
  EXPECT_EQ(event.seen.ip_version, 4);
  EXPECT_EQ(event.seen.pad, 0);
  EXPECT_EQ(event.pad, 0U);
}

TEST_F(Events, TellOfADhcpv6Request) {
  passes((Ethernet{.source = kRelayMac} / Ipv6{} / kUdp6 /
          RelayForward{.link = kLink} / Dhcpv6{.type = 3})
             .bytes());
  const auto events = program().events();
  ASSERT_EQ(events.size(), 1U);
  const pxe_event& event = events[0];
  const pxe_addr client = ethernet_addr(kClientMac);
  EXPECT_EQ(std::memcmp(&event.addr, &client, sizeof(client)), 0);
  EXPECT_TRUE(std::ranges::equal(event.seen.relay.octets, kLink));
  EXPECT_EQ(event.seen.vlans, 0);
  EXPECT_EQ(event.seen.arch, 7);
  EXPECT_EQ(event.seen.message_type, 3);
  EXPECT_EQ(event.seen.verdict, PXE_DENY);
  EXPECT_EQ(event.seen.reason, PXE_REASON_UNKNOWN);
  EXPECT_EQ(event.seen.ip_version, 6);
}

TEST_F(Events, SayNothingOfWhatIsNoRequest) {
  passes((Ethernet{} / Ipv4{} / Udp{.destination = 69} / Bootp{}).bytes());
  passes((Ethernet{} / Ipv4{} / Udp{} / Bootp{} / Truncate{42 + 235}).bytes());
  passes((Ethernet{} / Ipv6{} / kUdp6 / RelayForward{}).bytes());
  EXPECT_TRUE(program().events().empty());
}

TEST_F(Events, OfOneClientComeTenASecond) {
  constexpr std::uint32_t kPackets = 5000;
  const Bytes frame = discover_of(0);
  const std::uint64_t before = monotonic_ns();
  for (std::uint32_t i = 0; i < kPackets; ++i) passes(frame);
  const std::uint64_t took = monotonic_ns() - before;
  const auto events = program().events();
  // The first, and what was in the bucket, and what came into it.
  EXPECT_LE(events.size(),
            1 + PXE_DESCRIPTIONS_PER_SECOND +
                took / (PXE_SECOND_NS / PXE_DESCRIPTIONS_PER_SECOND) + 1);
  EXPECT_GE(events.size(), 1U + PXE_DESCRIPTIONS_PER_SECOND);
  for (const pxe_event& event : events) EXPECT_EQ(event.missed, 0U);
}

TEST_F(Events, OfManyClientsAreLimitedAndCounted) {
  constexpr std::uint32_t kClients = 3000;
  std::uint64_t took = 0;
  ASSERT_TRUE(on_cpu(0, [&] {
    const std::uint64_t before = monotonic_ns();
    flood(kClients);
    took = monotonic_ns() - before;
  }));
  const auto events = program().events();
  EXPECT_LE(events.size(), PXE_EVENTS_PER_SECOND +
                               took / (PXE_SECOND_NS / PXE_EVENTS_PER_SECOND) +
                               1);
  EXPECT_GE(events.size(), std::size_t{PXE_EVENTS_PER_SECOND});
  EXPECT_EQ(own().events_lost, 0U);
  EXPECT_EQ(own().events_limited, kClients - events.size());
  std::uint64_t missed = own().events_missed;
  for (const pxe_event& event : events) missed += event.missed;
  EXPECT_EQ(missed, kClients - events.size());
}

TEST_F(Events, OfAllowedAreNotHiddenByAFloodOfDenied) {
  program().set_rule(ethernet_addr(kClientMac), PXE_ALLOW);
  const Bytes allowed =
      (Ethernet{} / Ipv4{} / Udp{} / Bootp{} / DhcpOptions{}).bytes();
  std::uint64_t missed = 0;
  // The last of a flood may have been told of: then none was missed since.
  for (int i = 0; i < 5 && missed == 0; ++i) {
    ASSERT_TRUE(on_cpu(0, [&] {
      flood(3000);
      passes(allowed);
    }));
    const auto events = program().events();
    ASSERT_FALSE(events.empty());
    ASSERT_EQ(events.back().seen.verdict, PXE_ALLOW);
    missed = events.back().missed;
    EXPECT_EQ(own().events_missed, 0U);
  }
  EXPECT_GT(own().events_limited, 0U);
  EXPECT_GT(missed, 0U) << "it tells how many there were that it does not show";
}

TEST_F(Events, ThatFindNoRoomAreCounted) {
  ASSERT_TRUE(on_cpu(0, [&] {
    // As if they had come within their rate.
    for (int i = 0; i < 100 && own().events_lost == 0; ++i) {
      program().clear_counters();
      flood(200);
    }
    ASSERT_GT(own().events_lost, 0U);
    program().clear_counters();
    flood(10);
    EXPECT_EQ(own().events_lost, 10U);
    EXPECT_EQ(program().counters()[counter_index(PXE_DENY, PXE_REASON_UNKNOWN)],
              10U);
    // The kernel puts eight bytes in front of each.
    EXPECT_EQ(program().events().size(),
              PXE_EVENTS_BYTES / (8 + sizeof(pxe_event)));
    flood(1);
    const auto events = program().events();
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].missed, 10U);
  }));
}

}  // namespace
}  // namespace pxegate::testing
