// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_TESTS_RABBITMQ_RABBITMQ_H_
#define PXEGATE_TESTS_RABBITMQ_RABBITMQ_H_

#include <amqp.h>
#include <sys/types.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/clock.h"
#include "controller/ironic/amqp_listener.h"
#include "tests/support/temp_dir.h"

namespace pxegate::testing {

inline constexpr std::uint16_t kPlainPort = 5672;
inline constexpr std::uint16_t kTlsPort = 5671;

// A real RabbitMQ at 127.0.0.1, in the network namespace of the thread that
// makes it. It has the user `guest`, and `user` with the password `kPassword`.
// Throws where it cannot be started, which fails the test.
inline constexpr const char* kPassword = "p%ss/w@rd";
class RabbitMq {
 public:
  RabbitMq();
  ~RabbitMq();
  RabbitMq(const RabbitMq&) = delete;
  RabbitMq& operator=(const RabbitMq&) = delete;

  void start();
  void stop();
  void pause() const;  // as if the network ate everything
  void resume() const;

  // What rabbitmqctl prints.
  std::string ctl(std::vector<std::string> arguments) const;
  // The names of the queues of listeners.
  std::vector<std::string> listeners_queues() const;
  void delete_listeners_queues() const;

  // Certificates: of the broker for "localhost" by the authority ca.pem; of
  // another authority; of a client by ca.pem.
  std::string file(std::string_view name) const { return dir_ / name; }

 private:
  pid_t spawn(const std::vector<std::string>& argv) const;
  std::vector<std::string> environment() const;
  void make_certificates() const;

  TempDir dir_;
  pid_t epmd_ = -1;
  pid_t server_ = -1;
};

// Another client of that broker. Throws where it is refused.
class Publisher {
 public:
  Publisher();
  ~Publisher();
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  // As oslo.messaging makes Ironic's.
  void make_exchange(const std::string& name);
  void delete_exchange(const std::string& name);
  void publish(const std::string& exchange, const std::string& key,
               std::string_view body);
  // A queue as oslo.messaging makes them for who reads notifications; empty.
  void make_queue(const std::string& exchange, const std::string& name);
  unsigned messages_in(const std::string& queue);

 private:
  void check(std::string_view what);

  amqp_connection_state_t state_;
};

// A listener, and what it tells.
class Listening {
 public:
  explicit Listening(AmqpOptions options);

  AmqpListener& operator*() { return *listener_; }
  AmqpListener* operator->() { return listener_.get(); }

  // Waits until `holds`, looking whenever the listener wakes, and only then.
  // False if that takes longer than a minute.
  bool wait(const std::function<bool()>& holds);
  bool wait_connected();
  // Collects hints into `hints` until there are so many.
  bool wait_hints(std::size_t count);
  void stop() { listener_.reset(); }

  Hints hints;

 private:
  SystemClock clock_;
  std::mutex mutex_;
  std::condition_variable woken_;
  std::uint64_t wakes_ = 0;
  std::unique_ptr<AmqpListener> listener_;  // ends before what it calls
};

// Looks until `holds`; false if that takes longer than a minute.
bool poll_until(const std::function<bool()>& holds);

// The one that all tests share, running. Null: `why_not` says why.
RabbitMq* shared_rabbitmq(std::string& why_not);

}  // namespace pxegate::testing

#endif  // PXEGATE_TESTS_RABBITMQ_RABBITMQ_H_
