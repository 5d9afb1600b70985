// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <thread>

#include "drivers/dnsmasq/audience.h"
#include "drivers/dnsmasq/feed.h"
#include "drivers/dnsmasq/hosts_dir.h"
#include "drivers/dnsmasq/read_record.h"
#include "drivers/dnsmasq/readers.h"
#include "tests/drivers/dnsmasq/dnsmasq_fixture.h"

namespace pxegate::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

using DnsmasqProofTest = DnsmasqTest;

PolicyRules many(std::uint32_t count, Verdict verdict) {
  PolicyRules rules;
  for (std::uint32_t i = 0; i < count; ++i)
    rules.push_back({machine(i), verdict});
  return rules;
}

// For good, in this process.
bool drop_capability(int capability) {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3,
                                  .pid = 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
  if (::syscall(SYS_capget, &header, sets.data()) != 0) return false;
  auto& set = sets.at(static_cast<std::size_t>(capability) / 32);
  const std::uint32_t bit = 1U << (capability % 32);
  set.effective &= ~bit;
  set.permitted &= ~bit;
  return ::syscall(SYS_capset, &header, sets.data()) == 0;
}

TEST_F(DnsmasqProofTest, WithoutADnsmasqNobodyIsFilteredAndStatusSaysSo) {
  auto driver = started(usual());
  EXPECT_FALSE(driver->status().healthy);
  EXPECT_FALSE(target_of(*driver).active);
  EXPECT_THAT(target_of(*driver).detail, HasSubstr("no dnsmasq reads"));
  run();
  EXPECT_TRUE(driver->status().healthy);
  stop();
  EXPECT_FALSE(driver->status().healthy);
}

TEST_F(DnsmasqProofTest,
       AStoppedDnsmasqIsNotVouchedForAndHoldsUpForAWhileOnly) {
  DnsmasqOptions options = this->options();
  options.limits.stuck = 300ms;
  std::filesystem::create_directory(hostsdir_);
  run();
  auto driver = started(usual(), options);
  Dnsmasq& dnsmasq = *dnsmasq_;
  ASSERT_TRUE(driver->status().healthy);
  dnsmasq.signal(SIGSTOP);
  EXPECT_THAT(driver->sync(usual(kAllow)),
              FailsWith(ErrorCode::kUnavailable, "it does not run"));
  driver->reset();
  EXPECT_FALSE(driver->status().healthy);
  EXPECT_THAT(target_of(*driver).detail, HasSubstr("cannot vouch"));
  ASSERT_THAT(driver->initialize(), Succeeds());
  EXPECT_THAT(driver->sync(usual(kAllow)),
              FailsWith(ErrorCode::kUnavailable, "it does not run"));
  // Nothing was opened that it does not know of.
  dnsmasq.signal(SIGCONT);
  driver->reset();
  ASSERT_THAT(driver->initialize(), Succeeds());
  ASSERT_THAT(driver->sync(usual(kAllow)), Succeeds());
  EXPECT_TRUE(driver->status().healthy);
  EXPECT_FALSE(answered(kDenied));
  EXPECT_TRUE(answered(kUnknown));
}

TEST_F(DnsmasqProofTest, AStoppedDnsmasqKeepsNoNewsFromAnother) {
  DnsmasqOptions options = this->options();
  options.limits.stuck = 300ms;
  std::filesystem::create_directory(hostsdir_);
  const Dnsmasq other(hostsdir_, state_.path());
  static_cast<void>(answered(kCanary));
  run();
  auto driver = started(usual(), options);
  other.signal(SIGSTOP);
  for (const Verdict verdict : {kDeny, kAllow, kDeny}) {
    EXPECT_THAT(driver->sync(snapshot({{kAllowed, verdict}})),
                FailsWith(ErrorCode::kUnavailable, "it does not run"));
    EXPECT_EQ(answered(kAllowed), verdict == kAllow);
    driver->reset();
    ASSERT_THAT(driver->initialize(), Succeeds());
  }
  other.signal(SIGCONT);
  ASSERT_THAT(driver->sync(snapshot({{kAllowed, kAllow}})), Succeeds());
  EXPECT_TRUE(driver->status().healthy);
}

// Unknown machines are let in when dnsmasq knows all that stay denied.
TEST_F(DnsmasqProofTest, NothingIsOpenedBeforeWhatCloses) {
  DnsmasqOptions options = this->options();
  options.limits.stuck = 300ms;
  std::filesystem::create_directory(hostsdir_);
  run();
  auto driver = started(usual(), options);
  dnsmasq_->signal(SIGSTOP);
  EXPECT_FALSE(driver->sync(snapshot({{kUnknown, kDeny}}, kAllow)));
  EXPECT_EQ(read("unknown_hosts_filter"), "*:*:*:*:*:*,ignore\n");
  dnsmasq_->signal(SIGCONT);
}

TEST_F(DnsmasqProofTest, ARestartedDnsmasqIsVouchedForAtOnce) {
  auto driver = started(usual());
  run();
  ASSERT_THAT(driver->sync(usual(kAllow)), Succeeds());
  run();
  EXPECT_TRUE(driver->status().healthy) << target_of(*driver).detail;
  ASSERT_THAT(driver->sync(usual(kDeny)), Succeeds());
  EXPECT_TRUE(driver->status().healthy);
  EXPECT_FALSE(answered(kUnknown));
}

TEST_F(DnsmasqProofTest, ADnsmasqMayBeRestartedAtAnyMoment) {
  auto driver = started(snapshot(many(500, kDeny)));
  std::atomic<bool> done = false;
  std::thread restarts([&] {
    while (!done) {
      Dnsmasq short_lived(hostsdir_, state_.path());
      std::this_thread::sleep_for(30ms);
    }
  });
  PolicyRules opened = many(500, kDeny);
  for (std::size_t i = 0; i < opened.size(); i += 2) opened[i].second = kAllow;
  for (int round = 0; round < 4; ++round) {
    static_cast<void>(driver->sync(snapshot(many(500, kDeny))));
    static_cast<void>(driver->sync(snapshot(opened)));
  }
  done = true;
  restarts.join();
  run();
  ASSERT_THAT(driver->sync(snapshot(opened)), Succeeds());
  EXPECT_TRUE(driver->status().healthy);
  std::vector<Mac> machines;
  for (const auto& rule : opened) machines.push_back(rule.first);
  EXPECT_EQ(Clients::open().answered(machines).size(), opened.size() / 2);
}

// It may have lost what was written while nobody waited for it.
TEST_F(DnsmasqProofTest,
       ADnsmasqThatRanBeforeTheControllerIsToldOfLaterChanges) {
  write(text_of(kDenied), text_of(kDenied) + "\n");
  write("unknown_hosts_filter", "*:*:*:*:*:*,ignore\n");
  Dnsmasq& dnsmasq = run();
  dnsmasq.signal(SIGSTOP);
  // Fills its queue with news of no importance, so that this is lost:
  for (int i = 0; i < 20'000; ++i) {
    write(fmt::format(".filler-{}", i % 2), "");
  }
  write(text_of(kDenied), text_of(kDenied) + ",ignore\n");
  dnsmasq.signal(SIGCONT);
  ASSERT_TRUE(answered(kDenied)) << "the queue did not overflow";
  auto driver = started(usual());
  EXPECT_FALSE(answered(kDenied));
  EXPECT_TRUE(driver->status().healthy);
}

// It shares its queue with whatever else happens in the directory.
TEST_F(DnsmasqProofTest, AQueueThatOthersFillProvesNothing) {
  std::filesystem::create_directory(hostsdir_);
  Dnsmasq& dnsmasq = run();
  const auto directory = HostsDir::open(hostsdir_);
  ASSERT_THAT(directory, Succeeds());
  BlindPace pace(1000);
  const FeedLimits limits{std::chrono::steady_clock::now() + 60s, 300ms};
  Feed feed(*directory, directory->watch_identity().value(), limits, pace);
  ASSERT_THAT(feed.write("unknown_hosts_filter", "*:*:*:*:*:*\n"), Succeeds());
  dnsmasq.signal(SIGSTOP);
  for (int i = 0; i < 20'000; ++i) write(fmt::format(".filler-{}", i % 2), "");
  EXPECT_THAT(feed.confirm(),
              FailsWith(ErrorCode::kUnavailable, "may have lost"));
  dnsmasq.signal(SIGCONT);
}

TEST_F(DnsmasqProofTest, WhatIsKnownOfADnsmasqIsNotForgottenBeforeItIsGreeted) {
  std::filesystem::create_directory(hostsdir_);
  run();
  const auto directory = HostsDir::open(hostsdir_);
  ASSERT_THAT(directory, Succeeds());
  BlindPace pace(1000);
  const FeedLimits limits{std::chrono::steady_clock::now() + 60s, 10s};
  const Feed feed(*directory, directory->watch_identity().value(), limits,
                  pace);
  ASSERT_EQ(feed.readers().readers.size(), 1U);
  const ReaderId id = feed.readers().readers[0].id();
  const ReaderStates known = {{id, {FileTime(12345), 7}}};
  ASSERT_THAT(directory->write(kReadRecordName,
                               format_record(known, current_boot_id())),
              Succeeds());
  Audience::remembered(*directory).remember(*directory, feed);
  EXPECT_EQ(parse_record(read(std::string(kReadRecordName)), current_boot_id()),
            known);
}

TEST_F(DnsmasqProofTest, WhatAnEarlierControllerProvedIsNotToldAgain) {
  std::filesystem::create_directory(hostsdir_);
  run();
  started(snapshot(many(500, kDeny))).reset();
  const auto log_size = [&] {
    return std::filesystem::file_size(state_ / "log");
  };
  ASSERT_FALSE(answered(machine(1)));
  const auto before = log_size();
  auto driver = started(snapshot(many(500, kDeny)));
  ASSERT_FALSE(answered(machine(1)));
  // A line for each file that it reads, and some for the questions.
  EXPECT_LT(log_size() - before, 5000U);
  EXPECT_TRUE(driver->status().healthy);
}

TEST_F(DnsmasqProofTest, RewritesThatPileUpInDnsmasqAreTold) {
  std::filesystem::create_directory(hostsdir_);
  run();
  auto driver = started(snapshot(many(300, kDeny)));
  EXPECT_THAT(driver->status().notices, IsEmpty());
  for (const Verdict verdict : {kAllow, kDeny, kAllow, kDeny, kAllow}) {
    ASSERT_THAT(driver->sync(snapshot(many(300, verdict))), Succeeds());
  }
  EXPECT_THAT(driver->status().notices, Contains(HasSubstr("restart it when")));
  driver->reset();
  // The next controller knows it too.
  driver = started(snapshot(many(300, kAllow)));
  EXPECT_THAT(driver->status().notices, Contains(HasSubstr("restart it when")));
}

// Without the privilege to look into dnsmasq the driver works, slowly where
// there is much, and says that it cannot vouch.
TEST_F(DnsmasqProofTest, AControllerWithoutPrivilegesDoesNotVouch) {
  constexpr uid_t kNobody = 65534;
  std::filesystem::create_directory(hostsdir_);
  run();
  std::filesystem::remove_all(hostsdir_);
  std::filesystem::create_directory(hostsdir_);
  ASSERT_EQ(::chown(hostsdir_.c_str(), kNobody, kNobody), 0);
  run();
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) ::_exit(2);
    auto driver = make();
    const bool done = driver->initialize() && driver->sync(usual());
    const DriverStatus status = driver->status();
    const bool told =
        status.notices.size() == 1 &&
        status.notices[0].find("cannot vouch") != std::string::npos &&
        status.notices[0].find("CAP_SYS_PTRACE") != std::string::npos;
    ::_exit(done && told ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_FALSE(answered(kDenied));
  EXPECT_TRUE(answered(kAllowed));
}

// Root in a container, or with CapabilityBoundingSet=, is not who it seems.
TEST_F(DnsmasqProofTest, RootWithoutThePrivilegeToLookDoesNotVouchEither) {
  std::filesystem::create_directory(hostsdir_);
  run();
  const pid_t child = ::fork();
  if (child == 0) {
    if (!drop_capability(CAP_SYS_PTRACE)) ::_exit(2);
    auto driver = make();
    const bool done = driver->initialize() && driver->sync(usual());
    const DriverStatus status = driver->status();
    const bool told =
        status.notices.size() == 1 &&
        status.notices[0].find("cannot vouch") != std::string::npos;
    ::_exit(done && told ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_FALSE(answered(kDenied));
  EXPECT_TRUE(answered(kAllowed));
}

TEST_F(DnsmasqProofTest, ADnsmasqOfAnotherDirectoryIsNotOurs) {
  const std::string other = state_ / "other";
  std::filesystem::create_directory(other);
  auto driver = started(usual());
  const Dnsmasq stranger(other, state_.path());
  static_cast<void>(answered(kCanary));  // it runs
  EXPECT_FALSE(target_of(*driver).active);
}

}  // namespace
}  // namespace pxegate::testing
