// SPDX-License-Identifier: Apache-2.0
#include "drivers/xdp/rule_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "drivers/xdp/mapped_array.h"

namespace pxegate {
namespace {

using ::testing::IsEmpty;
using ::testing::Le;

constexpr auto kAllow = Verdict::kAllow;
constexpr auto kDeny = Verdict::kDeny;

std::vector<__u8> bytes_of(const pxe_addr& key) {
  const auto* begin = reinterpret_cast<const __u8*>(&key);
  return {begin, begin + sizeof(key)};
}

// more_rules in memory; what happens to it can be watched and refused.
class FakeMoreRules final : public MoreRules {
 public:
  Result<Contents> read() const override {
    const std::lock_guard lock(mutex_);
    Contents contents;
    for (const auto& [bytes, rule] : rules_) {
      pxe_addr key{};
      std::memcpy(&key, bytes.data(), sizeof(key));
      contents.keys.push_back(key);
      contents.rules.push_back(rule);
    }
    return contents;
  }
  Result<> write(const pxe_addr& key, const pxe_rule& rule) override {
    if (before_change) before_change();
    const std::lock_guard lock(mutex_);
    if (rules_.size() >= capacity && !rules_.contains(bytes_of(key))) {
      return fail("full", ErrorCode::kCapacity);
    }
    rules_.insert_or_assign(bytes_of(key), rule);
    return {};
  }
  Result<> remove(const pxe_addr& key) override {
    if (before_change) before_change();
    const std::lock_guard lock(mutex_);
    rules_.erase(bytes_of(key));
    return {};
  }

  std::optional<pxe_rule> find(const pxe_addr& key) const {
    const std::lock_guard lock(mutex_);
    const auto found = rules_.find(bytes_of(key));
    if (found == rules_.end()) return std::nullopt;
    return found->second;
  }
  std::size_t size() const { return rules_.size(); }

  std::function<void()> before_change;
  std::size_t capacity = SIZE_MAX;

 private:
  mutable std::mutex mutex_;
  std::map<std::vector<__u8>, pxe_rule> rules_;
};

class RuleTableTest : public ::testing::Test {
 protected:
  explicit RuleTableTest(std::size_t buckets = 4) : buckets_(buckets) {}

  // As the kernel program looks an address up; nullopt: no rule.
  std::optional<Verdict> look_up(const HardwareAddress& address) const {
    const pxe_addr key = to_key(address);
    if (address.type() == HardwareAddress::Type::kEthernet) {
      const __u64 wanted = pxe_slot(key.octets);
      const pxe_bucket& bucket = buckets_[index_of(address)];
      __u64 flags = 0;
      const __u64 overflow = load_shared(bucket.slots[0]) & PXE_SLOT_OVERFLOW;
      for (const __u64& shared : bucket.slots) {
        const __u64 slot = load_shared(shared);
        if ((slot ^ wanted) >> PXE_SLOT_SHIFT == 0) flags |= slot;
      }
      flags &= PXE_SLOT_FLAGS & ~PXE_SLOT_OVERFLOW;
      if (flags != 0) {
        return flags == (PXE_SLOT_RULE | PXE_SLOT_ALLOW) ? kAllow : kDeny;
      }
      if (overflow == 0) return std::nullopt;
    }
    const auto rule = more_.find(key);
    if (!rule) return std::nullopt;
    return rule->verdict == PXE_ALLOW ? kAllow : kDeny;
  }

  std::size_t index_of(const HardwareAddress& address) const {
    return pxe_bucket_index(pxe_slot(address.octets().data()),
                            static_cast<__u32>(buckets_.size() - 1));
  }
  // `number`th address of those that share bucket `index`.
  HardwareAddress in_bucket(std::size_t index, std::size_t number) const {
    for (std::uint32_t i = 0;; ++i) {
      const HardwareAddress address = ethernet(i);
      if (index_of(address) == index && number-- == 0) return address;
    }
  }
  static HardwareAddress ethernet(std::uint32_t number) {
    return MacAddress({0x52, 0x54, static_cast<__u8>(number >> 24),
                       static_cast<__u8>(number >> 16),
                       static_cast<__u8>(number >> 8),
                       static_cast<__u8>(number)});
  }
  static HardwareAddress guid(std::uint32_t number) {
    return HardwareAddress::infiniband({1, 0, 0, 0, 0, 0,
                                        static_cast<__u8>(number >> 8),
                                        static_cast<__u8>(number)});
  }

  void put(const HardwareAddress& address, Verdict verdict) {
    const Policy::Entry entry{address, verdict};
    ASSERT_TRUE(table_.write({&entry, 1}));
  }
  void remove(const HardwareAddress& address) {
    ASSERT_TRUE(table_.remove({&address, 1}));
  }
  bool overflows(std::size_t index) const {
    return (buckets_[index].slots[0] & PXE_SLOT_OVERFLOW) != 0;
  }

  // Nothing for a sync to do.
  void expect_enforced(const Policy& policy) {
    ASSERT_TRUE(table_.read());
    EXPECT_EQ(table_.waste(), 0U);
    const auto difference = table_.compare(policy);
    EXPECT_THAT(difference.upserts, IsEmpty());
    EXPECT_THAT(difference.removals, IsEmpty());
    EXPECT_EQ(Policy(table_.entries(), policy.unknown()), policy);
  }

  std::vector<pxe_bucket> buckets_;
  FakeMoreRules more_;
  RuleTable table_{buckets_, more_};
};

// Few buckets: overflow is the rule.
TEST_F(RuleTableTest, LookupsFindWhatAModelHoldsWhateverWasWritten) {
  std::mt19937 random(7);  // NOLINT: the same in every run
  std::map<HardwareAddress, Verdict> model;
  std::vector<HardwareAddress> all;
  for (std::uint32_t i = 0; i < 60; ++i) all.push_back(ethernet(i));
  for (std::uint32_t i = 0; i < 6; ++i) all.push_back(guid(i));
  std::size_t overflowed = 0;
  for (int round = 0; round < 20'000; ++round) {
    const HardwareAddress& address = all[random() % all.size()];
    if (random() % 2 == 0) {
      const Verdict verdict = random() % 2 == 0 ? kAllow : kDeny;
      put(address, verdict);
      model.insert_or_assign(address, verdict);
    } else {
      remove(address);
      model.erase(address);
    }
    for (const HardwareAddress& other : all) {
      const auto expected = model.find(other);
      ASSERT_EQ(look_up(other), expected == model.end()
                                    ? std::nullopt
                                    : std::optional(expected->second))
          << other.to_string() << " in round " << round;
    }
    if (overflows(0)) ++overflowed;
    if (round % 1000 != 0) continue;
    std::vector<Policy::Entry> entries;
    for (const auto& [known, verdict] : model) {
      entries.push_back({known, verdict});
    }
    expect_enforced(Policy(std::move(entries), kDeny));
  }
  EXPECT_GT(overflowed, 1000U);
}

// Rules that nobody touches, beside others that come and go in their buckets
// and behind them, looked up all the time by another thread.
TEST_F(RuleTableTest, LookupsBesideTheWriterFindEveryRuleThatStays) {
  std::vector<Policy::Entry> staying;
  for (std::size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
    for (std::size_t i = 0; i < 12; i += 2) {
      staying.push_back({in_bucket(bucket, i), i % 4 == 0 ? kAllow : kDeny});
    }
  }
  std::vector<HardwareAddress> changing;
  for (std::size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
    for (std::size_t i = 1; i < 16; i += 2) {
      changing.push_back(in_bucket(bucket, i));
    }
  }
  // Half of those that stay are behind their buckets, half are in them.
  ASSERT_TRUE(table_.write(std::span(staying).first(3)));
  for (const HardwareAddress& address : changing) put(address, kDeny);
  ASSERT_TRUE(table_.write(staying));

  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> lookups{0};
  std::atomic<std::uint64_t> wrong{0};
  std::jthread reader([&] {
    while (!stop) {
      for (const Policy::Entry& entry : staying) {
        if (look_up(entry.address) != entry.verdict) ++wrong;
        ++lookups;
      }
    }
  });
  std::mt19937 random(3);  // NOLINT
  for (int round = 0; round < 300'000 || lookups < 100'000; ++round) {
    const HardwareAddress& address = changing[random() % changing.size()];
    if (random() % 2 == 0) {
      put(address, random() % 2 == 0 ? kAllow : kDeny);
    } else if (random() % 2 == 0) {
      // Written once more, as it is.
      const Policy::Entry& again = staying[random() % staying.size()];
      ASSERT_TRUE(table_.write({&again, 1}));
    } else {
      remove(address);
    }
  }
  stop = true;
  reader.join();
  EXPECT_EQ(wrong, 0U) << "of " << lookups;
}

TEST_F(RuleTableTest, ARuleIsBehindItsBucketBeforeTheBucketSaysSo) {
  for (std::size_t i = 0; i < 8; ++i) put(in_bucket(1, i), kDeny);
  bool announced = false;
  more_.before_change = [&] { announced = overflows(1); };
  put(in_bucket(1, 8), kDeny);
  EXPECT_FALSE(announced);
  EXPECT_TRUE(overflows(1));
  EXPECT_EQ(more_.size(), 1U);
}

TEST_F(RuleTableTest, ABucketSaysSoUntilTheLastRuleBehindItIsGone) {
  for (std::size_t i = 0; i < 10; ++i) put(in_bucket(1, i), kDeny);
  bool announced = false;
  more_.before_change = [&] { announced = overflows(1); };
  remove(in_bucket(1, 8));
  EXPECT_TRUE(announced);
  EXPECT_TRUE(overflows(1));
  remove(in_bucket(1, 9));
  EXPECT_TRUE(announced);
  EXPECT_FALSE(overflows(1));
}

TEST_F(RuleTableTest, TheOverflowFlagSurvivesWhateverHappensInItsSlot) {
  for (std::size_t i = 0; i < 9; ++i) put(in_bucket(1, i), kDeny);
  const HardwareAddress first = in_bucket(1, 0);
  put(first, kAllow);
  EXPECT_EQ(look_up(in_bucket(1, 8)), kDeny);
  remove(first);
  EXPECT_EQ(look_up(in_bucket(1, 8)), kDeny);
  put(first, kDeny);
  EXPECT_EQ(look_up(in_bucket(1, 8)), kDeny);
  EXPECT_EQ(look_up(first), kDeny);
}

TEST_F(RuleTableTest, ARuleStaysWhereItIsWhenRoomIsMade) {
  for (std::size_t i = 0; i < 9; ++i) put(in_bucket(1, i), kDeny);
  remove(in_bucket(1, 3));
  put(in_bucket(1, 8), kAllow);
  EXPECT_EQ(more_.size(), 1U);
  EXPECT_EQ(look_up(in_bucket(1, 8)), kAllow);
  put(in_bucket(1, 9), kDeny);
  EXPECT_EQ(more_.size(), 1U) << "there was room in the bucket";
}

TEST_F(RuleTableTest, WhereThereIsNoRoomNothingIsAnnounced) {
  for (std::size_t i = 0; i < 8; ++i) put(in_bucket(1, i), kDeny);
  more_.capacity = 0;
  const Policy::Entry entry{in_bucket(1, 8), kDeny};
  const auto done = table_.write({&entry, 1});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), ErrorCode::kCapacity);
  EXPECT_FALSE(overflows(1));
}

TEST_F(RuleTableTest, WhatMustCloseIsClosedWhereTheRestFindsNoRoom) {
  for (std::size_t i = 0; i < 8; ++i) put(in_bucket(1, i), kAllow);
  more_.capacity = 0;
  const std::array<Policy::Entry, 3> entries = {{{in_bucket(1, 8), kAllow},
                                                 {in_bucket(1, 9), kAllow},
                                                 {in_bucket(1, 0), kDeny}}};
  EXPECT_FALSE(table_.write(entries));
  EXPECT_EQ(look_up(in_bucket(1, 0)), kDeny);
}

// A writer that died between a rule and its announcement, for another policy.
TEST_F(RuleTableTest, ARuleThatWasNeverAnnouncedIsNotAnnouncedByAnother) {
  for (std::size_t i = 0; i < 8; ++i) put(in_bucket(1, i), kDeny);
  const pxe_rule allow{.verdict = PXE_ALLOW, .pad = {}};
  ASSERT_TRUE(more_.write(to_key(in_bucket(1, 8)), allow));
  ASSERT_TRUE(table_.read());
  EXPECT_EQ(table_.waste(), 1U);
  ASSERT_TRUE(table_.clear_waste());
  put(in_bucket(1, 9), kDeny);
  EXPECT_EQ(look_up(in_bucket(1, 8)), std::nullopt);
}

// Whatever somebody writes into the maps, the next sync puts it right, and
// clearing waste opens nothing.
TEST_F(RuleTableTest, FromAnyGarbageASyncGetsToThePolicy) {
  std::mt19937_64 random(11);  // NOLINT
  std::vector<Policy::Entry> entries;
  for (std::uint32_t i = 0; i < 48; ++i) {
    entries.push_back({ethernet(i), i % 3 == 0 ? kAllow : kDeny});
  }
  for (std::uint32_t i = 0; i < 4; ++i) entries.push_back({guid(i), kDeny});
  const Policy policy(entries, kDeny);
  for (int round = 0; round < 2'000; ++round) {
    for (int i = 0; i < 12; ++i) {
      pxe_bucket& bucket = buckets_[random() % buckets_.size()];
      __u64& slot = bucket.slots[random() % PXE_BUCKET_SLOTS];
      const HardwareAddress some =
          ethernet(static_cast<std::uint32_t>(random() % 60));
      switch (random() % 5) {
        case 0:
          slot = random();
          break;
        case 1:
          slot = pxe_slot(some.octets().data()) | (random() & PXE_SLOT_FLAGS);
          break;
        case 2:
          slot ^= PXE_SLOT_OVERFLOW;
          break;
        case 3:
          slot ^= __u64{1} << random() % 64;
          break;
        default: {
          pxe_addr key = to_key(random() % 4 == 0 ? guid(9) : some);
          if (random() % 8 == 0) key.pad[1] = 1;
          const pxe_rule rule{.verdict = static_cast<__u8>(random() % 3),
                              .pad = {}};
          ASSERT_TRUE(more_.write(key, rule));
        }
      }
    }
    ASSERT_TRUE(table_.read());
    std::set<HardwareAddress> denied;
    for (std::uint32_t i = 0; i < 60; ++i) {
      if (look_up(ethernet(i)) == kDeny) denied.insert(ethernet(i));
    }
    ASSERT_TRUE(table_.clear_waste());
    for (const HardwareAddress& address : denied) {
      ASSERT_EQ(look_up(address), kDeny) << address.to_string();
    }
    const auto difference = table_.compare(policy);
    ASSERT_TRUE(table_.write(difference.upserts));
    ASSERT_TRUE(table_.remove(difference.removals));
    expect_enforced(policy);
    for (const Policy::Entry& entry : entries) {
      ASSERT_EQ(look_up(entry.address), entry.verdict);
    }
  }
}

TEST(BucketCountTest, IsAPowerOfTwoThatHoldsFourRulesEach) {
  EXPECT_EQ(bucket_count(1), 64U);
  EXPECT_EQ(bucket_count(256), 64U);
  EXPECT_EQ(bucket_count(257), 128U);
  EXPECT_EQ(bucket_count(262'144), 65'536U);
  EXPECT_EQ(bucket_count(262'145), 131'072U);
  EXPECT_EQ(bucket_count(UINT32_MAX), 1U << 30);
}

// Addresses as they occur, a full policy of them: how many rules find no room.
struct Pattern {
  const char* name;
  std::function<std::uint64_t(std::uint32_t)> address;  // of 48 bits
};

class BucketIndexTest : public ::testing::TestWithParam<Pattern> {};

TEST_P(BucketIndexTest, SpreadsAddressesAsChanceWould) {
  constexpr std::uint32_t kRules = 100'000;
  const std::uint32_t buckets = bucket_count(kRules);
  std::vector<std::uint32_t> used(buckets);
  std::set<std::uint64_t> seen;
  for (std::uint32_t i = 0; seen.size() < kRules; ++i) {
    const std::uint64_t address = GetParam().address(i) & 0xffff'ffff'ffff;
    if (!seen.insert(address).second) continue;
    ++used[pxe_bucket_index(address << PXE_SLOT_SHIFT, buckets - 1)];
  }
  std::uint32_t overflowing = 0;
  for (const std::uint32_t rules : used) {
    if (rules > PXE_BUCKET_SLOTS) overflowing += rules - PXE_BUCKET_SLOTS;
  }
  // Of a Poisson distribution with 100,000 / 32,768 = 3.05 rules to a bucket,
  // 0.17 % of the rules are beyond the eighth of theirs: 170, deviation 17.
  EXPECT_THAT(overflowing, Le(300U));
  EXPECT_THAT(*std::ranges::max_element(used), Le(16U));
}

std::uint64_t random_address(std::uint32_t i) {
  std::mt19937_64 random(i);
  return random();
}

INSTANTIATE_TEST_SUITE_P(
    AllPatterns, BucketIndexTest,
    ::testing::Values(
        Pattern{"Sequential",
                [](std::uint32_t i) { return 0x525400000000ULL + i; }},
        Pattern{"EverySecond",
                [](std::uint32_t i) { return 0x0cc47a000000ULL + 2ULL * i; }},
        Pattern{"Stride16",
                [](std::uint32_t i) { return 0x0cc47a000000ULL + 16ULL * i; }},
        Pattern{"Stride256",
                [](std::uint32_t i) { return 0xb02628000000ULL + 256ULL * i; }},
        Pattern{
            "Stride65536",
            [](std::uint32_t i) { return 0x020000000000ULL + 65536ULL * i; }},
        Pattern{"Stride2To24",
                [](std::uint32_t i) { return std::uint64_t{i} << 24; }},
        Pattern{"Random", random_address},
        // Few vendors, each counting up, two ports to a machine.
        Pattern{"ByVendor",
                [](std::uint32_t i) {
                  constexpr std::array<std::uint64_t, 5> kVendors = {
                      0x0cc47a, 0xb02628, 0x3cecef, 0xac1f6b, 0x246e96};
                  return kVendors.at(i % kVendors.size()) << 24 |
                         (0x100000 + (i / kVendors.size()) * 2);
                }}),
    [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace pxegate
