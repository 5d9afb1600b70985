// SPDX-License-Identifier: Apache-2.0
#include "drivers/nftables/table_lock.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <optional>

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

Result<TableLock> TableLock::take(const std::string& table) {
  const std::string name = "pxegate-nftables-" + table;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (name.size() + 1 > sizeof(address.sun_path)) {
    return fail("the table's name is too long: " + table, ErrorCode::kInvalid);
  }
  std::ranges::copy(name, address.sun_path + 1);
  const auto size =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  UniqueFd socket = make_socket();
  if (!socket) return fail_errno("locking nftables table " + table, errno);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) ==
      0) {
    constexpr int kBacklog = 64;
    if (::listen(socket.get(), kBacklog) != 0) {
      return fail_errno("locking nftables table " + table, errno);
    }
    return TableLock(std::move(socket));
  }
  if (errno != EADDRINUSE) {
    return fail_errno("locking nftables table " + table, errno);
  }
  const auto holder = holder_of(address, size);
  if (holder && holder->uid != 0 && holder->uid != ::geteuid()) {
    log::warning(
        "process {} of user {} holds the Unix socket @{}: that no other "
        "controller keeps nftables table {} cannot be ensured",
        holder->pid, holder->uid, name, table);
    return TableLock(UniqueFd());
  }
  return fail(
      fmt::format("nftables table {} is kept by {}: stop that one, or choose "
                  "another [nftables] table",
                  table,
                  holder ? fmt::format("process {}", holder->pid)
                         : std::string("another process")),
      ErrorCode::kConflict);
}

}  // namespace pxegate
