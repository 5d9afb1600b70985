// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/random_policy.h"

#include <algorithm>
#include <initializer_list>
#include <random>

#include "tests/support/packet_shapes.h"

namespace pxegate::testing {
namespace {

class Maker {
 public:
  explicit Maker(std::uint64_t seed) : random_(seed) {}

  RandomPolicy make() {
    for (const Mac& mac : known_macs()) {
      if (one_in(4)) fill_bucket_of(mac);
      add_rule(ethernet_addr(mac));
    }
    for (const Guid& guid : known_guids()) add_rule(infiniband_addr(guid));
    choose_settings();
    return std::move(policy_);
  }

 private:
  std::uint32_t below(std::uint32_t limit) {
    return static_cast<std::uint32_t>(random_() % limit);
  }
  bool one_in(std::uint32_t n) { return below(n) == 0; }
  template <typename T>
  T any_of(std::initializer_list<T> choices) {
    return choices.begin()[below(static_cast<std::uint32_t>(choices.size()))];
  }

  void add(const pxe_addr& addr, std::uint8_t verdict) {
    policy_.rules.emplace_back(addr, verdict);
    policy_.model.allowed.insert_or_assign(
        {addr.htype, {addr.octets, addr.octets + addr.hlen}},
        verdict == PXE_ALLOW);
  }

  void add_rule(const pxe_addr& addr) {
    if (one_in(3)) return;
    // Some verdicts that nobody knows: they deny.
    add(addr, one_in(10) ? any_of<std::uint8_t>({2, 129})
                         : any_of<std::uint8_t>({PXE_DENY, PXE_ALLOW}));
  }

  void fill_bucket_of(const Mac& mac) {
    const auto bucket = [](const pxe_addr& addr) {
      return pxe_bucket_index(pxe_slot(addr.octets), PxeProgram::kBuckets - 1);
    };
    const std::uint32_t full = bucket(ethernet_addr(mac));
    for (std::size_t slots = 0; slots < PXE_BUCKET_SLOTS;) {
      const std::uint64_t octets = random_();
      Mac filler{0x02, 0xf1};
      std::copy_n(reinterpret_cast<const std::uint8_t*>(&octets), 4,
                  filler.begin() + 2);
      if (bucket(ethernet_addr(filler)) != full) continue;
      add(ethernet_addr(filler), any_of<std::uint8_t>({PXE_DENY, PXE_ALLOW}));
      ++slots;
    }
  }

  void add_network(const Ip6& ip, unsigned prefix_length) {
    pxe_network network{.prefix_length = prefix_length, .ip = {}};
    std::ranges::copy(ip, network.ip.octets);
    policy_.discovery_relays.push_back(network);
    if (policy_.model.discovery_relays)
      policy_.model.discovery_relays->push_back({ip, prefix_length});
  }

  void choose_settings() {
    pxe_settings& settings = policy_.settings;
    model::Policy& model = policy_.model;
    settings.abi_version = PXE_ABI_VERSION;
    settings.unknown_verdict = any_of<std::uint8_t>(
        {PXE_DENY, PXE_ALLOW, PXE_ALLOW, PXE_ALLOW, PXE_ALLOW, 2, 255});
    model.unknown_allowed = settings.unknown_verdict == PXE_ALLOW;
    settings.scope = any_of<std::uint8_t>(
        {PXE_SCOPE_DHCP, PXE_SCOPE_DHCP, PXE_SCOPE_PXE, 2, 255});
    model.network_boot_only = settings.scope == PXE_SCOPE_PXE;

    settings.stale_action = any_of<std::uint8_t>(
        {PXE_STALE_DENY, PXE_STALE_ALLOW, PXE_STALE_KEEP, 3, 255});
    // No lease, one that ran out, and one for ever.
    settings.lease_until_ns =
        any_of<std::uint64_t>({0, 0, 0, 1, UINT64_MAX / 2, UINT64_MAX});
    if (settings.lease_until_ns == 1 && settings.stale_action != PXE_STALE_KEEP)
      model.stale = settings.stale_action == PXE_STALE_ALLOW;

    settings.discovery_restricted = any_of<std::uint8_t>({0, 0, 1, 255});
    if (settings.discovery_restricted != 0) model.discovery_relays.emplace();
    for (const std::uint32_t ipv4 : known_relays4()) {
      if (!one_in(4)) continue;
      const pxe_ip mapped = mapped_ip(ipv4);
      Ip6 relay{};
      std::ranges::copy(mapped.octets, relay.begin());
      add_network(relay, 96 + any_of<unsigned>({8, 24, 30, 31, 32, 32}));
    }
    for (const Ip6& relay : known_relays6()) {
      if (one_in(5)) add_network(relay, any_of<unsigned>({48, 64, 127, 128}));
      if (one_in(40)) add_network(relay, any_of<unsigned>({0, 1, 96}));
    }
  }

  std::mt19937_64 random_;
  RandomPolicy policy_;
};

}  // namespace

void RandomPolicy::install(PxeProgram& program) const {
  program.clear_policy();
  for (const auto& [addr, verdict] : rules) program.set_rule(addr, verdict);
  for (const pxe_network& network : discovery_relays)
    program.add_discovery_relay(network);
  volatile pxe_settings& target = program.settings();
  target.unknown_verdict = settings.unknown_verdict;
  target.scope = settings.scope;
  target.stale_action = settings.stale_action;
  target.discovery_restricted = settings.discovery_restricted;
  target.lease_until_ns = settings.lease_until_ns;
}

RandomPolicy random_policy(std::uint64_t seed) { return Maker(seed).make(); }

}  // namespace pxegate::testing
