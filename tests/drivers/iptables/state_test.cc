// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "tests/drivers/iptables/iptables_fixture.h"

namespace pxegate::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using IptablesStateTest = IptablesTest;
INSTANTIATE_TEST_SUITE_P(Backends, IptablesStateTest,
                         ::testing::ValuesIn(kVariants), variant_name);

TEST_P(IptablesStateTest, AFreshStartIsClosed) {
  auto driver = make();
  ASSERT_THAT(driver->initialize(), Succeeds());
  EXPECT_THAT(rules("INPUT"), ElementsAre(jump()));
  EXPECT_THAT(rules("gate"), ElementsAre("-j DROP"));
  const DriverStatus status = driver->status();
  EXPECT_TRUE(status.healthy);
  EXPECT_EQ(status.targets.at(0).mode, GetParam().backend);
}

TEST_P(IptablesStateTest, UnknownDeniedListsWhoIsAllowed) {
  auto driver = started(usual(kDeny));
  EXPECT_THAT(rules("gate"), ElementsAre(rule(kAllowed, "ACCEPT"), "-j DROP"));
  EXPECT_EQ(driver->status().rules, 1U);
}

TEST_P(IptablesStateTest, UnknownAllowedListsWhoIsDenied) {
  auto driver = started(usual(kAllow));
  EXPECT_THAT(rules("gate"), ElementsAre(rule(kDenied, "DROP"), "-j ACCEPT"));
}

TEST_P(IptablesStateTest, AnUnchangedPolicyIsReadBackAndNothingMore) {
  auto driver = started(usual(kAllow));
  const auto report = driver->sync(usual(kAllow));
  ASSERT_THAT(report, Succeeds());
  EXPECT_FALSE(report->changed());
  EXPECT_THAT(runner_->take_names(),
              ElementsAre(v6() ? "ip6tables-save" : "iptables-save"));
}

TEST_P(IptablesStateTest, AnyChangeIsOneMoreProgram) {
  auto driver = started(usual(kAllow));
  const auto report = driver->sync(snapshot(many(0, 500, kDeny), kAllow));
  ASSERT_THAT(report, Succeeds());
  EXPECT_EQ(report->upserts, 500U);
  EXPECT_EQ(report->removals, 1U);
  EXPECT_FALSE(report->unknown_changed);
  EXPECT_THAT(report->repaired, IsEmpty());
  EXPECT_EQ(runner_->take_names().size(), 2U);
  EXPECT_EQ(rules("gate").size(), 501U);
}

TEST_P(IptablesStateTest, WhatIsInForceIsReadBack) {
  EXPECT_THAT(make()->installed(), FailsWith(ErrorCode::kNotFound, "gate"));
  started(usual(kAllow));
  auto installed = make()->installed();
  ASSERT_THAT(installed, Succeeds());
  EXPECT_EQ(*installed,
            Policy({{HardwareAddress(MacAddress(kDenied)), kDeny}}, kAllow));
}

TEST_P(IptablesStateTest, AnEarlierRunsPolicyStaysUntilTheFirstSync) {
  started(usual(kAllow))->shut_down();
  const auto before = rules("gate");
  auto next = make();
  ASSERT_THAT(next->initialize(), Succeeds());
  ASSERT_THAT(next->initialize(), Succeeds());
  EXPECT_EQ(rules("gate"), before);
  EXPECT_THAT(rules("INPUT"), ElementsAre(jump()));
  const auto report = next->sync(usual(kAllow));
  ASSERT_THAT(report, Succeeds());
  EXPECT_FALSE(report->changed());
}

TEST_P(IptablesStateTest, AChainWithoutAJumpIsHalfMadeAndClosed) {
  iptables("-N gate");
  iptables("-A gate -j ACCEPT");
  ASSERT_THAT(make()->initialize(), Succeeds());
  EXPECT_THAT(rules("gate"), ElementsAre("-j DROP"));
  EXPECT_THAT(rules("INPUT"), ElementsAre(jump()));
}

TEST_P(IptablesStateTest, AJumpToAnUnfinishedChainIsHalfMadeAndClosed) {
  iptables("-N gate");
  iptables("-A gate -m mac --mac-source 02:00:00:00:00:01 -j DROP");
  iptables("-A INPUT -i eth1 -p udp --dport {port} -j gate");
  ASSERT_THAT(make()->initialize(), Succeeds());
  EXPECT_THAT(rules("gate"), ElementsAre("-j DROP"));
  EXPECT_THAT(rules("INPUT"), ElementsAre(jump()));
}

// What ironic-inspector leaves: a reject rule, and a swap that ended half-way.
TEST_P(IptablesStateTest, IronicInspectorsHalfMadeSwapIsTidied) {
  iptables("-N gate");
  iptables("-A gate -j REJECT");
  iptables("-A INPUT -i eth1 -p udp --dport {port} -j gate");
  iptables("-N gate_temp");
  iptables("-A gate_temp -m mac --mac-source 02:00:00:00:00:01 -j DROP");
  iptables("-A gate_temp -j ACCEPT");
  iptables("-I INPUT -i eth1 -p udp --dport {port} -j gate_temp");
  auto driver = make();
  ASSERT_THAT(driver->initialize(), Succeeds());
  EXPECT_THAT(rules("INPUT"), ElementsAre(jump()));
  EXPECT_FALSE(chain_exists("gate_temp"));
  EXPECT_EQ(rules("gate").size(), 1U);
  EXPECT_THAT(rules("gate")[0], HasSubstr("-j REJECT"));
  ASSERT_THAT(driver->sync(snapshot({}, kDeny)), Succeeds());
  EXPECT_THAT(rules("gate"), ElementsAre("-j DROP"));
}

TEST_P(IptablesStateTest, SomebodyElsesChainOfThatNameStays) {
  iptables("-N gate_temp");
  iptables("-A gate_temp -p udp -j ACCEPT");
  iptables("-A INPUT -i eth1 -p udp --dport {port} -j gate_temp");
  const std::string before = foreign_state();
  auto driver = started(usual(kAllow));
  EXPECT_THAT(rules("INPUT"), ElementsAre(jump(), old_jump("gate_temp")));
  EXPECT_EQ(foreign_state(), before);
  EXPECT_FALSE(driver->sync(usual(kAllow)).value().changed());
}

// ironic-inspector did not open DHCP again after it had closed it, and not for
// a node that it had inspected before.
TEST_P(IptablesStateTest, ANodeIsLetInAtEachInspectionAnew) {
  auto driver = make();
  ASSERT_THAT(driver->initialize(), Succeeds());
  const Snapshot idle = snapshot({{kAllowed, kDeny}, {kDenied, kDeny}}, kDeny);
  for (int inspection = 1; inspection <= 3; ++inspection) {
    SCOPED_TRACE(inspection);
    ASSERT_THAT(driver->sync(usual(kDeny)), Succeeds());
    EXPECT_THAT(rules("gate"),
                ElementsAre(rule(kAllowed, "ACCEPT"), "-j DROP"));
    ASSERT_THAT(driver->sync(idle), Succeeds());
    EXPECT_THAT(rules("gate"), ElementsAre("-j DROP"));
    ASSERT_THAT(driver->sync(usual(kAllow)), Succeeds());
    EXPECT_THAT(rules("gate"), ElementsAre(rule(kDenied, "DROP"), "-j ACCEPT"));
    ASSERT_THAT(driver->sync(idle), Succeeds());
    EXPECT_THAT(rules("gate"), ElementsAre("-j DROP"));
  }
}

TEST_P(IptablesStateTest, AnotherInterfaceInTheConfigurationMovesTheJump) {
  started(usual(kAllow));
  IptablesOptions other = options();
  other.interface = "eth2";
  auto driver = make(other);
  ASSERT_THAT(driver->initialize(), Succeeds());
  EXPECT_THAT(rules("INPUT"), ElementsAre(jump("eth2")));
  // What was there was made for another network.
  EXPECT_THAT(rules("gate"), ElementsAre("-j DROP"));
}

TEST_P(IptablesStateTest, TwoControllersForTwoInterfacesLeaveEachOtherAlone) {
  IptablesOptions second = options();
  second.interface = "eth2";
  second.chain = "other";
  auto one = started(usual(kAllow));
  auto two = make(second);
  ASSERT_THAT(two->initialize(), Succeeds());
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(one->sync(usual(kAllow)).value().repaired, IsEmpty());
    EXPECT_THAT(two->sync(usual(kDeny)).value().repaired, IsEmpty());
  }
  EXPECT_EQ(rules("INPUT").size(), 2U);
}

// With the same chain each would take the other's jump for a leftover.
TEST_P(IptablesStateTest, TwoControllersCannotKeepOneChain) {
  auto driver = started(usual(kAllow));
  IptablesOptions second = options();
  second.interface = "eth2";
  auto other = make(second);
  const std::string held =
      fmt::format("chain gate is kept by process {}", ::getpid());
  EXPECT_THAT(other->initialize(), FailsWith(ErrorCode::kConflict, held));
  EXPECT_THAT(other->tear_down(), FailsWith(ErrorCode::kConflict, held));
  EXPECT_THAT(rules("INPUT"), ElementsAre(jump()));
  EXPECT_THAT(other->installed(), FailsWith(ErrorCode::kNotFound, "INPUT"));

  driver->reset();
  EXPECT_THAT(other->initialize(), Succeeds());
  EXPECT_THAT(driver->initialize(), FailsWith(ErrorCode::kConflict, held));
  EXPECT_THAT(other->tear_down(), Succeeds());
  EXPECT_THAT(driver->initialize(), Succeeds());
}

TEST_P(IptablesStateTest, TenThousandMachinesAreOneProgramToo) {
  auto driver = started(snapshot(many(0, 10'000, kDeny), kAllow));
  EXPECT_EQ(rules("gate").size(), 10'001U);
  EXPECT_FALSE(
      driver->sync(snapshot(many(0, 10'000, kDeny), kAllow)).value().changed());
  const auto report = driver->sync(snapshot(many(1, 10'000, kDeny), kAllow));
  ASSERT_THAT(report, Succeeds());
  EXPECT_EQ(report->upserts, 1U);
  EXPECT_EQ(report->removals, 1U);
  EXPECT_THAT(driver->status().notices, Contains(HasSubstr("10000 rules")));
  ASSERT_THAT(driver->tear_down(), Succeeds());
  EXPECT_FALSE(chain_exists("gate"));
}

// What somebody else does to a filter in force, and what is said of it.
struct Damage {
  std::string name;
  std::vector<std::string> commands;
  std::string told;
};

const std::vector<Damage> kDamages = {
    {"jump removed", {"-D INPUT 1"}, "the jump from INPUT to gate was gone"},
    {"all gone", {"-F INPUT", "-F gate", "-X gate"}, "the chain gate was gone"},
    {"chain emptied", {"-F gate"}, "the chain gate had been changed"},
    {"jump twice",
     {"-I INPUT -i eth1 -p udp --dport {port} -j gate"},
     "INPUT jumped to gate 2 times"},
    {"jump twice, once with a comment",
     {"-A INPUT -i eth1 -p udp --dport {port} -m comment --comment a\"b\\'c "
      "-j gate"},
     "INPUT jumped to gate 2 times"},
    {"a rule before the jump",
     {"-I INPUT -p udp -j ACCEPT"},
     "other rules stood before the jump"},
    {"a rule for many interfaces before it",
     {"-I INPUT -i eth+ -j ACCEPT"},
     "other rules stood before the jump"},
    {"a rule for all interfaces but one before it",
     {"-I INPUT ! -i eth2 -j ACCEPT"},
     "other rules stood before the jump"},
    {"jump moved",
     {"-D INPUT 1", "-A INPUT -j ACCEPT",
      "-A INPUT -i eth1 -p udp --dport {port} -j gate"},
     "other rules stood before the jump"},
    {"a rule of another kind in the chain",
     {"-I gate -p udp -j ACCEPT"},
     "the chain gate had been changed"},
    {"a goto in the chain",
     {"-N away", "-I gate -g away"},
     "the chain gate had been changed"},
    {"a machine let in",
     {"-I gate -m mac --mac-source 02:00:00:00:00:01 -j ACCEPT"},
     "the chain gate had been changed"},
    {"a machine kept out",
     {"-I gate -m mac --mac-source 02:00:00:00:00:01 -j DROP"},
     "1 rule of the chain gate"},
    {"a rule removed", {"-D gate 1"}, "1 rule of the chain gate"},
    {"the last rule first",
     {"-D gate -j ACCEPT", "-I gate -j ACCEPT"},
     "the chain gate had been changed"},
    {"no last rule", {"-D gate -j ACCEPT"}, "the chain gate had been changed"},
    {"the last rule turned",
     {"-R gate 2 -j DROP", "-D gate 1"},
     "the verdict for unknown machines"},
};

class IptablesRepairTest : public IptablesTest {
 protected:
  // A firewall as hosts have it.
  void SetUp() override {
    IptablesTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    iptables("-N theirs");
    iptables("-A theirs -m mac --mac-source 02:00:00:00:00:77 -j RETURN");
    iptables("-A theirs -p tcp -m comment --comment it's\"odd\" -j ACCEPT");
    iptables("-A FORWARD -i eth1 -j theirs");
    iptables("-t mangle -A PREROUTING -j MARK --set-mark 7");
    iptables("-P FORWARD DROP");
  }
};
INSTANTIATE_TEST_SUITE_P(Backends, IptablesRepairTest,
                         ::testing::ValuesIn(kVariants), variant_name);

TEST_P(IptablesRepairTest, WhateverIsFoundIsPutRightAndTold) {
  for (const Damage& damage : kDamages) {
    SCOPED_TRACE(damage.name);
    auto driver = started(usual(kAllow));
    for (const std::string& command : damage.commands) iptables(command);
    const std::string theirs = foreign_state();

    const auto report = driver->sync(usual(kAllow));
    ASSERT_THAT(report, Succeeds());
    EXPECT_THAT(report->repaired, Contains(HasSubstr(damage.told)));
    EXPECT_THAT(rules("gate"), ElementsAre(rule(kDenied, "DROP"), "-j ACCEPT"));
    ASSERT_FALSE(rules("INPUT").empty());
    EXPECT_EQ(rules("INPUT")[0], jump());
    EXPECT_EQ(std::ranges::count(rules("INPUT"), jump()), 1);
    EXPECT_EQ(foreign_state(), theirs);
    EXPECT_FALSE(driver->sync(usual(kAllow)).value().changed());

    EXPECT_THAT(driver->tear_down(), Succeeds());
    EXPECT_EQ(foreign_state(), theirs);
    EXPECT_FALSE(chain_exists("gate"));
    iptables("-F INPUT");
  }
}

// The same at the start: nothing of it opens anything.
TEST_P(IptablesRepairTest, AtTheStartOnlyWhatIsWholeStays) {
  for (const Damage& damage : kDamages) {
    SCOPED_TRACE(damage.name);
    started(usual(kAllow))->shut_down();
    for (const std::string& command : damage.commands) iptables(command);
    const std::string theirs = foreign_state();
    auto driver = make();
    ASSERT_THAT(driver->initialize(), Succeeds());
    EXPECT_EQ(rules("INPUT")[0], jump());
    EXPECT_EQ(std::ranges::count(rules("INPUT"), jump()), 1);
    const auto chain = rules("gate");
    EXPECT_TRUE(chain == std::vector<std::string>{"-j DROP"} ||
                chain.back() == "-j ACCEPT");
    EXPECT_EQ(foreign_state(), theirs);
    EXPECT_THAT(driver->tear_down(), Succeeds());
    iptables("-F INPUT");
  }
}

TEST_P(IptablesRepairTest, RulesThatCannotTakeOurPacketsMayStandFirst) {
  iptables("-A INPUT -i lo -j ACCEPT");
  auto driver = started(usual(kAllow));
  iptables("-I INPUT -i lo -p tcp -j ACCEPT");
  EXPECT_FALSE(driver->sync(usual(kAllow)).value().changed());
}

TEST_P(IptablesRepairTest, ATeardownLeavesExactlyWhatWasThereBefore) {
  iptables("-A INPUT -p tcp -j ACCEPT");
  const std::string before = foreign_state();
  auto driver = started(usual(kAllow));
  ASSERT_THAT(driver->tear_down(), Succeeds());
  EXPECT_EQ(foreign_state(), before);
  EXPECT_THAT(rules("INPUT"), ElementsAre("-p tcp -j ACCEPT"));
  EXPECT_FALSE(chain_exists("gate"));
  EXPECT_FALSE(driver->status().targets.at(0).active);
  ASSERT_THAT(driver->tear_down(), Succeeds());
  ASSERT_THAT(driver->initialize(), Succeeds());
  EXPECT_THAT(rules("gate"), ElementsAre("-j DROP"));
}

TEST_P(IptablesRepairTest, ATeardownRemovesWhatAnEarlierRunLeft) {
  started(usual(kAllow))->shut_down();
  iptables("-A INPUT -i eth7 -p udp --dport {port} -j gate");
  iptables("-N gate_temp");
  iptables("-A INPUT -i eth1 -p udp --dport {port} -j gate_temp");
  ASSERT_THAT(make()->tear_down(), Succeeds());
  EXPECT_THAT(rules("INPUT"), IsEmpty());
  EXPECT_FALSE(chain_exists("gate"));
  EXPECT_FALSE(chain_exists("gate_temp"));
}

TEST_P(IptablesRepairTest, ATeardownNamesARuleThatKeepsTheChain) {
  auto driver = started(usual(kAllow));
  iptables("-A FORWARD -p udp -j gate");
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(driver->tear_down(),
                FailsWith(ErrorCode::kConflict, "-A FORWARD -p udp -j gate"));
    EXPECT_THAT(rules("INPUT"), IsEmpty());
    EXPECT_THAT(rules("gate"), IsEmpty());
    EXPECT_EQ(rules("FORWARD").size(), 2U);
  }
  iptables("-D FORWARD -p udp -j gate");
  EXPECT_THAT(driver->tear_down(), Succeeds());
  EXPECT_FALSE(chain_exists("gate"));
}

// While iptables-restore is about to start, somebody else is faster.
TEST_P(IptablesRepairTest, WhatHappensBetweenReadingAndWritingIsSeen) {
  auto driver = started(usual(kAllow));
  iptables("-I INPUT -p udp -j ACCEPT");
  bool once = true;
  runner_->before = [&](const Command& command) {
    if (command.argv[0].ends_with("-restore") && std::exchange(once, false)) {
      // The jump that the change deletes goes, another rule comes.
      iptables("-D INPUT 2");
      iptables("-I INPUT -p tcp -j ACCEPT");
    }
  };
  ASSERT_THAT(driver->sync(usual(kDeny)), Succeeds());
  EXPECT_FALSE(once);
  EXPECT_THAT(rules("INPUT"),
              ElementsAre(jump(), "-p tcp -j ACCEPT", "-p udp -j ACCEPT"));
  EXPECT_THAT(rules("gate"), ElementsAre(rule(kAllowed, "ACCEPT"), "-j DROP"));
}

// iptables-save shows nothing then, and exits with 0.
TEST_P(IptablesRepairTest, WhatTheNftToolMadeThereIsAConflict) {
  if (GetParam().backend != "nft") return;
  auto driver = started(usual(kAllow));
  const std::string family = v6() ? "ip6" : "ip";
  output_of({"nft", "insert rule " + family + " filter INPUT ct state new"});
  EXPECT_THAT(driver->sync(usual(kDeny)),
              FailsWith(ErrorCode::kConflict, "made with nft"));
  driver->reset();
  EXPECT_THAT(make()->initialize(),
              FailsWith(ErrorCode::kConflict, "made with nft"));
}

}  // namespace
}  // namespace pxegate::testing
