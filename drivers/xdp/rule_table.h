// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_XDP_RULE_TABLE_H_
#define PXEGATE_DRIVERS_XDP_RULE_TABLE_H_

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "bpf/pxe_filter_abi.h"
#include "controller/base/result.h"
#include "controller/core/policy.h"

namespace pxegate {

pxe_addr to_key(const HardwareAddress& address);
// nullopt for a key that to_key() never makes.
std::optional<HardwareAddress> from_key(const pxe_addr& key);

// How many buckets `max_clients` rules get: a power of two.
std::uint32_t bucket_count(std::uint32_t max_clients);

// The map `more_rules`. A write is there for every later lookup as a whole.
class MoreRules {
 public:
  struct Contents {
    std::vector<pxe_addr> keys;
    std::vector<pxe_rule> rules;  // in the order of keys
  };

  virtual ~MoreRules() = default;
  virtual Result<Contents> read() const = 0;
  // kCapacity where it is full.
  virtual Result<> write(const pxe_addr& key, const pxe_rule& rule) = 0;
  // A missing key is no error.
  virtual Result<> remove(const pxe_addr& key) = 0;
};

// The rules as the kernel program looks them up: buckets, and what found no
// room there (pxe_filter_abi.h has the layout). Any number of lookups may go
// on beside the one writer. A rule is written, and goes, by one store or one
// call, and never changes places, so that each lookup finds the rule as it was
// or as it is.
//
// Contents are not trusted: anybody with the privilege can write to the maps.
// What no lookup needs is waste.
class RuleTable {
 public:
  // What differs from a policy. Removals are in no order.
  struct Difference {
    std::vector<Policy::Entry> upserts;
    std::vector<HardwareAddress> removals;
  };

  // The number of buckets is a power of two; both outlive this. Nothing is
  // known of the contents until read().
  RuleTable(std::span<pxe_bucket> buckets, MoreRules& more)
      : buckets_(buckets), more_(&more) {}

  // Looks at everything. The rest of this speaks of what was found then, and
  // written since.
  Result<> read();

  // The rules that are in force. One whose verdict is none denies.
  std::vector<Policy::Entry> entries() const;
  std::size_t size() const { return places_.size() + more_places_.size(); }

  Difference compare(const Policy& policy) const;

  // How many rules somebody else changed, where `difference` is from what this
  // process left: addresses that differ, and waste.
  std::size_t count_foreign(const Difference& difference) const;

  // How much waste there is. clear_waste() opens nothing, and closes at most
  // addresses with several rules.
  std::size_t waste() const { return waste_.size(); }
  Result<> clear_waste();

  // Denied ones first, so that what must close is closed where it fails
  // midway. kCapacity where there is no room: some may be in by then.
  Result<> write(std::span<const Policy::Entry> entries);
  // Those that are missing are no error.
  Result<> remove(std::span<const HardwareAddress> addresses);

 private:
  enum class State : std::uint8_t { kDeny, kAllow, kBad };
  // Of one that is in a bucket.
  struct Place {
    HardwareAddress address;
    State state;
  };
  struct Waste {
    enum class Kind : std::uint8_t {
      kSlot,          // not a rule, or in another bucket than its address's
      kRepeated,      // an address's second rule
      kStrayFlag,     // PXE_SLOT_OVERFLOW in another slot than the first
      kKey,           // in more_rules
      kOverflowFlag,  // nothing of the bucket is in more_rules
    } kind;
    std::uint32_t bucket = 0;
    std::uint32_t slot = 0;
    pxe_addr key{};
    std::optional<HardwareAddress> address;
  };
  struct HashKey {
    std::size_t operator()(const HardwareAddress& address) const;
  };

  static State state_of_flags(std::uint64_t flags);
  static Verdict verdict_of(State state);
  std::uint32_t index_of(std::uint64_t slot) const;
  std::optional<State> find(const HardwareAddress& address) const;
  std::optional<State> find_slot(std::uint64_t slot) const;
  void read_bucket(std::uint32_t index);
  void read_more(const MoreRules::Contents& contents);
  void deny_first(std::uint32_t index, const HardwareAddress& address);
  void set_overflow(std::uint32_t index, bool overflow);
  Result<> put(const Policy::Entry& entry);
  Result<> put_more(const Policy::Entry& entry);
  Result<> remove(const HardwareAddress& address);

  std::span<pxe_bucket> buckets_;
  MoreRules* more_;
  // As of read().
  std::vector<Place> places_;
  // Kept up to date.
  std::unordered_map<HardwareAddress, State, HashKey> more_places_;
  std::unordered_map<std::uint32_t, std::size_t> overflows_;  // by bucket
  std::vector<Waste> waste_;
};

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_XDP_RULE_TABLE_H_
