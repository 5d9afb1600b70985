// SPDX-License-Identifier: Apache-2.0
#include "controller/base/namespace_lock.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <optional>
#include <string>

#include "controller/base/log.h"

namespace pxegate {
namespace {

UniqueFd make_socket() {
  return UniqueFd(
      ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

// Who listens at `address`; nullopt: nobody, or that is not to be learned.
std::optional<ucred> holder_of(const sockaddr_un& address, socklen_t size) {
  const UniqueFd socket = make_socket();
  ucred holder{};
  socklen_t holder_size = sizeof(holder);
  if (!socket ||
      ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address),
                size) != 0 ||
      ::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &holder,
                   &holder_size) != 0) {
    return std::nullopt;
  }
  return holder;
}

}  // namespace

Result<NamespaceLock> NamespaceLock::take(std::string_view name,
                                          std::string_view what,
                                          std::string_view otherwise) {
  const std::string socket_name = fmt::format("pxegate-{}", name);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_name.size() + 1 > sizeof(address.sun_path)) {
    return fail(fmt::format("the name of {} is too long", what),
                ErrorCode::kInvalid);
  }
  std::ranges::copy(socket_name, address.sun_path + 1);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 +
                                           socket_name.size());
  constexpr int kBacklog = 64;
  UniqueFd socket = make_socket();
  if (socket &&
      ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) ==
          0 &&
      ::listen(socket.get(), kBacklog) == 0) {
    return NamespaceLock(std::move(socket));
  }
  if (errno != EADDRINUSE) {
    return fail_errno(fmt::format("locking {}", what), errno);
  }
  const auto holder = holder_of(address, size);
  if (holder && holder->uid != 0 && holder->uid != ::geteuid()) {
    log::warning(
        "process {} of user {} holds the Unix socket @{}: that no other "
        "controller keeps {} cannot be ensured",
        holder->pid, holder->uid, socket_name, what);
    return NamespaceLock();
  }
  return fail(fmt::format("{} is kept by {}: stop that one, or {}", what,
                          holder ? fmt::format("process {}", holder->pid)
                                 : std::string("another process"),
                          otherwise),
              ErrorCode::kConflict);
}

}  // namespace pxegate
