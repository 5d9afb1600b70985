// SPDX-License-Identifier: Apache-2.0
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <unistd.h>

#include <filesystem>

#include "tests/drivers/xdp/xdp_fixture.h"

namespace pxegate::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using XdpStopTest = XdpTest;

TEST_F(XdpStopTest, KeepLeavesTheFilterInForce) {
  auto driver = started(usual());
  driver->shut_down();
  EXPECT_FALSE(passes(kDenied));
  EXPECT_TRUE(passes(kAllowed));
  EXPECT_EQ(pins(), all_pins());
  // And lets go of the lock.
  EXPECT_THAT(make()->initialize(), Succeeds());
}

TEST_F(XdpStopTest, DetachLeavesNothing) {
  XdpOptions detaching = options();
  detaching.detach_on_exit = true;
  auto driver = started(usual(), detaching);
  driver->shut_down();
  EXPECT_EQ(program_id(), 0U);
  EXPECT_TRUE(passes(kDenied));
  EXPECT_FALSE(std::filesystem::exists(pin_path_));
  driver->shut_down();
}

TEST_F(XdpStopTest, ATeardownLeavesNothing) {
  auto driver = started(usual());
  EXPECT_THAT(driver->tear_down(), Succeeds());
  EXPECT_EQ(program_id(), 0U);
  EXPECT_FALSE(std::filesystem::exists(pin_path_));
  EXPECT_FALSE(target_of(*driver).active);
  EXPECT_THAT(driver->tear_down(), Succeeds());
}

TEST_F(XdpStopTest, ATeardownWithNothingThereSucceeds) {
  EXPECT_THAT(make()->tear_down(), Succeeds());
  EXPECT_FALSE(std::filesystem::exists(pin_path_));
}

// As `pxegate teardown` does where no controller runs.
TEST_F(XdpStopTest, ATeardownRemovesWhatAnEarlierControllerLeft) {
  ASSERT_THAT(add_veth("eth0.5"), Succeeds());
  started(usual(), options({"eth1", "eth0.5"})).reset();
  EXPECT_THAT(make_xdp_driver(options({"other"}))->tear_down(), Succeeds());
  EXPECT_EQ(program_id("eth1"), 0U);
  EXPECT_EQ(program_id("eth0.5"), 0U);
  EXPECT_FALSE(std::filesystem::exists(pin_path_));
}

TEST_F(XdpStopTest, ATeardownDetachesUnderWhoeverHoldsTheLink) {
  started(usual()).reset();
  const UniqueFd held = open_pin(link_pin());
  EXPECT_THAT(make()->tear_down(), Succeeds());
  EXPECT_EQ(program_id(), 0U);
  EXPECT_TRUE(passes(kDenied));
}

TEST_F(XdpStopTest, ATeardownDetachesWhereThePinsAreGone) {
  auto driver = started(usual());
  std::filesystem::remove_all(pin_path_);
  ASSERT_FALSE(passes(kDenied));
  EXPECT_THAT(driver->tear_down(), Succeeds());
  EXPECT_EQ(program_id(), 0U);
}

TEST_F(XdpStopTest, ATeardownDetachesInterfacesThatWereRenamed) {
  auto driver = started(usual());
  ASSERT_THAT(ip_command("link set eth1 down"), Succeeds());
  ASSERT_THAT(ip_command("link set eth1 name eth9"), Succeeds());
  ASSERT_THAT(driver->sync(usual()), Succeeds());
  EXPECT_THAT(driver->tear_down(), Succeeds());
  EXPECT_EQ(program_id("eth9"), 0U);
}

TEST_F(XdpStopTest, ATeardownWorksWhereTheInterfaceIsGone) {
  auto driver = started(usual());
  ASSERT_THAT(ip_command("link del eth1"), Succeeds());
  EXPECT_THAT(driver->tear_down(), Succeeds());
  EXPECT_FALSE(std::filesystem::exists(pin_path_));
}

TEST_F(XdpStopTest, ATeardownNamesWhatItCannotRemove) {
  ASSERT_THAT(add_veth("eth2"), Succeeds());
  started(usual(), options({"eth1", "eth2"})).reset();
  ASSERT_EQ(::bpf_obj_pin(foreign_program().get(), pin("stranger").c_str()), 0);
  EXPECT_THAT(make()->tear_down(), FailsWith(ErrorCode::kFailed, pin_path_));
  EXPECT_EQ(program_id("eth1"), 0U);
  EXPECT_EQ(program_id("eth2"), 0U);
  EXPECT_THAT(pins(), ElementsAre("maps/stranger"));
}

TEST_F(XdpStopTest, ATeardownTouchesNoOrdinaryFiles) {
  XdpOptions wrong = options();
  wrong.pin_path = fmt::format("/tmp/pxegate-test-{}", ::getpid());
  std::filesystem::create_directory(wrong.pin_path);
  const UniqueFd file(
      ::open((wrong.pin_path + "/rules").c_str(), O_CREAT | O_WRONLY, 0600));
  EXPECT_THAT(make_xdp_driver(wrong)->tear_down(),
              FailsWith(ErrorCode::kInvalid, "not on a BPF file system"));
  EXPECT_TRUE(std::filesystem::exists(wrong.pin_path + "/rules"));
  std::filesystem::remove_all(wrong.pin_path);
}

TEST_F(XdpStopTest, AfterATeardownItStartsAfresh) {
  auto driver = started(usual(Verdict::kAllow));
  ASSERT_THAT(driver->tear_down(), Succeeds());
  ASSERT_THAT(driver->initialize(), Succeeds());
  EXPECT_FALSE(passes(kAllowed));
  EXPECT_FALSE(passes(kUnknown));
  ASSERT_THAT(driver->sync(usual()), Succeeds());
  EXPECT_TRUE(passes(kAllowed));
}

}  // namespace
}  // namespace pxegate::testing
