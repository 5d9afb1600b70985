// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_NFTABLES_RULESET_H_
#define PXEGATE_DRIVERS_NFTABLES_RULESET_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/result.h"
#include "controller/core/policy.h"

namespace pxegate {

// The table as scripts for nft. Pure functions; README.md draws the chains.

// The policy as the table holds it. An address is chaddr's six bytes as one
// number, the first byte the highest; both lists are sorted.
struct FilterContents {
  std::vector<std::uint64_t> denied = {};
  std::vector<std::uint64_t> allowed = {};
  Verdict unknown = Verdict::kDeny;

  bool operator==(const FilterContents&) const = default;
};

// What of `policy` the table can hold: its Ethernet addresses.
FilterContents contents_of(const Policy& policy);
// An address in both lists is denied, as in the kernel.
Policy policy_of(const FilterContents& contents);

// kInvalid where nft has no way to write one of these names.
Result<> check_names(const std::string& table,
                     const std::vector<std::string>& interfaces);

// What tells our table from somebody else's of that name.
inline constexpr std::string_view kTableComment = "made by pxegate";

// Names of what unknown_verdict_in() and counters_in() look for.
inline constexpr std::string_view kUnknownChain = "unknown";
std::string_view set_name(Verdict verdict);
std::string counter_name(Verdict verdict, std::string_view reason);
std::string chain_name(std::string_view interface);

// One transaction that puts the whole table in the place of whatever has its
// name. `interfaces` are filtered from then on; before Linux 6.16 each must
// exist, later ones filter an interface as soon as it appears.
std::string build_script(const std::string& table,
                         const std::vector<std::string>& interfaces,
                         const FilterContents& contents);
// One transaction that adds an interface to a table that build_script() made.
std::string add_interface_script(const std::string& table,
                                 const std::string& interface);
// Removes the table if there is one.
std::string remove_script(const std::string& table);

struct FilterChange {
  // Transactions, in the order in which to run them; none where nothing
  // changes. Two where the verdict for unknown machines changes and addresses
  // are removed, else one: a packet on its way through the chains while a
  // transaction takes effect goes on with the old rules, but looks into the
  // sets as they are (nft_do_chain() reads the generation once, a lookup
  // each time anew). So an address may go only when the verdict that takes
  // its place is there.
  std::vector<std::string> scripts;
  std::size_t upserts = 0;   // addresses with a new or another verdict
  std::size_t removals = 0;  // addresses that lose theirs
  bool unknown_changed = false;
};
FilterChange change(const std::string& table, const FilterContents& from,
                    const FilterContents& to);

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_NFTABLES_RULESET_H_
