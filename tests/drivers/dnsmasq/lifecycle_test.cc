// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/drivers/dnsmasq/dnsmasq_fixture.h"

namespace pxegate::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

using DnsmasqLifecycleTest = DnsmasqTest;

TEST_F(DnsmasqLifecycleTest, EverybodyIsDeniedUntilTheFirstSync) {
  auto driver = make();
  ASSERT_THAT(driver->initialize(), Succeeds());
  run();
  EXPECT_FALSE(answered(kAllowed));
  EXPECT_FALSE(answered(kUnknown));
  EXPECT_FALSE(driver->status().healthy);
}

TEST_F(DnsmasqLifecycleTest, APolicyThatADnsmasqReadsStaysInForce) {
  started(usual(kAllow))->shut_down();
  run();
  auto driver = make();
  ASSERT_THAT(driver->initialize(), Succeeds());
  EXPECT_FALSE(answered(kDenied));
  EXPECT_TRUE(answered(kAllowed));
  EXPECT_TRUE(answered(kUnknown));
}

TEST_F(DnsmasqLifecycleTest, APolicyThatNobodyReadsIsNotInForce) {
  started(usual(kAllow))->shut_down();
  auto driver = make();
  ASSERT_THAT(driver->initialize(), Succeeds());
  run();
  EXPECT_FALSE(answered(kDenied));
  EXPECT_FALSE(answered(kAllowed));
  EXPECT_FALSE(answered(kUnknown));
}

TEST_F(DnsmasqLifecycleTest, TheStartCommandComesAfterTheFirstCompleteSync) {
  DnsmasqOptions options = this->options();
  // The shell expands, as the operator expects.
  options.start_command = "ls \"$(echo " + hostsdir_ + ")\" >> " +
                          (state_ / "seen") + "; " + daemon_command();
  options.stop_command = stop_command();
  write(text_of(kUnknown), text_of(kUnknown) + "\n");  // of an earlier run
  auto driver = make(options);
  ASSERT_THAT(driver->initialize(), Succeeds());
  EXPECT_FALSE(std::filesystem::exists(state_ / "seen"));
  ASSERT_THAT(driver->sync(usual(kAllow)), Succeeds());
  std::ifstream seen(state_ / "seen");
  const std::vector<std::string> lines{std::istream_iterator<std::string>(seen),
                                       {}};
  EXPECT_THAT(lines, ElementsAre(text_of(kAllowed), text_of(kDenied),
                                 "unknown_hosts_filter"));
  EXPECT_FALSE(answered(kDenied));
  EXPECT_TRUE(answered(kAllowed));
  EXPECT_TRUE(answered(kUnknown));
  EXPECT_TRUE(driver->status().healthy) << target_of(*driver).detail;
  // Once only: it would fail, as the port is taken.
  ASSERT_THAT(driver->sync(usual()), Succeeds());
  EXPECT_FALSE(answered(kUnknown));

  driver->shut_down();
  EXPECT_FALSE(std::filesystem::exists(state_ / "pid"));
  EXPECT_TRUE(eventually([&] { return !driver->status().targets[0].active; }));
}

TEST_F(DnsmasqLifecycleTest, AFailureOfTheStartCommandIsOneOfTheSync) {
  DnsmasqOptions options = this->options();
  options.start_command = "echo no such unit >&2; exit 5";
  auto driver = make(options);
  ASSERT_THAT(driver->initialize(), Succeeds());
  EXPECT_THAT(driver->sync(usual()),
              FailsWith(ErrorCode::kFailed, "exit status 5: \"no such unit\""));
  options.start_command = "sleep 60";
  options.limits.start_command = 100ms;
  driver = make(options);
  ASSERT_THAT(driver->initialize(), Succeeds());
  EXPECT_THAT(driver->sync(usual()),
              FailsWith(ErrorCode::kUnavailable, "dnsmasq_start_command"));
}

TEST_F(DnsmasqLifecycleTest, AResetStopsDnsmasqAndTheNextSyncStartsItAgain) {
  DnsmasqOptions options = this->options();
  options.start_command = daemon_command();
  options.stop_command = stop_command();
  auto driver = started(usual(), options);
  driver->reset();
  EXPECT_FALSE(std::filesystem::exists(state_ / "pid"));
  driver->reset();  // a stop command that fails is ignored
  ASSERT_TRUE(eventually([&] {
    return target_of(*driver).detail.find("dnsmasq (pid") == std::string::npos;
  }));
  ASSERT_THAT(driver->initialize(), Succeeds());
  ASSERT_THAT(driver->sync(usual()), Succeeds());
  EXPECT_TRUE(answered(kAllowed));
  EXPECT_FALSE(answered(kDenied));
  driver->shut_down();
}

// After kill -9 of a controller that had started dnsmasq.
TEST_F(DnsmasqLifecycleTest, ADnsmasqThatStillRunsIsNotStartedTwice) {
  DnsmasqOptions options = this->options();
  // Two of them can share the port: the command itself tells.
  options.start_command =
      "echo x >> " + (state_ / "starts") + "; " + daemon_command();
  options.stop_command = stop_command();
  static_cast<void>(started(usual(), options));  // gone, without a stop
  ASSERT_TRUE(answered(kAllowed));
  auto next = started(snapshot({{kDenied, kAllow}}), options);
  EXPECT_TRUE(answered(kDenied));
  EXPECT_FALSE(answered(kAllowed));
  EXPECT_TRUE(next->status().healthy) << target_of(*next).detail;
  EXPECT_EQ(std::filesystem::file_size(state_ / "starts"), 2U);
  next->shut_down();
}

TEST_F(DnsmasqLifecycleTest,
       WithoutAStopCommandTheFilterOutlivesItsController) {
  auto driver = started(usual());
  run();
  driver->shut_down();
  EXPECT_FALSE(answered(kDenied));
  EXPECT_TRUE(answered(kAllowed));
}

TEST_F(DnsmasqLifecycleTest, ATeardownLeavesADnsmasqThatAnswersEverybody) {
  auto driver = started(usual());
  run();
  ASSERT_THAT(driver->sync(snapshot({{kUnknown, kDeny}})), Succeeds());
  write("ironic-1.conf", text_of(kDenied) + ",ignore\n");
  std::filesystem::remove(path("ironic-1.conf"));
  write("admin", "52:54:00:00:00:77,ignore\n");
  ASSERT_THAT(driver->tear_down(), Succeeds());
  EXPECT_TRUE(answered(kAllowed));
  EXPECT_TRUE(answered(kUnknown));
  EXPECT_TRUE(answered(machine(7)));
  EXPECT_THAT(files(), ElementsAre("admin"));
  EXPECT_THAT(driver->tear_down(), Succeeds());
}

TEST_F(DnsmasqLifecycleTest, ATeardownDoesNotStopDnsmasq) {
  DnsmasqOptions options = this->options();
  options.start_command = daemon_command();
  options.stop_command = stop_command();
  auto driver = started(usual(), options);
  ASSERT_THAT(driver->tear_down(), Succeeds());
  driver->shut_down();
  EXPECT_TRUE(answered(kDenied));
  EXPECT_TRUE(answered(kUnknown));
}

TEST_F(DnsmasqLifecycleTest, ATeardownRemovesWhatAnEarlierControllerLeft) {
  started(usual()).reset();
  run();
  EXPECT_THAT(make()->tear_down(), Succeeds());
  EXPECT_TRUE(answered(kDenied));
  EXPECT_TRUE(std::filesystem::is_empty(hostsdir_));
}

TEST_F(DnsmasqLifecycleTest, ATeardownWithNothingThereSucceeds) {
  EXPECT_THAT(make()->tear_down(), Succeeds());
  EXPECT_FALSE(std::filesystem::exists(hostsdir_));
}

TEST_F(DnsmasqLifecycleTest, TheFilterCanBePutBackAfterATeardown) {
  auto driver = started(usual());
  run();
  ASSERT_THAT(driver->tear_down(), Succeeds());
  ASSERT_THAT(driver->initialize(), Succeeds());
  ASSERT_THAT(driver->sync(usual()), Succeeds());
  EXPECT_FALSE(answered(kDenied));
  EXPECT_TRUE(answered(kAllowed));
  EXPECT_FALSE(answered(kUnknown));
}

// What an earlier controller left, of machines that are gone, counts as
// unknown; where no dnsmasq has read it, it goes.
TEST_F(DnsmasqLifecycleTest, StaleFilesDoNotSurviveTheFirstSync) {
  started(usual(kAllow)).reset();
  auto driver = started(snapshot({}, kDeny));
  EXPECT_THAT(files(), ElementsAre("unknown_hosts_filter"));
}

TEST_F(DnsmasqLifecycleTest, StaleEntriesInDnsmasqFollowTheUnknownOnes) {
  started(usual(kAllow)).reset();
  run();
  auto driver = started(snapshot({}, kDeny));
  EXPECT_FALSE(answered(kAllowed));
  EXPECT_FALSE(answered(kDenied));
  ASSERT_THAT(driver->sync(snapshot({}, kAllow)), Succeeds());
  EXPECT_TRUE(answered(kAllowed));
  EXPECT_TRUE(answered(kDenied));
  // Nobody has them in memory any more.
  stop();
  ASSERT_THAT(driver->sync(snapshot({}, kAllow)), Succeeds());
  EXPECT_THAT(files(), ElementsAre("unknown_hosts_filter"));
}

TEST_F(DnsmasqLifecycleTest, AControllerKilledAnywhereLeavesNoMachineOpen) {
  run();
  PolicyRules rules;
  for (std::uint32_t i = 0; i < 400; ++i) rules.push_back({machine(i), kDeny});
  PolicyRules opened = rules;
  for (std::uint32_t i = 0; i < 400; i += 2) opened[i].second = kAllow;
  std::vector<Mac> denied;
  for (std::uint32_t i = 1; i < 400; i += 2) denied.push_back(machine(i));
  ASSERT_THAT(started(snapshot(rules))->installed(), Succeeds());
  run();
  Sentry sentry(denied, 500us);
  for (const auto life : {1ms, 3ms, 7ms, 15ms, 30ms}) {
    const pid_t child = ::fork();
    if (child == 0) {
      auto driver = make();
      for (;;) {
        static_cast<void>(driver->initialize());
        static_cast<void>(driver->sync(snapshot(opened, kAllow)));
        static_cast<void>(driver->sync(snapshot(rules, kDeny)));
      }
    }
    std::this_thread::sleep_for(life);
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  }
  auto driver = started(snapshot(opened, kAllow));
  EXPECT_THAT(sentry.stop(), IsEmpty());
  EXPECT_GT(sentry.asked(), 0U);
  EXPECT_TRUE(driver->status().healthy) << target_of(*driver).detail;
  Clients clients = Clients::open();
  EXPECT_THAT(clients.answered(denied), IsEmpty());
  std::vector<Mac> allowed;
  for (std::uint32_t i = 0; i < 400; i += 2) allowed.push_back(machine(i));
  EXPECT_EQ(clients.answered(allowed).size(), allowed.size());
  for (const auto& entry : std::filesystem::directory_iterator(hostsdir_)) {
    EXPECT_THAT(entry.path().filename().string(), Not(HasSubstr("-new-")));
  }
}

// dnsmasq does not react to a file that is removed.
TEST_F(DnsmasqLifecycleTest, ATeardownFreesMachinesWhoseFilesAreGone) {
  std::filesystem::create_directory(hostsdir_);
  run();
  auto driver = started(usual());
  std::filesystem::remove(path(text_of(kDenied)));
  ASSERT_FALSE(answered(kDenied));
  ASSERT_THAT(driver->tear_down(), Succeeds());
  EXPECT_TRUE(answered(kDenied));
  EXPECT_THAT(files(), IsEmpty());
}

}  // namespace
}  // namespace pxegate::testing
