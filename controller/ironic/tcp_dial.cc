// SPDX-License-Identifier: Apache-2.0
#include "controller/ironic/tcp_dial.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>
#include <thread>
#include <vector>

#include "controller/base/transport_url.h"

namespace pxegate {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Names have a handful of addresses; more are not tried.
constexpr std::size_t kMaxAddresses = 16;

int whole_milliseconds(steady_clock::duration left) {
  const auto count = std::chrono::ceil<milliseconds>(left).count();
  return static_cast<int>(std::clamp<std::int64_t>(count, 0, 3'600'000));
}

Failure interrupted() { return fail("interrupted", ErrorCode::kCancelled); }

// Waits for `events` on `fd` until `deadline`. False when that passes.
Result<bool> wait_for(int fd, short events, steady_clock::time_point deadline,
                      const Interrupter& interrupter) {
  std::array<pollfd, 2> fds{
      {{.fd = interrupter.fd(), .events = POLLIN, .revents = 0},
       {.fd = fd, .events = events, .revents = 0}}};
  while (true) {
    const int ready =
        ::poll(fds.data(), fds.size(),
               whole_milliseconds(deadline - steady_clock::now()));
    if (ready < 0 && errno != EINTR) return fail_errno("poll", errno);
    if (interrupter.interrupted()) return interrupted();
    if (ready > 0 && fds[1].revents != 0) return true;
    if (steady_clock::now() >= deadline) return false;
  }
}

struct AddressListDeleter {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using AddressList = std::unique_ptr<addrinfo, AddressListDeleter>;

// What getaddrinfo() is asked and answers, in a thread of its own: it cannot
// be interrupted, and takes as long as the system's resolver likes. Who asked
// may be gone by then.
struct Lookup {
  std::string host;
  std::string port;
  UniqueFd done;
  int flags = 0;
  // Written before `done`, read after.
  int result = 0;
  int errnum = 0;
  AddressList addresses;

  void run() {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV | flags;
    addrinfo* list = nullptr;
    result = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &list);
    errnum = errno;
    addresses.reset(list);
  }
};

Result<AddressList> resolve(const std::string& host, std::uint16_t port,
                            milliseconds timeout,
                            const Interrupter& interrupter) {
  const auto lookup = std::make_shared<Lookup>();
  lookup->host = host;
  lookup->port = std::to_string(port);
  lookup->flags = AI_NUMERICHOST;
  lookup->run();
  if (lookup->result == 0) return std::move(lookup->addresses);

  lookup->flags = 0;
  lookup->done.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!lookup->done) return fail_errno("eventfd", errno);
  try {
    std::thread([lookup] {
      lookup->run();
      ::eventfd_write(lookup->done.get(), 1);
    }).detach();
  } catch (const std::system_error& error) {
    return fail(fmt::format("cannot start a thread to resolve {}: {}", host,
                            error.what()));
  }
  const auto answered = wait_for(lookup->done.get(), POLLIN,
                                 steady_clock::now() + timeout, interrupter);
  if (!answered) return fail(answered.error());
  if (!*answered) {
    return fail(fmt::format("{} cannot be resolved: no answer within {} ms",
                            host, timeout.count()),
                ErrorCode::kUnavailable);
  }
  if (lookup->result != 0) {
    return fail(fmt::format("{} cannot be resolved: {}", host,
                            lookup->result == EAI_SYSTEM
                                ? std::strerror(lookup->errnum)
                                : ::gai_strerror(lookup->result)),
                ErrorCode::kUnavailable);
  }
  return std::move(lookup->addresses);
}

Result<UniqueFd> connect_to(const addrinfo& address,
                            steady_clock::time_point deadline,
                            const Interrupter& interrupter) {
  UniqueFd socket(::socket(address.ai_family,
                           SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_errno("socket", errno);
  const int on = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(socket.get(), address.ai_addr, address.ai_addrlen) == 0) {
    return socket;
  }
  // EINTR, too, leaves the connection in the making.
  if (errno != EINPROGRESS && errno != EINTR) {
    return fail_errno("connect", errno);
  }
  const auto ready = wait_for(socket.get(), POLLOUT, deadline, interrupter);
  if (!ready) return fail(ready.error());
  if (!*ready) return fail_errno("connect", ETIMEDOUT);
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return fail_errno("connect", error);
  return socket;
}

std::string as_numbers(const addrinfo& address) {
  std::array<char, NI_MAXHOST> text{};
  ::getnameinfo(address.ai_addr, address.ai_addrlen, text.data(), text.size(),
                nullptr, 0, NI_NUMERICHOST);
  return text.data();
}

}  // namespace

Result<Interrupter> Interrupter::make() {
  UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) return fail_errno("eventfd", errno);
  return Interrupter(std::move(event));
}

void Interrupter::interrupt() {
  const std::lock_guard lock(mutex_);
  ::eventfd_write(event_.get(), 1);
  if (socket_ >= 0) ::shutdown(socket_, SHUT_RDWR);
}

bool Interrupter::interrupted() const { return wait(milliseconds{0}); }

bool Interrupter::wait(milliseconds timeout) const {
  const auto deadline = steady_clock::now() + timeout;
  pollfd fd{.fd = event_.get(), .events = POLLIN, .revents = 0};
  while (true) {
    const int ready =
        ::poll(&fd, 1, whole_milliseconds(deadline - steady_clock::now()));
    if (ready > 0) return true;
    if (steady_clock::now() >= deadline) return false;
  }
}

Interrupter::Guard::Guard(Interrupter& interrupter, int socket)
    : interrupter_(interrupter) {
  const std::lock_guard lock(interrupter_.mutex_);
  interrupter_.socket_ = socket;
  if (interrupter_.interrupted()) ::shutdown(socket, SHUT_RDWR);
}

Interrupter::Guard::~Guard() {
  const std::lock_guard lock(interrupter_.mutex_);
  interrupter_.socket_ = -1;
}

Result<DialedSocket> tcp_dial(const std::string& host, std::uint16_t port,
                              milliseconds timeout,
                              const Interrupter& interrupter) {
  auto addresses = resolve(host, port, timeout, interrupter);
  if (!addresses) return fail(addresses.error());
  std::vector<const addrinfo*> list;
  for (const addrinfo* at = addresses->get();
       at != nullptr && list.size() < kMaxAddresses; at = at->ai_next) {
    list.push_back(at);
  }

  const auto deadline = steady_clock::now() + timeout;
  std::string errors;
  for (std::size_t i = 0; i < list.size(); ++i) {
    // The ones that are left share what time is left.
    const auto now = steady_clock::now();
    const auto share = (deadline - now) / static_cast<int>(list.size() - i);
    auto socket = connect_to(*list[i], now + share, interrupter);
    const std::string address = as_numbers(*list[i]);
    if (socket) return DialedSocket{*std::move(socket), address};
    if (socket.error().code() == ErrorCode::kCancelled) {
      return fail(socket.error());
    }
    if (!errors.empty()) errors += "; ";
    errors += fmt::format("{}: {}", host_and_port(address, port),
                          socket.error().message());
  }
  return fail(errors, ErrorCode::kUnavailable);
}

}  // namespace pxegate
