// SPDX-License-Identifier: Apache-2.0
#include "tests/support/machines.h"

#include <memory>
#include <utility>

namespace pxegate::testing {

Mac machine(std::uint32_t number) {
  return {0x02,
          0x00,
          static_cast<std::uint8_t>(number >> 24),
          static_cast<std::uint8_t>(number >> 16),
          static_cast<std::uint8_t>(number >> 8),
          static_cast<std::uint8_t>(number)};
}

Bytes discover(const Mac& mac) {
  return (Ethernet{.source = mac} / Ipv4{} / Udp{} /
          Bootp{.chaddr = {mac.begin(), mac.end()}} / DhcpOptions{})
      .bytes();
}

Snapshot snapshot(const std::vector<PolicyRule>& rules, Verdict unknown) {
  std::vector<Policy::Entry> entries;
  entries.reserve(rules.size());
  for (const PolicyRule& rule : rules) {
    entries.push_back({HardwareAddress(MacAddress(rule.mac)), rule.verdict});
  }
  return {std::make_shared<Inventory>(),
          std::make_shared<Policy>(std::move(entries), unknown)};
}

std::vector<PolicyRule> many(std::uint32_t first, std::uint32_t count,
                             Verdict verdict) {
  std::vector<PolicyRule> rules;
  for (std::uint32_t i = 0; i < count; ++i) {
    rules.push_back({machine(first + i), verdict});
  }
  return rules;
}

Snapshot usual(Verdict unknown) {
  return snapshot({{kDenied, Verdict::kDeny}, {kAllowed, Verdict::kAllow}},
                  unknown);
}

}  // namespace pxegate::testing
