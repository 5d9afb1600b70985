// SPDX-License-Identifier: Apache-2.0
//
// [xdp] attach = dispatcher, beside the real xdp-filter and xdpdump.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <net/if.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <sstream>
#include <thread>

#include "controller/base/command_runner.h"
#include "controller/base/log.h"
#include "drivers/xdp/dispatcher.h"
#include "tests/drivers/xdp/xdp_fixture.h"

namespace pxegate::testing {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr const char* kAlone = "native (dispatcher)";
constexpr const char* kBesideFilter =
    "native (dispatcher, beside xdpfilt_alw_eth)";

CommandOutput run(const std::string& words) {
  Command command;
  std::istringstream stream(words);
  for (std::string word; stream >> word;) command.argv.push_back(word);
  SystemCommandRunner runner;
  auto output = runner.run(command);
  if (!output) {
    ADD_FAILURE() << words << ": " << output.error().message();
    return {.exit_status = -1, .out = {}, .err = {}};
  }
  return *output;
}

void must(const std::string& words) {
  const CommandOutput output = run(words);
  EXPECT_EQ(output.exit_status, 0) << words << ": " << output.out << output.err;
}

std::string text_of(const Mac& mac) {
  return fmt::format("{:02x}", fmt::join(mac, ":"));
}

class XdpDispatcherTest : public XdpTest {
 protected:
  void SetUp() override {
    XdpTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    static const std::string why_not = probe();
    if (why_not.find("freplace") != std::string::npos) GTEST_SKIP() << why_not;
    ASSERT_EQ(why_not, "");
    before_ = dispatchers();
  }
  void TearDown() override {
    if (network_) {
      for (const char* name : {"eth1", "eth2", "prov0"}) {
        if (::if_nametoindex(name) != 0) {
          run(fmt::format("xdp-loader unload {} --all", name));
        }
      }
    }
    std::error_code ignored;
    std::filesystem::remove_all("/sys/fs/bpf/xdp-filter", ignored);
    XdpTest::TearDown();
  }

  // Why there is no dispatcher here; empty where there is. Once for all tests:
  // where it is emulated, loading takes seconds.
  std::string probe() const {
    auto driver = make_xdp_driver(shared());
    auto done = driver->initialize();
    const std::string detail =
        done ? target_of(*driver).detail : done.error().message();
    EXPECT_THAT(driver->tear_down(), Succeeds());
    return detail;
  }

  XdpOptions shared(std::vector<std::string> interfaces = {"eth1"}) const {
    XdpOptions result = options(std::move(interfaces));
    result.attach = XdpAttach::kDispatcher;
    return result;
  }

  // xdp-filter, which lets in what it is not told to keep out.
  void load_filter(const std::string& interface = "eth1") const {
    must("xdp-filter load --mode native --features ethernet " + interface);
  }
  void filter_denies(const Mac& mac) const {
    must("xdp-filter ether --mode src " + text_of(mac));
  }

  std::vector<std::string> called(const std::string& interface = "eth1") const {
    std::vector<std::string> names;
    const auto running = query_dispatcher(::if_nametoindex(interface.c_str()));
    if (!running) return names;
    for (const DispatchedProgram& program : running->programs) {
      names.push_back(program.name);
    }
    return names;
  }

  // What libxdp has pinned since this test began.
  std::vector<std::string> dispatchers() const {
    std::vector<std::string> names;
    std::error_code error;
    for (std::filesystem::directory_iterator it("/sys/fs/bpf/xdp", error), end;
         !error && it != end; it.increment(error)) {
      const std::string path = it->path();
      if (it->path().filename().string().starts_with("dispatch-") &&
          std::ranges::find(before_, path) == before_.end()) {
        names.push_back(path);
      }
    }
    return names;
  }

  // That machine's requests that got in, of those counted for it.
  std::uint64_t seen(const FilterDriver& driver, const Mac& mac) const {
    const auto observed = driver.observe();
    if (!observed) return 0;
    for (const auto& client : observed->clients) {
      if (client.address == text_of(mac)) {
        return client.count;
      }
    }
    return 0;
  }

  std::vector<std::string> before_;
};

TEST_F(XdpDispatcherTest, FiltersAsItDoesAlone) {
  auto driver = started(usual(), shared());
  EXPECT_TRUE(driver->status().healthy);
  EXPECT_EQ(target_of(*driver).mode, kAlone);
  EXPECT_THAT(called(), ElementsAre("pxe_filter"));
  EXPECT_FALSE(passes(kDenied));
  EXPECT_FALSE(passes(kUnknown));
  EXPECT_TRUE(passes(kAllowed));
  EXPECT_EQ(seen(*driver, kDenied), 1U);
  // The maps are those that the sync writes.
  ASSERT_THAT(driver->sync(snapshot({{kAllowed, kDeny}}, kAllow)), Succeeds());
  EXPECT_FALSE(passes(kAllowed));
  EXPECT_TRUE(passes(kUnknown));
  EXPECT_FALSE(driver->sync(snapshot({{kAllowed, kDeny}}, kAllow))->changed());
}

TEST_F(XdpDispatcherTest, BothFilterWhereXdpFilterComesLater) {
  auto driver = started(usual(kAllow), shared());
  load_filter();
  filter_denies(kUnknown);
  EXPECT_EQ(target_of(*driver).mode, kBesideFilter);
  EXPECT_THAT(called(), ElementsAre("pxe_filter", "xdpfilt_alw_eth"));
  EXPECT_TRUE(passes(kAllowed));
  EXPECT_FALSE(passes(kDenied)) << "ours to deny";
  EXPECT_FALSE(passes(kUnknown)) << "xdp-filter's to deny";
  EXPECT_EQ(seen(*driver, kUnknown), 1U) << "not asked first";
  EXPECT_FALSE(driver->sync(usual(kAllow))->changed());
}

TEST_F(XdpDispatcherTest, BothFilterWhereXdpFilterWasThereFirst) {
  load_filter();
  filter_denies(kUnknown);
  auto driver = started(usual(kAllow), shared());
  EXPECT_EQ(target_of(*driver).mode, kBesideFilter);
  EXPECT_THAT(called(), ElementsAre("pxe_filter", "xdpfilt_alw_eth"));
  EXPECT_TRUE(passes(kAllowed));
  EXPECT_FALSE(passes(kDenied));
  EXPECT_FALSE(passes(kUnknown));
  EXPECT_EQ(seen(*driver, kUnknown), 1U) << "not asked first";
}

TEST_F(XdpDispatcherTest, NothingSlipsThroughWhileXdpFilterComesAndGoes) {
  auto driver = started(usual(), shared());
  Wire wire = Wire::open("eth1").value();
  Flood flood(peer_of("eth1"), discover(kDenied));
  for (int i = 0; i < 5; ++i) {
    load_filter();
    ASSERT_TRUE(flood.wait_for(20));
    if (i % 2 == 0) {
      ASSERT_THAT(driver->sync(usual()), Succeeds());
    }
    must("xdp-filter unload eth1");
    ASSERT_TRUE(flood.wait_for(20));
    EXPECT_EQ(target_of(*driver).mode, kAlone);
  }
  flood.stop();
  EXPECT_THAT(wire.arrivals(), IsEmpty());
  EXPECT_THAT(dispatchers(), ::testing::SizeIs(1));
}

TEST_F(XdpDispatcherTest, NothingIsLostWhileControllersAndXdpFilterComeAndGo) {
  auto driver = started(usual(), shared());
  Wire wire = Wire::open("eth1").value();
  FrameSocket far = FrameSocket::open(peer_of("eth1")).value();
  std::atomic<bool> done{false};
  std::uint64_t sent = 0;
  // Slowly enough for the queue.
  std::thread sender([&] {
    while (!done) {
      if (far.send(discover(kAllowed))) ++sent;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  });
  std::uint64_t arrived = 0;
  for (int i = 0; i < 2; ++i) {
    load_filter();
    driver.reset();
    driver = started(usual(), shared());
    arrived += wire.arrivals().size();
    must("xdp-filter unload eth1");
    driver.reset();
    driver = started(usual(), shared());
    arrived += wire.arrivals().size();
  }
  done = true;
  sender.join();
  arrived += wire.arrivals().size();
  EXPECT_GT(sent, 100U);
  EXPECT_EQ(arrived, sent);
}

TEST_F(XdpDispatcherTest, ARestartPutsTheNewProgramInBeforeTheOldOneGoes) {
  load_filter();
  started(usual(kAllow), shared()).reset();
  EXPECT_FALSE(passes(kDenied)) << "without a controller";
  EXPECT_TRUE(passes(kUnknown)) << "without a controller";
  Wire wire = Wire::open("eth1").value();
  Flood flood(peer_of("eth1"), discover(kDenied));
  for (int i = 0; i < 4; ++i) {
    auto driver = make_xdp_driver(shared());
    ASSERT_THAT(driver->initialize(), Succeeds());
    ASSERT_TRUE(flood.wait_for(20));
    if (i == 0) continue;
    ASSERT_THAT(driver->sync(usual(kAllow)), Succeeds());
    if (i == 1) driver->shut_down();
    if (i == 2) driver->reset();
    ASSERT_TRUE(flood.wait_for(20));
    EXPECT_THAT(called(), ElementsAre("pxe_filter", "xdpfilt_alw_eth"));
  }
  flood.stop();
  EXPECT_THAT(wire.arrivals(), IsEmpty());
}

// At any moment, also between the new program's coming and the old one's
// going.
TEST_F(XdpDispatcherTest, AKilledControllerLeavesTheFilterAndNoRubbish) {
  started(usual(), shared()).reset();
  Wire wire = Wire::open("eth1").value();
  Flood flood(peer_of("eth1"), discover(kDenied));
  std::uint64_t took = 0;
  for (int i = 0; i < 8; ++i) {
    const auto began = std::chrono::steady_clock::now();
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      auto driver = make_xdp_driver(shared());
      ::_exit(driver->initialize() ? 0 : 1);
    }
    // The first tells how long it takes; the attaching comes last.
    if (i > 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(
          took * static_cast<std::uint64_t>(100 - 4 * (i - 1)) / 100));
      ::kill(child, SIGKILL);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    if (i == 0) {
      ASSERT_EQ(status, 0);
      took = static_cast<std::uint64_t>(
          std::chrono::duration_cast<std::chrono::milliseconds>(
              std::chrono::steady_clock::now() - began)
              .count());
    }
    ASSERT_TRUE(flood.wait_for(20));
  }
  auto next = started(usual(), shared());
  flood.stop();
  EXPECT_THAT(wire.arrivals(), IsEmpty());
  EXPECT_THAT(called(), ElementsAre("pxe_filter"));
}

// As a controller leaves them that is killed between the two.
TEST_F(XdpDispatcherTest, ASecondProgramOfAnEarlierControllerIsRemoved) {
  started(usual(), shared()).reset();
  // Another slot does not know the first one's pin, but the first one's maps.
  {
    const PinDirectory pins(pin_path_);
    const auto running = query_dispatcher(::if_nametoindex("eth1"));
    ASSERT_TRUE(running);
    ASSERT_EQ(::unlink(link_pin().c_str()), 0);
  }
  auto next = started(usual(), shared());
  EXPECT_THAT(called(), ElementsAre("pxe_filter"));
  EXPECT_FALSE(passes(kDenied));
}

TEST_F(XdpDispatcherTest, TearDownLeavesTheOthers) {
  load_filter();
  filter_denies(kUnknown);
  auto driver = started(usual(kAllow), shared());
  ASSERT_THAT(driver->tear_down(), Succeeds());
  EXPECT_THAT(called(), ElementsAre("xdpfilt_alw_eth"));
  EXPECT_THAT(pins(), IsEmpty());
  EXPECT_TRUE(passes(kDenied));
  EXPECT_FALSE(passes(kUnknown)) << "xdp-filter's to deny";
}

TEST_F(XdpDispatcherTest, TearDownByAnotherProcessFindsIt) {
  started(usual(), shared()).reset();
  // Also by whom no option tells how it was attached.
  ASSERT_THAT(make()->tear_down(), Succeeds());
  EXPECT_EQ(program_id(), 0U);
  EXPECT_THAT(pins(), IsEmpty());
  EXPECT_THAT(dispatchers(), IsEmpty());
}

TEST_F(XdpDispatcherTest, TearDownFindsItWithoutItsPin) {
  started(usual(), shared()).reset();
  ASSERT_EQ(::unlink(link_pin().c_str()), 0);
  ASSERT_THAT(make()->tear_down(), Succeeds());
  EXPECT_EQ(program_id(), 0U);
  EXPECT_THAT(pins(), IsEmpty());
}

TEST_F(XdpDispatcherTest, SomebodysUnloadingOfAllIsPutRightAtOnce) {
  auto driver = started(usual(), shared());
  driver->woken();
  must("xdp-loader unload eth1 --all");
  EXPECT_TRUE(passes(kDenied));
  EXPECT_FALSE(driver->status().healthy);
  ASSERT_TRUE(wait_woken(*driver));
  EXPECT_FALSE(passes(kDenied));
  auto report = driver->sync(usual());
  ASSERT_THAT(report, Succeeds());
  EXPECT_THAT(report->repaired,
              ElementsAre(HasSubstr("eth1 was no longer filtered")));
  EXPECT_FALSE(driver->sync(usual())->changed());
}

// libxdp 1.3 leaves some open at each of its calls.
TEST_F(XdpDispatcherTest, NoDescriptorsAreLeftOpen) {
  auto driver = started(usual(), shared());
  const auto open_now = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                         std::filesystem::directory_iterator());
  };
  const auto before = open_now();
  for (int i = 0; i < 3; ++i) {
    driver->status();
    ASSERT_THAT(driver->sync(usual()), Succeeds());
    load_filter();
    ASSERT_THAT(driver->sync(usual()), Succeeds());
    must("xdp-loader unload eth1 --all");
    ASSERT_THAT(driver->sync(usual()), Succeeds());
    ASSERT_TRUE(target_of(*driver).active);
  }
  EXPECT_EQ(open_now(), before);
  driver->reset();
  ASSERT_THAT(driver->initialize(), Succeeds());
  EXPECT_EQ(open_now(), before);
}

TEST_F(XdpDispatcherTest, WithoutLibxdpsPinsTheFilterIsInForceAllTheSame) {
  auto driver = started(usual(kAllow), shared());
  for (const std::string& directory : dispatchers()) {
    std::filesystem::remove_all(directory);
  }
  EXPECT_FALSE(passes(kDenied));
  EXPECT_TRUE(passes(kUnknown));
  EXPECT_TRUE(driver->status().healthy);
  EXPECT_FALSE(driver->sync(usual(kAllow))->changed());
  // Nothing can be added to such a dispatcher.
  driver.reset();
  auto next = started(usual(kAllow), shared());
  EXPECT_THAT(target_of(*next).detail, HasSubstr("xdp-loader unload eth1"));
  EXPECT_FALSE(passes(kDenied));
  must("xdp-loader unload eth1 --all");
  ASSERT_THAT(next->sync(usual(kAllow)), Succeeds());
  EXPECT_EQ(target_of(*next).detail, "");
  EXPECT_FALSE(passes(kDenied));
}

TEST_F(XdpDispatcherTest, AProgramThatIsNoDispatcherIsRefused) {
  const UniqueFd other = foreign_program();
  const auto index = static_cast<int>(::if_nametoindex("eth1"));
  ASSERT_EQ(::bpf_xdp_attach(index, other.get(), 0, nullptr), 0);
  auto driver = make_xdp_driver(shared());
  EXPECT_THAT(driver->initialize(),
              FailsWith(ErrorCode::kConflict, "other_owner"));
  EXPECT_THAT(driver->initialize().error().message(),
              HasSubstr("ip link set dev eth1 xdp off"));
  ASSERT_EQ(::bpf_xdp_detach(index, 0, nullptr), 0);
  EXPECT_THAT(driver->initialize(), Succeeds());
}

TEST_F(XdpDispatcherTest, ExclusiveRefusesADispatcherAndSaysHowToShareIt) {
  load_filter();
  EXPECT_THAT(make()->initialize(),
              FailsWith(ErrorCode::kConflict, "[xdp] attach = dispatcher"));
}

TEST_F(XdpDispatcherTest, TheWayOfAttachingCanChangeBetweenRuns) {
  for (const bool share : {false, true, false, true, true}) {
    auto driver = started(usual(kAllow), share ? shared() : options());
    EXPECT_EQ(target_of(*driver).mode, share ? kAlone : "native");
    EXPECT_EQ(target_of(*driver).detail, "");
    EXPECT_TRUE(driver->status().healthy);
    EXPECT_FALSE(passes(kDenied));
    EXPECT_TRUE(passes(kUnknown));
    EXPECT_FALSE(driver->sync(usual(kAllow))->changed());
    EXPECT_THAT(dispatchers(), ::testing::SizeIs(share ? 1 : 0));
  }
}

// The programs that are not ours would go with the dispatcher.
TEST_F(XdpDispatcherTest, ItStaysInTheDispatcherAsLongAsOthersAreThere) {
  load_filter();
  started(usual(), shared()).reset();
  auto driver = started(usual(), options());
  EXPECT_EQ(target_of(*driver).mode, kBesideFilter);
  EXPECT_THAT(target_of(*driver).detail, HasSubstr("xdpfilt_alw_eth"));
  EXPECT_FALSE(passes(kDenied));
  must("xdp-filter unload eth1");
  ASSERT_THAT(driver->sync(usual()), Succeeds());
  EXPECT_EQ(target_of(*driver).mode, "native");
  EXPECT_EQ(target_of(*driver).detail, "");
  EXPECT_FALSE(passes(kDenied));
}

TEST_F(XdpDispatcherTest, GenericModeIsShared) {
  XdpOptions skb = shared();
  skb.mode = XdpAttachMode::kSkb;
  auto driver = started(usual(), skb);
  must("xdp-filter load --mode skb --features ethernet eth1");
  EXPECT_EQ(target_of(*driver).mode,
            "skb (dispatcher, beside xdpfilt_alw_eth)");
  EXPECT_FALSE(passes(kDenied));
  EXPECT_TRUE(passes(kAllowed));
  // The mode is everybody's.
  driver.reset();
  driver = started(usual(), shared());
  EXPECT_THAT(target_of(*driver).mode, HasSubstr("skb"));
  XdpOptions native = shared();
  native.mode = XdpAttachMode::kNative;
  driver.reset();
  driver = started(usual(), native);
  EXPECT_THAT(target_of(*driver).detail,
              AllOf(HasSubstr("xdpfilt_alw_eth"), HasSubstr("skb mode")));
  EXPECT_FALSE(passes(kDenied));
  must("xdp-filter unload eth1");
  driver.reset();
  driver = started(usual(), native);
  EXPECT_EQ(target_of(*driver).mode, kAlone);
  EXPECT_FALSE(passes(kDenied));
}

TEST_F(XdpDispatcherTest, AnInterfaceThatIsMadeAnewIsAttachedAgain) {
  auto driver = started(usual(), shared());
  ASSERT_THAT(ip_command("link del eth1"), Succeeds());
  ASSERT_THAT(add_veth("eth1"), Succeeds());
  ASSERT_TRUE(wait_woken(*driver));
  EXPECT_TRUE(eventually([&] { return target_of(*driver).active; }));
  EXPECT_FALSE(passes(kDenied));
  EXPECT_TRUE(passes(kAllowed));
  ASSERT_THAT(driver->sync(usual()), Succeeds());
  EXPECT_THAT(dispatchers(), ::testing::SizeIs(1)) << "of a gone interface";
}

TEST_F(XdpDispatcherTest, InterfacesThatSwapNamesBetweenRunsStayFiltered) {
  ASSERT_THAT(add_veth("eth2"), Succeeds());
  started(usual(kAllow), shared({"eth1", "eth2"})).reset();
  for (const char* change :
       {"eth1 down", "eth2 down", "eth1 name eth3", "eth2 name eth1",
        "eth3 name eth2", "eth1 up", "eth2 up"}) {
    ASSERT_THAT(ip_command(fmt::format("link set {}", change)), Succeeds());
  }
  for (const char* change :
       {"eth1-peer down", "eth2-peer down", "eth1-peer name eth3-peer",
        "eth2-peer name eth1-peer", "eth3-peer name eth2-peer", "eth1-peer up",
        "eth2-peer up"}) {
    ASSERT_THAT(ip_command(fmt::format("link set {}", change)), Succeeds());
  }
  // What was eth1, and is eth2 now, is let go.
  auto driver = started(usual(kAllow), shared());
  EXPECT_FALSE(passes(kDenied, "eth1"));
  EXPECT_TRUE(passes(kUnknown, "eth1"));
  EXPECT_THAT(called("eth1"), ElementsAre("pxe_filter"));
  EXPECT_EQ(program_id("eth2"), 0U);
  EXPECT_THAT(pins(), Not(Contains("links/eth2")));
}

TEST_F(XdpDispatcherTest, AnInterfaceThatIsRenamedBetweenRunsStaysFiltered) {
  started(usual(kAllow), shared()).reset();
  for (const char* change : {"eth1 down", "eth1 name prov0", "prov0 up"}) {
    ASSERT_THAT(ip_command(fmt::format("link set {}", change)), Succeeds());
  }
  auto driver = started(usual(kAllow), shared({"prov0"}));
  EXPECT_EQ(target_of(*driver, "prov0").mode, kAlone);
  EXPECT_THAT(called("prov0"), ElementsAre("pxe_filter"));
  EXPECT_THAT(pins(), Not(Contains("links/eth1")));
  EXPECT_THAT(pins(), Contains("links/prov0"));
}

TEST_F(XdpDispatcherTest, LargeFramesAreTakenAndTheirRefuserIsKeptOut) {
  for (const char* name : {"eth1", "eth1-peer"}) {
    ASSERT_THAT(ip_command(fmt::format("link set {} mtu 9000", name)),
                Succeeds());
  }
  auto driver = started(usual(), shared());
  EXPECT_EQ(target_of(*driver).mode, kAlone);
  EXPECT_FALSE(passes(kDenied));
  EXPECT_NE(
      run("xdp-filter load --mode native --features ethernet eth1").exit_status,
      0)
      << "xdp-filter takes multi-buffer frames now: say so in the README";
  EXPECT_EQ(target_of(*driver).mode, kAlone);
  EXPECT_FALSE(passes(kDenied));
  EXPECT_TRUE(passes(kAllowed));
}

TEST_F(XdpDispatcherTest, XdpdumpSeesWhatIsDroppedAndWhatIsNot) {
  auto driver = started(usual(), shared());
  load_filter();
  const std::string file = fmt::format("/tmp/pxegate-xdpdump-{}", ::getpid());
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::execlp("xdpdump", "xdpdump", "--interface", "eth1", "--rx-capture",
             "entry,exit", "--hex", "--write", file.c_str(), nullptr);
    ::_exit(127);
  }
  std::error_code error;
  EXPECT_TRUE(eventually([&] {
    passes(kDenied);
    passes(kAllowed);
    // Its header alone is shorter.
    return std::filesystem::file_size(file, error) > 4096 && !error;
  }));
  EXPECT_FALSE(passes(kDenied));
  EXPECT_TRUE(passes(kAllowed));
  ASSERT_THAT(driver->sync(usual()), Succeeds());
  EXPECT_EQ(target_of(*driver).mode, kBesideFilter);
  ::kill(child, SIGINT);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  std::filesystem::remove(file, error);
  EXPECT_FALSE(passes(kDenied));
}

TEST_F(XdpDispatcherTest, OnExitDetachRemovesOnlyItself) {
  load_filter();
  XdpOptions leaving = shared();
  leaving.detach_on_exit = true;
  started(usual(), leaving)->shut_down();
  EXPECT_THAT(called(), ElementsAre("xdpfilt_alw_eth"));
  EXPECT_THAT(pins(), IsEmpty());
}

}  // namespace
}  // namespace pxegate::testing
