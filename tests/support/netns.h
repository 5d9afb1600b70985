// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_TESTS_SUPPORT_NETNS_H_
#define PXEGATE_TESTS_SUPPORT_NETNS_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "controller/base/fd.h"
#include "controller/base/result.h"
#include "tests/support/packet.h"

namespace pxegate::testing {

// A network namespace of its own for the calling thread, and for the threads
// and children that it starts, until this object goes. IPv6 is off in it, so
// that the kernel sends nothing by itself. Mounts stay the host's, so that
// what is pinned below /sys/fs/bpf is really there.
class NetNamespace {
 public:
  static Result<NetNamespace> enter();
  NetNamespace(NetNamespace&&) noexcept = default;
  NetNamespace& operator=(NetNamespace&&) = delete;
  ~NetNamespace();

 private:
  explicit NetNamespace(UniqueFd outside) : outside_(std::move(outside)) {}
  UniqueFd outside_;
};

// Runs `ip <arguments, separated by blanks>`; its complaint is the error.
Result<> ip_command(const std::string& arguments);

// A veth pair `name` and `<name>-peer` (the kernel allows 15 characters),
// both up, with one queue each, so that frames keep their order.
Result<> add_veth(const std::string& name);
inline std::string peer_of(const std::string& name) { return name + "-peer"; }

// A packet socket bound to one interface: sees every frame that arrives there
// and is let in.
class FrameSocket {
 public:
  static Result<FrameSocket> open(const std::string& interface);

  Result<> send(const Bytes& frame) const;
  // The next frame that arrived, nullopt when none does until `deadline`.
  std::optional<Bytes> receive(
      std::chrono::steady_clock::time_point deadline) const;

 private:
  explicit FrameSocket(UniqueFd socket) : socket_(std::move(socket)) {}
  UniqueFd socket_;
};

// One veth pair, seen from its far end.
class Wire {
 public:
  // `interface` was made by add_veth().
  static Result<Wire> open(const std::string& interface);

  // Sends `frame` to the interface and tells whether it was let in: whether
  // it arrives before a marker, which every DHCP filter lets in, that is sent
  // behind it.
  bool passes(const Bytes& frame);
  // The frames that were let in since the last call.
  std::vector<Bytes> arrivals();

 private:
  Wire(FrameSocket near, FrameSocket far)
      : near_(std::move(near)), far_(std::move(far)) {}

  FrameSocket near_;
  FrameSocket far_;
  std::uint64_t marker_ = 0;
};

// A thread that sends one frame over and over until this object goes.
class Flood {
 public:
  Flood(const std::string& interface, Bytes frame);
  ~Flood() { stop(); }
  Flood(const Flood&) = delete;
  Flood& operator=(const Flood&) = delete;

  void stop();
  std::uint64_t sent() const { return sent_.load(); }
  // Returns when that many more frames were sent; false if that takes longer
  // than ten seconds.
  bool wait_for(std::uint64_t frames) const;

 private:
  std::atomic<std::uint64_t> sent_{0};
  std::jthread thread_;
};

}  // namespace pxegate::testing

#endif  // PXEGATE_TESTS_SUPPORT_NETNS_H_
