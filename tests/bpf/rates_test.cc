// SPDX-License-Identifier: Apache-2.0
//
// What depends on time: how many requests of unknown machines pass, and how
// many are recorded. Nothing is expected within a time; what came within the
// time that it took is.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <thread>

#include "tests/bpf/bpf_fixture.h"
#include "tests/bpf/rows.h"

namespace pxegate::testing {
namespace {

constexpr std::uint64_t kRate = 100;

Bytes discover(const Mac& mac, std::uint32_t giaddr = 0) {
  return (Ethernet{.source = mac} / Ipv4{} / Udp{} /
          Bootp{.giaddr = giaddr, .chaddr = as_bytes(mac)} / DhcpOptions{})
      .bytes();
}

Bytes solicit(const Mac& mac, const Ip6& link) {
  return (Ethernet{} / Ipv6{} / kUdp6 /
          RelayForward{.link = link, .peer = link_local(mac)} /
          Dhcpv6{.options = {}})
      .bytes();
}

// One that nobody had before.
Mac made_up(std::uint32_t number) {
  return {0x02,
          0xee,
          static_cast<std::uint8_t>(number >> 24),
          static_cast<std::uint8_t>(number >> 16),
          static_cast<std::uint8_t>(number >> 8),
          static_cast<std::uint8_t>(number)};
}

class Rates : public BpfTest {
 protected:
  void SetUp() override {
    BpfTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    program().set_unknown_verdict(PXE_ALLOW);
  }

  void limit_unknown() {
    program().settings().unknown_interval_ns = PXE_SECOND_NS / kRate;
  }
  void limit_relays() {
    program().settings().relay_interval_ns = PXE_SECOND_NS / kRate;
  }

  static void let_a_bucket_fill() {
    std::this_thread::sleep_for(std::chrono::milliseconds(1200));
  }

  // How many of `frame(0)`, `frame(1)`... pass.
  template <typename Frame>
  std::uint64_t flood(std::uint32_t packets, Frame frame) {
    started_ = monotonic_ns();
    std::uint64_t passed = 0;
    for (std::uint32_t i = 0; i < packets; ++i)
      if (passes(frame(i))) ++passed;
    return passed;
  }

  // What fills `buckets` of `rate` since the flood began, and what was in
  // them, rounded up.
  std::uint64_t at_most(std::uint64_t rate, std::uint64_t buckets) const {
    const std::uint64_t took = monotonic_ns() - started_;
    return buckets * rate + took / (PXE_SECOND_NS / rate) + 1;
  }

  std::uint64_t started_ = 0;
};

TEST_F(Rates, WithoutLimitAllUnknownPass) {
  const Bytes frame = discover(kClientMac, kGiaddr);
  EXPECT_EQ(flood(3000, [&](std::uint32_t) { return frame; }), 3000U);
  EXPECT_EQ(flood(3000, [&](std::uint32_t i) { return discover(made_up(i)); }),
            3000U);
}

TEST_F(Rates, OneUnknownClientHasItsRate) {
  limit_unknown();
  const Bytes frame = discover(kClientMac);
  const std::uint64_t passed = flood(5000, [&](auto) { return frame; });
  // The first of them comes from the bucket of those not seen before.
  EXPECT_LE(passed, at_most(kRate, 1) + 1);
  EXPECT_GE(passed, kRate);
  EXPECT_EQ(count(PXE_ALLOW, PXE_REASON_UNKNOWN), passed);
  EXPECT_EQ(count(PXE_DENY, PXE_REASON_UNKNOWN_RATE), 5000 - passed);
  const auto client = program().client(ethernet_addr(kClientMac));
  ASSERT_TRUE(client);
  EXPECT_EQ(client->packets, 5000U);
  EXPECT_EQ(client->seen.verdict, PXE_DENY);
  EXPECT_EQ(client->seen.reason, PXE_REASON_UNKNOWN_RATE);
}

TEST_F(Rates, OneUnknownClientDoesNotStarveAnother) {
  limit_unknown();
  const Bytes frame = discover(kClientMac);
  ASSERT_LT(flood(1000, [&](auto) { return frame; }), 1000U);
  EXPECT_TRUE(passes(discover(kOtherMac)));
}

TEST_F(Rates, ATokenComesBack) {
  limit_unknown();
  const Bytes frame = discover(kClientMac);
  while (passes(frame)) {
  }
  const auto patience =
      std::chrono::steady_clock::now() + std::chrono::seconds(20);
  bool passed = false;
  while (!passed && std::chrono::steady_clock::now() < patience) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    passed = passes(frame);
  }
  EXPECT_TRUE(passed);
}

TEST_F(Rates, AHostThatMakesAddressesUpHasTheRateOfOne) {
  limit_unknown();
  ASSERT_TRUE(passes(discover(kOtherMac)));
  const std::uint64_t passed =
      flood(20'000, [](std::uint32_t i) { return discover(made_up(i)); });
  EXPECT_LE(passed, at_most(kRate, 1));
  EXPECT_GE(passed, kRate - 1);
  EXPECT_EQ(count(PXE_DENY, PXE_REASON_UNKNOWN_RATE), 20'000 - passed);
  // Nor does it wash out who was there before, or take their share.
  EXPECT_EQ(program().clients().size(), passed + 1);
  EXPECT_TRUE(program().client(ethernet_addr(kOtherMac)));
  EXPECT_TRUE(passes(discover(kOtherMac)));
}

// Where unknown machines are denied they are recorded no faster.
TEST_F(Rates, AHostThatMakesAddressesUpIsRecordedAtTheRateOfOne) {
  limit_unknown();
  program().set_unknown_verdict(PXE_DENY);
  ASSERT_FALSE(passes(discover(kOtherMac)));
  EXPECT_EQ(flood(20'000, [](std::uint32_t i) { return discover(made_up(i)); }),
            0U);
  EXPECT_LE(program().clients().size(), at_most(kRate, 1) + 1);
  EXPECT_GE(program().clients().size(), kRate);
  EXPECT_TRUE(program().client(ethernet_addr(kOtherMac)));
  EXPECT_EQ(count(PXE_DENY, PXE_REASON_UNKNOWN), 20'001U);
}

TEST_F(Rates, AKnownClientIsNeverLimited) {
  limit_unknown();
  limit_relays();
  program().set_rule(ethernet_addr(kClientMac), PXE_ALLOW);
  ASSERT_LT(
      flood(2000,
            [](std::uint32_t i) { return discover(made_up(i), kGiaddr); }),
      2000U);
  const Bytes direct = discover(kClientMac);
  const Bytes relayed = discover(kClientMac, kGiaddr);
  const Bytes relayed6 = solicit(kClientMac, kLink);
  for (const Bytes& frame : {direct, relayed, relayed6})
    EXPECT_EQ(flood(2000, [&](auto) { return frame; }), 2000U);
  EXPECT_EQ(count(PXE_ALLOW, PXE_REASON_RULE), 6000U);
}

TEST_F(Rates, ADeniedClientIsDeniedByItsRule) {
  limit_unknown();
  program().set_rule(ethernet_addr(kClientMac), PXE_DENY);
  const Bytes frame = discover(kClientMac);
  EXPECT_EQ(flood(1000, [&](auto) { return frame; }), 0U);
  EXPECT_EQ(count(PXE_DENY, PXE_REASON_RULE), 1000U);
}

TEST_F(Rates, ARelayHasItsRateWhoeverAsksThroughIt) {
  limit_relays();
  ASSERT_TRUE(passes(discover(kOtherMac, kGiaddr)));
  let_a_bucket_fill();
  const std::uint64_t passed = flood(
      5000, [](std::uint32_t i) { return discover(made_up(i), kGiaddr); });
  EXPECT_LE(passed, at_most(kRate, 1));
  EXPECT_GE(passed, kRate);
  EXPECT_EQ(count(PXE_DENY, PXE_REASON_RELAY_RATE), 5000 - passed);
  const auto relay = program().relay(mapped_ip(kGiaddr));
  ASSERT_TRUE(relay);
  EXPECT_EQ(relay->packets[PXE_ALLOW], passed + 1);
  // Other leaves, and machines next to us, are none the worse.
  EXPECT_TRUE(passes(discover(kOtherMac, ip(10, 1, 2, 1))));
  EXPECT_TRUE(passes(discover(kOtherMac)));
}

TEST_F(Rates, ARelayOfDhcpv6HasItsRate) {
  limit_relays();
  ASSERT_TRUE(passes(solicit(kOtherMac, kLink)));
  let_a_bucket_fill();
  const std::uint64_t passed =
      flood(5000, [](std::uint32_t i) { return solicit(made_up(i), kLink); });
  EXPECT_LE(passed, at_most(kRate, 1));
  EXPECT_GE(passed, kRate);
  EXPECT_TRUE(passes(solicit(kOtherMac, kOtherLink)));
}

TEST_F(Rates, MakingRelaysUpDoesNotHelp) {
  limit_relays();
  ASSERT_TRUE(passes(discover(kOtherMac, kGiaddr)));
  const std::uint64_t passed = flood(20'000, [](std::uint32_t i) {
    return discover(made_up(i), ip(172, 16, 0, 0) + i);
  });
  EXPECT_LE(passed, at_most(kRate, 1));
  EXPECT_EQ(count(PXE_DENY, PXE_REASON_RELAY_RATE), 20'000 - passed);
  EXPECT_EQ(program().relay_count(), passed + 1);
  EXPECT_TRUE(passes(discover(kOtherMac, kGiaddr)));
}

// A known client's requests are not limited, and must not make relays whose
// buckets are.
TEST_F(Rates, RelaysThatAKnownClientMadeUpDoNotHelp) {
  limit_relays();
  program().set_rule(ethernet_addr(kOtherMac), PXE_DENY);
  started_ = monotonic_ns();
  std::uint64_t passed = 0;
  for (std::uint32_t i = 0; i < 2000; ++i) {
    const std::uint32_t giaddr = ip(172, 16, 0, 0) + i;
    EXPECT_FALSE(passes(discover(kOtherMac, giaddr)));
    if (passes(discover(made_up(i), giaddr))) ++passed;
  }
  EXPECT_LE(passed, 2 * at_most(kRate, 1));
  EXPECT_LE(program().relay_count(), 2 * at_most(kRate, 1));
}

// It was denied for an address that came with it, not for its own.
TEST_F(Rates, AHostThatMakesAddressesUpIsNotRecordedForARuleOfAnothers) {
  limit_unknown();
  program().set_rule(ethernet_addr(kOtherMac), PXE_DENY);
  const auto disguised = [](std::uint32_t i) {
    return (Ethernet{.source = kOtherMac} / Ipv4{} / Udp{} /
            Bootp{.htype = 7, .chaddr = as_bytes(made_up(i))} / DhcpOptions{})
        .bytes();
  };
  EXPECT_EQ(flood(20'000, disguised), 0U);
  EXPECT_EQ(count(PXE_DENY, PXE_REASON_RULE), 20'000U);
  EXPECT_LE(program().clients().size(), at_most(kRate, 1));
}

// What is denied anyway leaves the tokens to those that may pass.
TEST_F(Rates, RecordsDoNotTakeWhatVerdictsNeed) {
  limit_unknown();
  program().settings().discovery_restricted = 1;
  pxe_network network{.prefix_length = 128, .ip = mapped_ip(kGiaddr)};
  program().add_discovery_relay(network);
  EXPECT_EQ(flood(5000, [](std::uint32_t i) { return discover(made_up(i)); }),
            0U);
  EXPECT_TRUE(passes(discover(kOtherMac, kGiaddr)));
}

TEST_F(Rates, RecordsOfDeniedRequestsAreLimitedAndCountersAreNot) {
  constexpr std::uint32_t kPackets = 60'000;
  program().set_rule(ethernet_addr(kClientMac), PXE_DENY);
  const Bytes frame = discover(kClientMac, kGiaddr);
  const bool ran = on_cpu(
      0, [&] { EXPECT_EQ(flood(kPackets, [&](auto) { return frame; }), 0U); });
  ASSERT_TRUE(ran);
  EXPECT_EQ(count(PXE_DENY, PXE_REASON_RULE), kPackets);
  const auto client = program().client(ethernet_addr(kClientMac));
  ASSERT_TRUE(client);
  EXPECT_LE(client->packets, at_most(PXE_RECORDS_PER_SECOND, 1));
  EXPECT_EQ(program().counters_by_cpu()[0].clients_unrecorded,
            kPackets - client->packets);
  // Whom a rule allows is recorded each time.
  program().set_rule(ethernet_addr(kOtherMac), PXE_ALLOW);
  const Bytes allowed = discover(kOtherMac);
  on_cpu(0,
         [&] { EXPECT_EQ(flood(1000, [&](auto) { return allowed; }), 1000U); });
  const auto other = program().client(ethernet_addr(kOtherMac));
  ASSERT_TRUE(other);
  EXPECT_EQ(other->packets, 1000U);
}

TEST_F(Rates, AClientIsDescribedTenTimesASecond) {
  const auto asking = [](std::uint16_t arch) {
    return (Ethernet{} / Ipv4{} / Udp{} / Bootp{} /
            DhcpOptions{.options = {message_type(1), client_arch(arch)}})
        .bytes();
  };
  const Bytes first = asking(1);
  for (int i = 0; i < 100; ++i) passes(first);
  // The bucket is empty: this one changes all but what is dear to read.
  for (std::uint16_t arch = 2; arch < 1000; ++arch) passes(asking(arch));
  const auto client = program().client(ethernet_addr(kClientMac));
  ASSERT_TRUE(client);
  EXPECT_EQ(client->packets, 100U + 998);
  EXPECT_EQ(client->seen.message_type, 1);
  EXPECT_NE(client->seen.arch, PXE_NO_ARCH);
}

}  // namespace
}  // namespace pxegate::testing
