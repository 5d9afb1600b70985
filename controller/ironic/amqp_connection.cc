// SPDX-License-Identifier: Apache-2.0
#include "controller/ironic/amqp_connection.h"

#include <amqp_framing.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

#include "controller/base/text.h"
#include "controller/base/transport_url.h"
#include "controller/ironic/inflow_watch.h"

namespace pxegate {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// One is enough, and can be opened again after the broker has closed it.
constexpr amqp_channel_t kChannel = 1;
// What RabbitMQ proposes. librabbitmq takes no larger frame than agreed on.
constexpr int kFrameMax = 131'072;
constexpr std::size_t kMaxReplyText = 200;
// Far more than a broker sends until one is logged in, TLS included.
constexpr std::uint64_t kMaxLogin = 1 << 20;
// Heartbeats are at least a second apart.
constexpr milliseconds kHeartbeatSlice{250};

amqp_bytes_t bytes_of(std::string_view text) {
  // librabbitmq does not write to what it is given.
  return {text.size(), const_cast<char*>(text.data())};
}

std::string_view text_of(const amqp_bytes_t& bytes) {
  return {static_cast<const char*>(bytes.bytes), bytes.len};
}

timeval timeval_of(milliseconds duration) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(duration);
  return {.tv_sec = seconds.count(),
          .tv_usec = std::chrono::microseconds(duration - seconds).count()};
}

amqp_table_entry_t entry(const char* key, std::int32_t value) {
  amqp_table_entry_t entry{};
  entry.key = amqp_cstring_bytes(key);
  entry.value.kind = AMQP_FIELD_KIND_I32;
  entry.value.value.i32 = value;
  return entry;
}

amqp_table_entry_t entry(const char* key, const char* value) {
  amqp_table_entry_t entry{};
  entry.key = amqp_cstring_bytes(key);
  entry.value.kind = AMQP_FIELD_KIND_UTF8;
  entry.value.value.bytes = amqp_cstring_bytes(value);
  return entry;
}

amqp_table_entry_t entry(const char* key, bool value) {
  amqp_table_entry_t entry{};
  entry.key = amqp_cstring_bytes(key);
  entry.value.kind = AMQP_FIELD_KIND_BOOLEAN;
  entry.value.value.boolean = value ? 1 : 0;
  return entry;
}

amqp_table_entry_t entry(const char* key, amqp_table_t value) {
  amqp_table_entry_t entry{};
  entry.key = amqp_cstring_bytes(key);
  entry.value.kind = AMQP_FIELD_KIND_TABLE;
  entry.value.value.table = value;
  return entry;
}

template <std::size_t N>
amqp_table_t table_of(std::array<amqp_table_entry_t, N>& entries) {
  return {.num_entries = static_cast<int>(N), .entries = entries.data()};
}

// "<what>: 404 "NOT_FOUND - …"", and what kind of failure that is.
Error server_error(std::string_view what, std::uint16_t code,
                   const amqp_bytes_t& text) {
  ErrorCode kind = ErrorCode::kUnavailable;
  if (code == AMQP_ACCESS_REFUSED || code == AMQP_NOT_ALLOWED) {
    kind = ErrorCode::kPermission;
  } else if (code == AMQP_NOT_FOUND) {
    kind = ErrorCode::kNotFound;
  }
  return Error(fmt::format("{}: {} {}", what, code,
                           quoted(text_of(text), kMaxReplyText)),
               kind);
}

// Of a channel that was closed: what is refused there are permissions.
Error channel_error(std::string_view what, const amqp_channel_close_t& close) {
  Error error = server_error(what, close.reply_code, close.reply_text);
  if (error.code() != ErrorCode::kPermission) return error;
  return Error(error.message() +
                   "; see to it with rabbitmqctl set_permissions: "
                   "docs/notifications.md has what is needed",
               error.code());
}

bool is_address(const std::string& host) {
  in6_addr any{};
  return ::inet_pton(AF_INET, host.c_str(), &any) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), &any) == 1;
}

// What librabbitmq leaves out about TLS is done in OpenSSL's callbacks: to
// interrupt a handshake, to name the host (librabbitmq is given the address,
// so that nothing is resolved that could not be interrupted), and to learn
// what is wrong with a certificate.
class TlsHandshake {
 public:
  TlsHandshake(const AmqpTarget& target, Interrupter& interrupter)
      : target_(target), interrupter_(interrupter) {}
  ~TlsHandshake() {
    if (context_ != nullptr) SSL_CTX_set_ex_data(context_, index(), nullptr);
  }
  TlsHandshake(const TlsHandshake&) = delete;
  TlsHandshake& operator=(const TlsHandshake&) = delete;

  Result<> prepare(amqp_socket_t* socket) {
    context_ = static_cast<SSL_CTX*>(amqp_ssl_socket_get_context(socket));
    SSL_CTX_set_ex_data(context_, index(), this);
    SSL_CTX_set_info_callback(context_, &on_info);
    // A key with a passphrase would be asked for on the terminal.
    SSL_CTX_set_default_passwd_cb(context_,
                                  [](char*, int, int, void*) { return -1; });
    // A write would have to wait for what the broker has to say then.
    SSL_CTX_set_options(context_, SSL_OP_NO_RENEGOTIATION);
    if (SSL_CTX_set_min_proto_version(context_, TLS1_2_VERSION) != 1) {
      return fail("TLS 1.2 cannot be had");
    }

    // OpenSSL verifies the certificate within the handshake, before anything
    // is sent; librabbitmq would look at it once more, after.
    SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, &on_verify);
    amqp_ssl_socket_set_verify_peer(socket, 1);
    // Its own way to compare names knows no addresses.
    amqp_ssl_socket_set_verify_hostname(socket, 0);
    if (target_.verify_hostname) {
      X509_VERIFY_PARAM* wanted = SSL_CTX_get0_param(context_);
      X509_VERIFY_PARAM_set_hostflags(wanted,
                                      X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
      const int set =
          is_address(target_.host)
              ? X509_VERIFY_PARAM_set1_ip_asc(wanted, target_.host.c_str())
              : X509_VERIFY_PARAM_set1_host(wanted, target_.host.c_str(), 0);
      if (set != 1) return fail("the host's name cannot be verified");
    }
    return load_files(socket);
  }

  // Why the handshake failed, `status` being librabbitmq's word.
  Error error(int status) const {
    if (verify_error_ != X509_V_OK) {
      const bool name = verify_error_ == X509_V_ERR_HOSTNAME_MISMATCH ||
                        verify_error_ == X509_V_ERR_IP_ADDRESS_MISMATCH;
      return Error(
          fmt::format(
              "TLS: the broker's certificate is not accepted: {} ({})",
              X509_verify_cert_error_string(verify_error_),
              name ? fmt::format("it has to be for {}", target_.host)
                   : fmt::format("ssl_ca_file is {}", target_.ca_file.empty()
                                                          ? "not set"
                                                          : target_.ca_file)),
          ErrorCode::kPermission);
    }
    const unsigned long code = ERR_peek_last_error();
    const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
    return Error(
        fmt::format("TLS: {}{}",
                    reason != nullptr ? reason : amqp_error_string2(status),
                    reason != nullptr &&
                            ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER
                        ? " (is this the broker's port for TLS?)"
                        : ""),
        ErrorCode::kUnavailable);
  }

 private:
  static int index() {
    static const int index =
        SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
    return index;
  }
  // nullptr once the handshake is over.
  static TlsHandshake* of(const SSL* ssl) {
    return static_cast<TlsHandshake*>(
        SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), index()));
  }

  static void on_info(const SSL* ssl, int where, int) {
    TlsHandshake* self = of(ssl);
    if (self == nullptr || (where & SSL_CB_HANDSHAKE_START) == 0) return;
    const int socket = SSL_get_fd(ssl);
    if (socket >= 0) self->guard_.emplace(self->interrupter_, socket);
    // Not for addresses: RFC 6066, section 3.
    std::string name = self->target_.host;
    SSL_set_tlsext_host_name(const_cast<SSL*>(ssl),
                             is_address(name) ? nullptr : name.data());
  }

  static int on_verify(int accepted, X509_STORE_CTX* store) {
    const auto* ssl = static_cast<const SSL*>(X509_STORE_CTX_get_ex_data(
        store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    TlsHandshake* self = of(ssl);
    if (self != nullptr && accepted != 1) {
      self->verify_error_ = X509_STORE_CTX_get_error(store);
    }
    return accepted;
  }

  Result<> load_files(amqp_socket_t* socket) {
    ERR_clear_error();
    const auto cannot_use = [](std::string_view option,
                               const std::string& file) {
      const char* reason = ERR_reason_error_string(ERR_peek_error());
      return fail(fmt::format("{} {} cannot be used: {}", option, file,
                              reason != nullptr ? reason : "unknown reason"),
                  ErrorCode::kInvalid);
    };
    if (target_.ca_file.empty()) {
      if (SSL_CTX_set_default_verify_paths(context_) != 1) {
        return fail("the system's certificates cannot be read");
      }
    } else if (amqp_ssl_socket_set_cacert(socket, target_.ca_file.c_str()) !=
               AMQP_STATUS_OK) {
      return cannot_use("ssl_ca_file", target_.ca_file);
    }
    if (!target_.cert_file.empty() &&
        amqp_ssl_socket_set_key(socket, target_.cert_file.c_str(),
                                target_.key_file.c_str()) != AMQP_STATUS_OK) {
      return cannot_use("ssl_cert_file and ssl_key_file",
                        target_.cert_file + " and " + target_.key_file);
    }
    return {};
  }

  const AmqpTarget& target_;
  Interrupter& interrupter_;
  SSL_CTX* context_ = nullptr;
  int verify_error_ = X509_V_OK;
  std::optional<Interrupter::Guard> guard_;
};

Result<> connect_tls(amqp_connection_state_t state, const AmqpTarget& target,
                     Interrupter& interrupter) {
  // The name is resolved, and an address found that answers, where that can be
  // interrupted.
  auto dialed = tcp_dial(target.host, target.port, target.timeout, interrupter);
  if (!dialed) return fail(dialed.error());
  dialed->socket.reset();

  amqp_socket_t* socket = amqp_ssl_socket_new(state);
  if (socket == nullptr) return fail("TLS cannot be set up");
  TlsHandshake handshake(target, interrupter);
  const auto prepared = handshake.prepare(socket);
  if (!prepared) return prepared;
  const timeval timeout = timeval_of(target.timeout);
  const int status = amqp_socket_open_noblock(socket, dialed->address.c_str(),
                                              target.port, &timeout);
  if (interrupter.interrupted()) {
    return fail("interrupted", ErrorCode::kCancelled);
  }
  if (status != AMQP_STATUS_OK) return fail(handshake.error(status));
  return {};
}

Result<> connect_plain(amqp_connection_state_t state, const AmqpTarget& target,
                       const Interrupter& interrupter) {
  auto dialed = tcp_dial(target.host, target.port, target.timeout, interrupter);
  if (!dialed) return fail(dialed.error());
  amqp_socket_t* socket = amqp_tcp_socket_new(state);
  if (socket == nullptr) return fail("out of memory");
  amqp_tcp_socket_set_sockfd(socket, dialed->socket.release());
  return {};
}

std::string connection_name() {
  std::array<char, HOST_NAME_MAX + 1> host{};
  ::gethostname(host.data(), host.size() - 1);
  return fmt::format("pxegate {}:{}", host.data(), ::getpid());
}

amqp_rpc_reply_t log_in(amqp_connection_state_t state,
                        const AmqpTarget& target) {
  std::array capabilities{
      // Otherwise the broker would not say that our queue was deleted.
      entry("consumer_cancel_notify", true),
      // Otherwise it would not say why a login fails.
      entry("authentication_failure_close", true)};
  const std::string name = connection_name();
  std::array properties{entry("product", "pxegate"),
                        entry("connection_name", name.c_str()),
                        entry("capabilities", table_of(capabilities))};
  const amqp_table_t table = table_of(properties);
  std::string password;
  password.reserve(target.password.reveal().size());
  password.assign(target.password.reveal());
  const amqp_rpc_reply_t reply = amqp_login_with_properties(
      state, target.virtual_host.c_str(), AMQP_DEFAULT_MAX_CHANNELS, kFrameMax,
      static_cast<int>(target.heartbeat.count()), &table,
      AMQP_SASL_METHOD_PLAIN, target.username.c_str(), password.c_str());
  wipe(password);
  return reply;
}

// A login that the broker refused, told by the option that has to be put
// right.
Error login_error(const Error& error) {
  if (error.code() != ErrorCode::kPermission) return error;
  return Error(
      "the broker refuses the user, the password or the virtual host of "
      "transport_url: " +
          error.message(),
      ErrorCode::kPermission);
}

}  // namespace

void AmqpConnection::StateDeleter::operator()(
    amqp_connection_state_t state) const {
  // With TLS the farewell would wait for the broker's, for ever.
  if (const int socket = amqp_get_sockfd(state); socket >= 0) {
    ::shutdown(socket, SHUT_RDWR);
  }
  amqp_destroy_connection(state);
}

Result<AmqpConnection> AmqpConnection::open(const AmqpTarget& target,
                                            Interrupter& interrupter) {
  State state(amqp_new_connection());
  if (!state) return fail("out of memory");
  const auto connected = target.tls
                             ? connect_tls(state.get(), target, interrupter)
                             : connect_plain(state.get(), target, interrupter);
  if (!connected) return fail(connected.error());

  AmqpConnection connection(std::move(state), interrupter, target.timeout);
  const int socket = connection.socket();
  // Ends a write to a broker that reads no more, which librabbitmq would wait
  // for without end.
  const auto patience =
      static_cast<unsigned>(2 * milliseconds(target.heartbeat).count());
  ::setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience,
               sizeof patience);
  const timeval timeout = timeval_of(target.timeout);
  amqp_set_handshake_timeout(connection.state_.get(), &timeout);
  amqp_set_rpc_timeout(connection.state_.get(), &timeout);
  const Interrupter::Guard guard(interrupter, socket);
  // librabbitmq keeps whatever comes until the answer does.
  InflowWatch watch(socket, kMaxLogin);
  const amqp_rpc_reply_t reply = log_in(connection.state_.get(), target);
  if (const auto bounded = watch.end(); !bounded) {
    return fail(bounded.error().within("logging in"));
  }
  const auto in = connection.check(reply, "logging in");
  if (!in) return fail(login_error(in.error()));
  return connection;
}

Result<> AmqpConnection::check(int status, std::string_view what) const {
  if (status == AMQP_STATUS_OK) return {};
  if (interrupter_->interrupted()) {
    return fail("interrupted", ErrorCode::kCancelled);
  }
  if (status == AMQP_STATUS_HEARTBEAT_TIMEOUT) {
    return fail(fmt::format("{}: no heartbeat from the broker", what),
                ErrorCode::kUnavailable);
  }
  return fail(fmt::format("{}: {}", what, amqp_error_string2(status)),
              ErrorCode::kUnavailable);
}

Result<> AmqpConnection::check(const amqp_rpc_reply_t& reply,
                               std::string_view what) const {
  switch (reply.reply_type) {
    case AMQP_RESPONSE_NORMAL:
      return {};
    case AMQP_RESPONSE_LIBRARY_EXCEPTION:
      return check(reply.library_error, what);
    case AMQP_RESPONSE_SERVER_EXCEPTION:
      if (reply.reply.id == AMQP_CONNECTION_CLOSE_METHOD) {
        const auto* close =
            static_cast<const amqp_connection_close_t*>(reply.reply.decoded);
        return fail(server_error(what, close->reply_code, close->reply_text));
      }
      if (reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD) {
        const auto* close =
            static_cast<const amqp_channel_close_t*>(reply.reply.decoded);
        return fail(channel_error(what, *close));
      }
      break;
    case AMQP_RESPONSE_NONE:
      break;
  }
  if (interrupter_->interrupted()) {
    return fail("interrupted", ErrorCode::kCancelled);
  }
  return fail(fmt::format("{}: an answer that does not fit", what),
              ErrorCode::kUnavailable);
}

Result<> AmqpConnection::open_channel() {
  if (channel_open_) return {};
  amqp_channel_open_t open{};
  const auto opened = call(AMQP_CHANNEL_OPEN_METHOD, &open,
                           AMQP_CHANNEL_OPEN_OK_METHOD, "opening a channel");
  channel_open_ = opened.has_value();
  return opened;
}

// librabbitmq's own calls would keep whatever else comes before the answer,
// without end. Nothing else has to come: nobody consumes yet.
Result<> AmqpConnection::call(amqp_method_number_t method, void* arguments,
                              amqp_method_number_t answer,
                              std::string_view what) {
  const auto deadline = steady_clock::now() + timeout_;
  {
    const Interrupter::Guard guard(*interrupter_, socket());
    const auto sent = check(
        amqp_send_method(state_.get(), kChannel, method, arguments), what);
    if (!sent) return sent;
  }
  while (true) {
    amqp_frame_t frame{};
    const auto read = read_frame(deadline, frame);
    if (!read) return fail(read.error());
    if (!*read) {
      return fail(fmt::format("{}: no answer from the broker", what),
                  ErrorCode::kUnavailable);
    }
    Result<bool> answered = false;
    if (frame.frame_type != AMQP_FRAME_METHOD) {
      answered = fail(fmt::format("{}: an answer that does not fit", what),
                      ErrorCode::kUnavailable);
    } else if (const amqp_method_t& got = frame.payload.method;
               got.id == AMQP_CHANNEL_CLOSE_METHOD ||
               got.id == AMQP_CONNECTION_CLOSE_METHOD) {
      answered = fail(on_close(got, what));
    } else if (frame.channel == kChannel && got.id == answer) {
      answered = true;
    } else if (frame.channel != 0) {
      answered = fail(fmt::format("{}: an answer that does not fit", what),
                      ErrorCode::kUnavailable);
    }
    amqp_maybe_release_buffers_on_channel(state_.get(), frame.channel);
    if (!answered) return fail(answered.error());
    if (*answered) return {};
  }
}

Result<bool> AmqpConnection::exchange_exists(const std::string& exchange) {
  const auto opened = open_channel();
  if (!opened) return fail(opened.error());
  amqp_exchange_declare_t declare{};
  declare.exchange = bytes_of(exchange);
  declare.type = amqp_cstring_bytes("topic");
  declare.passive = 1;
  const auto there = call(AMQP_EXCHANGE_DECLARE_METHOD, &declare,
                          AMQP_EXCHANGE_DECLARE_OK_METHOD,
                          "looking for the exchange " + quoted(exchange));
  if (there) return true;
  if (there.error().code() != ErrorCode::kNotFound) return fail(there.error());
  // The broker has closed the channel, which is to be confirmed.
  amqp_channel_close_ok_t close_ok{};
  channel_open_ = false;
  const Interrupter::Guard guard(*interrupter_, socket());
  const auto closed =
      check(amqp_send_method(state_.get(), kChannel,
                             AMQP_CHANNEL_CLOSE_OK_METHOD, &close_ok),
            "closing a channel");
  if (!closed) return fail(closed.error());
  return false;
}

Result<> AmqpConnection::consume(const AmqpQueue& queue,
                                 std::uint16_t prefetch) {
  const auto opened = open_channel();
  if (!opened) return opened;
  queue_ = queue;
  prefetch_ = prefetch;

  std::array arguments{
      // An operator's default may be another, which knows no exclusive ones.
      entry("x-queue-type", "classic"),
      entry("x-max-length", queue.max_messages),
      entry("x-max-length-bytes", queue.max_bytes),
      entry("x-message-ttl", static_cast<std::int32_t>(queue.ttl.count()))};
  amqp_queue_declare_t declare{};
  declare.queue = bytes_of(queue_.name);
  declare.exclusive = 1;
  declare.auto_delete = 1;
  declare.arguments = table_of(arguments);
  auto done =
      call(AMQP_QUEUE_DECLARE_METHOD, &declare, AMQP_QUEUE_DECLARE_OK_METHOD,
           "making the queue " + quoted(queue.name));
  if (!done) return done;
  for (const std::string& key : queue_.routing_keys) {
    amqp_queue_bind_t bind = binding(key);
    done = call(AMQP_QUEUE_BIND_METHOD, &bind, AMQP_QUEUE_BIND_OK_METHOD,
                fmt::format("binding the queue to {} of the exchange {}",
                            quoted(key), quoted(queue.exchange)));
    if (!done) return done;
  }
  amqp_basic_qos_t qos{};
  qos.prefetch_count = prefetch;
  done = call(AMQP_BASIC_QOS_METHOD, &qos, AMQP_BASIC_QOS_OK_METHOD,
              "limiting what is read ahead");
  if (!done) return done;
  amqp_basic_consume_t consume{};
  consume.queue = bytes_of(queue_.name);
  consume.exclusive = 1;
  return call(AMQP_BASIC_CONSUME_METHOD, &consume, AMQP_BASIC_CONSUME_OK_METHOD,
              "reading the queue");
}

amqp_queue_bind_t AmqpConnection::binding(const std::string& key) const {
  amqp_queue_bind_t bind{};
  bind.queue = bytes_of(queue_.name);
  bind.exchange = bytes_of(queue_.exchange);
  bind.routing_key = bytes_of(key);
  return bind;
}

Result<> AmqpConnection::bind_again() {
  const Interrupter::Guard guard(*interrupter_, socket());
  for (const std::string& key : queue_.routing_keys) {
    amqp_queue_bind_t bind = binding(key);
    bind.nowait = 1;
    const auto sent = check(
        amqp_send_method(state_.get(), kChannel, AMQP_QUEUE_BIND_METHOD, &bind),
        "binding the queue again");
    if (!sent) return sent;
  }
  return {};
}

Result<> AmqpConnection::acknowledge() {
  if (unacknowledged_ == 0) return {};
  unacknowledged_ = 0;
  const Interrupter::Guard guard(*interrupter_, socket());
  return check(
      amqp_basic_ack(state_.get(), kChannel, last_read_, /*multiple=*/1),
      "acknowledging messages");
}

Result<> AmqpConnection::wait_readable(milliseconds timeout) const {
  std::array<pollfd, 2> fds{
      {{.fd = interrupter_->fd(), .events = POLLIN, .revents = 0},
       {.fd = socket(), .events = POLLIN, .revents = 0}}};
  const auto count = std::clamp<std::int64_t>(timeout.count(), 0, INT_MAX);
  if (::poll(fds.data(), fds.size(), static_cast<int>(count)) < 0 &&
      errno != EINTR) {
    return fail_errno("poll", errno);
  }
  return {};
}

bool AmqpConnection::nothing_buffered() const {
  return amqp_frames_enqueued(state_.get()) == 0 &&
         amqp_data_in_buffer(state_.get()) == 0;
}

// False at `deadline`. `frame` is to be released.
Result<bool> AmqpConnection::read_frame(steady_clock::time_point deadline,
                                        amqp_frame_t& frame) {
  while (true) {
    if (nothing_buffered()) {
      const auto waited = wait_readable(std::min(
          kHeartbeatSlice,
          std::chrono::ceil<milliseconds>(deadline - steady_clock::now())));
      if (!waited) return fail(waited.error());
    }
    if (interrupter_->interrupted()) {
      return fail("interrupted", ErrorCode::kCancelled);
    }
    // Also where there is nothing to read: heartbeats are sent and missed in
    // there.
    const timeval at_once{};
    int status = AMQP_STATUS_OK;
    {
      // Sending one waits for a broker that reads nothing.
      const Interrupter::Guard guard(*interrupter_, socket());
      status = amqp_simple_wait_frame_noblock(state_.get(), &frame, &at_once);
    }
    if (status != AMQP_STATUS_TIMEOUT) {
      const auto read = check(status, "reading from the broker");
      if (!read) return fail(read.error());
      return true;
    }
    if (steady_clock::now() >= deadline) return false;
  }
}

Result<AmqpConnection::Received> AmqpConnection::receive(milliseconds timeout,
                                                         std::size_t max_size) {
  const auto deadline = steady_clock::now() + timeout;
  while (true) {
    if (nothing_buffered()) {
      const auto acknowledged = acknowledge();
      if (!acknowledged) return fail(acknowledged.error());
    }
    amqp_frame_t frame{};
    const auto read = read_frame(deadline, frame);
    if (!read) return fail(read.error());
    if (!*read) return Received::kNothing;
    const auto received = on_frame(frame, max_size);
    amqp_maybe_release_buffers_on_channel(state_.get(), frame.channel);
    if (!received) return fail(received.error());
    if (*received) return **received;
  }
}

// What the broker says with the channel or the connection that it closed,
// confirming the latter.
Error AmqpConnection::on_close(const amqp_method_t& method,
                               std::string_view what) {
  if (method.id == AMQP_CHANNEL_CLOSE_METHOD) {
    return channel_error(
        what, *static_cast<const amqp_channel_close_t*>(method.decoded));
  }
  const auto* close =
      static_cast<const amqp_connection_close_t*>(method.decoded);
  amqp_connection_close_ok_t close_ok{};
  const Interrupter::Guard guard(*interrupter_, socket());
  amqp_send_method(state_.get(), 0, AMQP_CONNECTION_CLOSE_OK_METHOD, &close_ok);
  return server_error(what, close->reply_code, close->reply_text);
}

Result<> AmqpConnection::on_method(const amqp_method_t& method) {
  switch (method.id) {
    case AMQP_BASIC_DELIVER_METHOD:
      delivery_ = static_cast<const amqp_basic_deliver_t*>(method.decoded)
                      ->delivery_tag;
      delivered_ = true;
      return {};
    case AMQP_BASIC_CANCEL_METHOD:
      return fail(fmt::format("the broker gives no more of the queue {}: it "
                              "was deleted",
                              quoted(queue_.name)),
                  ErrorCode::kUnavailable);
    case AMQP_CHANNEL_CLOSE_METHOD:
      return fail(on_close(method, "the broker closed the channel"));
    case AMQP_CONNECTION_CLOSE_METHOD:
      return fail(on_close(method, "the broker closed the connection"));
    default:
      return {};
  }
}

std::optional<AmqpConnection::Received> AmqpConnection::message_if_complete() {
  if (left_ > 0) return std::nullopt;
  reading_ = false;
  last_read_ = delivery_;
  ++unacknowledged_;
  return dropping_ ? Received::kTooLarge : Received::kMessage;
}

Result<std::optional<AmqpConnection::Received>> AmqpConnection::on_frame(
    const amqp_frame_t& frame, std::size_t max_size) {
  switch (frame.frame_type) {
    case AMQP_FRAME_METHOD: {
      const auto taken = on_method(frame.payload.method);
      if (!taken) return fail(taken.error());
      return std::nullopt;
    }
    case AMQP_FRAME_HEADER:
      if (!std::exchange(delivered_, false)) {
        return fail("the broker sent a message without saying for whom");
      }
      reading_ = true;
      left_ = frame.payload.properties.body_size;
      dropping_ = left_ > max_size;
      body_.clear();
      break;
    case AMQP_FRAME_BODY: {
      const std::string_view fragment = text_of(frame.payload.body_fragment);
      if (!reading_ || fragment.size() > left_) {
        return fail("the broker sent more of a message than it announced");
      }
      left_ -= fragment.size();
      if (!dropping_) body_ += fragment;
      break;
    }
    default:
      return std::nullopt;
  }
  auto received = message_if_complete();
  // So that a broker that never pauses gets its acknowledgements.
  if (received && unacknowledged_ >= std::max(1U, prefetch_ / 2U)) {
    const auto acknowledged = acknowledge();
    if (!acknowledged) return fail(acknowledged.error());
  }
  return received;
}

void AmqpConnection::say_goodbye() {
  // Not guarded, since an interrupt is mostly why: what does not fit into the
  // socket's buffer is not said.
  pollfd ready{.fd = socket(), .events = POLLOUT, .revents = 0};
  if (::poll(&ready, 1, 0) != 1 || ready.revents != POLLOUT) return;
  amqp_connection_close_t close{};
  close.reply_code = AMQP_REPLY_SUCCESS;
  close.reply_text = amqp_cstring_bytes("goodbye");
  amqp_send_method(state_.get(), 0, AMQP_CONNECTION_CLOSE_METHOD, &close);
}

}  // namespace pxegate
