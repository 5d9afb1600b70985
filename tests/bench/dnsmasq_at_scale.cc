// SPDX-License-Identifier: Apache-2.0
//
// What many files cost dnsmasq and the driver that writes them, with real
// dnsmasq, on tmpfs, in a network namespace of its own:
//
//     sudo build/release/tests/dnsmasq_at_scale
//
// One row per number of machines, of which half change: times of the first
// sync, of dnsmasq's start and of the change, and the CPU time of one DISCOVER.
// Each machine of the largest row is asked for in the end, and those that are
// denied before and after also while the change is made.
#include <fmt/format.h>
#include <sys/mount.h>
#include <time.h>

#include <chrono>
#include <filesystem>

#include "tests/drivers/dnsmasq/dnsmasq_fixture.h"

namespace pxegate::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::IsEmpty;
using Seconds = std::chrono::duration<double>;

class DnsmasqAtScale : public DnsmasqTest,
                       public ::testing::WithParamInterface<std::uint32_t> {
 protected:
  void SetUp() override {
    DnsmasqTest::SetUp();
    if (IsSkipped()) return;
    std::filesystem::create_directory(hostsdir_);
    ASSERT_EQ(::mount("tmpfs", hostsdir_.c_str(), "tmpfs", 0, "mode=755"), 0);
  }
  void TearDown() override {
    stop();
    ::umount2(hostsdir_.c_str(), MNT_DETACH);
  }

  double cpu_seconds() const {
    clockid_t clock{};
    EXPECT_EQ(::clock_getcpuclockid(dnsmasq_->pid(), &clock), 0);
    timespec used{};
    EXPECT_EQ(::clock_gettime(clock, &used), 0);
    return static_cast<double>(used.tv_sec) +
           static_cast<double>(used.tv_nsec) / 1e9;
  }

  // Microseconds of dnsmasq's CPU time for one DISCOVER of `macs`.
  double cost(Clients& clients, const std::vector<Mac>& macs) const {
    const double before = cpu_seconds();
    EXPECT_THAT(clients.answered(macs), IsEmpty());
    return (cpu_seconds() - before) / static_cast<double>(macs.size()) * 1e6;
  }
};

template <typename Body>
double seconds(const Body& body) {
  const auto began = std::chrono::steady_clock::now();
  body();
  return Seconds(std::chrono::steady_clock::now() - began).count();
}

TEST_P(DnsmasqAtScale, EveryMachineEndsRightAndNoneIsEverAnswered) {
  const std::uint32_t count = GetParam();
  PolicyRules before;
  PolicyRules after;
  std::vector<Mac> denied;
  std::vector<Mac> opened;
  std::vector<Mac> sample;
  std::vector<Mac> unknown;
  // One in four opens, one closes, two stay denied.
  for (std::uint32_t i = 0; i < count; ++i) {
    before.push_back({machine(i), i % 4 == 1 ? kAllow : kDeny});
    after.push_back({machine(i), i % 4 == 0 ? kAllow : kDeny});
    (i % 4 == 0 ? opened : denied).push_back(machine(i));
    if (i % (count / 250) == 0 && i % 4 != 1) sample.push_back(machine(i));
    if (i % (count / 250) == 0) unknown.push_back(machine(i + 1'000'000));
  }
  std::vector<Mac> never;
  for (std::uint32_t i = 2; i < count; i += 4) never.push_back(machine(i));

  auto driver = make();
  ASSERT_THAT(driver->initialize(), Succeeds());
  const double first =
      seconds([&] { ASSERT_THAT(driver->sync(snapshot(before)), Succeeds()); });
  const double idle =
      seconds([&] { ASSERT_THAT(driver->sync(snapshot(before)), Succeeds()); });
  const double start = seconds([&] { run(); });
  Clients clients = Clients::open();
  const double denied_cost = cost(clients, sample);
  const double unknown_cost = cost(clients, unknown);

  Sentry sentry(never, 5ms);
  const double change =
      seconds([&] { ASSERT_THAT(driver->sync(snapshot(after)), Succeeds()); });
  const std::uint64_t asked = sentry.asked();
  EXPECT_THAT(sentry.stop(), IsEmpty());
  EXPECT_TRUE(driver->status().healthy) << target_of(*driver).detail;
  EXPECT_THAT(clients.answered(denied), IsEmpty());
  EXPECT_EQ(clients.answered(opened).size(), opened.size());
  const double changed_cost = cost(clients, unknown);
  fmt::print(
      "| {} | {:.2f} s | {:.2f} s | {:.1f} s | {:.0f} µs | {:.0f} µs | {:.1f} "
      "s | {:.0f} µs | {} |\n",
      count, first, idle, start, denied_cost, unknown_cost, change,
      changed_cost, asked);
}

INSTANTIATE_TEST_SUITE_P(Machines, DnsmasqAtScale,
                         ::testing::Values(1'000, 10'000, 20'000, 50'000),
                         ::testing::PrintToStringParamName());

}  // namespace
}  // namespace pxegate::testing

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  fmt::print(
      "| machines | first sync | idle sync | dnsmasq's start | denied | "
      "unknown "
      "| change of half | unknown then | asked meanwhile |\n| --- | --- | --- "
      "| "
      "--- | --- | --- | --- | --- | --- |\n");
  return RUN_ALL_TESTS();
}
