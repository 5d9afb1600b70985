// SPDX-License-Identifier: Apache-2.0
//
// What one packet does not show: the object itself, many packets, many
// clients, several CPUs, frames in fragments.

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>

#include "tests/bpf/bpf_fixture.h"
#include "tests/bpf/rows.h"
// Uses the types of the ABI header, which it does not include.
#include <pxe_filter.skel.h>

namespace pxegate::testing {
namespace {

const Packet kHeaders = Ethernet{} / Ipv4{} / Udp{};
const Packet kRequest = kHeaders / Bootp{} / DhcpOptions{};
constexpr std::uint32_t kBootpOffset = 42;

class PxeProgramTest : public BpfTest {
 protected:
  std::uint32_t action_of(const Packet& packet) {
    const auto run = program().run(packet.bytes());
    EXPECT_TRUE(run) << run.error().message();
    return run ? run->action : std::uint32_t{XDP_ABORTED};
  }
};

TEST_F(PxeProgramTest, TellsHowMuchTheVerifierHadToLookAt) {
  bpf_prog_info info{};
  __u32 size = sizeof(info);
  const auto* filter = program().skeleton().progs.pxe_filter;
  ASSERT_EQ(bpf_obj_get_info_by_fd(bpf_program__fd(filter), &info, &size), 0);
  EXPECT_GT(info.verified_insns, 0U);
  RecordProperty("verified_insns", static_cast<int>(info.verified_insns));
  std::cout << "The verifier processed " << info.verified_insns
            << " instructions of its million; the program has "
            << info.xlated_prog_len / sizeof(bpf_insn) << ".\n";
}

TEST_F(PxeProgramTest, IsInTheSectionThatTakesFragments) {
  const auto* filter = program().skeleton().progs.pxe_filter;
  EXPECT_STREQ(bpf_program__section_name(filter), "xdp.frags");
  EXPECT_EQ(bpf_program__type(filter), BPF_PROG_TYPE_XDP);
}

TEST_F(PxeProgramTest, HasTheMapsOfTheAbi) {
  struct Expected {
    const char* name;
    bpf_map_type type;
    std::size_t key;
    std::size_t value;
    std::uint32_t entries;  // 0: the controller's choice
  };
  const Expected expected[] = {
      {"rules", BPF_MAP_TYPE_ARRAY, sizeof(__u32), sizeof(pxe_bucket), 0},
      {"more_rules", BPF_MAP_TYPE_HASH, sizeof(pxe_addr), sizeof(pxe_rule), 0},
      {"counters", BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(__u32),
       sizeof(pxe_counters), 1},
      {"traffic", BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(__u32), sizeof(pxe_traffic),
       PXE_TRAFFIC_PLACES + 1},
      {"clients", BPF_MAP_TYPE_LRU_HASH, sizeof(pxe_addr), sizeof(pxe_client),
       PXE_MAX_RECENT_CLIENTS},
      {"relays", BPF_MAP_TYPE_LRU_HASH, sizeof(pxe_ip), sizeof(pxe_relay),
       PXE_MAX_RELAYS},
      {"discovery_relays", BPF_MAP_TYPE_LPM_TRIE, sizeof(pxe_network),
       sizeof(__u8), PXE_MAX_DISCOVERY_RELAYS},
      {"events", BPF_MAP_TYPE_RINGBUF, 0, 0, PXE_EVENTS_BYTES},
      {".data.settings", BPF_MAP_TYPE_ARRAY, sizeof(__u32),
       sizeof(pxe_settings), 1},
  };
  for (const Expected& want : expected) {
    const bpf_map* map =
        bpf_object__find_map_by_name(program().skeleton().obj, want.name);
    ASSERT_NE(map, nullptr) << want.name;
    EXPECT_EQ(bpf_map__type(map), want.type) << want.name;
    EXPECT_EQ(bpf_map__key_size(map), want.key) << want.name;
    EXPECT_EQ(bpf_map__value_size(map), want.value) << want.name;
    if (want.entries == 0) continue;
    EXPECT_EQ(bpf_map__max_entries(map), want.entries) << want.name;
  }
}

TEST_F(PxeProgramTest, DeniesEverybodyUntilToldOtherwise) {
  auto fresh = PxeProgram::load();
  ASSERT_TRUE(fresh) << fresh.error().message();
  EXPECT_EQ(fresh->skeleton().data_settings->settings.abi_version,
            static_cast<__u32>(PXE_ABI_VERSION));
  for (const Packet& packet :
       {kRequest, kHeaders / Bootp{.htype = 32, .hlen = 0} / DhcpOptions{},
        kHeaders / Bootp{.htype = 6} / DhcpOptions{}, kHeaders}) {
    const auto run = fresh->run(packet.bytes());
    ASSERT_TRUE(run) << run.error().message();
    EXPECT_EQ(run->action, static_cast<std::uint32_t>(XDP_DROP));
  }
}

TEST_F(PxeProgramTest, DecidesAtEveryLength) {
  program().set_rule(ethernet_addr(kClientMac), PXE_ALLOW);
  const Packet request = kRequest / Pad{590};
  // The kernel runs nothing shorter than an Ethernet header.
  for (std::uint32_t size = 14; size <= 590; ++size) {
    const auto run = program().run((request / Truncate{size}).bytes());
    ASSERT_TRUE(run) << run.error().message();
    const bool drop = size >= kBootpOffset && size < kBootpOffset + 236;
    ASSERT_EQ(run->action,
              static_cast<std::uint32_t>(drop ? XDP_DROP : XDP_PASS))
        << size;
  }
  EXPECT_EQ(count(PXE_DENY, PXE_REASON_MALFORMED), 236U);
  EXPECT_EQ(count(PXE_ALLOW, PXE_REASON_RULE), 590U - 42 - 236 + 1);
}

TEST_F(PxeProgramTest, DecidesAtEveryLengthBehindTagsAndIpOptions) {
  program().set_rule(ethernet_addr(kClientMac), PXE_ALLOW);
  const Packet request = Ethernet{} / Vlan{} / Vlan{} /
                         Ipv4{.options = Bytes(40, 1)} / Udp{} / Bootp{} /
                         DhcpOptions{} / Pad{590};
  constexpr std::uint32_t kOffset = kBootpOffset + 2 * 4 + 40;
  for (std::uint32_t size = 14; size <= 590; ++size) {
    const auto run = program().run((request / Truncate{size}).bytes());
    ASSERT_TRUE(run) << run.error().message();
    const bool drop = size >= kOffset && size < kOffset + 236;
    ASSERT_EQ(run->action,
              static_cast<std::uint32_t>(drop ? XDP_DROP : XDP_PASS))
        << size;
  }
}

TEST_F(PxeProgramTest, ARuleHoldsFromTheNextPacketOn) {
  EXPECT_EQ(action_of(kRequest), static_cast<std::uint32_t>(XDP_DROP));
  program().set_rule(ethernet_addr(kClientMac), PXE_ALLOW);
  EXPECT_EQ(action_of(kRequest), static_cast<std::uint32_t>(XDP_PASS));
  program().set_rule(ethernet_addr(kClientMac), PXE_DENY);
  EXPECT_EQ(action_of(kRequest), static_cast<std::uint32_t>(XDP_DROP));
}

TEST_F(PxeProgramTest, AClientsRecordFollowsItsLastRequest) {
  const pxe_addr addr = ethernet_addr(kClientMac);
  action_of(Ethernet{} / Vlan{.id = 7} / Vlan{.id = 8} / Ipv4{} / Udp{} /
            Bootp{.giaddr = kGiaddr} / DhcpOptions{});
  const auto first = program().client(addr);
  ASSERT_TRUE(first);
  program().set_rule(addr, PXE_ALLOW);
  action_of(kHeaders / Bootp{} /
            DhcpOptions{.options = {message_type(3), client_arch(11)}});
  action_of(kRequest / Truncate{kBootpOffset + 236});
  const auto last = program().client(addr);
  ASSERT_TRUE(last);
  EXPECT_EQ(first->packets, 1U);
  EXPECT_EQ(last->packets, 3U);
  EXPECT_GE(last->last_seen_ns, first->last_seen_ns);
  EXPECT_EQ(first->seen.verdict, PXE_DENY);
  EXPECT_EQ(last->seen.verdict, PXE_ALLOW);
  EXPECT_EQ(first->seen.reason, PXE_REASON_UNKNOWN);
  EXPECT_EQ(last->seen.reason, PXE_REASON_RULE);
  // Nothing of an earlier request shines through.
  EXPECT_TRUE(std::ranges::all_of(last->seen.relay.octets,
                                  [](auto octet) { return octet == 0; }));
  EXPECT_EQ(last->seen.vlans, 0);
  EXPECT_EQ(last->seen.vlan[0], 0);
  EXPECT_EQ(last->seen.vlan[1], 0);
  EXPECT_EQ(last->seen.message_type, PXE_NO_MESSAGE_TYPE);
  EXPECT_EQ(last->seen.arch, PXE_NO_ARCH);
  EXPECT_EQ(program().clients().size(), 1U);
}

TEST_F(PxeProgramTest, ARelayCountsWhatItsClientsGot) {
  const Packet known = kHeaders / Bootp{.giaddr = kGiaddr} / DhcpOptions{};
  const Packet unknown =
      kHeaders /
      Bootp{.giaddr = kGiaddr,
            .chaddr = Bytes(kOtherMac.begin(), kOtherMac.end())} /
      DhcpOptions{};
  program().set_rule(ethernet_addr(kClientMac), PXE_ALLOW);
  action_of(known);
  const auto first = program().relay(mapped_ip(kGiaddr));
  ASSERT_TRUE(first);
  action_of(unknown);
  action_of(known);
  const auto last = program().relay(mapped_ip(kGiaddr));
  ASSERT_TRUE(last);
  EXPECT_EQ(last->packets[PXE_ALLOW], 2U);
  EXPECT_EQ(last->packets[PXE_DENY], 1U);
  EXPECT_GE(last->last_seen_ns, first->last_seen_ns);
  EXPECT_EQ(program().relay_count(), 1U);
}

TEST_F(PxeProgramTest, MoreClientsAndRelaysThanItRemembersChangeNoVerdict) {
  constexpr std::uint32_t kClients = PXE_MAX_RECENT_CLIENTS + 4000;
  program().set_rule(ethernet_addr(kClientMac), PXE_ALLOW);
  const Bytes allowed_frame = kRequest.bytes();
  Bytes frame = (kHeaders / Bootp{.giaddr = kGiaddr} / DhcpOptions{}).bytes();
  pxe_addr last{};
  std::uint64_t denied = 0;
  for (std::uint32_t i = 0; i < kClients; ++i) {
    const std::uint8_t low[] = {static_cast<std::uint8_t>(i >> 16),
                                static_cast<std::uint8_t>(i >> 8),
                                static_cast<std::uint8_t>(i)};
    std::copy_n(low, 3, frame.begin() + kBootpOffset + 28);      // of chaddr
    std::copy_n(low, 3, frame.begin() + kBootpOffset + 24 + 1);  // of giaddr
    const auto run = program().run(frame);
    ASSERT_TRUE(run) << run.error().message();
    ASSERT_EQ(run->action, static_cast<std::uint32_t>(XDP_DROP)) << i;
    last = raw_addr(1, 6,
                    Bytes(frame.begin() + kBootpOffset + 28,
                          frame.begin() + kBootpOffset + 34));
    // As if they had come within their rate.
    if (i % 1000 != 0) continue;
    denied += count(PXE_DENY, PXE_REASON_UNKNOWN);
    program().clear_counters();
  }
  EXPECT_EQ(denied + count(PXE_DENY, PXE_REASON_UNKNOWN), kClients);
  EXPECT_LE(program().clients().size(), std::size_t{PXE_MAX_RECENT_CLIENTS});
  EXPECT_GT(program().clients().size(),
            std::size_t{PXE_MAX_RECENT_CLIENTS / 2});
  EXPECT_LE(program().relay_count(), std::size_t{PXE_MAX_RELAYS});
  EXPECT_TRUE(program().client(last)) << "the newest was not remembered";
  const auto run = program().run(allowed_frame);
  ASSERT_TRUE(run) << run.error().message();
  EXPECT_EQ(run->action, static_cast<std::uint32_t>(XDP_PASS));
  EXPECT_TRUE(program().client(ethernet_addr(kClientMac)));
}

TEST_F(PxeProgramTest, CountsOnEachCpuAndTheSumIsRight) {
  const std::uint32_t index = counter_index(PXE_DENY, PXE_REASON_UNKNOWN);
  std::uint64_t packets = 0;
  const std::size_t cpus = program().counters_by_cpu().size();
  for (std::size_t cpu = 0; cpu < cpus; ++cpu) {
    const std::uint64_t here = cpu + 1;
    const bool ran = on_cpu(cpu, [&] {
      for (std::uint64_t i = 0; i < here; ++i) action_of(kRequest);
    });
    if (!ran) continue;
    packets += here;
    EXPECT_EQ(
        program().counters_by_cpu()[cpu].packets[PXE_DENY][PXE_REASON_UNKNOWN],
        here);
  }
  ASSERT_GT(packets, 0U);
  EXPECT_EQ(program().counters()[index], packets);
  const auto client = program().client(ethernet_addr(kClientMac));
  ASSERT_TRUE(client);
  EXPECT_EQ(client->packets, packets);
}

TEST_F(PxeProgramTest, DecidesAboutAFrameLongerThanAPage) {
  const Bytes frame = (kRequest / Pad{9000}).bytes();
  auto run = program().run(frame);
  ASSERT_TRUE(run) << run.error().message();
  EXPECT_EQ(run->action, static_cast<std::uint32_t>(XDP_DROP));
  program().set_rule(ethernet_addr(kClientMac), PXE_ALLOW);
  run = program().run(frame);
  ASSERT_TRUE(run) << run.error().message();
  EXPECT_EQ(run->action, static_cast<std::uint32_t>(XDP_PASS));
  EXPECT_EQ(run->frame, frame);
  const auto client = program().client(ethernet_addr(kClientMac));
  ASSERT_TRUE(client);
  EXPECT_EQ(client->seen.message_type, 1);
}

TEST_F(PxeProgramTest, PassesOverOtherFramesLongerThanAPage) {
  const Packet tftp = Ethernet{} / Ipv4{} / Udp{.destination = 69};
  EXPECT_EQ(action_of(tftp / Pad{9000}), static_cast<std::uint32_t>(XDP_PASS));
  EXPECT_EQ(program().counters(), PxeProgram::Counters{});
}

// Wherever a NIC cuts a frame, the verdict is that of the whole.
TEST_F(PxeProgramTest, DecidesWhereverAFrameIsCutInFragments) {
  const auto probe = program().run(kRequest.bytes(), 64);
  if (!probe && probe.error().code() == ErrorCode::kUnavailable)
    GTEST_SKIP() << probe.error().message();
  struct Case {
    const char* name;
    Packet packet;
    pxe_addr addr;
  };
  const Case cases[] = {
      {"plain", kRequest, ethernet_addr(kClientMac)},
      {"behind tags and IP options",
       Ethernet{} / Vlan{} / Vlan{} / Ipv4{.options = Bytes(40, 1)} / Udp{} /
           Bootp{} / DhcpOptions{},
       ethernet_addr(kClientMac)},
      {"InfiniBand",
       kHeaders / Bootp{.htype = 32, .hlen = 0, .chaddr = {}} /
           DhcpOptions{
               .options = {message_type(1), infiniband_client_id(kGuid)}},
       infiniband_addr(kGuid)},
  };
  for (const Case& c : cases) {
    const Bytes frame = c.packet.bytes();
    for (const std::uint8_t verdict : {PXE_ALLOW, PXE_DENY}) {
      program().clear();
      program().set_rule(c.addr, verdict);
      // The other way round, so that only the rule gives this verdict.
      program().set_unknown_verdict(verdict == PXE_ALLOW ? PXE_DENY
                                                         : PXE_ALLOW);
      std::uint64_t runs = 0;
      for (std::uint32_t linear = 14; linear <= frame.size(); ++linear) {
        const auto run = program().run(frame, linear);
        ASSERT_TRUE(run) << linear << ": " << run.error().message();
        ++runs;
        EXPECT_EQ(run->action, static_cast<std::uint32_t>(
                                   verdict == PXE_ALLOW ? XDP_PASS : XDP_DROP))
            << c.name << ", linear " << linear;
        EXPECT_EQ(run->frame, frame);
      }
      EXPECT_EQ(count(verdict, PXE_REASON_RULE), runs) << c.name;
    }
  }
}

TEST_F(PxeProgramTest, AShortRequestIsMalformedWhereverItIsCut) {
  program().set_unknown_verdict(PXE_ALLOW);
  const Bytes frame = (kRequest / Truncate{kBootpOffset + 235}).bytes();
  for (std::uint32_t linear = 14; linear <= frame.size(); ++linear) {
    const auto run = program().run(frame, linear);
    if (!run && run.error().code() == ErrorCode::kUnavailable)
      GTEST_SKIP() << run.error().message();
    ASSERT_TRUE(run) << run.error().message();
    EXPECT_EQ(run->action, static_cast<std::uint32_t>(XDP_DROP)) << linear;
  }
  EXPECT_EQ(count(PXE_DENY, PXE_REASON_MALFORMED), frame.size() - 14 + 1);
}

}  // namespace
}  // namespace pxegate::testing
