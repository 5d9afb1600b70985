// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_IPTABLES_SAVED_TABLE_H_
#define PXEGATE_DRIVERS_IPTABLES_SAVED_TABLE_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/result.h"

namespace pxegate {

// The table `filter` as iptables-save prints it.
struct SavedTable {
  // Each rule is the text behind "-A CHAIN ", as iptables-restore takes it
  // back: for iptables' own quoting that is the only faithful form.
  using Rules = std::vector<std::string>;
  std::map<std::string, Rules, std::less<>> chains;

  // The chain's rules; nullptr where there is no such chain.
  const Rules* find(std::string_view chain) const;
};

// Reads what iptables-save (either backend, with or without counters) wrote.
// No table `filter` is an empty one: the legacy backend has none until its
// module is loaded. Output that ends early is kFailed, and so is a line that
// is none of iptables-save's; a table that iptables-nft cannot express, since
// somebody wrote to it with nft, is kConflict.
Result<SavedTable> parse_filter_table(std::string_view output);

// A rule's words, quotes and backslashes resolved as iptables-restore does;
// nullopt where a quote is never closed.
std::optional<std::vector<std::string>> split_rule(std::string_view rule);

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_IPTABLES_SAVED_TABLE_H_
