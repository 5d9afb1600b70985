// SPDX-License-Identifier: Apache-2.0
#include "drivers/nftables/table.h"

#include <fmt/format.h>
#include <net/if.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "drivers/nftables/nft_context.h"
#include "drivers/nftables/set_dump.h"

namespace pxegate {

Result<std::optional<Structure>> Table::structure() const {
  auto listing = list_nft(std::string(kListCommand), NftOutput::kTerse);
  if (!listing) return fail(listing.error());
  auto structure = structure_in(*listing, name_);
  if (structure && !is_ours(*structure)) {
    return fail(
        fmt::format("there is an nftables table netdev {} that pxegate did not "
                    "make: choose another [nftables] table, or remove it with "
                    "`nft delete table netdev {}`",
                    name_, name_),
        ErrorCode::kConflict);
  }
  return structure;
}

Result<std::optional<Structure>> Table::look() {
  const auto before = nft_generation();
  if (!before) return fail(before.error());
  looked_at_ = *before;
  return structure();
}

Result<FilterContents> Table::contents(const Structure& structure) const {
  FilterContents contents;
  const auto unknown = unknown_verdict_in(structure);
  if (!unknown) {
    return fail("the verdict for unknown machines is not to be recognized",
                ErrorCode::kInvalid);
  }
  contents.unknown = *unknown;
  for (const Verdict verdict : {Verdict::kDeny, Verdict::kAllow}) {
    auto addresses = dump_set(name_, set_name(verdict));
    if (!addresses && addresses.error().code() == ErrorCode::kNotFound) {
      return fail(addresses.error().message(), ErrorCode::kInvalid);
    }
    if (!addresses) return fail(addresses.error());
    (verdict == Verdict::kAllow ? contents.allowed : contents.denied) =
        std::move(*addresses);
  }
  return contents;
}

Result<FilterContents> Table::read(const Structure& structure) {
  const auto before = nft_generation();
  if (!before) return fail(before.error());
  if (generation_ != *before || !found_) {
    generation_.reset();
    auto now = contents(structure);
    if (!now) return now;
    found_ = std::move(*now);
    const auto after = nft_generation();
    if (!after) return fail(after.error());
    if (*after == *before) generation_ = *after;
  }
  return *found_;
}

Result<> Table::build(const std::vector<std::string>& interfaces,
                      const FilterContents& contents) {
  // Again where somebody wrote at the same time: what is listed then need not
  // be what was built.
  constexpr int kTries = 3;
  for (int i = 0; i < kTries; ++i) {
    auto done =
        commit({build_script(name_, interfaces, contents)}, Scope::kAll);
    if (!done && done.error().code() == ErrorCode::kNotFound) {
      std::vector<std::string> present;
      std::ranges::copy_if(interfaces, std::back_inserter(present),
                           [](const std::string& interface) {
                             return ::if_nametoindex(interface.c_str()) != 0;
                           });
      done = commit({build_script(name_, present, contents)}, Scope::kAll);
    }
    if (!done) return done;
    written_ = contents;
    found_ = contents;
    if (learned_) return {};
  }
  auto now = structure();
  if (!now) return fail(now.error());
  learned_ = std::move(*now);
  return {};
}

Result<> Table::add_interface(const std::string& interface) {
  return commit({add_interface_script(name_, interface)}, Scope::kChains);
}

Result<FilterChange> Table::apply(const FilterContents& desired) {
  FilterChange changes =
      change(name_, found_.value_or(FilterContents{}), desired);
  if (!changes.scripts.empty()) {
    auto done =
        commit(changes.scripts,
               changes.unknown_changed ? Scope::kChains : Scope::kElements);
    if (!done) return fail(done.error());
  }
  written_ = desired;
  found_ = desired;
  return changes;
}

Result<> Table::remove() {
  forget();
  return run_nft(remove_script(name_));
}

Result<> Table::commit(const std::vector<std::string>& scripts, Scope scope) {
  const auto before = nft_generation();
  if (!before) return fail(before.error());
  const bool all = scope == Scope::kAll;
  const bool knew_elements = all || generation_ == *before;
  const bool knew_chains = all || looked_at_ == *before;
  for (const std::string& script : scripts) {
    auto done = run_nft(script);
    if (!done) return done;
    // Only now, as a transaction that failed changed nothing.
    generation_.reset();
    looked_at_.reset();
  }
  std::optional<Structure> now;
  if (scope != Scope::kElements) {
    learned_.reset();
    auto listed = structure();
    if (!listed) return fail(listed.error());
    now = std::move(*listed);
  }
  const auto after = nft_generation();
  if (!after) return fail(after.error());
  if (*after != *before + static_cast<std::uint32_t>(scripts.size())) return {};
  if (knew_elements) generation_ = *after;
  if (!knew_chains) return {};
  looked_at_ = *after;
  if (now) learned_ = std::move(now);
  return {};
}

void Table::forget() {
  learned_.reset();
  written_.reset();
  found_.reset();
  generation_.reset();
  looked_at_.reset();
}

}  // namespace pxegate
