// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_TESTS_BPF_ROWS_H_
#define PXEGATE_TESTS_BPF_ROWS_H_

#include <linux/bpf.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bpf/pxe_filter_abi.h"
#include "tests/bpf/pxe_program.h"
#include "tests/support/packet.h"

namespace pxegate::testing {

inline constexpr Mac kOtherMac{0x52, 0x54, 0x00, 0x12, 0x34, 0x57};
inline constexpr Mac kRelayMac{0x02, 0x00, 0x00, 0x00, 0x00, 0x67};
inline constexpr std::uint32_t kGiaddr = ip(10, 1, 1, 1);
inline constexpr std::array<std::uint8_t, 8> kGuid{0x00, 0x02, 0xc9, 0x03,
                                                   0x00, 0xab, 0xcd, 0xef};

inline constexpr Ip6 kLink = ip6({0x2001, 0xdb8, 1, 0, 0, 0, 0, 1});
inline constexpr Ip6 kOtherLink = ip6({0x2001, 0xdb8, 2, 0, 0, 0, 0, 1});

inline Bytes as_bytes(const auto& octets) {
  return Bytes(octets.begin(), octets.end());
}

// A relay agent of either IP version, or none.
struct Relay {
  Relay() = default;
  Relay(std::uint32_t giaddr) : ip(mapped_ip(giaddr)) {}  // NOLINT: host order
  Relay(const Ip6& address) {                             // NOLINT
    std::copy(address.begin(), address.end(), ip.octets);
  }
  pxe_ip ip{};
};
inline pxe_network network(const Relay& relay, std::uint32_t prefix_length) {
  return {.prefix_length = prefix_length, .ip = relay.ip};
}

// When a lease ends: long ago, or not in our time.
inline constexpr std::uint64_t kRanOut = 1;
inline constexpr std::uint64_t kInForce = UINT64_MAX;

struct Slot {
  std::uint32_t bucket;
  std::size_t slot;
  std::uint64_t value;
};

struct PolicyInForce {
  std::vector<std::pair<pxe_addr, std::uint8_t>> rules{};
  std::uint8_t unknown = PXE_DENY;
  std::uint8_t scope = PXE_SCOPE_DHCP;
  std::uint64_t lease_until_ns = 0;
  std::uint8_t stale_action = PXE_STALE_DENY;
  std::uint8_t discovery_restricted = 0;
  std::vector<pxe_network> discovery_relays{};
  std::vector<Slot> slots{};  // written behind the rules
};
// Of one test. The program must be clear.
void install(const PolicyInForce& policy, PxeProgram& program);

// A row that expects a packet to be passed over runs under kDenyAll, one that
// expects it to be malformed under allow_all(), one that expects it to be read
// under allow_only(): so no other path gives the same answer.
inline const PolicyInForce kDenyAll{};
inline const PolicyInForce kAllowUnknown{.unknown = PXE_ALLOW};
inline PolicyInForce allow_only(const pxe_addr& addr) {
  return {.rules = {{addr, PXE_ALLOW}}};
}
inline PolicyInForce allow_only(const Mac& mac) {
  return allow_only(ethernet_addr(mac));
}
inline PolicyInForce deny_only(const pxe_addr& addr) {
  return {.rules = {{addr, PXE_DENY}}, .unknown = PXE_ALLOW};
}
inline PolicyInForce deny_only(const Mac& mac) {
  return deny_only(ethernet_addr(mac));
}
inline PolicyInForce allow_all() {
  return {.rules = {{ethernet_addr(kClientMac), PXE_ALLOW}},
          .unknown = PXE_ALLOW};
}

struct Counter {
  std::uint32_t verdict;
  std::uint32_t reason;
};

struct Expectation {
  std::uint32_t action;
  std::optional<Counter> counter;  // the one that moves, by one
};
inline const Expectation kNotOurs{XDP_PASS, std::nullopt};
inline const Expectation kMalformed{XDP_DROP,
                                    Counter{PXE_DENY, PXE_REASON_MALFORMED}};
inline Expectation allowed(pxe_reason reason) {
  return {XDP_PASS, Counter{PXE_ALLOW, reason}};
}
inline Expectation denied(pxe_reason reason) {
  return {XDP_DROP, Counter{PXE_DENY, reason}};
}

// What must be filed among the recent clients.
struct Seen {
  pxe_addr addr = ethernet_addr(kClientMac);
  Relay relay{};
  std::vector<std::uint16_t> vlans{};
  std::uint8_t message_type = 1;
  std::uint16_t arch = 0;
  std::uint8_t ip_version = 4;
};

struct Row {
  std::string name;
  Packet packet;
  PolicyInForce policy;
  Expectation expect;
  std::optional<Seen> seen{};
  std::optional<Relay> relay{};  // that must be counted
};

// By what they vary.
std::vector<Row> link_rows();     // Ethernet, VLAN tags
std::vector<Row> network_rows();  // IPv4, UDP, BOOTP's length and op
std::vector<Row> client_rows();   // who asks, and what the policy says
std::vector<Row> option_rows();   // DHCP options
std::vector<Row> ipv6_rows();     // IPv6, its extension headers, UDP
std::vector<Row> dhcpv6_rows();   // who asks by DHCPv6, and through whom
std::vector<Row> scope_rows();    // what is a network boot
std::vector<Row> policy_rows();   // lease, discovery, where rules are kept
std::vector<Row> all_rows();

}  // namespace pxegate::testing

#endif  // PXEGATE_TESTS_BPF_ROWS_H_
