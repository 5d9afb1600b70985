// SPDX-License-Identifier: Apache-2.0
//
// What interfaces go through under traffic: large frames, ports of a bridge,
// names that are swapped, removal and return.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <iostream>
#include <thread>

#include "controller/base/command_runner.h"
#include "tests/drivers/xdp/xdp_fixture.h"

namespace pxegate::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// A DISCOVER that needs two pages, so that it comes in several buffers.
Bytes large_discover(const Mac& mac) {
  return (Ethernet{.source = mac} / Ipv4{} / Udp{} /
          Bootp{.chaddr = {mac.begin(), mac.end()}} / DhcpOptions{} /
          Raw{Bytes(8000)})
      .bytes();
}

Result<> set_mtu(const std::string& interface, int mtu) {
  for (const std::string& name : {interface, peer_of(interface)}) {
    if (auto done = ip_command(fmt::format("link set {} mtu {}", name, mtu));
        !done) {
      return done;
    }
  }
  return {};
}

// Counts the requests of `mac` that get into any interface, also one that does
// not exist yet.
class Ears {
 public:
  explicit Ears(Bytes frame)
      : frame_(std::move(frame)),
        socket_(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
                         htons(ETH_P_ALL))) {
    EXPECT_TRUE(socket_) << errno_error("packet socket", errno).message();
    const int size = 8 << 20;
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &size,
                 sizeof(size));
  }

  // Since the last call.
  int heard() const {
    int count = 0;
    Bytes frame(2048);
    for (;;) {
      frame.resize(2048);
      sockaddr_ll from{};
      socklen_t from_size = sizeof(from);
      const ssize_t size =
          ::recvfrom(socket_.get(), frame.data(), frame.size(), 0,
                     reinterpret_cast<sockaddr*>(&from), &from_size);
      if (size < 0 && errno == EAGAIN) return count;
      if (size < 0 || from.sll_pkttype == PACKET_OUTGOING) continue;
      frame.resize(static_cast<std::size_t>(size));
      if (frame == frame_) ++count;
    }
  }

 private:
  Bytes frame_;
  UniqueFd socket_;
};

class XdpInterfacesLoadTest : public XdpTest {
 protected:
  bool passes_large(const Mac& mac) const {
    return Wire::open("eth1").value().passes(large_discover(mac));
  }
};

TEST_F(XdpInterfacesLoadTest, LargeFramesAreJudged) {
  ASSERT_THAT(set_mtu("eth1", 9000), Succeeds());
  auto driver = started(usual());
  EXPECT_EQ(target_of(*driver).mode, "native");
  EXPECT_FALSE(passes_large(kDenied));
  EXPECT_FALSE(passes_large(kUnknown));
  EXPECT_TRUE(passes_large(kAllowed));
  EXPECT_FALSE(passes(kDenied));
}

TEST_F(XdpInterfacesLoadTest, LargeFramesAreJudgedWhereTheMtuIsRaisedLater) {
  auto driver = started(usual());
  const std::uint32_t link = link_id();
  ASSERT_THAT(set_mtu("eth1", 9000), Succeeds());
  EXPECT_FALSE(passes_large(kDenied));
  EXPECT_TRUE(passes_large(kAllowed));
  EXPECT_FALSE(driver->sync(usual())->changed());
  EXPECT_EQ(link_id(), link);
  driver.reset();
  driver = started(usual());  // that the MTU is large now must not matter
  EXPECT_EQ(target_of(*driver).mode, "native");
  EXPECT_FALSE(passes_large(kDenied));
  ASSERT_THAT(set_mtu("eth1", 1500), Succeeds());
  EXPECT_FALSE(passes(kDenied));
  EXPECT_TRUE(passes(kAllowed));
}

TEST_F(XdpInterfacesLoadTest, LargeFramesAreJudgedInGenericMode) {
  ASSERT_THAT(set_mtu("eth1", 9000), Succeeds());
  XdpOptions skb = options();
  skb.mode = XdpAttachMode::kSkb;
  auto driver = started(usual(), skb);
  EXPECT_FALSE(passes_large(kDenied));
  EXPECT_TRUE(passes_large(kAllowed));
}

TEST_F(XdpInterfacesLoadTest, APortOfABridgeFiltersWhatTheBridgeForwards) {
  ASSERT_THAT(add_veth("eth2"), Succeeds());
  for (const char* command :
       {"link add br0 type bridge", "link set br0 up",
        "link set eth1 master br0", "link set eth2 master br0"}) {
    ASSERT_THAT(ip_command(command), Succeeds());
  }
  auto driver = started(usual());
  EXPECT_EQ(target_of(*driver).mode, "native");
  // From one port's wire to the other's, and to the bridge itself.
  const auto far = FrameSocket::open(peer_of("eth1")).value();
  const auto other = FrameSocket::open(peer_of("eth2")).value();
  const auto bridge = FrameSocket::open("br0").value();
  const auto arrives = [&far](const FrameSocket& at, const Mac& mac) {
    const auto deadline =
        std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (at.receive(std::chrono::steady_clock::now())) {
    }
    // What is asked for comes before what is allowed.
    while (std::chrono::steady_clock::now() < deadline) {
      if (!far.send(discover(mac)) || !far.send(discover(kAllowed))) continue;
      bool found = false;
      while (auto got = at.receive(std::chrono::steady_clock::now() +
                                   std::chrono::milliseconds(100))) {
        if (*got == discover(mac)) found = true;
        if (*got == discover(kAllowed)) return found;
      }
    }
    ADD_FAILURE() << "the bridge forwards nothing";
    return false;
  };
  EXPECT_FALSE(arrives(other, kDenied));
  EXPECT_FALSE(arrives(bridge, kDenied));
  // It is the policy that kept it out.
  ASSERT_THAT(
      driver->sync(snapshot({{kAllowed, kAllow}, {kDenied, kAllow}}, kDeny)),
      Succeeds());
  EXPECT_TRUE(arrives(other, kDenied));
}

TEST_F(XdpInterfacesLoadTest, NamesThatAreSwappedUnderAControllerStayFiltered) {
  ASSERT_THAT(add_veth("eth2"), Succeeds());
  auto driver = started(usual(), options({"eth1", "eth2"}));
  const std::uint32_t first = link_id("eth1");
  const std::uint32_t second = link_id("eth2");
  Ears ears(discover(kDenied));
  {
    // Each wire carries on, whatever its ends are called.
    Flood one(peer_of("eth1"), discover(kDenied));
    Flood two(peer_of("eth2"), discover(kDenied));
    // A running interface may be renamed as well.
    for (const char* change :
         {"eth1 name eth3", "eth2 name eth1", "eth3 name eth2"}) {
      if (auto done = ip_command(fmt::format("link set {}", change)); !done) {
        GTEST_SKIP() << done.error().message();
      }
      driver->woken();
      ASSERT_TRUE(one.wait_for(20));
    }
    ASSERT_THAT(driver->sync(usual()), Succeeds());
    ASSERT_TRUE(one.wait_for(20));
    ASSERT_TRUE(two.wait_for(20));
  }
  EXPECT_TRUE(driver->status().healthy);
  EXPECT_EQ(link_id("eth1"), second);
  EXPECT_EQ(link_id("eth2"), first);
  EXPECT_EQ(ears.heard(), 0);
}

// A controller's thread: hears of interfaces, and attaches.
class Wakeful {
 public:
  explicit Wakeful(FilterDriver& driver)
      : thread_([&driver](const std::stop_token& stop) {
          while (!stop.stop_requested()) {
            pollfd waiting{
                .fd = driver.wake_fd(), .events = POLLIN, .revents = 0};
            if (::poll(&waiting, 1, 20) == 1) driver.woken();
          }
        }) {}

 private:
  std::jthread thread_;
};

// An interface is made down, and heard of. Who sets it up once the controller
// had its turn finds it filtered from the first frame on.
TEST_F(XdpInterfacesLoadTest, OneThatReturnsDownIsFilteredFromItsFirstFrameOn) {
  auto driver = started(usual());
  Ears ears(discover(kDenied));
  for (int i = 0; i < 10; ++i) {
    ASSERT_THAT(ip_command("link del eth1"), Succeeds());
    ASSERT_THAT(ip_command("link add eth1 type veth peer name eth1-peer"),
                Succeeds());
    ASSERT_TRUE(wait_woken(*driver));
    Flood flood(peer_of("eth1"), discover(kDenied));
    ASSERT_THAT(ip_command("link set eth1 up"), Succeeds());
    ASSERT_THAT(ip_command("link set eth1-peer up"), Succeeds());
    ASSERT_TRUE(flood.wait_for(200));
  }
  EXPECT_EQ(ears.heard(), 0);
  EXPECT_TRUE(passes(kAllowed));
}

// Where nobody waits for the controller it is a race, whose outcome is told
// here; but it ends.
TEST_F(XdpInterfacesLoadTest, OneThatReturnsUnderLoadIsFilteredAMomentLater) {
  auto driver = started(usual());
  Ears ears(discover(kDenied));
  constexpr int kTimes = 20;
  int through = 0;
  int times = 0;
  {
    const Wakeful controller(*driver);
    for (int i = 0; i < kTimes; ++i) {
      ASSERT_THAT(ip_command("link del eth1"), Succeeds());
      // In one process, to give the controller as little time as can be.
      Command made{.argv = {"ip", "-batch", "-"},
                   .input =
                       "link add eth1 up type veth peer name eth1-peer\n"
                       "link set eth1-peer up\n"};
      ASSERT_EQ(SystemCommandRunner().run(made)->exit_status, 0);
      Flood flood(peer_of("eth1"), discover(kDenied));
      ASSERT_TRUE(eventually([this] { return program_id("eth1") != 0; }));
      ASSERT_TRUE(flood.wait_for(50));
      const int now = ears.heard();
      through += now;
      times += now > 0 ? 1 : 0;
      ASSERT_TRUE(flood.wait_for(200));
      ASSERT_EQ(ears.heard(), 0) << "after it is filtered";
    }
  }
  std::cout << fmt::format(
      "made anew {} times under load: {} times a denied request got in before "
      "the program was attached, {} requests in all\n",
      kTimes, times, through);
  EXPECT_FALSE(passes(kDenied));
  EXPECT_TRUE(passes(kAllowed));
}

// Where a dispatcher cannot be had, what filters without one must go on.
TEST_F(XdpInterfacesLoadTest, ARefusedDispatcherLeavesTheInterfaceFiltered) {
  started(usual(kAllow)).reset();
  const std::uint32_t link = link_id();
  const std::uint32_t program = program_id();
  const std::string said = in_child([this] {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> data{};
    if (::syscall(SYS_capget, &header, data.data()) != 0) return std::string();
    data[0].effective &= ~(1U << CAP_SYS_ADMIN);
    data[0].permitted = data[0].effective;
    if (::syscall(SYS_capset, &header, data.data()) != 0) return std::string();
    XdpOptions shared = options();
    shared.attach = XdpAttach::kDispatcher;
    auto driver = make_xdp_driver(shared);
    if (auto done = driver->initialize(); !done) return done.error().message();
    return fmt::format("{}: {}", target_of(*driver).mode,
                       target_of(*driver).detail);
  });
  EXPECT_THAT(said, StartsWith("native: "));
  EXPECT_THAT(said, HasSubstr("CAP_SYS_ADMIN"));
  EXPECT_EQ(link_id(), link);
  EXPECT_NE(program_id(), program) << "it has to be kept up to date";
  EXPECT_FALSE(passes(kDenied));
  EXPECT_TRUE(passes(kUnknown));
}

}  // namespace
}  // namespace pxegate::testing
