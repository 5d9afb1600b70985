// SPDX-License-Identifier: Apache-2.0
#include "tests/support/netns.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sstream>
#include <utility>

#include "controller/base/command_runner.h"

namespace pxegate::testing {
namespace {

using std::chrono::steady_clock;
using namespace std::chrono_literals;

// IEEE 802 "local experimental" type: no protocol, so nobody answers.
constexpr std::uint16_t kMarkerType = 0x88b5;

Bytes marker_frame(std::uint64_t number) {
  Bytes payload(46);  // fills a frame of the least size
  std::memcpy(payload.data(), &number, sizeof(number));
  return (Ethernet{.type = kMarkerType} / Raw{payload}).bytes();
}

bool is_marker(const Bytes& frame) {
  return frame.size() > 14 && frame[12] == kMarkerType >> 8 &&
         frame[13] == (kMarkerType & 0xff);
}

void write_sysctl(const char* path, char value) {
  const UniqueFd file(::open(path, O_WRONLY | O_CLOEXEC));
  // A kernel without IPv6 has nothing to switch off.
  if (!file) return;
  EXPECT_EQ(::write(file.get(), &value, 1), 1) << path;
}

}  // namespace

Result<NetNamespace> NetNamespace::enter() {
  UniqueFd outside(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!outside) return fail_errno("/proc/thread-self/ns/net", errno);
  if (::unshare(CLONE_NEWNET) != 0) {
    return fail_errno("making a network namespace", errno);
  }
  NetNamespace entered(std::move(outside));
  write_sysctl("/proc/sys/net/ipv6/conf/all/disable_ipv6", '1');
  write_sysctl("/proc/sys/net/ipv6/conf/default/disable_ipv6", '1');
  return entered;
}

NetNamespace::~NetNamespace() {
  if (!outside_) return;
  EXPECT_EQ(::setns(outside_.get(), CLONE_NEWNET), 0);
}

Result<> ip_command(const std::string& arguments) {
  Command command;
  command.argv = {"ip"};
  std::istringstream words(arguments);
  for (std::string word; words >> word;) command.argv.push_back(word);
  SystemCommandRunner runner;
  auto output = runner.run(command);
  if (!output) return fail(output.error());
  if (output->exit_status == 0) return {};
  return fail(fmt::format("ip {}: {}", arguments, output->err));
}

Result<> add_veth(const std::string& name) {
  const std::string peer = peer_of(name);
  for (const std::string& arguments :
       {fmt::format("link add {} numtxqueues 1 numrxqueues 1 type veth peer "
                    "name {} numtxqueues 1 numrxqueues 1",
                    name, peer),
        "link set up dev " + name, "link set up dev " + peer}) {
    if (auto done = ip_command(arguments); !done) return done;
  }
  return {};
}

Result<FrameSocket> FrameSocket::open(const std::string& interface) {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
  if (address.sll_ifindex == 0) return fail_errno(interface, errno);
  // Without a protocol until it is bound: else it would hear all interfaces.
  UniqueFd socket(
      ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_errno("packet socket", errno);
  const int size = 8 << 20;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address),
             sizeof(address)) != 0) {
    return fail_errno("packet socket on " + interface, errno);
  }
  return FrameSocket(std::move(socket));
}

Result<> FrameSocket::send(const Bytes& frame) const {
  if (::send(socket_.get(), frame.data(), frame.size(), 0) < 0) {
    return fail_errno("sending a frame", errno);
  }
  return {};
}

std::optional<Bytes> FrameSocket::receive(
    steady_clock::time_point deadline) const {
  for (;;) {
    Bytes frame(9216);  // MTU 9000 and its headers
    sockaddr_ll from{};
    socklen_t from_size = sizeof(from);
    const ssize_t size =
        ::recvfrom(socket_.get(), frame.data(), frame.size(), 0,
                   reinterpret_cast<sockaddr*>(&from), &from_size);
    if (size >= 0) {
      if (from.sll_pkttype == PACKET_OUTGOING) continue;
      frame.resize(static_cast<std::size_t>(size));
      return frame;
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(
        deadline - steady_clock::now());
    // ENETDOWN tells once that the interface went down.
    const bool again = errno == EAGAIN || errno == EINTR || errno == ENETDOWN;
    if (!again || left <= 0ms) return std::nullopt;
    pollfd waiting{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    ::poll(&waiting, 1, static_cast<int>(left.count()));
  }
}

Result<Wire> Wire::open(const std::string& interface) {
  auto near = FrameSocket::open(interface);
  if (!near) return fail(near.error());
  auto far = FrameSocket::open(peer_of(interface));
  if (!far) return fail(far.error());
  return Wire(std::move(*near), std::move(*far));
}

bool Wire::passes(const Bytes& frame) {
  arrivals();  // the wire works from here on
  auto sent = far_.send(frame);
  EXPECT_TRUE(sent) << sent.error().message();
  return std::ranges::count(arrivals(), frame) > 0;
}

// A marker is sent again where it got lost: a flood before may have filled the
// queue, and an interface that just came up drops what it is given until the
// kernel has noticed its carrier.
std::vector<Bytes> Wire::arrivals() {
  const Bytes marker = marker_frame(++marker_);
  const auto deadline = steady_clock::now() + 10s;
  std::vector<Bytes> frames;
  while (steady_clock::now() < deadline) {
    auto sent = far_.send(marker);
    EXPECT_TRUE(sent) << sent.error().message();
    while (auto got = near_.receive(steady_clock::now() + 100ms)) {
      if (*got == marker) return frames;
      if (!is_marker(*got)) frames.push_back(std::move(*got));
    }
  }
  ADD_FAILURE() << "the marker did not arrive";
  return frames;
}

Flood::Flood(const std::string& interface, Bytes frame)
    : thread_([this, interface,
               frame = std::move(frame)](const std::stop_token& stop) {
        auto socket = FrameSocket::open(interface);
        if (!socket) {
          ADD_FAILURE() << socket.error().message();
          return;
        }
        while (!stop.stop_requested()) {
          if (socket->send(frame)) {
            sent_.fetch_add(1);
            sent_.notify_all();
          }
        }
      }) {}

void Flood::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

bool Flood::wait_for(std::uint64_t frames) const {
  const std::uint64_t target = sent() + frames;
  const auto deadline = steady_clock::now() + 10s;
  while (sent() < target) {
    if (steady_clock::now() > deadline) return false;
    sent_.wait(sent());
  }
  return true;
}

}  // namespace pxegate::testing
