// SPDX-License-Identifier: Apache-2.0
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
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

// How somebody else's program can hold an interface.
struct Foreign {
  const char* name;
  bool link;
  __u32 flags;
};

class XdpConflictTest : public XdpTest,
                        public ::testing::WithParamInterface<Foreign> {
 protected:
  void attach_foreign(const std::string& interface) {
    const auto index = static_cast<int>(::if_nametoindex(interface.c_str()));
    if (GetParam().link) {
      bpf_link_create_opts opts{};
      opts.sz = sizeof(opts);
      opts.flags = GetParam().flags;
      foreign_link_.reset(
          ::bpf_link_create(foreign_program().get(), index, BPF_XDP, &opts));
      ASSERT_TRUE(foreign_link_);
    } else {
      ASSERT_EQ(::bpf_xdp_attach(index, foreign_program().get(),
                                 GetParam().flags, nullptr),
                0);
    }
  }
  void detach_foreign(const std::string& interface) {
    foreign_link_.reset();
    if (GetParam().link) return;
    const auto index = static_cast<int>(::if_nametoindex(interface.c_str()));
    ASSERT_EQ(::bpf_xdp_detach(index, GetParam().flags, nullptr), 0);
  }

  UniqueFd foreign_link_;
};

TEST_P(XdpConflictTest, AnotherProgramIsNamedAndNotReplaced) {
  ASSERT_THAT(add_veth("eth2"), Succeeds());
  attach_foreign("eth2");
  const std::uint32_t program = program_id("eth2");
  auto driver = make_xdp_driver(options({"eth1", "eth2"}));
  auto done = driver->initialize();
  EXPECT_THAT(done, FailsWith(ErrorCode::kConflict, "other_owner"));
  EXPECT_THAT(done, FailsWith(ErrorCode::kConflict, "interface eth2"));
  EXPECT_EQ(program_id("eth2"), program);
  EXPECT_EQ(program_id("eth1"), 0U) << "touched before the refusal";
  EXPECT_THAT(pins(), IsEmpty());
}

TEST_P(XdpConflictTest, WhenTheOtherProgramIsGoneItWorks) {
  attach_foreign("eth1");
  auto driver = make();
  ASSERT_THAT(driver->initialize(), FailsWith(ErrorCode::kConflict, "eth1"));
  driver->reset();
  detach_foreign("eth1");
  ASSERT_THAT(driver->initialize(), Succeeds());
  ASSERT_THAT(driver->sync(usual()), Succeeds());
  EXPECT_FALSE(passes(kDenied));
  EXPECT_TRUE(passes(kAllowed));
}

TEST_P(XdpConflictTest, AConflictThatComesLaterConcernsOneInterface) {
  ASSERT_THAT(add_veth("eth2"), Succeeds());
  auto driver = started(usual(), options({"eth1", "eth2"}));
  ASSERT_EQ(::bpf_link_detach(open_pin(link_pin("eth2")).get()), 0);
  attach_foreign("eth2");
  const std::uint32_t program = program_id("eth2");

  ASSERT_THAT(driver->sync(snapshot({{kUnknown, kAllow}})), Succeeds());
  EXPECT_TRUE(passes(kUnknown));
  EXPECT_FALSE(passes(kAllowed));
  EXPECT_TRUE(target_of(*driver, "eth1").active);
  EXPECT_FALSE(target_of(*driver, "eth2").active);
  EXPECT_THAT(target_of(*driver, "eth2").detail, HasSubstr("other_owner"));
  EXPECT_EQ(program_id("eth2"), program);
  EXPECT_FALSE(driver->status().healthy);

  detach_foreign("eth2");
  auto report = driver->sync(usual());
  ASSERT_THAT(report, Succeeds());
  EXPECT_THAT(report->repaired, ElementsAre(HasSubstr("eth2")));
  EXPECT_TRUE(driver->status().healthy);
  EXPECT_EQ(target_of(*driver, "eth2").detail, "");
  EXPECT_FALSE(passes(kDenied, "eth2"));
}

// As a restart: what is filtered already has to be kept up to date.
TEST_P(XdpConflictTest, WhereAnEarlierFilterIsInForceItConcernsOneInterface) {
  ASSERT_THAT(add_veth("eth2"), Succeeds());
  started(usual(kAllow)).reset();
  attach_foreign("eth2");
  const std::uint32_t program = program_id("eth2");
  auto driver = make_xdp_driver(options({"eth1", "eth2"}));
  ASSERT_THAT(driver->initialize(), Succeeds());
  ASSERT_THAT(driver->sync(snapshot({{kUnknown, kAllow}})), Succeeds());
  EXPECT_TRUE(target_of(*driver, "eth1").active);
  EXPECT_FALSE(passes(kAllowed));
  EXPECT_THAT(target_of(*driver, "eth2").detail, HasSubstr("other_owner"));
  EXPECT_EQ(program_id("eth2"), program);
}

TEST_P(XdpConflictTest, TheAdviceFitsHowTheOtherProgramIsHeld) {
  attach_foreign("eth1");
  EXPECT_THAT(make()->initialize(),
              FailsWith(ErrorCode::kConflict,
                        GetParam().link ? "`bpftool link detach id "
                                        : "`ip link set dev eth1 xdp off`"));
}

TEST_P(XdpConflictTest, AnotherProgramSurvivesTheTeardown) {
  attach_foreign("eth1");
  const std::uint32_t program = program_id();
  EXPECT_THAT(make()->tear_down(), Succeeds());
  EXPECT_EQ(program_id(), program);
}

INSTANTIATE_TEST_SUITE_P(
    AllWays, XdpConflictTest,
    ::testing::Values(Foreign{"LinkNative", true, XDP_FLAGS_DRV_MODE},
                      Foreign{"LinkSkb", true, XDP_FLAGS_SKB_MODE},
                      Foreign{"NetlinkNative", false, XDP_FLAGS_DRV_MODE},
                      Foreign{"NetlinkSkb", false, XDP_FLAGS_SKB_MODE}),
    [](const auto& tested) { return std::string(tested.param.name); });

using XdpTwoControllersTest = XdpTest;

TEST_F(XdpTwoControllersTest, OnOnePinPathTheSecondNamesTheFirst) {
  auto first = started(usual());
  auto second = make();
  auto done = second->initialize();
  EXPECT_THAT(done, FailsWith(ErrorCode::kConflict,
                              fmt::format("(process {})", ::getpid())));
  EXPECT_THAT(done, FailsWith(ErrorCode::kConflict, pin_path_));
  EXPECT_FALSE(passes(kDenied));
  EXPECT_FALSE(first->sync(usual()).value().changed());
}

TEST_F(XdpTwoControllersTest, OnOneInterfaceTheSecondNamesTheProgram) {
  auto first = started(usual());
  XdpOptions other = options();
  other.pin_path = other_pin_path();
  auto second = make_xdp_driver(other);
  EXPECT_THAT(second->initialize(),
              FailsWith(ErrorCode::kConflict, "pxe_filter"));
  second->reset();
  EXPECT_THAT(second->tear_down(), Succeeds());
  EXPECT_FALSE(passes(kDenied));
  EXPECT_TRUE(passes(kAllowed));
  EXPECT_FALSE(first->sync(usual()).value().changed());
}

TEST_F(XdpTwoControllersTest, OnTwoInterfacesTheyDoNotMeet) {
  ASSERT_THAT(add_veth("eth2"), Succeeds());
  auto first = started(usual());
  XdpOptions other = options({"eth2"});
  other.pin_path = other_pin_path();
  auto second = started(snapshot({{kDenied, kAllow}}), other);
  EXPECT_FALSE(passes(kDenied, "eth1"));
  EXPECT_TRUE(passes(kDenied, "eth2"));
}

TEST_F(XdpTwoControllersTest, TheFirstOnesFilterSurvivesTheOthersTeardown) {
  auto first = started(usual());
  auto second = make();
  EXPECT_THAT(second->initialize(), FailsWith(ErrorCode::kConflict, ""));
  EXPECT_THAT(second->tear_down(), FailsWith(ErrorCode::kConflict, "process"));
  EXPECT_FALSE(passes(kDenied));
  EXPECT_EQ(pins(), all_pins());

  XdpOptions detaching = options();
  detaching.detach_on_exit = true;
  make_xdp_driver(detaching)->shut_down();
  EXPECT_FALSE(passes(kDenied));
  EXPECT_FALSE(first->sync(usual()).value().changed());
}

// Both know the link by now.
TEST_F(XdpTwoControllersTest, OneThatWasResetDoesNotTearDownItsSuccessors) {
  auto first = started(usual());
  first->reset();
  auto second = started(usual());
  EXPECT_THAT(first->tear_down(), FailsWith(ErrorCode::kConflict, "process"));
  EXPECT_FALSE(passes(kDenied));
  EXPECT_TRUE(target_of(*second).active);
}

TEST_F(XdpTwoControllersTest, OneThatWasResetTakesOverWhatItsSuccessorMade) {
  auto first = started(usual());
  first->reset();
  {
    auto second = make();
    ASSERT_THAT(second->tear_down(), Succeeds());
    ASSERT_THAT(second->initialize(), Succeeds());
    ASSERT_THAT(second->sync(usual(kAllow)), Succeeds());
  }
  const std::uint32_t link = link_id();
  ASSERT_THAT(first->initialize(), Succeeds());
  EXPECT_TRUE(target_of(*first).active);
  EXPECT_EQ(target_of(*first).detail, "");
  EXPECT_EQ(link_id(), link);
  EXPECT_EQ(first->installed().value(), *usual(kAllow).policy);
}

}  // namespace
}  // namespace pxegate::testing
