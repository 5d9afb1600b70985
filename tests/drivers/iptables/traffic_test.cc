// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "tests/drivers/iptables/iptables_fixture.h"

namespace pxegate::testing {
namespace {

// Sets are used where the kernel has them.
class IptablesTrafficTest : public IptablesTest {
 protected:
  void SetUp() override {
    IptablesTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    runner_->with_ipset = true;
    auto wire = DhcpWire::open(GetParam().version);
    ASSERT_THAT(wire, Succeeds());
    wire_.emplace(std::move(*wire));
  }

  // Which of the three get through: "denied allowed unknown".
  std::string passing() {
    std::string names;
    if (wire_->passes(kDenied)) names += "denied ";
    if (wire_->passes(kAllowed)) names += "allowed ";
    if (wire_->passes(kUnknown)) names += "unknown ";
    return names;
  }

  std::optional<DhcpWire> wire_;
};
INSTANTIATE_TEST_SUITE_P(Backends, IptablesTrafficTest,
                         ::testing::ValuesIn(kVariants), variant_name);

TEST_P(IptablesTrafficTest, OnlyWhoMayGetsToTheServer) {
  ASSERT_EQ(passing(), "denied allowed unknown ");
  auto driver = make();
  ASSERT_THAT(driver->initialize(), Succeeds());
  EXPECT_EQ(passing(), "");
  ASSERT_THAT(driver->sync(usual(kDeny)), Succeeds());
  EXPECT_EQ(passing(), "allowed ");
  ASSERT_THAT(driver->sync(usual(kAllow)), Succeeds());
  EXPECT_EQ(passing(), "allowed unknown ");
  ASSERT_THAT(driver->sync(snapshot({{kAllowed, kDeny}}, kDeny)), Succeeds());
  EXPECT_EQ(passing(), "");
  ASSERT_THAT(driver->sync(usual(kDeny)), Succeeds());
  EXPECT_EQ(passing(), "allowed ");
  driver->shut_down();
  EXPECT_EQ(passing(), "allowed ");
  ASSERT_THAT(driver->tear_down(), Succeeds());
  EXPECT_EQ(passing(), "denied allowed unknown ");
}

// Where PXE firmware asks a boot server, without a request to port 67 first.
TEST_P(IptablesTrafficTest, ABootServersPortIsFilteredToo) {
  if (v6()) return;
  wire_.reset();
  auto wire = DhcpWire::open(4, 4011);
  ASSERT_THAT(wire, Succeeds());
  EXPECT_TRUE(wire->passes(kDenied));
  // As an upgrade from ironic-inspector finds it.
  iptables("-N gate");
  iptables("-A gate -j DROP");
  iptables("-I INPUT -i eth1 -p udp --dport 67 -j gate");
  auto driver = make();
  ASSERT_THAT(driver->initialize(), Succeeds());
  EXPECT_FALSE(wire->passes(kAllowed));
  ASSERT_THAT(driver->sync(usual(kDeny)), Succeeds());
  EXPECT_FALSE(wire->passes(kDenied));
  EXPECT_TRUE(wire->passes(kAllowed));
}

TEST_P(IptablesTrafficTest, AnAcceptBeforeTheJumpLastsUntilTheNextSync) {
  auto driver = started(usual(kDeny));
  iptables("-I INPUT -j ACCEPT");
  ASSERT_EQ(passing(), "denied allowed unknown ");
  ASSERT_THAT(driver->sync(usual(kDeny)), Succeeds());
  EXPECT_EQ(passing(), "allowed ");
}

// Everything else changes, in all directions: other machines, the verdict for
// unknown ones, and somebody else's rules.
TEST_P(IptablesTrafficTest, WhoIsDeniedThroughoutNeverGetsIn) {
  auto driver = started(usual(kAllow));
  wire_->arrived(kDenied);
  const Flood flood(peer_of("eth1"), wire_->request(kDenied));
  for (std::uint32_t round = 0; round < 12; ++round) {
    std::vector<PolicyRule> rules =
        many(round * 50, 200, round % 2 == 0 ? kDeny : kAllow);
    rules.push_back({kDenied, kDeny});
    ASSERT_TRUE(flood.wait_for(200));
    ASSERT_THAT(driver->sync(snapshot(rules, round % 3 == 0 ? kDeny : kAllow)),
                Succeeds());
    if (round % 4 == 3) {
      iptables("-I INPUT -i eth1 -p udp --dport {port} -j gate");
    }
  }
  ASSERT_TRUE(flood.wait_for(200));
  EXPECT_EQ(wire_->arrived(kDenied), 0U);
}

TEST_P(IptablesTrafficTest, WhoIsAllowedThroughoutIsNeverKeptOut) {
  auto driver = started(usual(kAllow));
  for (std::uint32_t round = 0; round < 12; ++round) {
    std::vector<PolicyRule> rules =
        many(round * 50, 200, round % 2 == 0 ? kDeny : kAllow);
    rules.push_back({kAllowed, kAllow});
    // As many as are sent while the driver works.
    wire_->arrived(kAllowed);
    std::atomic<bool> done = false;
    std::jthread syncing([&] {
      EXPECT_THAT(
          driver->sync(snapshot(rules, round % 3 == 0 ? kDeny : kAllow)),
          Succeeds());
      done = true;
    });
    while (!done) EXPECT_TRUE(wire_->passes(kAllowed));
  }
}

// Other programs change the same table all the time.
TEST_P(IptablesTrafficTest, NobodyElsesRuleIsLostWhileTheFilterChanges) {
  auto driver = started(usual(kAllow));
  const std::string command =
      fmt::format("{}-{}", v6() ? "ip6tables" : "iptables", GetParam().backend);
  constexpr int kRules = 60;
  std::atomic<bool> done = false;
  std::jthread other([&] {
    SystemCommandRunner system;
    for (int i = 0; i < kRules; ++i) {
      Command add;
      add.argv = {command, "-w",    "-A",      "INPUT",
                  "-p",    "tcp",   "--dport", std::to_string(1000 + i),
                  "-j",    "ACCEPT"};
      auto output = system.run(add);
      EXPECT_TRUE(output && output->exit_status == 0)
          << (output ? output->err : output.error().message());
    }
    done = true;
  });
  for (std::uint32_t round = 0; !done; ++round) {
    ASSERT_THAT(driver->sync(snapshot(many(round, 100, kDeny),
                                      round % 2 == 0 ? kDeny : kAllow)),
                Succeeds());
    if (round % 3 == 0) {
      iptables("-A INPUT -i eth1 -p udp --dport {port} -j gate");
    }
  }
  other.join();
  ASSERT_THAT(driver->sync(usual(kAllow)), Succeeds());
  const auto input = rules("INPUT");
  ASSERT_EQ(input.size(), kRules + 1U);
  EXPECT_EQ(input[0], jump());
  for (int i = 0; i < kRules; ++i) {
    EXPECT_EQ(input[static_cast<std::size_t>(i) + 1],
              fmt::format("-p tcp -m tcp --dport {} -j ACCEPT", 1000 + i));
  }
}

}  // namespace
}  // namespace pxegate::testing
