// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_NFTABLES_TABLE_H_
#define PXEGATE_DRIVERS_NFTABLES_TABLE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "controller/base/result.h"
#include "drivers/nftables/listing.h"
#include "drivers/nftables/ruleset.h"

namespace pxegate {

// Our table in the kernel, and what is known of it. Not thread-safe.
//
// What it should look like is not worked out but learned: right after each
// write it is listed, and compared with that ever after, so that it does not
// matter how a version of nft words a rule. The sets are read only where
// the ruleset's generation tells that somebody wrote since.
class Table {
 public:
  explicit Table(std::string name) : name_(std::move(name)) {}
  const std::string& name() const { return name_; }

  // As it is now; nullopt: there is none. kConflict: somebody else's.
  Result<std::optional<Structure>> structure() const;
  // The same, to be followed by writes: they learn nothing where somebody else
  // wrote since.
  Result<std::optional<Structure>> look();
  // What it says now, whoever wrote it. kInvalid: that cannot be told.
  Result<FilterContents> contents(const Structure& structure) const;

  // Puts the table in the place of what has its name, in one transaction.
  // Interfaces that do not exist are left out where the kernel wants that.
  Result<> build(const std::vector<std::string>& interfaces,
                 const FilterContents& contents);
  // Filters one more interface. kNotFound: it does not exist, and the kernel
  // does not wait for it.
  Result<> add_interface(const std::string& interface);
  // Makes `desired` of what read() returned, in PolicyDiff's order.
  Result<FilterChange> apply(const FilterContents& desired);
  Result<> remove();

  // How it looked after the last write. nullopt: to be built.
  const std::optional<Structure>& learned() const { return learned_; }
  // What the last write left in it. nullopt: nothing was written.
  const std::optional<FilterContents>& written() const { return written_; }

  // What it says now, for apply(). Cheap where nobody wrote since.
  Result<FilterContents> read(const Structure& structure);

  void forget();

 private:
  enum class Scope { kElements, kChains, kAll };
  // Runs `scripts`, and learns how the table looks where they change more
  // than elements. Learns nothing where somebody else wrote meanwhile.
  Result<> commit(const std::vector<std::string>& scripts, Scope scope);

  std::string name_;
  std::optional<Structure> learned_;
  std::optional<FilterContents> written_;
  std::optional<FilterContents> found_;  // by read()
  // The ruleset's generation at which the table held `found_`.
  std::optional<std::uint32_t> generation_;
  // The one since which nobody but us wrote. Unset: not known.
  std::optional<std::uint32_t> looked_at_;
};

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_NFTABLES_TABLE_H_
