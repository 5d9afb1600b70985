// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <sys/mount.h>

#include <filesystem>
#include <fstream>

#include "tests/drivers/dnsmasq/dnsmasq_fixture.h"

namespace pxegate::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::IsEmpty;

// More than fit in an inotify queue of the kernel's usual size, 16384.
constexpr std::uint32_t kMachines = 20'000;

// On tmpfs, where files can be written faster than anywhere else.
class DnsmasqScaleTest : public DnsmasqTest {
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
};

TEST_F(DnsmasqScaleTest, EveryMachineOfManyEndsRightAndNoneIsEverAnswered) {
  PolicyRules before;
  PolicyRules after;
  std::vector<Mac> opened;
  std::vector<Mac> closed;
  std::vector<Mac> never;
  for (std::uint32_t i = 0; i < kMachines; ++i) {
    // One in four opens, one closes, two stay denied.
    before.push_back({machine(i), i % 4 == 1 ? kAllow : kDeny});
    after.push_back({machine(i), i % 4 == 0 ? kAllow : kDeny});
    (i % 4 == 0 ? opened : i % 4 == 1 ? closed : never).push_back(machine(i));
  }
  auto driver = started(snapshot(before));
  run();
  Sentry sentry(never, 1ms);
  Clients clients = Clients::open();
  EXPECT_THAT(clients.answered(opened), IsEmpty());

  // Through a state with all of them changed, which a queue cannot hold.
  PolicyRules inverse = before;
  for (std::uint32_t i = 0; i < kMachines; ++i) {
    if (i % 4 < 2) continue;
    inverse[i].second = kDeny;
  }
  ASSERT_THAT(driver->sync(snapshot(after)), Succeeds());
  ASSERT_THAT(driver->sync(snapshot(before)), Succeeds());
  ASSERT_THAT(driver->sync(snapshot(after)), Succeeds());
  EXPECT_TRUE(driver->status().healthy) << target_of(*driver).detail;
  EXPECT_THAT(sentry.stop(), IsEmpty());
  EXPECT_GT(sentry.asked(), 100U);
  EXPECT_THAT(clients.answered(closed), IsEmpty());
  EXPECT_THAT(clients.answered(never), IsEmpty());
  EXPECT_EQ(clients.answered(opened).size(), opened.size());
}

}  // namespace
}  // namespace pxegate::testing
