// SPDX-License-Identifier: Apache-2.0
#include "drivers/xdp/rule_table.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <set>
#include <string_view>

#include "drivers/xdp/mapped_array.h"

namespace pxegate {
namespace {

// What a lookup heeds of a slot's flags.
constexpr std::uint64_t kRuleFlags = PXE_SLOT_FLAGS & ~PXE_SLOT_OVERFLOW;

bool same_address(std::uint64_t a, std::uint64_t b) {
  return (a ^ b) >> PXE_SLOT_SHIFT == 0;
}

HardwareAddress address_of(std::uint64_t slot) {
  MacAddress::Bytes bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes.at(i) = static_cast<std::uint8_t>(slot >> (56 - 8 * i));
  }
  return HardwareAddress(MacAddress(bytes));
}

bool is_ethernet(const HardwareAddress& address) {
  return address.type() == HardwareAddress::Type::kEthernet;
}

std::uint64_t to_slot(const HardwareAddress& address, Verdict verdict) {
  const std::uint64_t slot = pxe_slot(address.octets().data());
  return verdict == Verdict::kAllow ? slot | PXE_SLOT_ALLOW : slot;
}

// For a slot that keeps the flag which is there.
void store_rule(pxe_bucket& bucket, std::size_t slot, std::uint64_t rule) {
  const std::uint64_t kept =
      slot == 0 ? load_shared(bucket.slots[0]) & PXE_SLOT_OVERFLOW : 0;
  store_shared(bucket.slots[slot], __u64{rule | kept});
}

// As the kernel program ORs the slots of one address. 0: there is no rule.
std::uint64_t flags_for(const std::array<__u64, PXE_BUCKET_SLOTS>& slots,
                        std::uint64_t wanted) {
  std::uint64_t flags = 0;
  for (const std::uint64_t slot : slots) {
    if (same_address(slot, wanted)) flags |= slot;
  }
  return flags & kRuleFlags;
}

std::array<__u64, PXE_BUCKET_SLOTS> load_bucket(const pxe_bucket& bucket) {
  std::array<__u64, PXE_BUCKET_SLOTS> slots{};
  for (std::size_t i = 0; i < slots.size(); ++i) {
    slots.at(i) = load_shared(bucket.slots[i]);
  }
  return slots;
}

}  // namespace

pxe_addr to_key(const HardwareAddress& address) {
  pxe_addr key{};
  const auto octets = address.octets();
  std::ranges::copy(octets, key.octets);
  key.htype = static_cast<__u8>(address.type());
  key.hlen = static_cast<__u8>(octets.size());
  return key;
}

std::optional<HardwareAddress> from_key(const pxe_addr& key) {
  HardwareAddress address;
  if (key.htype == PXE_HTYPE_ETHERNET) {
    MacAddress::Bytes bytes{};
    std::copy_n(key.octets, bytes.size(), bytes.begin());
    address = MacAddress(bytes);
  } else {
    HardwareAddress::Guid guid{};
    std::copy_n(key.octets, guid.size(), guid.begin());
    address = HardwareAddress::infiniband(guid);
  }
  const pxe_addr canonical = to_key(address);
  if (std::memcmp(&canonical, &key, sizeof(key)) != 0) return std::nullopt;
  return address;
}

std::uint32_t bucket_count(std::uint32_t max_clients) {
  const std::uint32_t wanted =
      max_clients / PXE_RULES_PER_BUCKET +
      (max_clients % PXE_RULES_PER_BUCKET != 0 ? 1U : 0U);
  return std::bit_ceil(std::max<std::uint32_t>(wanted, PXE_MIN_BUCKETS));
}

std::size_t RuleTable::HashKey::operator()(
    const HardwareAddress& address) const {
  const auto octets = address.octets();
  return std::hash<std::string_view>()(
      {reinterpret_cast<const char*>(octets.data()), octets.size()});
}

RuleTable::State RuleTable::state_of_flags(std::uint64_t flags) {
  if (flags == (PXE_SLOT_RULE | PXE_SLOT_ALLOW)) return State::kAllow;
  return flags == PXE_SLOT_RULE ? State::kDeny : State::kBad;
}

Verdict RuleTable::verdict_of(State state) {
  return state == State::kAllow ? Verdict::kAllow : Verdict::kDeny;
}

std::uint32_t RuleTable::index_of(std::uint64_t slot) const {
  return pxe_bucket_index(slot, static_cast<__u32>(buckets_.size() - 1));
}

Result<> RuleTable::read() {
  auto more = more_->read();
  if (!more) return fail(more.error().within("reading the rules"));
  places_.clear();
  more_places_.clear();
  overflows_.clear();
  waste_.clear();
  for (std::uint32_t i = 0; i < buckets_.size(); ++i) read_bucket(i);
  read_more(*more);
  return {};
}

void RuleTable::read_bucket(std::uint32_t index) {
  const auto slots = load_bucket(buckets_[index]);
  if ((slots[0] & PXE_SLOT_OVERFLOW) != 0) overflows_.emplace(index, 0);
  for (std::uint32_t i = 0; i < slots.size(); ++i) {
    const std::uint64_t slot = slots.at(i);
    if (i > 0 && (slot & PXE_SLOT_OVERFLOW) != 0) {
      waste_.push_back({.kind = Waste::Kind::kStrayFlag,
                        .bucket = index,
                        .slot = i,
                        .address = {}});
    }
    if ((slot & ~std::uint64_t{PXE_SLOT_OVERFLOW}) == 0) continue;
    const HardwareAddress address = address_of(slot);
    if ((slot & kRuleFlags) == 0 || index_of(slot) != index) {
      waste_.push_back({.kind = Waste::Kind::kSlot,
                        .bucket = index,
                        .slot = i,
                        .address = address});
      continue;
    }
    const bool repeated = std::any_of(
        slots.begin(), slots.begin() + i, [slot](std::uint64_t earlier) {
          return same_address(earlier, slot) && (earlier & kRuleFlags) != 0;
        });
    if (repeated) {
      waste_.push_back({.kind = Waste::Kind::kRepeated,
                        .bucket = index,
                        .slot = i,
                        .address = address});
      continue;
    }
    places_.push_back({address, state_of_flags(flags_for(slots, slot))});
  }
}

void RuleTable::read_more(const MoreRules::Contents& contents) {
  for (std::size_t i = 0; i < contents.keys.size(); ++i) {
    const pxe_addr& key = contents.keys[i];
    const __u8 verdict = contents.rules[i].verdict;
    const auto address = from_key(key);
    bool found = address.has_value();
    if (address && is_ethernet(*address)) {
      const std::uint64_t slot = to_slot(*address, Verdict::kDeny);
      const auto flagged = overflows_.find(index_of(slot));
      found = flagged != overflows_.end() && !find_slot(slot);
      if (found) ++flagged->second;
    }
    if (!found) {
      waste_.push_back(
          {.kind = Waste::Kind::kKey, .key = key, .address = address});
      continue;
    }
    more_places_.emplace(*address, verdict == PXE_ALLOW  ? State::kAllow
                                   : verdict == PXE_DENY ? State::kDeny
                                                         : State::kBad);
  }
  // Behind the keys: a flag goes when nobody needs it any more.
  for (const auto& [bucket, rules] : overflows_) {
    if (rules > 0) continue;
    waste_.push_back(
        {.kind = Waste::Kind::kOverflowFlag, .bucket = bucket, .address = {}});
  }
}

Result<> RuleTable::clear_waste() {
  for (const Waste& waste : waste_) {
    pxe_bucket& bucket = buckets_[waste.bucket];
    switch (waste.kind) {
      case Waste::Kind::kSlot:
        store_rule(bucket, waste.slot, 0);
        break;
      case Waste::Kind::kStrayFlag:
        store_shared(
            bucket.slots[waste.slot],
            load_shared(bucket.slots[waste.slot]) & ~__u64{PXE_SLOT_OVERFLOW});
        break;
      case Waste::Kind::kRepeated:
        deny_first(waste.bucket, *waste.address);
        store_rule(bucket, waste.slot, 0);
        break;
      case Waste::Kind::kKey:
        if (auto done = more_->remove(waste.key); !done) return done;
        break;
      case Waste::Kind::kOverflowFlag:
        set_overflow(waste.bucket, false);
        overflows_.erase(waste.bucket);
        break;
    }
  }
  waste_.clear();
  return {};
}

// Which of several rules was meant nobody knows.
void RuleTable::deny_first(std::uint32_t index,
                           const HardwareAddress& address) {
  const std::uint64_t denied = to_slot(address, Verdict::kDeny);
  const auto slots = load_bucket(buckets_[index]);
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (!same_address(slots.at(i), denied) || (slots.at(i) & kRuleFlags) == 0) {
      continue;
    }
    store_rule(buckets_[index], i, denied);
    return;
  }
}

std::vector<Policy::Entry> RuleTable::entries() const {
  std::vector<Policy::Entry> entries;
  entries.reserve(size());
  for (const Place& place : places_) {
    entries.push_back({place.address, verdict_of(place.state)});
  }
  for (const auto& [address, state] : more_places_) {
    entries.push_back({address, verdict_of(state)});
  }
  return entries;
}

std::optional<RuleTable::State> RuleTable::find_slot(std::uint64_t slot) const {
  const std::uint64_t flags =
      flags_for(load_bucket(buckets_[index_of(slot)]), slot);
  if (flags == 0) return std::nullopt;
  return state_of_flags(flags);
}

std::optional<RuleTable::State> RuleTable::find(
    const HardwareAddress& address) const {
  if (is_ethernet(address)) {
    const auto state = find_slot(to_slot(address, Verdict::kDeny));
    if (state) return state;
  }
  const auto more = more_places_.find(address);
  if (more == more_places_.end()) return std::nullopt;
  return more->second;
}

RuleTable::Difference RuleTable::compare(const Policy& policy) const {
  Difference difference;
  std::size_t matched = 0;
  for (const Policy::Entry& entry : policy.entries()) {
    const auto state = find(entry.address);
    if (state) ++matched;
    const State wanted =
        entry.verdict == Verdict::kAllow ? State::kAllow : State::kDeny;
    if (state != wanted) difference.upserts.push_back(entry);
  }
  if (matched == size()) return difference;
  for (const Place& place : places_) {
    if (!policy.find(place.address)) {
      difference.removals.push_back(place.address);
    }
  }
  for (const auto& [address, state] : more_places_) {
    if (!policy.find(address)) difference.removals.push_back(address);
  }
  return difference;
}

std::size_t RuleTable::count_foreign(const Difference& difference) const {
  std::set<HardwareAddress> addresses(difference.removals.begin(),
                                      difference.removals.end());
  for (const Policy::Entry& entry : difference.upserts) {
    addresses.insert(entry.address);
  }
  std::size_t others = 0;
  for (const Waste& waste : waste_) {
    if (waste.address) {
      addresses.insert(*waste.address);
    } else {
      ++others;
    }
  }
  return addresses.size() + others;
}

void RuleTable::set_overflow(std::uint32_t index, bool overflow) {
  __u64& first = buckets_[index].slots[0];
  const __u64 rule = load_shared(first) & ~__u64{PXE_SLOT_OVERFLOW};
  store_shared(first, overflow ? rule | PXE_SLOT_OVERFLOW : rule);
}

Result<> RuleTable::write(std::span<const Policy::Entry> entries) {
  for (const Verdict verdict : {Verdict::kDeny, Verdict::kAllow}) {
    for (const Policy::Entry& entry : entries) {
      if (entry.verdict != verdict) continue;
      if (auto done = put(entry); !done) {
        return fail(done.error().within("writing rules"));
      }
    }
  }
  return {};
}

Result<> RuleTable::put(const Policy::Entry& entry) {
  if (!is_ethernet(entry.address)) return put_more(entry);
  const std::uint64_t rule = to_slot(entry.address, entry.verdict);
  const std::uint32_t index = index_of(rule);
  pxe_bucket& bucket = buckets_[index];
  const auto slots = load_bucket(bucket);
  std::optional<std::size_t> free;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const std::uint64_t slot = slots.at(i);
    if (same_address(slot, rule) && (slot & kRuleFlags) != 0) {
      store_rule(bucket, i, rule);
      return {};
    }
    const bool empty = (slot & ~std::uint64_t{PXE_SLOT_OVERFLOW}) == 0;
    if (empty && !free) free = i;
  }
  if (more_places_.contains(entry.address)) return put_more(entry);
  if (free) {
    store_rule(bucket, *free, rule);
    return {};
  }
  if (auto done = put_more(entry); !done) return done;
  if (++overflows_[index] == 1) set_overflow(index, true);
  return {};
}

Result<> RuleTable::put_more(const Policy::Entry& entry) {
  const bool allow = entry.verdict == Verdict::kAllow;
  pxe_rule rule{};
  rule.verdict = allow ? PXE_ALLOW : PXE_DENY;
  if (auto done = more_->write(to_key(entry.address), rule); !done) return done;
  more_places_.insert_or_assign(entry.address,
                                allow ? State::kAllow : State::kDeny);
  return {};
}

Result<> RuleTable::remove(std::span<const HardwareAddress> addresses) {
  for (const HardwareAddress& address : addresses) {
    if (auto done = remove(address); !done) {
      return fail(done.error().within("deleting a rule"));
    }
  }
  return {};
}

Result<> RuleTable::remove(const HardwareAddress& address) {
  const std::uint64_t rule =
      is_ethernet(address) ? to_slot(address, Verdict::kDeny) : 0;
  const std::uint32_t index = index_of(rule);
  if (rule != 0) {
    const auto slots = load_bucket(buckets_[index]);
    for (std::size_t i = 0; i < slots.size(); ++i) {
      if (same_address(slots.at(i), rule) && (slots.at(i) & kRuleFlags) != 0) {
        store_rule(buckets_[index], i, 0);
      }
    }
  }
  if (!more_places_.contains(address)) return {};
  if (auto done = more_->remove(to_key(address)); !done) return done;
  more_places_.erase(address);
  const auto overflow = rule != 0 ? overflows_.find(index) : overflows_.end();
  if (overflow == overflows_.end() || --overflow->second > 0) return {};
  overflows_.erase(overflow);
  set_overflow(index, false);
  return {};
}

}  // namespace pxegate
