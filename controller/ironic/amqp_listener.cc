// SPDX-License-Identifier: Apache-2.0
#include "controller/ironic/amqp_listener.h"

#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <system_error>
#include <thread>
#include <utility>

#include "controller/base/log.h"
#include "controller/base/text.h"
#include "controller/ironic/amqp_connection.h"
#include "controller/ironic/hint_mailbox.h"
#include "controller/ironic/notification.h"
#include "controller/ironic/tcp_dial.h"

namespace pxegate {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// With TLS too, as oslo.messaging has it (impl_rabbit.py).
constexpr std::uint16_t kDefaultPort = 5672;
// The priorities that Ironic sends notifications of nodes and ports with.
constexpr std::array kPriorities = {"info", "error"};

// What waits at the broker for a controller that is slow or stopped.
constexpr std::int32_t kMaxQueued = 10'000;
constexpr std::int32_t kMaxQueuedBytes = 64 << 20;
constexpr milliseconds kQueuedFor{60'000};
// What it sends ahead of our acknowledgements.
constexpr std::uint16_t kPrefetch = 200;
// No message for so long: nothing waits at the broker.
constexpr milliseconds kQuiet{250};
// A connection that lasted shorter was none: backoff goes on.
constexpr std::chrono::seconds kLasting{10};

std::string endpoint_of(const AmqpTarget& target) {
  return fmt::format("{}://{}/{}", target.tls ? "amqps" : "amqp",
                     host_and_port(target.host, target.port),
                     percent_encoded(target.virtual_host));
}

// Ours, and another for each connection: the broker may still hold the one
// before for a connection that it does not know to be gone.
std::string queue_name(std::uint64_t random) {
  std::array<char, HOST_NAME_MAX + 1> host{};
  ::gethostname(host.data(), host.size() - 1);
  return fmt::format("pxegate.{}.{}.{:016x}", host.data(), ::getpid(), random);
}

}  // namespace

class AmqpListener::Thread {
 public:
  Thread(AmqpOptions options, const Clock& clock, std::function<void()> wake,
         Interrupter interrupter)
      : options_(std::move(options)),
        clock_(clock),
        wake_(std::move(wake)),
        interrupter_(std::move(interrupter)),
        mailbox_(options_.max_nodes),
        backoff_(options_.backoff) {}
  ~Thread() {
    interrupter_.interrupt();
    if (thread_.joinable()) thread_.join();
  }
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;

  Result<> start() {
    // Signals are for others, and what it writes to a broker that is gone must
    // not end the process: it inherits what is blocked here.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    Result<> started;
    try {
      thread_ = std::thread([this] { run(); });
    } catch (const std::system_error& error) {
      started = fail(fmt::format("cannot start a thread: {}", error.what()));
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return started;
  }

  Hints take() { return mailbox_.take(); }
  BrokerStatus status() const {
    const std::lock_guard lock(mutex_);
    return status_;
  }

 private:
  void run() {
    const std::size_t hosts = options_.hosts.size();
    // Controllers spread over the brokers of a cluster.
    std::size_t host = random_() % hosts;
    std::size_t tried = 0;
    while (!interrupter_.interrupted()) {
      const auto ended = listen_to(options_.hosts[host]);
      if (interrupter_.interrupted()) return;
      failed(ended.error());
      host = (host + 1) % hosts;
      if (++tried < hosts) continue;
      tried = 0;
      if (interrupter_.wait(backoff_.next(random_()))) return;
    }
  }

  // Returns when that ended, which it does not without an error.
  Result<> listen_to(const BrokerHost& host) {
    const AmqpTarget target = target_for(host);
    change(
        [&](BrokerStatus& status) { status.endpoint = endpoint_of(target); });
    auto connection = AmqpConnection::open(target, interrupter_);
    if (!connection) return fail(connection.error());
    const auto there = await_exchange(*connection);
    if (!there) return there;
    const auto consumed = connection->consume(queue(), kPrefetch);
    if (!consumed) return consumed;
    connected();
    const auto connected_at = steady_clock::now();
    const auto ended = receive_all(*connection);
    if (interrupter_.interrupted()) connection->say_goodbye();
    if (steady_clock::now() - connected_at >= kLasting) backoff_.reset();
    return ended;
  }

  AmqpTarget target_for(const BrokerHost& host) const {
    return {.host = host.host,
            .port = host.port.value_or(kDefaultPort),
            .virtual_host = options_.virtual_host,
            .username = host.username,
            .password = host.password,
            .tls = options_.ssl,
            .ca_file = options_.ca_file,
            .cert_file = options_.cert_file,
            .key_file = options_.key_file,
            .verify_hostname = options_.verify_hostname,
            .heartbeat = options_.heartbeat,
            .timeout = options_.timeout};
  }

  AmqpQueue queue() {
    AmqpQueue queue{.name = queue_name(random_()),
                    .exchange = options_.exchange,
                    .routing_keys = {},
                    .max_messages = kMaxQueued,
                    .max_bytes = kMaxQueuedBytes,
                    .ttl = kQueuedFor};
    for (const std::string& topic : options_.topics) {
      for (const char* priority : kPriorities) {
        queue.routing_keys.push_back(fmt::format("{}.{}", topic, priority));
      }
    }
    return queue;
  }

  // How long receive() may wait: heartbeats are served in it.
  milliseconds slice() const {
    return std::min(kQuiet, milliseconds(options_.heartbeat) / 4);
  }

  Result<> await_exchange(AmqpConnection& connection) {
    while (true) {
      const auto exists = connection.exchange_exists(options_.exchange);
      if (!exists) return fail(exists.error());
      if (*exists) return {};
      if (!exchange_missing_) {
        exchange_missing_ = true;
        log::warning(
            "notifications: {} has no exchange {}: waiting until Ironic sends "
            "its first notification (its notification_level and driver of "
            "[oslo_messaging_notifications] have to be set)",
            status().endpoint, quoted(options_.exchange));
      }
      change([](BrokerStatus& status) { status.exchange_missing = true; });
      const auto next = steady_clock::now() + options_.exchange_poll;
      while (steady_clock::now() < next) {
        const auto nothing = connection.receive(slice(), 0);
        if (!nothing) return fail(nothing.error());
      }
    }
  }

  void connected() {
    // First, so that who sees the status finds it.
    miss();
    const auto now = pxegate::now(clock_);
    change([now](BrokerStatus& status) {
      status.connected = true;
      status.exchange_missing = false;
      status.connected_since = now;
      status.consecutive_failures = 0;
    });
    troubles_.clear();
    exchange_missing_ = false;
    told_malformed_ = false;
    log::info("notifications: listening to {}, exchange {}", status().endpoint,
              quoted(options_.exchange));
  }

  void failed(const Error& error) {
    const auto now = pxegate::now(clock_);
    std::string endpoint;
    change([&](BrokerStatus& status) {
      endpoint = status.endpoint;
      status.connected = false;
      status.exchange_missing = false;
      status.connected_since.reset();
      status.last_error = fmt::format("{}: {}", endpoint, error.message());
      status.last_error_at = now;
      ++status.consecutive_failures;
    });
    std::string& told = troubles_[endpoint];
    if (told == error.message()) return;
    told = error.message();
    log::warning(
        "notifications: {}: {}; Ironic is polled meanwhile, and this is tried "
        "again",
        endpoint, error.message());
  }

  Result<> receive_all(AmqpConnection& connection) {
    auto bound_at = steady_clock::now();
    auto read_at = bound_at;
    int without_pause = 0;
    while (true) {
      const auto received = connection.receive(slice(), kMaxNotification);
      if (!received) return fail(received.error());
      const auto now = steady_clock::now();
      // The broker drops what waits too long, or is too much, without a word.
      if (now - std::exchange(read_at, now) > kQueuedFor / 2) miss();
      if (*received == AmqpConnection::Received::kNothing) {
        without_pause = 0;
      } else {
        if (++without_pause >= kMaxQueued) {
          without_pause = 0;
          miss();
        }
        count(*received == AmqpConnection::Received::kMessage
                  ? decode_notification(connection.message())
                  : fail(fmt::format("it is longer than {} KiB",
                                     kMaxNotification / 1024),
                         ErrorCode::kInvalid));
      }
      if (now - bound_at > options_.rebind) {
        bound_at = now;
        const auto bound = connection.bind_again();
        if (!bound) return bound;
      }
    }
  }

  void count(Result<std::optional<Hint>> decoded) {
    const auto now = pxegate::now(clock_);
    {
      const std::lock_guard lock(mutex_);
      ++status_.received;
      if (decoded) {
        status_.last_message = now;
      } else {
        ++status_.malformed;
      }
    }
    if (!decoded) {
      if (!std::exchange(told_malformed_, true)) {
        log::warning(
            "notifications: a message is none of Ironic's: {} (further ones "
            "are counted only)",
            decoded.error().message());
      }
      return;
    }
    if (*decoded && mailbox_.put(**std::move(decoded))) wake_();
  }

  void miss() {
    if (mailbox_.miss()) wake_();
  }

  // Wakes, if `edit` changes anything.
  template <typename Edit>
  void change(Edit edit) {
    {
      const std::lock_guard lock(mutex_);
      BrokerStatus before = status_;
      edit(status_);
      if (before == status_) return;
    }
    wake_();
  }

  const AmqpOptions options_;
  const Clock& clock_;
  const std::function<void()> wake_;
  Interrupter interrupter_;
  HintMailbox mailbox_;

  mutable std::mutex mutex_;
  BrokerStatus status_;

  // The thread's own.
  Backoff backoff_;
  std::mt19937_64 random_{std::random_device{}()};
  std::map<std::string, std::string> troubles_;  // as logged, by endpoint
  bool exchange_missing_ = false;                // as logged
  bool told_malformed_ = false;

  std::thread thread_;
};

Result<std::unique_ptr<AmqpListener>> AmqpListener::start(
    AmqpOptions options, const Clock& clock, std::function<void()> wake) {
  if (options.hosts.empty()) {
    return fail("no broker is named", ErrorCode::kInvalid);
  }
  auto interrupter = Interrupter::make();
  if (!interrupter) return fail(interrupter.error());
  auto thread = std::make_unique<Thread>(
      std::move(options), clock, std::move(wake), *std::move(interrupter));
  const auto started = thread->start();
  if (!started) return fail(started.error());
  return std::unique_ptr<AmqpListener>(new AmqpListener(std::move(thread)));
}

AmqpListener::AmqpListener(std::unique_ptr<Thread> thread)
    : thread_(std::move(thread)) {}
AmqpListener::~AmqpListener() = default;

Hints AmqpListener::take() { return thread_->take(); }
BrokerStatus AmqpListener::status() const { return thread_->status(); }

}  // namespace pxegate
