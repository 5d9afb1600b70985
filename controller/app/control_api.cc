// SPDX-License-Identifier: Apache-2.0
#include "controller/app/control_api.h"

#include <fmt/format.h>
#include <httplib.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <optional>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "controller/app/event_view.h"
#include "controller/app/json.h"
#include "controller/app/listen_socket.h"
#include "controller/app/status_page.h"
#include "controller/base/fd.h"
#include "controller/base/log.h"
#include "controller/base/mac_address.h"
#include "controller/base/text.h"

namespace pxegate {
namespace {

using std::chrono::milliseconds;
using SteadyTime = std::chrono::steady_clock::time_point;

constexpr unsigned kUnixThreads = 8;
constexpr unsigned kTcpThreads = 4;
// Syncs that may wait at the same time, so that some thread is always free to
// answer `status`.
constexpr int kMaxWaitingSyncs = 3;
// The same for those who wait for events.
constexpr int kMaxUnixFollowers = 4;
constexpr int kMaxTcpFollowers = 1;
static_assert(kMaxWaitingSyncs + kMaxUnixFollowers < kUnixThreads);
static_assert(kMaxTcpFollowers < kTcpThreads);
// When those ask again for whom there is no room to wait.
constexpr milliseconds kFollowerPause{500};
// Request line and headers together; bodies are not read at all.
constexpr std::size_t kMaxRequestBytes = std::size_t{16} << 10;
constexpr std::size_t kMaxDrainedBytes = std::size_t{64} << 10;
constexpr milliseconds kRequestTimeout{5'000};  // to arrive as a whole
constexpr milliseconds kWriteTimeout{10'000};   // without any progress
constexpr milliseconds kStopGrace{1'000};       // for answers under way
constexpr milliseconds kDrainTimeout{200};

int remaining_ms(SteadyTime deadline) {
  const auto left = std::chrono::ceil<milliseconds>(
      deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::max<milliseconds::rep>(0, left.count()));
}

enum class Wait { kReady, kTimeout, kStopped };

// Waits for `events` on `fd`; a readable `stop_fd` (-1: none) ends the wait.
Wait wait_for(int fd, short events, int stop_fd, SteadyTime deadline) {
  while (true) {
    pollfd fds[] = {{fd, events, 0}, {stop_fd, POLLIN, 0}};
    const int ready = poll(fds, 2, remaining_ms(deadline));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return Wait::kTimeout;
    return fds[0].revents != 0 ? Wait::kReady : Wait::kStopped;
  }
}

// One accepted connection as httplib reads and writes it. Unlike httplib's
// own stream it bounds the request as a whole, in time and in size, and lets
// go when the server stops.
class ConnectionStream final : public httplib::Stream {
 public:
  ConnectionStream(int fd, int stop_fd, milliseconds answer_timeout)
      : fd_(fd), stop_fd_(stop_fd), answer_timeout_(answer_timeout) {}

  bool is_readable() const override { return true; }
  bool is_writable() const override { return !broken_; }

  ssize_t read(char* data, size_t size) override {
    if (begin_ == end_ && !fill()) return -1;
    const std::size_t count = std::min(size, end_ - begin_);
    std::copy_n(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_), count,
                data);
    begin_ += count;
    return static_cast<ssize_t>(count);
  }

  ssize_t write(const char* data, size_t size) override {
    if (broken_) return -1;
    if (!answer_deadline_) {
      answer_deadline_ = std::chrono::steady_clock::now() + answer_timeout_;
    }
    std::size_t sent = 0;
    while (sent < size) {
      const ssize_t count =
          send(fd_, data + sent, size - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count > 0) {
        sent += static_cast<std::size_t>(count);
      } else if (errno != EINTR &&
                 !((errno == EAGAIN || errno == EWOULDBLOCK) &&
                   wait_writable())) {
        broken_ = true;
        return -1;
      }
    }
    return static_cast<ssize_t>(size);
  }

  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return fd_; }

  // A request body that nobody read would make close() reset the connection,
  // and the answer could be lost with it.
  void finish() {
    shutdown(fd_, SHUT_WR);
    const SteadyTime deadline =
        std::chrono::steady_clock::now() + kDrainTimeout;
    std::size_t drained = 0;
    while (drained < kMaxDrainedBytes &&
           wait_for(fd_, POLLIN, stop_fd_, deadline) == Wait::kReady) {
      const ssize_t count =
          recv(fd_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
      if (count <= 0) return;
      drained += static_cast<std::size_t>(count);
    }
  }

 private:
  bool fill() {
    if (received_ >= kMaxRequestBytes) return false;
    while (true) {
      if (wait_for(fd_, POLLIN, stop_fd_, request_deadline_) != Wait::kReady) {
        return false;
      }
      const ssize_t count =
          recv(fd_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
      if (count > 0) {
        begin_ = 0;
        end_ = static_cast<std::size_t>(count);
        received_ += end_;
        return true;
      }
      if (count == 0 || (errno != EINTR && errno != EAGAIN)) return false;
    }
  }

  bool wait_writable() const {
    const auto start = std::chrono::steady_clock::now();
    // Without an end of its own, a few who read slowly would hold all threads.
    if (start >= *answer_deadline_) return false;
    switch (wait_for(fd_, POLLOUT, stop_fd_,
                     std::min(start + kWriteTimeout, *answer_deadline_))) {
      case Wait::kReady:
        return true;
      case Wait::kTimeout:
        return false;
      case Wait::kStopped:
        break;
    }
    return wait_for(fd_, POLLOUT, -1,
                    std::chrono::steady_clock::now() + kStopGrace) ==
           Wait::kReady;
  }

  const int fd_;
  const int stop_fd_;
  const milliseconds answer_timeout_;
  std::optional<SteadyTime> answer_deadline_;  // from its first byte on
  const SteadyTime request_deadline_ =
      std::chrono::steady_clock::now() + kRequestTimeout;
  std::array<char, 4096> buffer_{};
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t received_ = 0;
  bool broken_ = false;
};

// httplib for the HTTP in it only: parsing requests and writing responses.
// Its accept loop ends for good at the first error of accept(), its queue of
// connections has no bound, and it cannot be stopped while a client is slow.
class HttpServer final : public httplib::Server {
 public:
  // httplib takes a server without a socket for one that is shutting down.
  HttpServer(int listen_fd, milliseconds answer_timeout)
      : answer_timeout_(answer_timeout) {
    svr_sock_ = listen_fd;
  }
  ~HttpServer() override { svr_sock_ = INVALID_SOCKET; }

  void serve(int fd, int stop_fd) {
    ConnectionStream stream(fd, stop_fd, answer_timeout_);
    bool closed = false;
    // httplib would compress with Brotli at its slowest: seconds for a large
    // policy, to save bytes that never leave the machine.
    process_request(stream, /*close_connection=*/true, closed,
                    [](httplib::Request& request) {
                      request.headers.erase("Accept-Encoding");
                    });
    stream.finish();
  }

  void abandon() { svr_sock_ = INVALID_SOCKET; }

 private:
  const milliseconds answer_timeout_;
};

void answer(httplib::Response& response, int status, const Json& json) {
  response.status = status;
  response.set_content(dump(json) + "\n", "application/json");
}

void answer_error(httplib::Response& response, int status, const Error& error) {
  answer(response, status, error_json(error));
}

void answer_error(httplib::Response& response, int status, std::string message,
                  ErrorCode code = ErrorCode::kInvalid) {
  answer_error(response, status, Error(std::move(message), code));
}

// The parameter as a whole number in [min, max]; `otherwise` without it.
Result<std::uint64_t> parse_number(const httplib::Request& request,
                                   const char* name, std::uint64_t min,
                                   std::uint64_t max, std::uint64_t otherwise) {
  if (!request.has_param(name)) return otherwise;
  const std::string text = request.get_param_value(name);
  std::uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < min ||
      value > max) {
    return fail(fmt::format("{} = {}: must be a whole number from {} to {}",
                            name, pxegate::quoted(text), min, max),
                ErrorCode::kInvalid);
  }
  return value;
}

// One of a limited number of places, while it lives.
class Place {
 public:
  Place(std::atomic<int>& taken, int limit) : taken_(taken) {
    free_ = taken_.fetch_add(1) < limit;
  }
  ~Place() { taken_.fetch_sub(1); }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  explicit operator bool() const { return free_; }

 private:
  std::atomic<int>& taken_;
  bool free_ = false;
};

int sync_error_status(const Error& error, bool timed_out) {
  if (timed_out && error.code() == ErrorCode::kUnavailable) return 504;
  switch (error.code()) {
    case ErrorCode::kUnavailable:
    case ErrorCode::kInvalidState:
    case ErrorCode::kCancelled:
      return 503;
    default:
      return 502;
  }
}

// What the endpoints do. Called from many threads.
class Endpoints {
 public:
  Endpoints(ControlBackend& backend, const Clock& clock, bool read_only)
      : backend_(backend),
        clock_(clock),
        read_only_(read_only),
        max_followers_(read_only ? kMaxTcpFollowers : kMaxUnixFollowers) {}

  void dispatch(const httplib::Request& request, httplib::Response& response) {
    // What is JSON stays JSON, whoever put what into a name.
    response.set_header("X-Content-Type-Options", "nosniff");
    const auto route = std::ranges::find(
        kRoutes, std::string_view(request.path), &Route::path);
    if (route == std::end(kRoutes)) {
      answer_error(response, 404,
                   "no such resource: " + pxegate::quoted(request.path),
                   ErrorCode::kNotFound);
      return;
    }
    // httplib leaves the body of a HEAD's answer out.
    const std::string_view method =
        request.method == "HEAD" ? "GET" : std::string_view(request.method);
    if (method != route->method) {
      response.set_header("Allow", std::string(route->method));
      answer_error(response, 405,
                   fmt::format("{} takes {} only", route->path, route->method));
      return;
    }
    if (read_only_ && method != "GET") {
      answer_error(response, 403,
                   "over TCP the API is for reading only: use the Unix socket "
                   "on the controller's host",
                   ErrorCode::kPermission);
      return;
    }
    (this->*route->handler)(request, response);
  }

 private:
  using Handler = void (Endpoints::*)(const httplib::Request&,
                                      httplib::Response&);
  struct Route {
    std::string_view path;
    std::string_view method;
    Handler handler;
  };
  static const Route kRoutes[8];

  void page(const httplib::Request&, httplib::Response& response) {
    const auto made = make_status_page();
    if (!made) return answer_error(response, 500, made.error());
    response.set_header("Content-Security-Policy", made->policy);
    response.set_header("X-Frame-Options", "DENY");
    response.set_header("Referrer-Policy", "no-referrer");
    response.set_header("Cache-Control", "no-store");
    response.status = 200;
    response.set_content(made->html, "text/html; charset=utf-8");
  }

  void status(const httplib::Request&, httplib::Response& response) {
    answer(response, 200,
           status_json(backend_.status(), Origin::kController, now(clock_)));
  }

  void policy(const httplib::Request& request, httplib::Response& response) {
    if (request.has_param("address")) {
      const auto address =
          HardwareAddress::parse(request.get_param_value("address"));
      if (!address) return answer_error(response, 400, address.error());
      // The verdict is worth telling even where the filter cannot be read.
      const Result<Observations> seen = backend_.observe();
      return answer(
          response, 200,
          address_json(*address, backend_.policy(), seen ? &*seen : nullptr,
                       Origin::kController, now(clock_)));
    }
    auto listing = std::make_shared<PolicyListing>(
        backend_.policy(), Origin::kController, now(clock_));
    response.set_chunked_content_provider(
        "application/json", [listing](std::size_t, httplib::DataSink& sink) {
          const auto piece = listing->next();
          if (piece) return sink.write(piece->data(), piece->size());
          sink.write("\n", 1);
          sink.done();
          return true;
        });
  }

  void clients(const httplib::Request& request, httplib::Response& response) {
    const auto limit = parse_number(request, "limit", 0, SIZE_MAX, SIZE_MAX);
    if (!limit) return answer_error(response, 400, limit.error());
    const Result<Observations> seen = backend_.observe();
    if (!seen) {
      return answer_error(response, 500,
                          seen.error().within("cannot read the filter"));
    }
    answer(response, 200,
           clients_json(*seen, backend_.policy(), Origin::kController,
                        now(clock_), *limit));
  }

  void metrics(const httplib::Request&, httplib::Response& response) {
    response.set_content(backend_.metrics(),
                         "text/plain; version=0.0.4; charset=utf-8");
  }

  void events(const httplib::Request& request, httplib::Response& response) {
    const auto after = parse_number(request, "after", 0, UINT64_MAX, 0);
    if (!after) return answer_error(response, 400, after.error());
    const auto wait =
        parse_number(request, "wait", 0,
                     static_cast<std::uint64_t>(kMaxEventWait.count()), 0);
    if (!wait) return answer_error(response, 400, wait.error());
    EventQuery query{*after, request.get_param_value("run"),
                     std::chrono::seconds(*wait)};
    Result<EventPage> page;
    milliseconds try_after{0};
    if (*wait == 0) {
      page = backend_.events(query);
    } else if (const Place place(followers_, max_followers_); place) {
      page = backend_.events(query);
    } else {
      query.wait = milliseconds(0);
      page = backend_.events(query);
      if (page && page->events.empty()) try_after = kFollowerPause;
    }
    if (!page) {
      return answer_error(response, 500,
                          page.error().within("cannot read the filter"));
    }
    answer(response, 200,
           events_json(*page, *backend_.policy().inventory, Origin::kController,
                       try_after));
  }

  void sync(const httplib::Request& request, httplib::Response& response) {
    const auto seconds =
        parse_number(request, "timeout", 1,
                     static_cast<std::uint64_t>(kMaxSyncTimeout.count()),
                     static_cast<std::uint64_t>(kDefaultSyncTimeout.count()));
    if (!seconds) return answer_error(response, 400, seconds.error());
    const milliseconds timeout = std::chrono::seconds(*seconds);
    const auto force = parse_number(request, "force", 0, 1, 0);
    if (!force) return answer_error(response, 400, force.error());
    const Place place(waiting_syncs_, kMaxWaitingSyncs);
    if (!place) {
      return answer_error(response, 503,
                          "enough syncs are waiting already: try again when "
                          "they are done",
                          ErrorCode::kUnavailable);
    }
    const Monotonic deadline = clock_.now() + timeout;
    const Result<SyncOutcome> outcome = backend_.sync({timeout, *force == 1});
    if (outcome) return answer(response, 200, sync_json(*outcome));
    answer_error(response,
                 sync_error_status(outcome.error(), clock_.now() >= deadline),
                 outcome.error());
  }

  void tear_down(const httplib::Request&, httplib::Response& response) {
    const Result<> done = backend_.tear_down();
    if (done) return answer(response, 200, {{"removed", true}});
    answer_error(response,
                 done.error().code() == ErrorCode::kConflict ? 409 : 500,
                 done.error());
  }

  ControlBackend& backend_;
  const Clock& clock_;
  const bool read_only_;
  const int max_followers_;
  std::atomic<int> waiting_syncs_ = 0;
  std::atomic<int> followers_ = 0;
};

const Endpoints::Route Endpoints::kRoutes[8] = {
    {"/", "GET", &Endpoints::page},
    {"/v1/status", "GET", &Endpoints::status},
    {"/v1/policy", "GET", &Endpoints::policy},
    {"/v1/clients", "GET", &Endpoints::clients},
    {"/v1/events", "GET", &Endpoints::events},
    {"/metrics", "GET", &Endpoints::metrics},
    {"/v1/sync", "POST", &Endpoints::sync},
    {"/v1/teardown", "POST", &Endpoints::tear_down},
};

// Threads inherit the signal mask; the controller's own thread takes all
// signals.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

// One listening socket with the threads that serve it. Each thread accepts
// for itself, so that connections wait in the kernel's bounded queue only.
class ControlApi::Listener {
 public:
  Listener(UniqueFd fd, ControlBackend& backend, const Clock& clock,
           milliseconds answer_timeout, bool read_only)
      : fd_(std::move(fd)),
        endpoints_(backend, clock, read_only),
        server_(fd_.get(), answer_timeout) {
    // Before httplib's own routing, which knows no 405.
    server_.set_pre_routing_handler(
        [this](const httplib::Request& request, httplib::Response& response) {
          handle(request, response);
          return httplib::Server::HandlerResponse::Handled;
        });
    // For requests that httplib itself refuses.
    server_.set_error_handler(
        [](const httplib::Request&, httplib::Response& response) {
          if (!response.body.empty()) return;
          answer_error(response, response.status, "malformed request");
        });
  }
  ~Listener() { stop(); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  Result<> start(unsigned threads) {
    stop_fd_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!stop_fd_) return fail_errno("control API: eventfd", errno);
    const SignalsBlocked blocked;
    try {
      while (threads_.size() < threads) {
        threads_.emplace_back([this] { work(); });
      }
    } catch (const std::system_error& error) {
      stop();
      return fail(
          fmt::format("control API: cannot start a thread: {}", error.what()));
    }
    return {};
  }

  // The socket at `path` is removed too, unless somebody replaced it.
  void own_path(const std::string& path) {
    struct stat info {};
    if (lstat(path.c_str(), &info) != 0) return;
    path_ = path;
    device_ = info.st_dev;
    inode_ = info.st_ino;
  }

  void stop() {
    if (stop_fd_) {
      const std::uint64_t one = 1;
      [[maybe_unused]] const ssize_t written =
          write(stop_fd_.get(), &one, sizeof(one));
    }
    server_.abandon();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    struct stat info {};
    if (!path_.empty() && lstat(path_.c_str(), &info) == 0 &&
        info.st_dev == device_ && info.st_ino == inode_) {
      unlink(path_.c_str());
    }
    path_.clear();
    fd_.reset();
  }

  std::uint16_t port() const {
    sockaddr_storage address{};
    socklen_t size = sizeof(address);
    if (getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &size) !=
        0) {
      return 0;
    }
    if (address.ss_family == AF_INET6) {
      return ntohs(reinterpret_cast<sockaddr_in6&>(address).sin6_port);
    }
    return ntohs(reinterpret_cast<sockaddr_in&>(address).sin_port);
  }

 private:
  void handle(const httplib::Request& request, httplib::Response& response) {
    try {
      endpoints_.dispatch(request, response);
    } catch (const std::exception& error) {
      log::error("control API: {} {}: {}", request.method, request.path,
                 error.what());
      answer_error(response, 500, "the controller could not answer",
                   ErrorCode::kFailed);
    }
  }

  void work() {
    while (true) {
      pollfd fds[] = {{fd_.get(), POLLIN, 0}, {stop_fd_.get(), POLLIN, 0}};
      if (poll(fds, 2, -1) < 0) continue;
      if (fds[1].revents != 0) return;
      const UniqueFd connection(
          accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (connection) {
        serve(connection.get());
      } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
                 errno == ENOMEM) {
        // The connection keeps the socket readable: do not spin on it.
        std::this_thread::sleep_for(milliseconds(100));
      }
    }
  }

  void serve(int connection) {
    try {
      server_.serve(connection, stop_fd_.get());
    } catch (const std::exception& error) {
      log::error("control API: {}", error.what());
    }
  }

  UniqueFd fd_;
  UniqueFd stop_fd_;
  Endpoints endpoints_;
  HttpServer server_;
  std::vector<std::thread> threads_;
  std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

ControlApi::ControlApi(ControlBackend& backend, const Clock& clock,
                       ControlApiOptions options)
    : backend_(backend), clock_(clock), options_(std::move(options)) {}

ControlApi::~ControlApi() { stop(); }

Result<> ControlApi::start() {
  // TCP first: a socket file is left alone where TCP cannot be had.
  if (!options_.listen.empty()) {
    auto fd = listen_tcp(options_.listen);
    if (!fd) return fail(fd.error());
    tcp_ = std::make_unique<Listener>(std::move(*fd), backend_, clock_,
                                      options_.answer_timeout,
                                      /*read_only=*/true);
  }
  auto fd = listen_unix(options_.socket);
  if (!fd) {
    stop();
    return fail(fd.error());
  }
  unix_ = std::make_unique<Listener>(std::move(*fd), backend_, clock_,
                                     options_.answer_timeout,
                                     /*read_only=*/false);
  unix_->own_path(options_.socket);
  Result<> started = unix_->start(kUnixThreads);
  if (started && tcp_) started = tcp_->start(kTcpThreads);
  if (!started) stop();
  return started;
}

void ControlApi::stop() {
  if (unix_) unix_->stop();
  if (tcp_) tcp_->stop();
  unix_.reset();
  tcp_.reset();
}

std::uint16_t ControlApi::tcp_port() const { return tcp_ ? tcp_->port() : 0; }

}  // namespace pxegate
