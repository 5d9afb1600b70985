// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_IRONIC_AMQP_CONNECTION_H_
#define PXEGATE_CONTROLLER_IRONIC_AMQP_CONNECTION_H_

#include <amqp.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/base/result.h"
#include "controller/base/secret.h"
#include "controller/ironic/tcp_dial.h"

namespace pxegate {

struct AmqpTarget {
  std::string host;
  std::uint16_t port = 0;
  std::string virtual_host;
  std::string username;
  Secret password;

  bool tls = false;
  std::string ca_file;
  std::string cert_file;  // empty: no certificate of our own
  std::string key_file;
  bool verify_hostname = true;

  std::chrono::seconds heartbeat{10};
  std::chrono::milliseconds timeout{10'000};  // of each step
};

struct AmqpQueue {
  std::string name;
  std::string exchange;
  std::vector<std::string> routing_keys;
  // Bounds what waits at the broker.
  std::int32_t max_messages = 0;
  std::int32_t max_bytes = 0;
  std::chrono::milliseconds ttl{};
};

// One connection to a broker, with one channel and one consumer on it: a thin
// layer over librabbitmq, which every wait can be interrupted in. After an
// error it is of no more use. Errors are kCancelled once interrupted,
// kPermission and kNotFound where the broker says so, kUnavailable otherwise.
// No error holds the password. Not thread-safe; `interrupter` outlives it.
class AmqpConnection {
 public:
  enum class Received {
    kNothing,   // in time
    kMessage,   // message() is it
    kTooLarge,  // a message was longer than asked for, and is dropped
  };

  // Connects and logs in.
  static Result<AmqpConnection> open(const AmqpTarget& target,
                                     Interrupter& interrupter);

  // Whether there is such an exchange. Does not make one.
  Result<bool> exchange_exists(const std::string& exchange);

  // Makes a queue for this connection alone, which ends with it, binds it and
  // begins to consume from it, `prefetch` messages ahead of their
  // acknowledgement. The exchange has to exist.
  Result<> consume(const AmqpQueue& queue, std::uint16_t prefetch);

  // Binds the consumed queue again, without waiting for an answer. If there is
  // no such exchange any more, a later receive() fails (kNotFound).
  Result<> bind_again();

  // Reads the next message, acknowledging it; waits for `timeout` at most.
  // Serves heartbeats, so it has to be called more often than they come. Holds
  // `max_size` and one frame of the message, however long that is.
  Result<Received> receive(std::chrono::milliseconds timeout,
                           std::size_t max_size);
  // Until the next receive().
  const std::string& message() const { return body_; }

  // Tells the broker goodbye, without waiting: neither for its answer nor for
  // one that reads nothing.
  void say_goodbye();

 private:
  struct StateDeleter {
    void operator()(amqp_connection_state_t state) const;
  };
  using State = std::unique_ptr<amqp_connection_state_t_, StateDeleter>;

  AmqpConnection(State state, Interrupter& interrupter,
                 std::chrono::milliseconds timeout)
      : state_(std::move(state)),
        interrupter_(&interrupter),
        timeout_(timeout) {}

  int socket() const { return amqp_get_sockfd(state_.get()); }
  Result<> open_channel();
  Result<> call(amqp_method_number_t method, void* arguments,
                amqp_method_number_t answer, std::string_view what);
  Result<bool> read_frame(std::chrono::steady_clock::time_point deadline,
                          amqp_frame_t& frame);
  bool nothing_buffered() const;
  amqp_queue_bind_t binding(const std::string& key) const;
  Result<> acknowledge();
  Result<> check(const amqp_rpc_reply_t& reply, std::string_view what) const;
  Result<> check(int status, std::string_view what) const;
  Result<> wait_readable(std::chrono::milliseconds timeout) const;
  Result<> on_method(const amqp_method_t& method);
  Error on_close(const amqp_method_t& method, std::string_view what);
  Result<std::optional<Received>> on_frame(const amqp_frame_t& frame,
                                           std::size_t max_size);
  std::optional<Received> message_if_complete();

  State state_;
  Interrupter* interrupter_;
  std::chrono::milliseconds timeout_;  // of an answer
  std::uint16_t prefetch_ = 0;
  bool channel_open_ = false;
  AmqpQueue queue_;

  // The message that is being read.
  std::string body_;
  bool delivered_ = false;  // its header comes next
  bool reading_ = false;    // its header has come
  bool dropping_ = false;
  std::uint64_t left_ = 0;  // bytes of its body that are still to come

  std::uint64_t delivery_ = 0;   // its tag
  std::uint64_t last_read_ = 0;  // that of the one before, which was whole
  unsigned unacknowledged_ = 0;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_IRONIC_AMQP_CONNECTION_H_
