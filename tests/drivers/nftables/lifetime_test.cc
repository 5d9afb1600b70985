// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include "controller/base/log.h"
#include "tests/drivers/nftables/nftables_fixture.h"
#include "tests/support/temp_dir.h"

namespace pxegate::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kOthers[] =
    "table netdev others {\n chain c {\n type filter hook ingress device "
    "\"eth1\" priority 0; policy accept;\n }\n}\n"
    "table ip pxegate {\n chain c {\n }\n}\n";

using NftablesStopTest = NftablesTest;

TEST_F(NftablesStopTest, ACleanStopLeavesThePolicyInForceAndSaysSo) {
  const TempDir directory;
  const std::string file = directory / "log";
  ASSERT_THAT(log::configure(log::Level::kInfo, file), Succeeds());
  started(usual(kAllow))->shut_down();
  ASSERT_THAT(log::configure(log::Level::kInfo, ""), Succeeds());
  EXPECT_FALSE(passes(kDenied));
  EXPECT_TRUE(passes(kUnknown));
  const std::string said = read_file(file).value();
  EXPECT_THAT(said, HasSubstr("raw sockets"));
  EXPECT_THAT(said, HasSubstr("stays in force on eth1"));
  EXPECT_THAT(said, HasSubstr("`pxegate teardown`"));
}

TEST_F(NftablesStopTest, WhatARunLeftIsReadBackByAnother) {
  started(usual(kAllow)).reset();
  EXPECT_EQ(make()->installed().value(), *usual(kAllow).policy);
}

TEST_F(NftablesStopTest, TheNextRunTakesThePolicyOverUnchanged) {
  started(usual(kAllow)).reset();
  auto driver = make();
  ASSERT_THAT(driver->initialize(), Succeeds());
  EXPECT_FALSE(passes(kDenied));
  EXPECT_TRUE(passes(kUnknown));
  EXPECT_EQ(driver->installed().value(), *usual(kAllow).policy);
  EXPECT_FALSE(driver->sync(usual(kAllow)).value().changed());
}

TEST_F(NftablesStopTest, AResetKeepsThePolicyInForce) {
  auto driver = started(usual(kAllow));
  driver->reset();
  EXPECT_FALSE(passes(kDenied));
  EXPECT_TRUE(passes(kUnknown));
  EXPECT_THAT(driver->sync(usual(kAllow)),
              FailsWith(ErrorCode::kInvalidState, ""));
  ASSERT_THAT(driver->initialize(), Succeeds());
  EXPECT_FALSE(driver->sync(usual(kAllow)).value().changed());
}

TEST_F(NftablesStopTest, InitializingAgainWritesNothing) {
  auto driver = started(usual(kAllow));
  const std::uint32_t before = generation();
  ASSERT_THAT(driver->initialize(), Succeeds());
  EXPECT_EQ(generation(), before);
  EXPECT_FALSE(driver->sync(usual(kAllow)).value().changed());
}

TEST_F(NftablesStopTest, ChainsLostBetweenRunsAreMadeAgain) {
  started(usual(kAllow)).reset();
  nft("delete chain netdev pxegate ingress-eth1");
  ASSERT_TRUE(passes(kDenied));
  auto driver = make();
  ASSERT_THAT(driver->initialize(), Succeeds());
  EXPECT_FALSE(passes(kDenied));
  EXPECT_TRUE(passes(kUnknown));
}

TEST_F(NftablesStopTest, AVerdictLostBetweenRunsDeniesUntilTheFirstSync) {
  started(usual(kAllow)).reset();
  nft("flush chain netdev pxegate unknown");
  auto driver = make();
  ASSERT_THAT(driver->initialize(), Succeeds());
  EXPECT_FALSE(passes(kAllowed));
  EXPECT_FALSE(passes(kUnknown));
  ASSERT_THAT(driver->sync(usual(kAllow)), Succeeds());
  EXPECT_TRUE(passes(kUnknown));
}

TEST_F(NftablesStopTest, ASetLostBetweenRunsDeniesUntilTheFirstSync) {
  started(usual(kAllow)).reset();
  nft("flush chain netdev pxegate client\nflush chain netdev pxegate foreign\n"
      "flush chain netdev pxegate client-tagged\n"
      "flush chain netdev pxegate foreign-tagged\n"
      "delete set netdev pxegate denied");
  auto driver = make();
  ASSERT_THAT(driver->initialize(), Succeeds());
  EXPECT_FALSE(passes(kDenied));
  EXPECT_FALSE(passes(kUnknown));
}

TEST_F(NftablesStopTest, InterfacesNoLongerNamedAreLetGo) {
  ASSERT_THAT(add_veth("eth2"), Succeeds());
  started(usual(), {"eth1", "eth2"}).reset();
  auto driver = started(usual(), {"eth2"});
  EXPECT_TRUE(passes(kDenied, "eth1"));
  EXPECT_FALSE(passes(kDenied, "eth2"));
}

TEST_F(NftablesStopTest, ATeardownLeavesExactlyWhatWasThere) {
  nft(kOthers);
  const std::string before = nft("list ruleset");
  auto driver = started(usual());
  EXPECT_NE(nft("list ruleset"), before);
  EXPECT_THAT(driver->tear_down(), Succeeds());
  EXPECT_EQ(nft("list ruleset"), before);
  EXPECT_TRUE(passes(kDenied));
  EXPECT_THAT(driver->tear_down(), Succeeds());
  EXPECT_THAT(driver->installed(), FailsWith(ErrorCode::kNotFound, "pxegate"));
  EXPECT_FALSE(driver->status().healthy);
}

TEST_F(NftablesStopTest, ATeardownRemovesWhatAnEarlierRunLeft) {
  started(usual()).reset();
  EXPECT_THAT(make()->tear_down(), Succeeds());
  EXPECT_EQ(nft("list ruleset"), "");
}

TEST_F(NftablesStopTest, AfterATeardownItCanStartAgain) {
  auto driver = started(usual(kAllow));
  ASSERT_THAT(driver->tear_down(), Succeeds());
  ASSERT_THAT(driver->initialize(), Succeeds());
  EXPECT_FALSE(passes(kUnknown));
  ASSERT_THAT(driver->sync(usual(kAllow)), Succeeds());
  EXPECT_TRUE(passes(kUnknown));
}

using NftablesConflictTest = NftablesTest;

TEST_F(NftablesConflictTest, SomebodyElsesTableIsRefusedAndLeftAlone) {
  for (const char* theirs :
       {"table netdev pxegate {\n chain mine {\n accept\n }\n}\n",
        "table netdev pxegate {\n comment \"made by hand\"\n}\n",
        "table netdev pxegate {\n}\n"}) {
    nft(theirs);
    const std::string before = nft("list ruleset");
    auto driver = make();
    EXPECT_THAT(
        driver->initialize(),
        FailsWith(ErrorCode::kConflict, "`nft delete table netdev pxegate`"));
    EXPECT_THAT(driver->tear_down(), Succeeds());
    EXPECT_EQ(nft("list ruleset"), before);
    nft("delete table netdev pxegate");
    EXPECT_THAT(driver->initialize(), Succeeds());
    EXPECT_THAT(driver->tear_down(), Succeeds());
  }
}

TEST_F(NftablesConflictTest, ATableThatBecameSomebodyElsesIsLeftAlone) {
  auto driver = started(usual());
  nft("delete table netdev pxegate; add table netdev pxegate; "
      "add chain netdev pxegate mine");
  const std::string before = nft("list ruleset");
  EXPECT_THAT(driver->sync(usual()), FailsWith(ErrorCode::kConflict, ""));
  EXPECT_EQ(nft("list ruleset"), before);
}

TEST_F(NftablesConflictTest, TwoControllersCannotKeepOneTable) {
  auto first = started(usual(kAllow));
  auto second = make();
  EXPECT_THAT(
      second->initialize(),
      FailsWith(ErrorCode::kConflict, fmt::format("process {}", ::getpid())));
  EXPECT_THAT(second->tear_down(), FailsWith(ErrorCode::kConflict, "process"));
  EXPECT_FALSE(passes(kDenied));
  first->shut_down();
  EXPECT_THAT(second->initialize(), Succeeds());
}

TEST_F(NftablesConflictTest, TablesOfOtherNamesDoNotMeet) {
  auto first = started(usual());
  auto second = make_nftables_driver({.interfaces = {"eth1"}, .table = "b-2"});
  EXPECT_THAT(second->initialize(), Succeeds());
  EXPECT_THAT(second->sync(usual(kAllow)), Succeeds());
  EXPECT_EQ(first->installed().value(), *usual().policy);
  EXPECT_FALSE(first->sync(usual()).value().changed());
}

TEST_F(NftablesConflictTest, NamesThatNftCannotWriteAreInvalid) {
  for (const char* table : {"", "1a", "a b", "a;b", "a}"}) {
    auto driver =
        make_nftables_driver({.interfaces = {"eth1"}, .table = table});
    EXPECT_THAT(driver->initialize(), FailsWith(ErrorCode::kInvalid, "table"));
    EXPECT_THAT(driver->tear_down(), FailsWith(ErrorCode::kInvalid, "table"));
    EXPECT_THAT(driver->installed(), FailsWith(ErrorCode::kInvalid, "table"));
  }
  EXPECT_THAT(make({"eth\""})->initialize(),
              FailsWith(ErrorCode::kInvalid, "[nftables] interfaces"));
}

// What a child process, forked off, made of `body`.
std::string in_child(const std::function<std::string()>& body) {
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe(ends.data()), 0);
  const UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  const pid_t child = ::fork();
  if (child == 0) {
    const std::string said = body();
    const ssize_t written = ::write(ends[1], said.data(), said.size());
    ::_exit(written == static_cast<ssize_t>(said.size()) ? 0 : 1);
  }
  write_end.reset();
  std::string said;
  std::array<char, 4096> buffer{};
  for (ssize_t n = 0;
       (n = ::read(read_end.get(), buffer.data(), buffer.size())) > 0;) {
    said.append(buffer.data(), static_cast<std::size_t>(n));
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  return said;
}

constexpr uid_t kNobody = 65534;

// Leaves the process (a child) one capability only, or none.
std::string become(uid_t uid, int capability) {
  if (::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return "PR_SET_KEEPCAPS";
  if (::setgroups(0, nullptr) != 0) return "setgroups";
  if (::setresgid(uid, uid, uid) != 0) return "setresgid";
  if (::setresuid(uid, uid, uid) != 0) return "setresuid";
  std::array<__user_cap_data_struct, 2> data{};
  if (capability >= 0) {
    data[0].effective = data[0].permitted = 1U << capability;
  }
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  if (::syscall(SYS_capset, &header, data.data()) != 0) return "capset";
  return {};
}

template <typename T>
std::string told(const Result<T>& result) {
  if (result) return "succeeds";
  return fmt::format("{}: {}", to_string(result.error().code()),
                     result.error().message());
}

using NftablesPrivilegeTest = NftablesTest;

TEST_F(NftablesPrivilegeTest, WithoutTheCapabilityTheErrorNamesIt) {
  const std::string said = in_child([] {
    const std::string failed = become(0, -1);
    return failed.empty() ? told(make()->initialize()) : failed;
  });
  EXPECT_THAT(said, StartsWith("permission:"));
  EXPECT_THAT(said, HasSubstr("CAP_NET_ADMIN"));
}

TEST_F(NftablesPrivilegeTest, TheCapabilityIsEnough) {
  EXPECT_EQ(in_child([] {
              const std::string failed = become(kNobody, CAP_NET_ADMIN);
              if (!failed.empty()) return failed;
              auto driver = make();
              std::string said = told(driver->initialize()) + ", ";
              return said += told(driver->sync(usual()));
            }),
            "succeeds, succeeds");
  EXPECT_FALSE(passes(kDenied));
}

// Any user can take the name of the lock.
TEST_F(NftablesPrivilegeTest, AnotherUserCannotKeepTheFilterFromStarting) {
  std::array<int, 2> ready{};
  ASSERT_EQ(::pipe(ready.data()), 0);
  const pid_t squatter = ::fork();
  if (squatter == 0) {
    if (!become(kNobody, -1).empty()) ::_exit(1);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string name = "pxegate-nftables-pxegate";
    std::ranges::copy(name, address.sun_path + 1);
    const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
    if (::bind(socket, reinterpret_cast<const sockaddr*>(&address),
               static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 +
                                      name.size())) != 0 ||
        ::listen(socket, 1) != 0 || ::write(ready[1], "x", 1) != 1) {
      ::_exit(1);
    }
    ::pause();
    ::_exit(0);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  auto driver = make();
  EXPECT_THAT(driver->initialize(), Succeeds());
  EXPECT_THAT(driver->sync(usual()), Succeeds());
  ::kill(squatter, SIGKILL);
  ::waitpid(squatter, nullptr, 0);
  ::close(ready[0]);
  ::close(ready[1]);
}

}  // namespace
}  // namespace pxegate::testing
