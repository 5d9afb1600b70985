// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_NFTABLES_LISTING_H_
#define PXEGATE_DRIVERS_NFTABLES_LISTING_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/result.h"
#include "controller/core/policy.h"
#include "controller/driver/filter_driver.h"

namespace pxegate {

// Reads what nft prints. Text, since libnftables 1.0.6 leaves out the
// interface of a chain, the flags and the comment of a table in JSON. Pure
// functions; any text is taken, whatever is in it.

// Lists all that structure_in() and counters_in() read. `list table` would
// fetch the elements even where it does not print them.
inline constexpr std::string_view kListCommand = "list ruleset netdev";

// How the table looks but for its elements and counts: the text that nft
// prints, by part ("chain dhcp"); what belongs to no part is under "".
using Structure = std::map<std::string, std::string>;

// From the text of kListCommand; nullopt: there is no such table.
std::optional<Structure> structure_in(std::string_view listing,
                                      const std::string& table);
// Whether pxegate made the table.
bool is_ours(const Structure& structure);
// nullopt: the table does not say.
std::optional<Verdict> unknown_verdict_in(const Structure& structure);
bool filters(const Structure& structure, const std::string& interface);
// One sentence for each difference.
std::vector<std::string> differences(const Structure& expected,
                                     const Structure& found);

// From the text of kListCommand with counts.
std::vector<CounterRecord> counters_in(std::string_view listing,
                                       const std::string& table);

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_NFTABLES_LISTING_H_
