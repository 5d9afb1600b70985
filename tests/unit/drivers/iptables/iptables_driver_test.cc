// SPDX-License-Identifier: Apache-2.0
#include "drivers/iptables/iptables_driver.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/controller/core/generators.h"
#include "tests/unit/drivers/iptables/fake_firewall.h"

namespace pxegate::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr auto kAllow = Verdict::kAllow;
constexpr auto kDeny = Verdict::kDeny;

Snapshot snapshot(Policy policy) {
  return {std::make_shared<Inventory>(),
          std::make_shared<Policy>(std::move(policy))};
}

// Machines [first, end) with the same verdict.
Snapshot machines(int first, int end, Verdict verdict, Verdict unknown) {
  std::vector<Policy::Entry> entries;
  for (int n = first; n < end; ++n) {
    entries.push_back({MacAddress({2, 0, 0, static_cast<std::uint8_t>(n >> 16),
                                   static_cast<std::uint8_t>(n >> 8),
                                   static_cast<std::uint8_t>(n)}),
                       verdict});
  }
  return snapshot(Policy(std::move(entries), unknown));
}

// The real one is the host's.
Result<NamespaceLock> no_lock(const std::string&, int) {
  return NamespaceLock();
}

class IptablesDriverTest : public ::testing::Test {
 protected:
  std::unique_ptr<FilterDriver> make(int version = 4) const {
    return make_iptables_driver(
        {.interface = "eth1", .chain = "gate", .ip_version = version},
        firewall_, no_lock);
  }
  std::unique_ptr<FilterDriver> started() const {
    auto driver = make();
    auto done = driver->initialize();
    EXPECT_TRUE(done) << done.error().message();
    firewall_->take_names();
    return driver;
  }
  SyncReport sync(FilterDriver& driver, const Snapshot& policy) const {
    auto report = driver.sync(policy);
    EXPECT_TRUE(report) << report.error().message();
    return report.value_or(SyncReport{});
  }
  const std::vector<std::string>& chain() const {
    return firewall_->chains.at("gate");
  }
  std::vector<std::string> set_names() const {
    std::vector<std::string> names;
    for (const auto& [name, set] : firewall_->sets) names.push_back(name);
    return names;
  }

  const std::shared_ptr<FakeFirewall> firewall_ =
      std::make_shared<FakeFirewall>();
};

TEST_F(IptablesDriverTest, WithHashMacTheChainAsksASet) {
  auto driver = started();
  sync(*driver, machines(0, 3, kDeny, kAllow));
  EXPECT_THAT(chain(), ElementsAre("-m set --match-set gate-4a src -j DROP",
                                   "-j ACCEPT"));
  EXPECT_THAT(firewall_->sets.at("gate-4a").members, SizeIs(3));
  EXPECT_EQ(driver->status().targets.at(0).mode, "nft+ipset");
  EXPECT_EQ(driver->status().rules, 3U);
}

TEST_F(IptablesDriverTest, AFewMachinesChangeInTheSetThatIsInUse) {
  auto driver = started();
  sync(*driver, machines(0, 100, kDeny, kAllow));
  const auto before = chain();
  firewall_->take_names();
  const SyncReport report = sync(*driver, machines(1, 101, kDeny, kAllow));
  EXPECT_EQ(report.upserts, 1U);
  EXPECT_EQ(report.removals, 1U);
  EXPECT_EQ(chain(), before);
  EXPECT_THAT(
      firewall_->take_names(),
      ElementsAre("iptables-save", "ipset save gate-4a", "ipset restore"));
}

// If it fails half-way, nobody is let in who is not meant to be.
TEST_F(IptablesDriverTest, InASetWhoIsToBeDeniedChangesFirst) {
  auto driver = started();
  sync(*driver, machines(0, 3, kDeny, kAllow));
  sync(*driver, machines(1, 4, kDeny, kAllow));
  EXPECT_EQ(firewall_->commands.back().input,
            "add gate-4a 02:00:00:00:00:03\ndel gate-4a 02:00:00:00:00:00\n");
  driver = started();
  sync(*driver, machines(0, 3, kAllow, kDeny));
  sync(*driver, machines(1, 4, kAllow, kDeny));
  EXPECT_EQ(firewall_->commands.back().input,
            "del gate-4b 02:00:00:00:00:00\nadd gate-4b 02:00:00:00:00:03\n");
}

TEST_F(IptablesDriverTest, AnUnchangedSetIsReadBackAndNothingMore) {
  auto driver = started();
  sync(*driver, machines(0, 9, kDeny, kAllow));
  firewall_->take_names();
  EXPECT_FALSE(sync(*driver, machines(0, 9, kDeny, kAllow)).changed());
  EXPECT_THAT(firewall_->take_names(),
              ElementsAre("iptables-save", "ipset save gate-4a"));
}

TEST_F(IptablesDriverTest, AnotherVerdictForUnknownsIsAnotherSet) {
  auto driver = started();
  sync(*driver, machines(0, 9, kDeny, kAllow));
  sync(*driver, machines(0, 2, kAllow, kDeny));
  EXPECT_THAT(chain(), ElementsAre("-m set --match-set gate-4b src -j ACCEPT",
                                   "-j DROP"));
  EXPECT_THAT(set_names(), ElementsAre("gate-4b"));
  sync(*driver, machines(0, 0, kDeny, kDeny));
  EXPECT_THAT(chain(), ElementsAre("-j DROP"));
  EXPECT_THAT(set_names(), IsEmpty());
}

TEST_F(IptablesDriverTest, ASetThatTheKernelStillHoldsIsTriedAgain) {
  auto driver = started();
  sync(*driver, machines(0, 9, kDeny, kAllow));
  firewall_->busy_destroys = 3;
  sync(*driver, machines(0, 2, kAllow, kDeny));
  EXPECT_THAT(set_names(), ElementsAre("gate-4b"));
  firewall_->busy_destroys = 2;
  EXPECT_TRUE(driver->tear_down());
  EXPECT_THAT(set_names(), IsEmpty());
}

TEST_F(IptablesDriverTest, ASetThatIsTooSmallIsMadeAnew) {
  auto driver = started();
  sync(*driver, machines(0, 10, kDeny, kAllow));
  sync(*driver, machines(0, 70'000, kDeny, kAllow));
  EXPECT_THAT(firewall_->sets.at("gate-4b").members, SizeIs(70'000));
  EXPECT_EQ(firewall_->sets.at("gate-4b").capacity, 140'000U);
  EXPECT_THAT(set_names(), ElementsAre("gate-4b"));
}

TEST_F(IptablesDriverTest, WhatSomebodyChangesInTheSetIsPutRightAndTold) {
  auto driver = started();
  sync(*driver, machines(0, 9, kDeny, kAllow));
  firewall_->sets.at("gate-4a").members.erase("02:00:00:00:00:03");
  firewall_->sets.at("gate-4a").members.insert("02:00:00:00:00:77");
  const SyncReport report = sync(*driver, machines(0, 9, kDeny, kAllow));
  EXPECT_THAT(report.repaired, ElementsAre(HasSubstr("2 rules of the chain")));
  EXPECT_FALSE(sync(*driver, machines(0, 9, kDeny, kAllow)).changed());
}

TEST_F(IptablesDriverTest, ASetWithMembersThatExpireIsNotTrusted) {
  auto driver = started();
  sync(*driver, machines(0, 9, kDeny, kAllow));
  firewall_->sets.at("gate-4a").header += " timeout 300";
  const SyncReport report = sync(*driver, machines(0, 9, kDeny, kAllow));
  EXPECT_THAT(report.repaired, Contains(HasSubstr("changed by somebody else")));
  EXPECT_THAT(chain()[0], HasSubstr("gate-4b"));
}

TEST_F(IptablesDriverTest, SomebodyElsesSetIsNeitherTrustedNorChanged) {
  auto driver = started();
  sync(*driver, machines(0, 3, kDeny, kAllow));
  firewall_->sets["theirs"] = firewall_->sets["gate-4a"];
  firewall_->chains["gate"][0] = "-m set --match-set theirs src -j DROP";
  sync(*driver, machines(0, 9, kDeny, kAllow));
  EXPECT_THAT(firewall_->sets.at("theirs").members, SizeIs(3));
  EXPECT_THAT(chain()[0], HasSubstr("gate-4"));
}

TEST_F(IptablesDriverTest, ASetOfAnEarlierRunStaysInForce) {
  sync(*started(), machines(0, 9, kDeny, kAllow));
  auto driver = started();
  EXPECT_EQ(driver->installed().value(), *machines(0, 9, kDeny, kAllow).policy);
  EXPECT_THAT(set_names(), ElementsAre("gate-4a"));
  EXPECT_FALSE(sync(*driver, machines(0, 9, kDeny, kAllow)).changed());
}

TEST_F(IptablesDriverTest, ATeardownDestroysTheSetsOfAnEarlierRun) {
  sync(*started(), machines(0, 9, kDeny, kAllow));
  firewall_->sets["gate-4b"] = firewall_->sets["gate-4a"];
  firewall_->sets["gate-6a"] = firewall_->sets["gate-4a"];
  EXPECT_TRUE(make()->tear_down());
  EXPECT_THAT(firewall_->chains, SizeIs(1));
  EXPECT_THAT(set_names(), ElementsAre("gate-6a"));
}

TEST_F(IptablesDriverTest, WithoutHashMacEachMachineIsARule) {
  firewall_->has_hash_mac = false;
  auto driver = started();
  sync(*driver, machines(0, 3, kDeny, kAllow));
  EXPECT_THAT(chain(), SizeIs(4));
  EXPECT_EQ(driver->status().targets.at(0).mode, "nft");
  EXPECT_THAT(firewall_->take_names(), Not(Contains(HasSubstr("ipset"))));
}

TEST_F(IptablesDriverTest, WithoutIpsetEachMachineIsARule) {
  firewall_->has_ipset = false;
  auto driver = started();
  sync(*driver, machines(0, 3, kDeny, kAllow));
  EXPECT_THAT(chain(), SizeIs(4));
  EXPECT_TRUE(driver->tear_down());
}

// That shows only when a rule is to use one.
TEST_F(IptablesDriverTest, WithSetsButNoMatchForThemEachMachineIsARule) {
  firewall_->has_set_match = false;
  auto driver = started();
  sync(*driver, machines(0, 3, kDeny, kAllow));
  EXPECT_THAT(chain(), SizeIs(4));
  EXPECT_THAT(set_names(), IsEmpty());
  firewall_->take_names();
  EXPECT_FALSE(sync(*driver, machines(0, 3, kDeny, kAllow)).changed());
  EXPECT_THAT(firewall_->take_names(), ElementsAre("iptables-save"));
}

TEST_F(IptablesDriverTest, RulesGiveWayToASetWhereThereIsOne) {
  firewall_->has_hash_mac = false;
  sync(*started(), machines(0, 3, kDeny, kAllow));
  firewall_->has_hash_mac = true;
  auto driver = started();
  EXPECT_THAT(chain(), SizeIs(4));
  sync(*driver, machines(0, 3, kDeny, kAllow));
  EXPECT_THAT(chain(), SizeIs(2));
}

// PolicyDiff's law, at whatever instant a packet comes.
void expect_no_gap(bool with_sets) {
  auto firewall = std::make_shared<FakeFirewall>();
  firewall->has_hash_mac = with_sets;
  auto driver = make_iptables_driver({.interface = "eth1", .chain = "gate"},
                                     firewall, no_lock);
  RC_ASSERT(driver->initialize().has_value());
  Policy before;
  const auto policies = *rc::gen::container<std::vector<Policy>>(gen_policy());
  for (const Policy& after : policies) {
    firewall->changed = [&] {
      for (const HardwareAddress& address : universe()) {
        if (address.type() != HardwareAddress::Type::kEthernet) continue;
        const Verdict met = firewall->verdict(address.to_string());
        RC_ASSERT(met == before.verdict(address) ||
                  met == after.verdict(address));
      }
    };
    RC_ASSERT(driver->sync(snapshot(after)).has_value());
    firewall->changed();
    before = after;
    firewall->changed();
    const auto again = driver->sync(snapshot(after));
    RC_ASSERT(again.has_value());
    RC_ASSERT(!again->changed());
  }
  firewall->changed = nullptr;
  RC_ASSERT(driver->tear_down().has_value());
  RC_ASSERT(firewall->sets.empty());
  RC_ASSERT(firewall->chains.size() == 1U);
}
RC_GTEST_PROP(IptablesDriverLaw, NoGapInAChainOfRules, ()) {
  expect_no_gap(false);
}
RC_GTEST_PROP(IptablesDriverLaw, NoGapInAChainWithASet, ()) {
  expect_no_gap(true);
}

// Any command may fail: the filter is then no more open than before or after.
RC_GTEST_PROP(IptablesDriverLaw, WhateverFailsOpensNothing, ()) {
  auto firewall = std::make_shared<FakeFirewall>();
  firewall->has_hash_mac = *rc::gen::arbitrary<bool>();
  auto driver = make_iptables_driver({.interface = "eth1", .chain = "gate"},
                                     firewall, no_lock);
  RC_ASSERT(driver->initialize().has_value());
  const Policy before = *gen_policy();
  const Policy after = *gen_policy();
  RC_ASSERT(driver->sync(snapshot(before)).has_value());
  int left = *rc::gen::inRange(0, 8);
  firewall->instead = [&left](const Command&) -> std::optional<CommandOutput> {
    if (--left >= 0) return std::nullopt;
    return CommandOutput{.exit_status = 1, .out = {}, .err = "no\n"};
  };
  const bool synced = driver->sync(snapshot(after)).has_value();
  for (const HardwareAddress& address : universe()) {
    if (address.type() != HardwareAddress::Type::kEthernet) continue;
    const Verdict met = firewall->verdict(address.to_string());
    if (synced) {
      RC_ASSERT(met == after.verdict(address));
    } else if (met == kAllow) {
      RC_ASSERT(before.verdict(address) == kAllow ||
                after.verdict(address) == kAllow);
    }
  }
}

TEST_F(IptablesDriverTest, ASyncBeforeInitializeReachesNoProgram) {
  auto driver = make();
  auto report = driver->sync(machines(0, 1, kDeny, kAllow));
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code(), ErrorCode::kInvalidState);
  EXPECT_THAT(firewall_->commands, IsEmpty());
}

TEST_F(IptablesDriverTest, StatusStartsNoProgram) {
  auto driver = started();
  sync(*driver, machines(0, 3, kDeny, kAllow));
  firewall_->take_names();
  const DriverStatus status = driver->status();
  EXPECT_EQ(status.driver, "iptables");
  EXPECT_TRUE(status.healthy);
  EXPECT_EQ(status.targets.at(0).name, "eth1 (chain gate)");
  EXPECT_TRUE(status.targets.at(0).active);
  EXPECT_THAT(firewall_->commands, IsEmpty());
  driver->reset();
  EXPECT_FALSE(driver->status().healthy);
}

TEST_F(IptablesDriverTest, StatusSaysWhatIptablesCannotDo) {
  EXPECT_THAT(make()->status().notices,
              ElementsAre(HasSubstr("behind a DHCP relay"),
                          HasSubstr("DHCPv6 is not filtered"),
                          HasSubstr("raw sockets")));
  // Servers for DHCPv6 read ordinary sockets.
  EXPECT_THAT(make(6)->status().notices,
              ElementsAre(HasSubstr("behind a DHCP relay"),
                          HasSubstr("DHCPv4 is not filtered")));
}

TEST_F(IptablesDriverTest, FromAThousandRulesOnItSaysWhatTheyCost) {
  firewall_->has_hash_mac = false;
  auto driver = started();
  sync(*driver, machines(0, 999, kDeny, kAllow));
  EXPECT_THAT(driver->status().notices, SizeIs(3));
  sync(*driver, machines(0, 1000, kDeny, kAllow));
  EXPECT_THAT(driver->status().notices, Contains(HasSubstr("1000 rules")));
}

TEST_F(IptablesDriverTest, ASetHasNoSuchCost) {
  auto driver = started();
  sync(*driver, machines(0, 5000, kDeny, kAllow));
  EXPECT_THAT(driver->status().notices, SizeIs(3));
}

// Whatever the driver meets first, the error says what to do.
struct Refusal {
  std::string name;
  CommandOutput output;
  ErrorCode code;
  std::string told;
};

TEST_F(IptablesDriverTest, ErrorsSayWhatToDo) {
  const std::vector<Refusal> refusals = {
      {"nft as a user",
       {.exit_status = 4,
        .out = {},
        .err = "iptables-save v1.8.9 (nf_tables): Could not fetch rule set "
               "generation id: Permission denied (you must be root)\n"},
       ErrorCode::kPermission,
       "CAP_NET_ADMIN"},
      {"locked for long",
       {.exit_status = 4,
        .out = {},
        .err = "Another app is currently holding the xtables lock; still 0s "
               "0us time ahead to have a chance to grab the lock...\n"},
       ErrorCode::kUnavailable,
       "xtables lock"},
      {"advice and warnings",
       {.exit_status = 2,
        .out = {},
        .err = "# Warning: iptables-legacy tables present\nno such thing\nTry "
               "`iptables -h' for more information.\n"},
       ErrorCode::kFailed,
       "(exit status 2): \"no such thing\""},
      {"too much",
       {.exit_status = 0, .out = "*filter\n", .err = {}, .truncated = true},
       ErrorCode::kCapacity,
       "MiB"},
      {"cut off",
       {.exit_status = 0, .out = "*filter\n:INPUT ACCEPT [0:0]\n", .err = {}},
       ErrorCode::kFailed,
       "ends in the middle"},
  };
  for (const Refusal& refusal : refusals) {
    SCOPED_TRACE(refusal.name);
    firewall_->instead =
        [&](const Command& command) -> std::optional<CommandOutput> {
      if (command.argv[0] != "iptables-save") return std::nullopt;
      return refusal.output;
    };
    for (const auto& done : {make()->initialize(), make()->tear_down(),
                             make()->installed().map([](const Policy&) {})}) {
      ASSERT_FALSE(done);
      EXPECT_EQ(done.error().code(), refusal.code);
      EXPECT_THAT(done.error().message(), HasSubstr(refusal.told));
    }
  }
}

class NothingInstalled final : public CommandRunner {
 public:
  Result<CommandOutput> run(const Command& command) override {
    return fail_errno("cannot run " + command.argv[0], ENOENT);
  }
};

TEST(IptablesDriver, IptablesThatIsNotInstalledIsNamed) {
  auto driver = make_iptables_driver(
      {.interface = "eth1", .chain = "gate", .ip_version = 6},
      std::make_shared<NothingInstalled>(), no_lock);
  auto done = driver->initialize();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(done.error().message(),
              HasSubstr("ip6tables-restore is not installed"));
}

}  // namespace
}  // namespace pxegate::testing
