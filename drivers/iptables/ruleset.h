// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_IPTABLES_RULESET_H_
#define PXEGATE_DRIVERS_IPTABLES_RULESET_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/mac_address.h"
#include "controller/core/policy.h"
#include "drivers/iptables/saved_table.h"

// What the driver keeps in the table filter, as values: what is there, what
// should be, and the text that leads from one to the other. No I/O.
namespace pxegate {

// Where the filter stands.
struct FilterPlace {
  std::string interface;  // as iptables takes it: "eth1", "eth+"
  std::string chain;
  // Of the DHCP server; the first is the one that ironic-inspector filters.
  std::vector<std::uint16_t> ports = {67, 4011};

  // The name under which ironic-inspector builds its next chain. A crash
  // leaves it behind.
  std::string temporary_chain() const { return chain + "_temp"; }
};

// What our chain does with a request: the verdict for unknown machines, and
// whom it does not hold for.
struct ChainBody {
  Verdict unknown = Verdict::kDeny;
  std::vector<MacAddress> exceptions = {};  // sorted, no duplicates
  // The ipset that holds the exceptions; empty: one rule for each.
  std::string set = {};
  // REJECT, as ironic-inspector closes DHCP, is read and never written: a
  // DHCP client does not hear the ICMP error, which would go to 0.0.0.0.
  bool rejects = false;

  bool operator==(const ChainBody&) const = default;
};

// The policy in the least rules: entries that say the same as the verdict for
// unknowns are left out. InfiniBand GUIDs too: the requests of such ports
// come in with Ethernet addresses, for which the policy has entries.
ChainBody body_of(const Policy& policy);
// The policy that `body` enforces.
Policy policy_of(const ChainBody& body);

// What is of ours in the table.
struct FoundFilter {
  bool chain_exists = false;
  // What the chain does; unset where there is none, or where it holds rules
  // that this driver does not write. The members of a set are not in it.
  std::optional<ChainBody> body;
  // INPUT's rules that jump to the chain for DHCP, whatever the interface:
  // ours, or those of an earlier configuration.
  std::vector<std::string> jumps;
  // One of them is for the interface.
  bool jumped_to = false;
  // It is the only one, is for all the ports, and no rule before it can see its
  // packets.
  bool jump_in_place = false;
  // What ironic-inspector left half-made: jumps to its next chain, and that
  // chain. Neither counts where the chain holds rules of another kind, and
  // the chain does not where other rules lead to it.
  std::vector<std::string> temporary_jumps;
  bool temporary_chain = false;
  // Somebody else's rules that lead to the chain: "-A FORWARD -j CHAIN".
  std::vector<std::string> references;

  // A policy is in force.
  bool in_force() const { return jumped_to && body.has_value(); }
  // Nothing around the chain has to be put right.
  bool tidy() const {
    return jump_in_place && temporary_jumps.empty() && !temporary_chain;
  }
  bool nothing() const {
    return !chain_exists && jumps.empty() && temporary_jumps.empty() &&
           !temporary_chain;
  }
};

FoundFilter find_filter(const SavedTable& table, const FilterPlace& place);

// Input for one `iptables-restore --noflush`, which takes effect as a whole or
// not at all: leaves one jump, before all other rules, and no leftovers of
// ironic-inspector. `body` replaces what the chain holds; without one that
// stays. Jumps are deleted by their text, never by number: a rule that
// somebody inserts meanwhile is not hit, and one that went makes all fail.
std::string render_change(const FoundFilter& found, const FilterPlace& place,
                          const std::optional<ChainBody>& body);

// The same for removing all that is ours. The chain itself stays, empty,
// where somebody else's rules lead to it.
std::string render_removal(const FoundFilter& found, const FilterPlace& place);

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_IPTABLES_RULESET_H_
