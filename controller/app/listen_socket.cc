// SPDX-License-Identifier: Apache-2.0
#include "controller/app/listen_socket.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>

#include "controller/base/text.h"

namespace pxegate {
namespace {

constexpr mode_t kSocketMode = 0660;
constexpr int kBacklog = 64;
// How long a connection may say nothing before it is taken all the same.
constexpr int kSilenceSeconds = 30;

// The address of a Unix socket; kInvalid where the path is too long for one.
Result<sockaddr_un> unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return fail(
        fmt::format("[api] socket = {}: must have 1 to {} bytes",
                    pxegate::quoted(path), sizeof(address.sun_path) - 1),
        ErrorCode::kInvalid);
  }
  std::ranges::copy(path, address.sun_path);
  return address;
}

Result<UniqueFd> open_socket(int family) {
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno("cannot create a socket", errno);
  return fd;
}

// Makes way for a new socket at `path`: removes one that nobody answers at.
Result<> remove_stale_socket(const std::string& path,
                             const sockaddr_un& address) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return {};
    return fail_errno("[api] socket: cannot look at " + path, errno);
  }
  if (!S_ISSOCK(info.st_mode)) {
    return fail(fmt::format("[api] socket = {}: something that is no socket "
                            "is there already; remove it or choose another "
                            "path",
                            path),
                ErrorCode::kConflict);
  }
  auto probe = open_socket(AF_UNIX);
  if (!probe) return fail(probe.error());
  if (connect(probe->get(), reinterpret_cast<const sockaddr*>(&address),
              sizeof(address)) == 0 ||
      errno == EAGAIN) {
    ucred peer{};
    socklen_t size = sizeof(peer);
    std::string who;
    if (getsockopt(probe->get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
        peer.pid > 0) {
      who = fmt::format(" (process {})", peer.pid);
    }
    return fail(fmt::format("another controller{} answers at {}: stop it "
                            "first, or set another [api] socket",
                            who, path),
                ErrorCode::kConflict);
  }
  if (errno != ECONNREFUSED) {
    return fail_errno(
        "[api] socket: cannot tell whether anybody answers at " + path, errno);
  }
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return fail_errno("[api] socket: cannot remove the stale " + path, errno);
  }
  return {};
}

struct HostAndPort {
  std::string host;  // empty: every address
  std::string port;
};

Result<HostAndPort> split_listen(const std::string& listen) {
  const auto colon = listen.rfind(':');
  std::string host = listen.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string::npos) {
    host.clear();
  }
  unsigned port = 0;
  const char* begin =
      listen.data() + (colon == std::string::npos ? 0 : colon + 1);
  const char* end = listen.data() + listen.size();
  const auto parsed = std::from_chars(begin, end, port);
  if (colon == std::string::npos || (host.empty() && colon != 0) ||
      parsed.ec != std::errc() || parsed.ptr != end || port > 65535) {
    return fail(fmt::format("[api] listen = {}: must be address:port, "
                            "[IPv6 address]:port or :port",
                            pxegate::quoted(listen)),
                ErrorCode::kInvalid);
  }
  return HostAndPort{std::move(host), std::to_string(port)};
}

}  // namespace

Result<UniqueFd> listen_unix(const std::string& path) {
  const auto address = unix_address(path);
  if (!address) return fail(address.error());
  const auto parent = std::filesystem::path(path).parent_path();
  std::error_code error;
  if (!parent.empty()) std::filesystem::create_directories(parent, error);
  if (error) {
    return fail_errno("[api] socket: cannot create " + parent.string(),
                      error.value());
  }
  if (auto free = remove_stale_socket(path, *address); !free) {
    return fail(free.error());
  }
  auto fd = open_socket(AF_UNIX);
  if (!fd) return fail(fd.error());
  // Before bind(), so that the file never has more rights than it should;
  // after it, because the umask took some away.
  if (fchmod(fd->get(), kSocketMode) != 0 ||
      bind(fd->get(), reinterpret_cast<const sockaddr*>(&*address),
           sizeof(*address)) != 0 ||
      chmod(path.c_str(), kSocketMode) != 0 ||
      ::listen(fd->get(), kBacklog) != 0) {
    return fail_errno("[api] socket: cannot listen at " + path, errno);
  }
  return fd;
}

Result<UniqueFd> listen_tcp(const std::string& listen) {
  const auto where = split_listen(listen);
  if (!where) return fail(where.error());
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error =
      getaddrinfo(where->host.empty() ? nullptr : where->host.c_str(),
                  where->port.c_str(), &hints, &found);
  if (error != 0) {
    return fail(fmt::format("[api] listen = {}: {}", pxegate::quoted(listen),
                            gai_strerror(error)),
                ErrorCode::kInvalid);
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(
      found, &freeaddrinfo);
  auto fd = open_socket(addresses->ai_family);
  if (!fd) return fail(fd.error());
  const int on = 1;
  setsockopt(fd->get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  // Browsers connect in advance and say nothing: such a connection waits in the
  // kernel (tcp(7)), not in a thread.
  setsockopt(fd->get(), IPPROTO_TCP, TCP_DEFER_ACCEPT, &kSilenceSeconds,
             sizeof(kSilenceSeconds));
  if (bind(fd->get(), addresses->ai_addr, addresses->ai_addrlen) != 0 ||
      ::listen(fd->get(), kBacklog) != 0) {
    const int errnum = errno;
    Error failure = errno_error(
        fmt::format("[api] listen: cannot listen at {}", listen), errnum);
    if (errnum != EADDRINUSE) return fail(std::move(failure));
    return fail(failure.message(), ErrorCode::kConflict);
  }
  return fd;
}

}  // namespace pxegate
