// SPDX-License-Identifier: Apache-2.0
#include "drivers/nftables/ruleset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>
#include <algorithm>
#include <set>
#include <sstream>

namespace pxegate {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

HardwareAddress mac(std::string_view text) {
  return HardwareAddress::parse(text).value();
}

TEST(FilterContents, AnAddressIsANumberWithItsFirstByteHighest) {
  const Policy policy({{mac("52:54:00:12:34:56"), Verdict::kDeny},
                       {mac("00:00:00:00:00:01"), Verdict::kAllow}},
                      Verdict::kAllow);
  const FilterContents contents = contents_of(policy);
  EXPECT_THAT(contents.denied, ElementsAre(0x525400123456));
  EXPECT_THAT(contents.allowed, ElementsAre(1));
  EXPECT_EQ(policy_of(contents), policy);
}

TEST(FilterContents, GuidsAreLeftOut) {
  const Policy policy({{mac("01:02:03:04:05:06:07:08"), Verdict::kDeny}},
                      Verdict::kDeny);
  EXPECT_EQ(contents_of(policy), FilterContents{});
}

TEST(FilterContents, AnAddressInBothSetsIsDenied) {
  const FilterContents both{.denied = {7}, .allowed = {7}};
  EXPECT_EQ(policy_of(both).entries().front().verdict, Verdict::kDeny);
}

TEST(CheckNames, TakesWhatNftCanWrite) {
  EXPECT_TRUE(check_names("pxegate", {"eth0", "br-x.100", "a@b", "0"}));
  for (const char* table : {"", "0", "a.b", "a b", "a\n", "a{", "t;flush"}) {
    EXPECT_FALSE(check_names(table, {})) << table;
  }
  for (const char* name :
       {"", "a b", "a\"", "a\\", "eth*", "a/b", "a\n", "sixteen-letters-"}) {
    EXPECT_FALSE(check_names("t", {name})) << name;
  }
}

TEST(ChainName, DiffersWhereInterfacesDo) {
  EXPECT_EQ(chain_name("eth0.100"), "ingress-eth0.100");
  EXPECT_NE(chain_name("a@b"), chain_name("a:b"));
  EXPECT_NE(chain_name("a@b"), chain_name("a-b"));
}

TEST(BuildScript, TakesThePlaceOfWhatIsThere) {
  const std::string script = build_script("t", {"eth1", "eth2"}, {});
  EXPECT_TRUE(script.starts_with(
      "add table netdev t\ndelete table netdev t\ntable netdev t {"));
  EXPECT_THAT(script, HasSubstr("device \"eth1\""));
  EXPECT_THAT(script, HasSubstr("device \"eth2\""));
  EXPECT_THAT(script, Not(HasSubstr("elements")));
}

TEST(Change, OfNothingIsNothing) {
  const FilterContents same{.denied = {1}, .allowed = {2}};
  const FilterChange none = change("t", same, same);
  EXPECT_THAT(none.scripts, IsEmpty());
  EXPECT_EQ(none.upserts + none.removals, 0U);
  EXPECT_FALSE(none.unknown_changed);
}

TEST(Change, IsOneTransactionWhereTheVerdictForUnknownStays) {
  const FilterChange changes =
      change("t", {.denied = {1, 2}}, {.denied = {3}, .allowed = {1}});
  EXPECT_THAT(changes.scripts, SizeIs(1));
  EXPECT_EQ(changes.upserts, 2U);
  EXPECT_EQ(changes.removals, 1U);
}

TEST(Change, RemovesOnlyWhenTheNewVerdictForUnknownHolds) {
  const FilterChange changes = change(
      "t", {.denied = {1}, .unknown = Verdict::kAllow}, {.allowed = {2}});
  ASSERT_THAT(changes.scripts, SizeIs(2));
  EXPECT_THAT(changes.scripts[0], HasSubstr("add element netdev t allowed"));
  EXPECT_THAT(changes.scripts[0], HasSubstr("flush chain netdev t unknown"));
  EXPECT_THAT(changes.scripts[1],
              "delete element netdev t denied { 0x000000000001 }\n");
}

// A model of what nft does with the scripts: elements that must or must not be
// there, one transaction as a whole.
class Model {
 public:
  explicit Model(const FilterContents& contents)
      : sets_{{"denied", {contents.denied.begin(), contents.denied.end()}},
              {"allowed", {contents.allowed.begin(), contents.allowed.end()}}},
        unknown_(contents.unknown) {}

  void run(const std::string& script) {
    std::istringstream lines(script);
    for (std::string line; std::getline(lines, line);) run_line(line);
  }

  FilterContents contents() const {
    const auto list = [this](const char* name) {
      const auto& set = sets_.at(name);
      return std::vector<std::uint64_t>(set.begin(), set.end());
    };
    return {list("denied"), list("allowed"), unknown_};
  }

 private:
  void run_line(std::string line) {
    std::ranges::replace(line, ',', ' ');
    std::istringstream words(line);
    std::string verb, what, family, table, name, word;
    words >> verb >> what >> family >> table >> name;
    RC_ASSERT(family == "netdev");
    RC_ASSERT(table == "t");
    if (what != "element") {
      if (line.starts_with("add rule netdev t unknown ")) {
        unknown_ = line.ends_with("accept") ? Verdict::kAllow : Verdict::kDeny;
      }
      return;
    }
    std::set<std::uint64_t>& set = sets_.at(name);
    while (words >> word) {
      if (word == "{" || word == "}") continue;
      const std::uint64_t address = std::stoull(word, nullptr, 16);
      if (verb == "add") RC_ASSERT(set.insert(address).second);
      if (verb == "delete") RC_ASSERT(set.erase(address) == 1);
    }
  }

  std::map<std::string, std::set<std::uint64_t>> sets_;
  Verdict unknown_;
};

// Few addresses, so that policies overlap.
Policy a_policy() {
  std::vector<Policy::Entry> entries;
  using Choice = std::pair<std::uint8_t, bool>;
  for (const auto& [last, allow] : *rc::gen::container<std::vector<Choice>>(
           rc::gen::pair(rc::gen::inRange<std::uint8_t>(0, 12),
                         rc::gen::arbitrary<bool>()))) {
    entries.push_back({HardwareAddress(MacAddress({2, 0, 0, 0, 0, last})),
                       allow ? Verdict::kAllow : Verdict::kDeny});
  }
  return {std::move(entries),
          *rc::gen::arbitrary<bool>() ? Verdict::kAllow : Verdict::kDeny};
}

RC_GTEST_PROP(Change, MakesOnePolicyOfTheOther, ()) {
  const Policy from = a_policy();
  const Policy to = a_policy();
  const FilterChange changes = change("t", contents_of(from), contents_of(to));
  Model model(contents_of(from));
  for (const std::string& script : changes.scripts) model.run(script);
  RC_ASSERT(model.contents() == contents_of(to));
  const PolicyDiff expected = diff(from, to);
  RC_ASSERT(changes.upserts == expected.upserts.size());
  RC_ASSERT(changes.removals == expected.removals.size());
  RC_ASSERT(changes.unknown_changed == expected.unknown.has_value());
}

// Between two transactions, and for a packet that meets the rules of before
// and the sets of after one.
RC_GTEST_PROP(Change, NeverAnswersOtherwiseThanBeforeAndAfter, ()) {
  const Policy from = a_policy();
  const Policy to = a_policy();
  Model model(contents_of(from));
  const auto check = [&](const FilterContents& now) {
    const Policy between = policy_of(now);
    for (std::uint8_t last = 0; last < 13; ++last) {
      const HardwareAddress address(MacAddress({2, 0, 0, 0, 0, last}));
      if (from.verdict(address) != to.verdict(address)) continue;
      RC_ASSERT(between.verdict(address) == to.verdict(address));
    }
  };
  for (const std::string& script :
       change("t", contents_of(from), contents_of(to)).scripts) {
    const Verdict rules_of_before = model.contents().unknown;
    model.run(script);
    FilterContents mixed = model.contents();
    check(mixed);
    mixed.unknown = rules_of_before;
    check(mixed);
  }
}

RC_GTEST_PROP(Change, RepairsWhatIsInBothSets, ()) {
  const Policy to = a_policy();
  FilterContents from = contents_of(to);
  for (std::uint64_t address : contents_of(a_policy()).denied) {
    from.allowed.push_back(address);
  }
  std::ranges::sort(from.allowed);
  const auto repeated = std::ranges::unique(from.allowed);
  from.allowed.erase(repeated.begin(), repeated.end());
  const FilterChange changes = change("t", from, contents_of(to));
  Model model(from);
  for (const std::string& script : changes.scripts) model.run(script);
  RC_ASSERT(model.contents() == contents_of(to));
  RC_ASSERT((changes.upserts + changes.removals > 0) ==
            (from != contents_of(to)));
}

}  // namespace
}  // namespace pxegate
