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
constexpr std::uint32_t kMachines = 18'000;

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
  // Two in five open, two close, one stays denied.
  for (std::uint32_t i = 0; i < kMachines; ++i) {
    const bool opens = i % 5 == 0 || i % 5 == 3;
    const bool closes = i % 5 == 1 || i % 5 == 4;
    before.push_back({machine(i), closes ? kAllow : kDeny});
    after.push_back({machine(i), opens ? kAllow : kDeny});
    (opens ? opened : closes ? closed : never).push_back(machine(i));
  }
  auto driver = started(snapshot(before));
  run();
  Sentry sentry(never, 2ms);
  ASSERT_THAT(driver->sync(snapshot(after)), Succeeds());
  EXPECT_TRUE(driver->status().healthy) << target_of(*driver).detail;
  const std::uint64_t asked = sentry.asked();
  EXPECT_THAT(sentry.stop(), IsEmpty());
  EXPECT_GT(asked, 100U);

  Clients clients = Clients::open();
  EXPECT_THAT(clients.answered(closed), IsEmpty());
  never.resize(never.size() / 4);  // the sentry had all of them ask
  EXPECT_THAT(clients.answered(never), IsEmpty());
  EXPECT_EQ(clients.answered(opened).size(), opened.size());
}

}  // namespace
}  // namespace pxegate::testing
