// SPDX-License-Identifier: Apache-2.0
#include <bpf/bpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <vector>

#include "controller/base/log.h"
#include "tests/drivers/xdp/xdp_fixture.h"
#include "tests/support/temp_dir.h"

namespace pxegate::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr uid_t kNobody = 65534;

// Leaves the process (a child) these capabilities only, as user `uid`.
std::string become(uid_t uid, const std::vector<int>& capabilities) {
  if (::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return "PR_SET_KEEPCAPS";
  if (::setgroups(0, nullptr) != 0) return "setgroups";
  if (::setresgid(uid, uid, uid) != 0) return "setresgid";
  if (::setresuid(uid, uid, uid) != 0) return "setresuid";
  std::array<__user_cap_data_struct, 2> data{};
  for (const int capability : capabilities) {
    auto& word = data.at(static_cast<std::size_t>(capability) / 32);
    word.effective |= 1U << (capability % 32);
    word.permitted |= 1U << (capability % 32);
  }
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  if (::syscall(SYS_capset, &header, data.data()) != 0) return "capset";
  return {};
}

// The outcome of initialize(), with the class of the error.
std::string outcome(FilterDriver& driver) {
  auto done = driver.initialize();
  if (!done) {
    return fmt::format("{}: {}", to_string(done.error().code()),
                       done.error().message());
  }
  return "initialized";
}

const auto kNamesTheCapabilities =
    AllOf(StartsWith("permission:"), HasSubstr("CAP_BPF"),
          HasSubstr("CAP_NET_ADMIN"), HasSubstr("CAP_PERFMON"));

class XdpPrivilegeTest : public XdpTest {
 protected:
  std::string as(uid_t uid, const std::vector<int>& capabilities,
                 const std::function<std::string()>& body) const {
    return in_child([&] {
      const std::string failed = become(uid, capabilities);
      return failed.empty() ? body() : failed;
    });
  }
  void give_pin_path_to(uid_t uid) const {
    ASSERT_EQ(::mkdir(pin_path_.c_str(), 0700), 0);
    ASSERT_EQ(::chown(pin_path_.c_str(), uid, uid), 0);
  }
};

TEST_F(XdpPrivilegeTest, WithoutCapabilitiesTheErrorNamesThem) {
  const std::string said = as(0, {}, [this] { return outcome(*make()); });
  EXPECT_THAT(said, kNamesTheCapabilities);
  EXPECT_EQ(program_id(), 0U);
}

TEST_F(XdpPrivilegeTest, EachOfTheThreeIsMissed) {
  const std::vector<int> all = {CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON};
  for (const int missing : all) {
    std::vector<int> rest = all;
    std::erase(rest, missing);
    const std::string said = as(0, rest, [this] { return outcome(*make()); });
    EXPECT_THAT(said, kNamesTheCapabilities) << "without " << missing;
  }
  EXPECT_EQ(program_id(), 0U);
}

// A filter is in force, so that there is something to mistake.
TEST_F(XdpPrivilegeTest, WithoutCapabilitiesAFilterInForceIsNoConflict) {
  started(usual()).reset();
  EXPECT_THAT(as(0, {}, [this] { return outcome(*make()); }),
              kNamesTheCapabilities);
  EXPECT_FALSE(passes(kDenied));
}

// It depends on kernel.unprivileged_bpf_disabled.
TEST_F(XdpPrivilegeTest, WithoutCapabilitiesReadingWorksOrNamesThem) {
  started(usual()).reset();
  EXPECT_THAT(as(0, {}, [this] { return message_of(make()->installed()); }),
              ::testing::AnyOf(IsEmpty(), HasSubstr("CAP_BPF")));
}

TEST_F(XdpPrivilegeTest, TheThreeCapabilitiesSufficeForAnOrdinaryUser) {
  give_pin_path_to(kNobody);
  const std::string said =
      as(kNobody, {CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON}, [this] {
        auto driver = make();
        std::string told = outcome(*driver);
        told += message_of(driver->sync(usual()));
        told += message_of(driver->observe());
        return told;
      });
  EXPECT_EQ(said, "initialized");
  EXPECT_FALSE(passes(kDenied));
  EXPECT_TRUE(passes(kAllowed));
}

TEST_F(XdpPrivilegeTest, AnOrdinaryUserTakesOverAndTearsDownToo) {
  give_pin_path_to(kNobody);
  const std::vector<int> three = {CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON};
  const auto start = [this] {
    XdpOptions other = options();
    other.max_clients /= 2;
    auto driver = make_xdp_driver(other);
    std::string told = outcome(*driver);
    told += message_of(driver->sync(usual()));
    return told;
  };
  EXPECT_EQ(as(kNobody, three, start), "initialized");
  const std::uint32_t link = link_id();
  EXPECT_EQ(as(kNobody, three, start), "initialized");
  EXPECT_EQ(link_id(), link);
  as(kNobody, three, [this] { return message_of(make()->tear_down()); });
  EXPECT_EQ(program_id(), 0U);
  EXPECT_THAT(pins(), IsEmpty());
}

TEST_F(XdpPrivilegeTest, APinPathOfAnotherUserIsNamed) {
  give_pin_path_to(0);
  EXPECT_THAT(as(kNobody, {CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON},
                 [this] { return outcome(*make()); }),
              AllOf(StartsWith("permission:"), HasSubstr(pin_path_)));
}

using XdpPinPathTest = XdpTest;

TEST_F(XdpPinPathTest, OffTheBpfFileSystemIsAnErrorWithAdvice) {
  XdpOptions wrong = options();
  wrong.pin_path = "/tmp/pxegate-test-no-bpffs/pins";
  EXPECT_THAT(
      make_xdp_driver(wrong)->initialize(),
      FailsWith(ErrorCode::kInvalid, "not on a BPF file system; use a path"));
  EXPECT_FALSE(std::filesystem::exists("/tmp/pxegate-test-no-bpffs"));
}

TEST_F(XdpPinPathTest, ARelativeOneIsAnError) {
  for (const char* path : {"pins", "", "../sys/fs/bpf/x"}) {
    XdpOptions wrong = options();
    wrong.pin_path = path;
    EXPECT_THAT(make_xdp_driver(wrong)->initialize(),
                FailsWith(ErrorCode::kInvalid, "absolute path"));
  }
}

TEST_F(XdpPinPathTest, ADotBelowTheMountIsExplained) {
  XdpOptions wrong = options();
  wrong.pin_path = pin_path_ + ".d";
  EXPECT_THAT(make_xdp_driver(wrong)->initialize(),
              FailsWith(ErrorCode::kPermission, "dot"));
}

TEST_F(XdpPinPathTest, MissingParentsAreMade) {
  XdpOptions deep = options();
  deep.pin_path = pin_path_ + "/a/b/";
  auto driver = make_xdp_driver(deep);
  EXPECT_THAT(driver->initialize(), Succeeds());
  EXPECT_TRUE(std::filesystem::exists(pin_path_ + "/a/b/links/eth1"));
  EXPECT_THAT(driver->tear_down(), Succeeds());
}

// In a mount namespace of its own, where nothing is mounted at /sys/fs/bpf.
std::string without_bpffs(const std::function<std::string()>& body) {
  return in_child([&]() -> std::string {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
      return "unshare";
    }
    while (::umount2("/sys/fs/bpf", MNT_DETACH) == 0) {
    }
    return body();
  });
}

TEST_F(XdpPinPathTest, AMissingBpfFileSystemIsMounted) {
  EXPECT_EQ(without_bpffs([this] {
              auto driver = make();
              std::string told = outcome(*driver);
              told += message_of(driver->sync(usual()));
              return told;
            }),
            "initialized");
}

TEST_F(XdpPinPathTest, OneThatGoesWithTheProcessIsNotSaidToStay) {
  const TempDir directory;
  const std::string file = directory / "log";
  const std::string said = without_bpffs([&] {
    static_cast<void>(log::configure(log::Level::kInfo, file));
    auto driver = make();
    std::string told = outcome(*driver);
    driver->shut_down();
    return told + read_file(file).value_or("");
  });
  EXPECT_THAT(said, AllOf(HasSubstr("initialized"),
                          HasSubstr("`nsenter -t 1 -m mount -t bpf bpf "),
                          HasSubstr("ends with the mount namespace"),
                          Not(HasSubstr("stays in force"))));
}

TEST_F(XdpPinPathTest, WhereItMustNotBeMountedTheErrorHasTheCommand) {
  EXPECT_THAT(without_bpffs([this] {
                const std::string failed =
                    become(0, {CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON});
                return failed.empty() ? outcome(*make()) : failed;
              }),
              AllOf(StartsWith("permission:"),
                    HasSubstr("`mount -t bpf bpf /sys/fs/bpf`")));
}

TEST_F(XdpPinPathTest, ATeardownWithoutABpfFileSystemSucceeds) {
  EXPECT_EQ(without_bpffs([this] { return message_of(make()->tear_down()); }),
            "");
}

// Somebody else's things under our names, or another version's.
class XdpLayoutTest : public XdpTest {
 protected:
  void SetUp() override {
    XdpTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    started(usual(kAllow)).reset();
    program_ = program_id();
  }

  void replace_pin(const std::string& name, UniqueFd object) {
    ASSERT_TRUE(object);
    std::filesystem::remove(pin(name));
    ASSERT_EQ(::bpf_obj_pin(object.get(), pin(name).c_str()), 0);
  }

  void expect_refused(const std::string& name) {
    auto driver = make();
    auto done = driver->initialize();
    EXPECT_THAT(done, FailsWith(ErrorCode::kConflict, pin(name)));
    EXPECT_THAT(done, FailsWith(ErrorCode::kConflict, "pxegate teardown"));
    EXPECT_EQ(program_id(), program_);
    EXPECT_FALSE(passes(kDenied));
    EXPECT_TRUE(passes(kUnknown));
    // And the advice is right.
    driver->reset();
    EXPECT_THAT(driver->tear_down(), Succeeds());
    EXPECT_THAT(driver->initialize(), Succeeds());
  }

  // Somebody else's: a teardown leaves it, too, and names it.
  void expect_left_alone(const std::string& name) {
    auto driver = make();
    EXPECT_THAT(driver->initialize(),
                FailsWith(ErrorCode::kConflict, "`rm " + pin(name)));
    EXPECT_EQ(program_id(), program_);
    driver->reset();
    EXPECT_THAT(driver->tear_down(),
                FailsWith(ErrorCode::kConflict, "`rm " + pin(name)));
    EXPECT_EQ(program_id(), 0U);
    EXPECT_THAT(pins(), ElementsAre("maps/" + name));
    std::filesystem::remove(pin(name));
    EXPECT_THAT(driver->tear_down(), Succeeds());
    EXPECT_FALSE(std::filesystem::exists(pin_path_));
  }

  std::uint32_t program_ = 0;
};

UniqueFd make_map(bpf_map_type type, __u32 key, __u32 value, __u32 entries,
                  const char* name = "stranger") {
  return UniqueFd(::bpf_map_create(type, name, key, value, entries, nullptr));
}

// As the program's buckets.
UniqueFd make_array(__u32 value, __u32 entries, __u32 flags) {
  bpf_map_create_opts options{};
  options.sz = sizeof(options);
  options.map_flags = flags;
  return UniqueFd(::bpf_map_create(BPF_MAP_TYPE_ARRAY, "rules", 4, value,
                                   entries, &options));
}

TEST_F(XdpLayoutTest, RulesOfAnotherLayoutAreRefused) {
  replace_pin("rules", make_array(128, 8192, BPF_F_MMAPABLE));
  expect_refused("rules");
}

TEST_F(XdpLayoutTest, RulesThatCannotBeMappedAreRefused) {
  replace_pin("rules", make_array(sizeof(pxe_bucket), 8192, 0));
  expect_refused("rules");
}

TEST_F(XdpLayoutTest, ANumberOfBucketsThatIsNoPowerOfTwoIsRefused) {
  replace_pin("rules", make_array(sizeof(pxe_bucket), 8191, BPF_F_MMAPABLE));
  expect_refused("rules");
}

TEST_F(XdpLayoutTest, RulesOfAnotherKindOfMapAreRefused) {
  replace_pin("rules", make_map(BPF_MAP_TYPE_HASH, sizeof(pxe_addr),
                                sizeof(pxe_rule), 65536, "rules"));
  expect_left_alone("rules");
}

TEST_F(XdpLayoutTest, CountersInThePlaceOfSettingsAreRefused) {
  replace_pin("settings", open_pin(pin("counters")));
  expect_left_alone("settings");
}

TEST_F(XdpLayoutTest, FewerCountersAreRefused) {
  replace_pin("counters",
              make_map(BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, 2, "counters"));
  expect_refused("counters");
}

TEST_F(XdpLayoutTest, AProgramInThePlaceOfAMapIsRefused) {
  replace_pin("rules", foreign_program());
  expect_left_alone("rules");
}

TEST_F(XdpLayoutTest, AProgramInThePlaceOfALinkSurvivesTheTeardown) {
  ASSERT_EQ(::bpf_obj_pin(foreign_program().get(), link_pin("eth2").c_str()),
            0);
  EXPECT_THAT(make()->tear_down(),
              FailsWith(ErrorCode::kConflict, link_pin("eth2")));
  EXPECT_EQ(program_id(), 0U);
  EXPECT_THAT(pins(), ElementsAre("links/eth2"));
}

TEST_F(XdpLayoutTest, AnotherAbiVersionIsRefused) {
  const __u32 index = 0;
  const UniqueFd map = open_pin(pin("settings"));
  pxe_settings other{};
  ASSERT_EQ(::bpf_map_lookup_elem(map.get(), &index, &other), 0);
  other.abi_version = 99;
  ASSERT_EQ(::bpf_map_update_elem(map.get(), &index, &other, BPF_ANY), 0);
  expect_refused("settings");
}

}  // namespace
}  // namespace pxegate::testing
