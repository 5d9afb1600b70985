// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "tests/drivers/iptables/iptables_fixture.h"

namespace pxegate::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr uid_t kNobody = 65534;

// Leaves the process (a child) these capabilities only, as ambient ones, so
// that programs which it starts have them too.
std::string become(uid_t uid, const std::vector<int>& capabilities) {
  if (::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return "PR_SET_KEEPCAPS";
  if (::setgroups(0, nullptr) != 0) return "setgroups";
  if (::setresgid(uid, uid, uid) != 0) return "setresgid";
  if (::setresuid(uid, uid, uid) != 0) return "setresuid";
  std::array<__user_cap_data_struct, 2> data{};
  for (const int capability : capabilities) {
    data[0].effective |= 1U << capability;
  }
  data[0].permitted = data[0].inheritable = data[0].effective;
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  if (::syscall(SYS_capset, &header, data.data()) != 0) return "capset";
  for (const int capability : capabilities) {
    if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) != 0) {
      return "PR_CAP_AMBIENT";
    }
  }
  return {};
}

class IptablesPrivilegeTest : public IptablesTest {
 protected:
  // What initialize() and a sync say as that user, in a /run of its own,
  // where `mode` says who may make the legacy backend's lock file.
  std::string as_nobody(const std::vector<int>& capabilities,
                        mode_t mode) const {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe(ends.data()), 0);
    const UniqueFd read_end(ends[0]);
    UniqueFd write_end(ends[1]);
    const pid_t child = ::fork();
    if (child == 0) {
      const std::string said = body(capabilities, mode);
      const ssize_t written = ::write(ends[1], said.data(), said.size());
      ::_exit(written == static_cast<ssize_t>(said.size()) ? 0 : 1);
    }
    write_end.reset();
    std::string said(4096, '\0');
    const ssize_t size = ::read(read_end.get(), said.data(), said.size());
    said.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return said;
  }

 private:
  std::string body(const std::vector<int>& capabilities, mode_t mode) const {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", "/run", "tmpfs", 0, nullptr) != 0 ||
        ::chmod("/run", mode) != 0) {
      return "no /run";
    }
    if (auto failed = become(kNobody, capabilities); !failed.empty()) {
      return failed;
    }
    auto driver = make();
    auto done = driver->initialize();
    if (done) {
      auto report = driver->sync(usual(kDeny));
      if (report) return "works";
      done = fail(report.error());
    }
    return fmt::format("{}: {}", to_string(done.error().code()),
                       done.error().message());
  }
};
INSTANTIATE_TEST_SUITE_P(Backends, IptablesPrivilegeTest,
                         ::testing::ValuesIn(kVariants), variant_name);

TEST_P(IptablesPrivilegeTest, TwoCapabilitiesAreEnoughForAnOrdinaryUser) {
  EXPECT_EQ(as_nobody({CAP_NET_ADMIN, CAP_NET_RAW}, 01777), "works");
  EXPECT_THAT(rules("gate"),
              ::testing::ElementsAre(rule(kAllowed, "ACCEPT"), "-j DROP"));
}

TEST_P(IptablesPrivilegeTest, WithoutThemTheErrorNamesThem) {
  EXPECT_THAT(as_nobody({}, 01777),
              AllOf(StartsWith("permission:"), HasSubstr("CAP_NET_ADMIN")));
  EXPECT_FALSE(chain_exists("gate"));
}

TEST_P(IptablesPrivilegeTest, ALockFileThatItCannotOpenIsNamed) {
  if (GetParam().backend != "legacy") return;
  EXPECT_THAT(as_nobody({CAP_NET_ADMIN, CAP_NET_RAW}, 0755),
              AllOf(StartsWith("permission:"), HasSubstr("/run/xtables.lock"),
                    HasSubstr("may be opened")));
}

}  // namespace
}  // namespace pxegate::testing
