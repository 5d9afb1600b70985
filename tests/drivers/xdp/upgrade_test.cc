// SPDX-License-Identifier: Apache-2.0
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <net/if.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>
#include <memory>
#include <vector>

#include "tests/drivers/xdp/xdp_fixture.h"
#include "version1.skel.h"

namespace pxegate::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// Whether a traced process is about to change what is pinned or attached.
bool is_change(const __ptrace_syscall_info& info) {
  switch (info.entry.nr) {
    case SYS_bpf:
      return info.entry.args[0] == BPF_OBJ_PIN ||
             info.entry.args[0] == BPF_LINK_CREATE ||
             info.entry.args[0] == BPF_LINK_UPDATE;
    case SYS_mkdir:
    case SYS_rmdir:
    case SYS_unlink:
    case SYS_rename:
    case SYS_renameat2:
      return true;
    default:
      return false;
  }
}

// Runs `body` in a child that is killed when it is about to make its
// `number`th such change, counted from 0; false: it ended before.
bool killed_at(unsigned number, const std::function<void()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    ::raise(SIGSTOP);
    body();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ::ptrace(PTRACE_SETOPTIONS, child, nullptr,
           PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
  unsigned changes = 0;
  long signal = 0;
  while (::ptrace(PTRACE_SYSCALL, child, nullptr, signal) == 0 &&
         ::waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
    signal = 0;
    if (WSTOPSIG(status) != (SIGTRAP | 0x80)) {
      signal = WSTOPSIG(status);
      continue;
    }
    __ptrace_syscall_info info{};
    ::ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof(info), &info);
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY || !is_change(info)) continue;
    if (changes++ < number) continue;
    ::kill(child, SIGKILL);
    ::waitpid(child, &status, 0);
    return true;
  }
  EXPECT_TRUE(WIFEXITED(status)) << "status " << status;
  return false;
}

// A filter of version 1 is in force on eth1.
class XdpUpgradeTest : public XdpTest {
 protected:
  void SetUp() override {
    XdpTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    ASSERT_NO_FATAL_FAILURE(start_version1());
  }

  // As version 1 left it: programs and maps are held by their pins.
  void start_version1() {
    const std::unique_ptr<version1, decltype(&version1__destroy)> skeleton(
        version1__open_and_load(), &version1__destroy);
    ASSERT_TRUE(skeleton);
    const int rules = ::bpf_map__fd(skeleton->maps.rules);
    for (const Policy::Entry& entry : policy_.policy->entries()) {
      pxe_addr key{};
      std::ranges::copy(entry.address.octets(), key.octets);
      key.htype = PXE_HTYPE_ETHERNET;
      key.hlen = 6;
      pxe_rule rule{};
      rule.verdict = entry.verdict == kAllow ? PXE_ALLOW : PXE_DENY;
      ASSERT_EQ(::bpf_map_update_elem(rules, &key, &rule, BPF_ANY), 0);
    }
    const struct {
      __u32 abi_version;
      __u8 unknown_verdict;
      __u8 pad[3];
    } settings{1, PXE_ALLOW, {}};
    const __u32 first = 0;
    ASSERT_EQ(::bpf_map_update_elem(::bpf_map__fd(skeleton->maps.data_settings),
                                    &first, &settings, BPF_ANY),
              0);
    ASSERT_EQ(::mkdir(pin_path_.c_str(), 0700), 0);
    ASSERT_EQ(::mkdir((pin_path_ + "/links").c_str(), 0700), 0);
    pin_map(skeleton->maps.rules, "rules");
    pin_map(skeleton->maps.data_settings, "settings");
    pin_map(skeleton->maps.counters, "counters");
    pin_map(skeleton->maps.clients, "clients");
    pin_map(skeleton->maps.relays, "relays");
    const UniqueFd link(::bpf_link_create(
        ::bpf_program__fd(skeleton->progs.pxe_filter),
        static_cast<int>(::if_nametoindex("eth1")), BPF_XDP, nullptr));
    ASSERT_TRUE(link);
    ASSERT_EQ(::bpf_obj_pin(link.get(), link_pin().c_str()), 0);
  }
  void pin_map(const bpf_map* map, const std::string& name) {
    ASSERT_EQ(::bpf_obj_pin(::bpf_map__fd(map), old_pin(name).c_str()), 0);
  }
  std::string old_pin(const std::string& name) const {
    return pin_path_ + "/" + name;
  }

  std::uint64_t old_verdicts(int map, std::uint32_t verdict) const {
    std::vector<__u64> values(
        static_cast<std::size_t>(::libbpf_num_possible_cpus()));
    EXPECT_EQ(::bpf_map_lookup_elem(map, &verdict, values.data()), 0);
    std::uint64_t sum = 0;
    for (const __u64 value : values) sum += value;
    return sum;
  }
  static std::uint64_t verdicts(const FilterDriver& driver, Verdict verdict) {
    std::uint64_t sum = 0;
    const auto seen = driver.observe();
    EXPECT_THAT(seen, Succeeds());
    for (const CounterRecord& counter : seen->counters) {
      if (counter.verdict == verdict) sum += counter.packets;
    }
    return sum;
  }

  void expect_enforced() const {
    EXPECT_FALSE(passes(kDenied));
    EXPECT_TRUE(passes(kAllowed));
    EXPECT_TRUE(passes(kUnknown));
    EXPECT_FALSE(passes(machine(999)));
    EXPECT_EQ(make()->installed().value(), *policy_.policy);
  }

  static Snapshot make_policy() {
    auto rules = many(0, 1000, kDeny);
    rules.push_back({kDenied, kDeny});
    rules.push_back({kAllowed, kAllow});
    return snapshot(rules, kAllow);
  }

  const Snapshot policy_ = make_policy();
};

TEST_F(XdpUpgradeTest, ItsPolicyIsReadWhileItIsInForce) {
  expect_enforced();
  EXPECT_THAT(make()->observe(),
              FailsWith(ErrorCode::kConflict, "`pxegate run` takes over"));
  EXPECT_THAT(make()->take_events(1),
              FailsWith(ErrorCode::kConflict, "`pxegate run` takes over"));
}

TEST_F(XdpUpgradeTest, TheNextControllerTakesItsLinkAndItsPolicyOver) {
  const std::uint32_t link = link_id();
  const std::uint32_t program = program_id();
  auto driver = make();
  ASSERT_THAT(driver->initialize(), Succeeds());
  EXPECT_EQ(link_id(), link);
  EXPECT_NE(program_id(), program);
  EXPECT_EQ(pins(), all_pins());
  expect_enforced();
  auto report = driver->sync(policy_);
  ASSERT_THAT(report, Succeeds());
  EXPECT_FALSE(report->changed());
}

TEST_F(XdpUpgradeTest, ItsPolicyGetsALeaseBeforeTheFirstSync) {
  auto driver = make();
  ASSERT_THAT(driver->initialize(), Succeeds());
  const auto lease = driver->status().lease;
  ASSERT_TRUE(lease) << "it would hold forever where Ironic does not answer";
  EXPECT_FALSE(lease->expired);
}

TEST_F(XdpUpgradeTest, NoDeniedRequestSlipsThroughMeanwhile) {
  Wire wire = Wire::open("eth1").value();
  const UniqueFd counters = open_pin(old_pin("counters"));
  Flood flood(peer_of("eth1"), discover(kDenied));
  ASSERT_TRUE(flood.wait_for(100));
  auto driver = make();
  ASSERT_THAT(driver->initialize(), Succeeds());
  ASSERT_TRUE(flood.wait_for(100));
  ASSERT_THAT(driver->sync(policy_), Succeeds());
  ASSERT_TRUE(flood.wait_for(100));
  flood.stop();
  EXPECT_THAT(wire.arrivals(), IsEmpty());
  EXPECT_GT(old_verdicts(counters.get(), PXE_DENY), 0U);
  EXPECT_EQ(old_verdicts(counters.get(), PXE_ALLOW), 0U);
  EXPECT_GT(verdicts(*driver, kDeny), 0U);
  EXPECT_EQ(verdicts(*driver, kAllow), 0U);
}

TEST_F(XdpUpgradeTest, NoAllowedRequestIsDroppedMeanwhile) {
  const UniqueFd counters = open_pin(old_pin("counters"));
  Flood flood(peer_of("eth1"), discover(kAllowed));
  ASSERT_TRUE(flood.wait_for(100));
  auto driver = make();
  ASSERT_THAT(driver->initialize(), Succeeds());
  ASSERT_TRUE(flood.wait_for(100));
  ASSERT_THAT(driver->sync(policy_), Succeeds());
  ASSERT_TRUE(flood.wait_for(100));
  flood.stop();
  EXPECT_GT(old_verdicts(counters.get(), PXE_ALLOW), 0U);
  EXPECT_EQ(old_verdicts(counters.get(), PXE_DENY), 0U);
  EXPECT_GT(verdicts(*driver, kAllow), 0U);
  EXPECT_EQ(verdicts(*driver, kDeny), 0U);
}

// Whatever it had done by then, the policy is in force, can be read, and the
// next controller finishes the work.
TEST_F(XdpUpgradeTest, AControllerThatIsKilledOnTheWayLeavesTheFilter) {
  const auto initialize = [this] {
    if (!make()->initialize()) ::_exit(3);
  };
  unsigned steps = 0;
  while (killed_at(steps, initialize)) {
    SCOPED_TRACE(fmt::format("killed before change {}", steps));
    const std::uint32_t link = link_id();
    expect_enforced();
    {
      auto next = make();
      ASSERT_THAT(next->initialize(), Succeeds());
      EXPECT_EQ(pins(), all_pins());
      EXPECT_EQ(link_id(), link);
      expect_enforced();
      EXPECT_THAT(next->sync(policy_), Succeeds());
      ASSERT_THAT(next->tear_down(), Succeeds());
    }
    EXPECT_THAT(pins(), IsEmpty());
    ASSERT_NO_FATAL_FAILURE(start_version1());
    ++steps;
  }
  // One directory, nine maps, a rename, the link, five pins at least.
  EXPECT_GE(steps, 17U);
}

// It finds nothing of its own, makes that, and takes the links over; then the
// newer one comes back.
TEST_F(XdpUpgradeTest, AnOlderVersionThatRanInBetweenIsWhatIsTakenOver) {
  std::filesystem::remove_all(pin_path_);
  ASSERT_TRUE(eventually([this] { return program_id() == 0; }));
  started(snapshot({{kAllowed, kDeny}, {kDenied, kAllow}})).reset();
  std::filesystem::rename(pin_path_, pin_path_ + "-newer");
  more_pin_paths_.push_back(pin_path_ + "-newer");
  std::filesystem::remove_all(pin_path_ + "-newer/links");
  ASSERT_TRUE(eventually([this] { return program_id() == 0; }));
  ASSERT_NO_FATAL_FAILURE(start_version1());
  std::filesystem::rename(pin_path_ + "-newer/maps", pin_path_ + "/maps");

  auto driver = make();
  ASSERT_THAT(driver->initialize(), Succeeds());
  EXPECT_EQ(pins(), all_pins());
  expect_enforced();
}

TEST_F(XdpUpgradeTest, WithoutItsRulesEverythingIsDeniedAndNothingIsLeft) {
  std::filesystem::remove(old_pin("rules"));
  auto driver = make();
  ASSERT_THAT(driver->initialize(), Succeeds());
  EXPECT_EQ(pins(), all_pins());
  EXPECT_FALSE(passes(kDenied));
  EXPECT_FALSE(passes(kUnknown));
}

TEST_F(XdpUpgradeTest, WithoutItsSettingsUnknownMachinesAreDenied) {
  std::filesystem::remove(old_pin("settings"));
  auto driver = make();
  ASSERT_THAT(driver->initialize(), Succeeds());
  EXPECT_TRUE(passes(kAllowed));
  EXPECT_FALSE(passes(kUnknown));
}

TEST_F(XdpUpgradeTest, ATeardownRemovesIt) {
  EXPECT_THAT(make()->tear_down(), Succeeds());
  EXPECT_EQ(program_id(), 0U);
  EXPECT_FALSE(std::filesystem::exists(pin_path_));
}

TEST_F(XdpUpgradeTest, TooSmallAMaxClientsLeavesItInForce) {
  const std::uint32_t program = program_id();
  XdpOptions small = options();
  small.max_clients = 100;
  auto driver = make_xdp_driver(small);
  EXPECT_THAT(driver->initialize(),
              FailsWith(ErrorCode::kCapacity, "max_clients"));
  driver->reset();
  EXPECT_EQ(program_id(), program);
  expect_enforced();
}

// A version that is not in the table of layouts.
TEST_F(XdpUpgradeTest, AnUnknownVersionIsRefusedAndStaysInForce) {
  const UniqueFd settings = open_pin(old_pin("settings"));
  const __u32 first = 0;
  std::array<char, 8> value{};
  ASSERT_EQ(::bpf_map_lookup_elem(settings.get(), &first, value.data()), 0);
  value[0] = 99;
  ASSERT_EQ(::bpf_map_update_elem(settings.get(), &first, value.data(), 0), 0);
  const std::uint32_t program = program_id();
  const auto before = pins();
  auto driver = make();
  const auto done = driver->initialize();
  EXPECT_THAT(done, FailsWith(ErrorCode::kConflict, old_pin("settings")));
  EXPECT_THAT(done, FailsWith(ErrorCode::kConflict, "Start that one again"));
  EXPECT_THAT(done, FailsWith(ErrorCode::kConflict, "`pxegate teardown`"));
  EXPECT_THAT(driver->installed(), FailsWith(ErrorCode::kConflict, ""));
  EXPECT_EQ(program_id(), program);
  EXPECT_EQ(pins(), before);
  driver->reset();
  EXPECT_FALSE(passes(kDenied));
  EXPECT_TRUE(passes(kAllowed));
  // And the advice is right.
  EXPECT_THAT(driver->tear_down(), Succeeds());
  EXPECT_EQ(program_id(), 0U);
}

TEST_F(XdpUpgradeTest, OtherSizesThanItsVersionsAreRefusedAndStayInForce) {
  std::filesystem::remove(old_pin("clients"));
  const UniqueFd other(::bpf_map_create(BPF_MAP_TYPE_LRU_HASH, "clients", 12,
                                        48, 16384, nullptr));
  ASSERT_EQ(::bpf_obj_pin(other.get(), old_pin("clients").c_str()), 0);
  const std::uint32_t program = program_id();
  EXPECT_THAT(make()->initialize(),
              FailsWith(ErrorCode::kConflict, old_pin("clients")));
  EXPECT_EQ(program_id(), program);
  EXPECT_FALSE(passes(kDenied));
}

TEST_F(XdpUpgradeTest, WhatIsNotPxegatesIsRefusedNamedAndLeftByATeardown) {
  std::filesystem::remove(old_pin("relays"));
  ASSERT_EQ(::bpf_obj_pin(foreign_program().get(), old_pin("relays").c_str()),
            0);
  EXPECT_THAT(make()->initialize(),
              FailsWith(ErrorCode::kConflict, "`rm " + old_pin("relays")));
  EXPECT_FALSE(passes(kDenied));
  EXPECT_THAT(make()->tear_down(),
              FailsWith(ErrorCode::kConflict, "`rm " + old_pin("relays")));
  EXPECT_EQ(program_id(), 0U);
  EXPECT_THAT(pins(), ::testing::ElementsAre("relays"));
}

}  // namespace
}  // namespace pxegate::testing
