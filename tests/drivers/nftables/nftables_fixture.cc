// SPDX-License-Identifier: Apache-2.0
#include "tests/drivers/nftables/nftables_fixture.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

#include "controller/base/command_runner.h"
#include "drivers/nftables/nft_context.h"

namespace pxegate::testing {
namespace {

constexpr std::uint16_t kMarkerPort = 9;  // discard

Result<UniqueFd> udp_socket(std::uint16_t port, const std::string& interface) {
  UniqueFd socket(
      ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_errno("UDP socket", errno);
  const int size = 8 << 20;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  ::setsockopt(socket.get(), SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
  ::setsockopt(socket.get(), SOL_SOCKET, SO_BINDTODEVICE, interface.c_str(),
               static_cast<socklen_t>(interface.size()));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address),
             sizeof(address)) != 0) {
    return fail_errno(fmt::format("UDP port {}", port), errno);
  }
  return socket;
}

bool take_datagram(int socket) {
  std::array<char, 4096> datagram{};
  return ::recv(socket, datagram.data(), datagram.size(), 0) >= 0;
}

}  // namespace

std::string nft(const std::string& script) {
  SystemCommandRunner runner;
  auto output = runner.run({.argv = {"nft", "-f", "-"}, .input = script});
  if (!output) {
    ADD_FAILURE() << output.error().message();
    return {};
  }
  EXPECT_EQ(output->exit_status, 0) << script << ": " << output->err;
  return output->out;
}

Result<UdpServer> UdpServer::open(const std::string& interface) {
  auto far = FrameSocket::open(peer_of(interface));
  if (!far) return fail(far.error());
  auto server = udp_socket(67, interface);
  if (!server) return fail(server.error());
  auto marker = udp_socket(kMarkerPort, interface);
  if (!marker) return fail(marker.error());
  return UdpServer(std::move(*far), std::move(*server), std::move(*marker));
}

bool UdpServer::receives(const std::vector<Bytes>& frames) {
  arrivals();  // the wire works from here on
  for (const Bytes& frame : frames) {
    auto sent = far_.send(frame);
    EXPECT_TRUE(sent) << sent.error().message();
  }
  return arrivals() > 0;
}

// The veth pair has one queue, so what was sent before the marker arrived
// before it. Sent again where it got lost, as by an interface that just came
// up.
std::size_t UdpServer::arrivals() {
  const Bytes marker =
      (Ethernet{} / Ipv4{} / Udp{.destination = kMarkerPort} / Raw{Bytes(32)})
          .bytes();
  std::size_t count = 0;
  while (take_datagram(marker_.get())) {
  }
  for (int i = 0; i < 100; ++i) {
    auto sent = far_.send(marker);
    EXPECT_TRUE(sent) << sent.error().message();
    pollfd waiting{.fd = marker_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, 100) > 0 && take_datagram(marker_.get())) {
      while (take_datagram(server_.get())) ++count;
      return count;
    }
  }
  ADD_FAILURE() << "the marker did not arrive";
  return count;
}

void NftablesTest::SetUp() {
  auto network = NetNamespace::enter();
  if (!network) GTEST_SKIP() << network.error().message();
  network_.emplace(std::move(*network));
  if (auto usable = nft_generation(); !usable) {
    GTEST_SKIP() << usable.error().message();
  }
  ASSERT_THAT(add_veth("eth1"), Succeeds());
}

std::unique_ptr<FilterDriver> NftablesTest::started(
    const Snapshot& policy, std::vector<std::string> interfaces) {
  auto driver = make(std::move(interfaces));
  EXPECT_THAT(driver->initialize(), Succeeds());
  EXPECT_THAT(driver->sync(policy), Succeeds());
  return driver;
}

bool NftablesTest::passes(const Mac& mac, const std::string& interface) {
  auto server = UdpServer::open(interface);
  if (!server) {
    ADD_FAILURE() << server.error().message();
    return false;
  }
  return server->receives({discover(mac)});
}

bool wait_woken(FilterDriver& driver) {
  for (int i = 0; i < 100; ++i) {
    pollfd waiting{.fd = driver.wake_fd(), .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, 100) > 0 && driver.woken()) return true;
  }
  return false;
}

DriverTarget target_of(const FilterDriver& driver, const std::string& name) {
  for (const DriverTarget& target : driver.status().targets) {
    if (target.name == name) return target;
  }
  ADD_FAILURE() << "no target " << name;
  return {};
}

std::uint64_t packets(const FilterDriver& driver, Verdict verdict,
                      const std::string& reason) {
  auto seen = driver.observe();
  EXPECT_THAT(seen, Succeeds());
  if (!seen) return 0;
  for (const CounterRecord& counter : seen->counters) {
    if (counter.verdict == verdict && counter.reason == reason) {
      return counter.packets;
    }
  }
  return 0;
}

std::uint32_t generation() {
  auto now = nft_generation();
  EXPECT_THAT(now, Succeeds());
  return now.value_or(0);
}

}  // namespace pxegate::testing
