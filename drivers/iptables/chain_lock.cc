// SPDX-License-Identifier: Apache-2.0
#include "drivers/iptables/chain_lock.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

#include "controller/base/log.h"

namespace pxegate {
namespace {

UniqueFd make_socket() {
  return UniqueFd(
      ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

// Who listens at `address`; pid 0: that is not to be learned.
ucred holder_of(const sockaddr* address, socklen_t size) {
  const UniqueFd socket = make_socket();
  ucred holder{};
  socklen_t holder_size = sizeof(holder);
  if (!socket || ::connect(socket.get(), address, size) != 0 ||
      ::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &holder,
                   &holder_size) != 0) {
    return {};
  }
  return holder;
}

}  // namespace

Result<ChainLock> ChainLock::take(const std::string& chain, int ip_version) {
  const std::string name =
      fmt::format("pxegate-iptables-{}-{}", ip_version, chain);
  sockaddr_un unix_address{};
  unix_address.sun_family = AF_UNIX;
  if (name.size() + 1 > sizeof(unix_address.sun_path)) {
    return fail("the chain's name is too long: " + chain, ErrorCode::kInvalid);
  }
  std::ranges::copy(name, unix_address.sun_path + 1);
  const auto* address = reinterpret_cast<const sockaddr*>(&unix_address);
  const auto size =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  UniqueFd socket = make_socket();
  constexpr int kBacklog = 64;
  if (socket && ::bind(socket.get(), address, size) == 0 &&
      ::listen(socket.get(), kBacklog) == 0) {
    return ChainLock(std::move(socket));
  }
  if (errno != EADDRINUSE) return fail_errno("locking chain " + chain, errno);
  const ucred holder = holder_of(address, size);
  if (holder.pid != 0 && holder.uid != 0 && holder.uid != ::geteuid()) {
    log::warning(
        "process {} of user {} holds the Unix socket @{}: that no other "
        "controller keeps chain {} cannot be ensured",
        holder.pid, holder.uid, name, chain);
    return ChainLock();
  }
  return fail(
      fmt::format("chain {} is kept by {}: stop that one, or choose another "
                  "[iptables] firewall_chain",
                  chain,
                  holder.pid != 0 ? fmt::format("process {}", holder.pid)
                                  : std::string("another process")),
      ErrorCode::kConflict);
}

}  // namespace pxegate
