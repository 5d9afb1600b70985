// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_IRONIC_AMQP_LISTENER_H_
#define PXEGATE_CONTROLLER_IRONIC_AMQP_LISTENER_H_

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "controller/base/clock.h"
#include "controller/base/result.h"
#include "controller/base/transport_url.h"
#include "controller/core/backoff.h"
#include "controller/ironic/notifications.h"

namespace pxegate {

// Where Ironic's notifications are, and how to get there: the options of the
// message bus, checked.
struct AmqpOptions {
  std::vector<BrokerHost> hosts;  // at least one
  std::string virtual_host = "/";

  bool ssl = false;
  std::string ca_file;    // PEM; empty: the certificates that the system trusts
  std::string cert_file;  // PEM, with key_file: who we are; empty: nobody
  std::string key_file;
  // The broker's certificate has to be for the host that the URL names. (The
  // certificate itself is always verified.)
  bool verify_hostname = true;

  std::string exchange = "ironic";  // [DEFAULT] control_exchange
  // [DEFAULT] versioned_notifications_topics
  std::vector<std::string> topics = {"ironic_versioned_notifications"};

  // A broker that is silent for twice as long is taken for lost. 1 to 300 s.
  std::chrono::seconds heartbeat{10};
  // For each of: resolving a name, connecting, TLS and logging in, an answer.
  std::chrono::milliseconds timeout{10'000};
  // After all hosts have failed, one after the other.
  BackoffOptions backoff{.first = std::chrono::milliseconds{500},
                         .max = std::chrono::milliseconds{30'000}};
  // How often to look for an exchange that does not exist yet.
  std::chrono::milliseconds exchange_poll{2'000};
  // How often the queue is bound again, since nobody tells us when somebody
  // deletes the exchange, and Ironic makes it anew.
  std::chrono::milliseconds rebind{30'000};
  // Hints are kept of so many nodes.
  std::size_t max_nodes = 10'000;
};

// Listens to Ironic's notifications on RabbitMQ in a thread of its own, which
// keeps one connection, and on it a queue that is ours alone (exclusive,
// gone with the connection), bound to the exchange for the priorities that
// Ironic uses, `info` and `error`. Ironic's own queues are never touched. An
// exchange that does not exist is waited for and not made: with what arguments
// is Ironic's business.
//
// What comes is acknowledged as soon as it is read: what is lost with a
// connection, or dropped by the broker since we were too slow, is told by
// Hints::missed.
//
// Trouble is logged once when it begins or becomes another, and once when it
// ends. Neither log nor status hold credentials.
class AmqpListener final : public Notifications {
 public:
  // Starts the thread. `wake` is called from it, after something came that
  // take() hands out, or the status changed (not for its counters alone): do
  // little, and do not call back. `clock` outlives this. Whatever is wrong with
  // the broker, or with a file of the options, is in status().
  static Result<std::unique_ptr<AmqpListener>> start(
      AmqpOptions options, const Clock& clock, std::function<void()> wake);

  // Ends the thread, at once: nothing that it may be waiting for is waited for
  // (only a TCP connection for TLS may take up to `timeout`, in the moment
  // that the network goes away).
  ~AmqpListener() override;
  AmqpListener(const AmqpListener&) = delete;
  AmqpListener& operator=(const AmqpListener&) = delete;

  Hints take() override;
  BrokerStatus status() const override;

 private:
  class Thread;
  explicit AmqpListener(std::unique_ptr<Thread> thread);

  std::unique_ptr<Thread> thread_;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_IRONIC_AMQP_LISTENER_H_
