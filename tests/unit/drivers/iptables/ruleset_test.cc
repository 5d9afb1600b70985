// SPDX-License-Identifier: Apache-2.0
#include "drivers/iptables/ruleset.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/unit/controller/core/generators.h"

namespace pxegate::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr auto kAllow = Verdict::kAllow;
constexpr auto kDeny = Verdict::kDeny;

const FilterPlace kPlace{.interface = "eth1", .chain = "gate"};
const std::string kJump =
    "-i eth1 -p udp -m multiport --dports 67,4011 -j gate";
// ironic-inspector's.
const std::string kOldJump = "-i eth1 -p udp -m udp --dport 67 -j gate";
using Rules = SavedTable::Rules;

FoundFilter find(Rules input, Rules gate = {"-j DROP"}) {
  return find_filter({{{"INPUT", std::move(input)}, {"gate", std::move(gate)}}},
                     kPlace);
}
std::optional<ChainBody> body(Rules gate) {
  return find({kJump}, std::move(gate)).body;
}

TEST(Ruleset, WhoHasTheVerdictOfUnknownsNeedsNoRule) {
  const Policy policy({{mac(1), kDeny}, {mac(2), kAllow}, {guid(1), kAllow}},
                      kDeny);
  EXPECT_EQ(body_of(policy),
            (ChainBody{.unknown = kDeny, .exceptions = {mac(2)}}));
  EXPECT_EQ(policy_of(body_of(policy)), Policy({{mac(2), kAllow}}, kDeny));
}

RC_GTEST_PROP(RulesetProperty, TheBodyHasThePolicysVerdictForEachMac, ()) {
  const Policy policy = *gen_policy();
  const Policy enforced = policy_of(body_of(policy));
  for (const HardwareAddress& address : universe()) {
    if (address.type() != HardwareAddress::Type::kEthernet) continue;
    RC_ASSERT(enforced.verdict(address) == policy.verdict(address));
  }
  RC_ASSERT(body_of(enforced) == body_of(policy));
}

// What render_change() writes is what find_filter() reads.
RC_GTEST_PROP(RulesetProperty, WhatIsWrittenIsReadBack, ()) {
  const ChainBody wanted = body_of(*gen_policy());
  const std::string text = render_change({}, kPlace, wanted);
  SavedTable table;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    if (line.starts_with(":gate")) table.chains["gate"];
    if (line.starts_with("-I INPUT 1 ")) {
      table.chains["INPUT"] = {line.substr(11)};
    }
    if (line.starts_with("-A gate ")) {
      table.chains["gate"].push_back(line.substr(8));
    }
  }
  const FoundFilter found = find_filter(table, kPlace);
  RC_ASSERT(found.body == wanted);
  RC_ASSERT(found.in_force());
  RC_ASSERT(found.tidy());
}

TEST(Ruleset, ReadsAChainOfRulesAndOneWithASet) {
  EXPECT_EQ(
      body({"-m mac --mac-source 52:54:00:00:00:02 -j DROP",
            "-m mac --mac-source 52:54:00:00:00:01 -j DROP", "-j ACCEPT"}),
      (ChainBody{.unknown = kAllow, .exceptions = {mac(1), mac(2)}}));
  EXPECT_EQ(
      body({"-m mac --mac-source 52:54:00:00:00:0A -j ACCEPT", "-j DROP"}),
      (ChainBody{.unknown = kDeny, .exceptions = {mac(10)}}));
  EXPECT_EQ(body({"-m set --match-set gate-4a src -j ACCEPT", "-j DROP"}),
            (ChainBody{.unknown = kDeny, .exceptions = {}, .set = "gate-4a"}));
  EXPECT_EQ(
      body({"-j REJECT --reject-with icmp-port-unreachable"}),
      (ChainBody{
          .unknown = kDeny, .exceptions = {}, .set = {}, .rejects = true}));
}

TEST(Ruleset, ReadsNoChainThatItDoesNotWrite) {
  for (const Rules& rules : std::vector<Rules>{
           {},
           {"-m mac --mac-source 52:54:00:00:00:01 -j DROP"},
           {"-j ACCEPT", "-m mac --mac-source 52:54:00:00:00:01 -j DROP"},
           {"-m mac --mac-source 52:54:00:00:00:01 -j DROP", "-j DROP"},
           {"-m mac ! --mac-source 52:54:00:00:00:01 -j DROP", "-j ACCEPT"},
           {"-m mac --mac-source 52:54:00:00:00 -j DROP", "-j ACCEPT"},
           {"-m mac --mac-source 52:54:00:00:00:01 -j RETURN", "-j ACCEPT"},
           {"-m mac --mac-source 52:54:00:00:00:01", "-j ACCEPT"},
           {"-m set --match-set a dst -j DROP", "-j ACCEPT"},
           {"-m set ! --match-set a src -j DROP", "-j ACCEPT"},
           {"-m set --match-set a src -j DROP",
            "-m set --match-set b src -j DROP", "-j ACCEPT"},
           {"-m set --match-set a src -j DROP",
            "-m mac --mac-source 52:54:00:00:00:01 -j DROP", "-j ACCEPT"},
           {"-p udp -j ACCEPT", "-j DROP"},
           {"-j ACCEPT --strange"},
           {"-g elsewhere"},
           {"-j"},
           {""},
           {"-m comment --comment \"never closed"}}) {
    EXPECT_EQ(body(rules), std::nullopt)
        << (rules.empty() ? "no rule" : rules[0]);
  }
}

TEST(Ruleset, AJumpIsOursHoweverItIsSpelt) {
  for (const char* jump :
       {"-i eth1 -p udp -m multiport --dports 67,4011 -j gate",
        "-p udp -i eth1 -m multiport --dports 67,4011 -j gate",
        "-i eth1 -p udp -m comment --comment \"-j x\" -m multiport --dports "
        "67,4011 -j gate"}) {
    const FoundFilter found = find({jump});
    EXPECT_TRUE(found.jump_in_place) << jump;
    EXPECT_THAT(found.jumps, ElementsAre(jump));
    EXPECT_THAT(found.references, IsEmpty());
  }
}

// A boot server on port 4011 must not be reached past the chain.
TEST(Ruleset, IronicInspectorsJumpIsInForceAndGetsTheSecondPort) {
  for (const char* jump :
       {"-i eth1 -p udp -m udp --dport 67 -j gate",
        "-i eth1 -p udp --dport 67 -j gate",
        "-p udp -i eth1 -m udp --dport 67 -j gate",
        "-i eth1 -p udp -m udp --dport 67 -m multiport --dports 67,4011 -j "
        "gate"}) {
    const FoundFilter found = find({jump});
    EXPECT_TRUE(found.in_force()) << jump;
    EXPECT_FALSE(found.jump_in_place) << jump;
    EXPECT_THAT(
        render_change(found, kPlace, std::nullopt),
        HasSubstr(fmt::format("-D INPUT {}\n-I INPUT 1 {}\n", jump, kJump)));
  }
}

TEST(Ruleset, WithOnePortItIsIronicInspectorsJump) {
  const FilterPlace place{.interface = "eth1", .chain = "gate", .ports = {67}};
  const FoundFilter found =
      find_filter({{{"INPUT", {kOldJump}}, {"gate", {"-j DROP"}}}}, place);
  EXPECT_TRUE(found.jump_in_place);
  EXPECT_THAT(render_change({}, place, std::nullopt), HasSubstr(kOldJump));
}

// Two words that look like an option, in a comment.
TEST(Ruleset, ACommentNamesNoInterface) {
  EXPECT_FALSE(
      find({"-m comment --comment -i -j ACCEPT", kJump}).jump_in_place);
}

TEST(Ruleset, AnotherRuleThatLeadsToTheChainIsSomebodyElses) {
  for (const char* rule :
       {"-i eth1 -p udp -m udp --dport 68 -j gate",
        "-i eth1 -p tcp -m tcp --dport 67 -j gate",
        "-i eth1 -p udp -m udp ! --dport 67 -j gate",
        "! -i eth1 -p udp -m udp --dport 67 -j gate",
        "-p udp -m udp --dport 67 -j gate",
        "-s 10.0.0.0/8 -i eth1 -p udp -m udp --dport 67 -j gate",
        "-i eth1 -p udp -m udp --dport 67 -g gate",
        "-i eth1 -p udp -m multiport --dports 67 -j gate", "-j gate"}) {
    const FoundFilter found = find({rule});
    EXPECT_FALSE(found.jumped_to) << rule;
    EXPECT_THAT(found.jumps, IsEmpty()) << rule;
    EXPECT_THAT(found.references, ElementsAre("-A INPUT " + std::string(rule)));
  }
}

TEST(Ruleset, AJumpForAnotherInterfaceIsOursToRemove) {
  const std::string other = "-i eth2 -p udp -m udp --dport 67 -j gate";
  const FoundFilter found = find({other});
  EXPECT_FALSE(found.jumped_to);
  EXPECT_FALSE(found.in_force());
  EXPECT_THAT(render_change(found, kPlace, std::nullopt),
              HasSubstr("-D INPUT " + other + "\n-I INPUT 1 " + kJump));
}

TEST(Ruleset, OnlyRulesForOtherInterfacesMayStandBeforeTheJump) {
  for (const char* rule : {"-i lo -j ACCEPT", "-i tap+ -j ACCEPT",
                           "-i eth10 -j ACCEPT", "-i eth1.5 -j ACCEPT"}) {
    EXPECT_TRUE(find({rule, kJump}).jump_in_place) << rule;
  }
  for (const char* rule :
       {"-j ACCEPT", "-p udp -j ACCEPT", "-i eth1 -j ACCEPT", "-i e+ -j ACCEPT",
        "-i + -j ACCEPT", "! -i lo -j ACCEPT", "-m x --y \"-i lo"}) {
    EXPECT_FALSE(find({rule, kJump}).jump_in_place) << rule;
    EXPECT_TRUE(find({kJump, rule}).jump_in_place) << rule;
  }
}

TEST(Ruleset, APatternOfInterfacesOverlapsWithItsNames) {
  const FilterPlace place{.interface = "eth+", .chain = "gate"};
  const std::string jump =
      "-i eth+ -p udp -m multiport --dports 67,4011 -j gate";
  for (const auto& [rule, in_place] :
       std::vector<std::pair<std::string, bool>>{{"-i eth7 -j ACCEPT", false},
                                                 {"-i e+ -j ACCEPT", false},
                                                 {"-i eth1+ -j ACCEPT", false},
                                                 {"-i lo -j ACCEPT", true},
                                                 {"-i br+ -j ACCEPT", true}}) {
    EXPECT_EQ(
        find_filter({{{"INPUT", {rule, jump}}, {"gate", {"-j DROP"}}}}, place)
            .jump_in_place,
        in_place)
        << rule;
  }
}

TEST(Ruleset, ATidyFilterIsChangedInItsChainOnly) {
  const std::string text =
      render_change(find({kJump}), kPlace,
                    ChainBody{.unknown = kAllow, .exceptions = {mac(1)}});
  EXPECT_EQ(text,
            "*filter\n"
            ":gate - [0:0]\n"
            "-A gate -m mac --mac-source 52:54:00:00:00:01 -j DROP\n"
            "-A gate -j ACCEPT\n"
            "COMMIT\n");
}

TEST(Ruleset, AJumpInTheWrongPlaceIsChangedWithoutTheChain) {
  EXPECT_THAT(render_change(find({"-j ACCEPT", kJump}), kPlace, std::nullopt),
              Not(HasSubstr(":gate")));
}

TEST(Ruleset, IronicInspectorsNextChainIsRemovedIfItIsItsOwn) {
  const std::string jump = "-i eth1 -p udp -m udp --dport 67 -j gate_temp";
  SavedTable table{{{"INPUT", {jump, kJump}},
                    {"gate", {"-j DROP"}},
                    {"gate_temp", {"-j ACCEPT"}}}};
  FoundFilter found = find_filter(table, kPlace);
  EXPECT_FALSE(found.tidy());
  EXPECT_TRUE(found.temporary_chain);
  const std::string text = render_change(found, kPlace, std::nullopt);
  EXPECT_THAT(text, HasSubstr("-D INPUT " + jump + "\n"));
  EXPECT_THAT(text, HasSubstr("-F gate_temp\n-X gate_temp\n"));

  table.chains["FORWARD"] = {"-j gate_temp"};
  found = find_filter(table, kPlace);
  EXPECT_FALSE(found.temporary_chain);
  EXPECT_THAT(found.temporary_jumps, ElementsAre(jump));

  table.chains["gate_temp"] = {"-p tcp -j ACCEPT"};
  found = find_filter(table, kPlace);
  EXPECT_FALSE(found.temporary_chain);
  EXPECT_THAT(found.temporary_jumps, IsEmpty());
}

RC_GTEST_PROP(RulesetProperty, NoRuleIsTooStrange,
              (const std::vector<std::string>& input,
               const std::vector<std::string>& gate)) {
  const FoundFilter found = find_filter(
      {{{"INPUT", input}, {"gate", gate}, {"gate_temp", gate}}}, kPlace);
  static_cast<void>(render_change(found, kPlace, ChainBody{}));
  static_cast<void>(render_removal(found, kPlace));
}

}  // namespace
}  // namespace pxegate::testing
