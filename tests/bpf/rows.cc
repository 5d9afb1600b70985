// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/rows.h"

namespace pxegate::testing {

void install(const PolicyInForce& policy, PxeProgram& program) {
  for (const auto& [addr, verdict] : policy.rules)
    program.set_rule(addr, verdict);
  for (const Slot& slot : policy.slots)
    program.set_slot(slot.bucket, slot.slot, slot.value);
  for (const pxe_network& network : policy.discovery_relays)
    program.add_discovery_relay(network);
  volatile pxe_settings& settings = program.settings();
  settings.unknown_verdict = policy.unknown;
  settings.scope = policy.scope;
  settings.lease_until_ns = policy.lease_until_ns;
  settings.stale_action = policy.stale_action;
  settings.discovery_restricted = policy.discovery_restricted;
}

std::vector<Row> all_rows() {
  std::vector<Row> all;
  for (std::vector<Row>& rows :
       std::vector{link_rows(), network_rows(), client_rows(), option_rows(),
                   ipv6_rows(), dhcpv6_rows(), scope_rows(), policy_rows()})
    std::move(rows.begin(), rows.end(), std::back_inserter(all));
  return all;
}

}  // namespace pxegate::testing
