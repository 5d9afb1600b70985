// SPDX-License-Identifier: Apache-2.0
#include "tests/rabbitmq/rabbitmq.h"

#include <amqp_framing.h>
#include <amqp_tcp_socket.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "controller/base/command_runner.h"
#include "controller/base/fd.h"
#include "controller/ironic/tcp_dial.h"
#include "tests/support/netns.h"

namespace pxegate::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr seconds kPatience{60};
constexpr const char* kSbin = "/usr/lib/rabbitmq/lib";

std::string run(const std::vector<std::string>& argv,
                const std::string& input = {}) {
  SystemCommandRunner runner;
  const auto output =
      runner.run({.argv = argv, .input = input, .timeout = seconds{60}});
  if (!output) throw std::runtime_error(output.error().message());
  if (output->exit_status != 0) {
    throw std::runtime_error(argv[0] + ": " + output->err + output->out);
  }
  return output->out;
}

// The program, not Debian's wrapper, which would change the user.
std::string program(const std::string& name) {
  for (const auto& entry : std::filesystem::directory_iterator(kSbin)) {
    const auto path = entry.path() / "sbin" / name;
    if (std::filesystem::exists(path)) return path;
  }
  throw std::runtime_error("no " + name + " below " + kSbin);
}

void end(pid_t& group, int signal) {
  if (group < 0) return;
  ::kill(-group, SIGCONT);
  ::kill(-group, signal);
  const auto deadline = steady_clock::now() + kPatience;
  while (::waitpid(group, nullptr, WNOHANG) == 0) {
    if (steady_clock::now() > deadline) ::kill(-group, SIGKILL);
    std::this_thread::sleep_for(milliseconds{20});
  }
  // Helpers that it leaves.
  ::kill(-group, SIGKILL);
  group = -1;
}

}  // namespace

RabbitMq::RabbitMq() {
  make_certificates();
  dir_.write("rabbitmq.conf",
             fmt::format("listeners.tcp.local = 127.0.0.1:{}\n"
                         "listeners.ssl.local = 127.0.0.1:{}\n"
                         "ssl_options.cacertfile = {}\n"
                         "ssl_options.certfile = {}\n"
                         "ssl_options.keyfile = {}\n"
                         "ssl_options.verify = verify_peer\n"
                         "ssl_options.fail_if_no_peer_cert = false\n"
                         "log.console = true\nlog.file = false\n",
                         kPlainPort, kTlsPort, file("ca.pem"),
                         file("broker.pem"), file("broker.key")));
  dir_.write("plugins", "[].\n");
  epmd_ = spawn({"epmd", "-address", "127.0.0.1"});
  start();
  ctl({"add_user", "user", kPassword});
  ctl({"set_permissions", "user", "^pxegate\\.", "^pxegate\\.", ".*"});
}

RabbitMq::~RabbitMq() {
  end(server_, SIGKILL);
  end(epmd_, SIGKILL);
}

std::vector<std::string> RabbitMq::environment() const {
  return {"env", "HOME=" + dir_.path().string(),
          "RABBITMQ_NODENAME=pxegate@localhost",
          "RABBITMQ_CONFIG_FILE=" + file("rabbitmq.conf"),
          "RABBITMQ_ENABLED_PLUGINS_FILE=" + file("plugins"),
          "RABBITMQ_MNESIA_BASE=" + file("mnesia"),
          "RABBITMQ_LOG_BASE=" + file("log"),
          "RABBITMQ_CONF_ENV_FILE=/dev/null",
          // It shares two cores with everything else.
          "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+S 2:2 +sbwt none"};
}

pid_t RabbitMq::spawn(const std::vector<std::string>& argv) const {
  std::vector<std::string> words = environment();
  words.insert(words.end(), argv.begin(), argv.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, 1, file("output").c_str(),
                                     O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::posix_spawn_file_actions_adddup2(&actions, 1, 2);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  pid_t pid = -1;
  const int error = ::posix_spawnp(&pid, pointers[0], &actions, &attributes,
                                   pointers.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (error != 0) throw std::system_error(error, std::generic_category());
  return pid;
}

void RabbitMq::start() {
  server_ = spawn({program("rabbitmq-server")});
  const auto deadline = steady_clock::now() + 2 * kPatience;
  const auto interrupter = Interrupter::make();
  while (true) {
    const auto socket =
        tcp_dial("127.0.0.1", kTlsPort, seconds{5}, *interrupter);
    if (socket) return;
    if (steady_clock::now() > deadline ||
        ::waitpid(server_, nullptr, WNOHANG) != 0) {
      throw std::runtime_error("RabbitMQ does not start: " +
                               read_file(file("output")).value_or("?"));
    }
    std::this_thread::sleep_for(milliseconds{100});
  }
}

void RabbitMq::stop() { end(server_, SIGKILL); }
void RabbitMq::pause() const { ::kill(-server_, SIGSTOP); }
void RabbitMq::resume() const { ::kill(-server_, SIGCONT); }

std::string RabbitMq::ctl(std::vector<std::string> arguments) const {
  std::vector<std::string> argv = environment();
  argv.insert(argv.end(), {program("rabbitmqctl"), "--quiet"});
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return run(argv);
}

std::vector<std::string> RabbitMq::listeners_queues() const {
  std::istringstream lines(ctl({"--no-table-headers", "list_queues", "name"}));
  std::vector<std::string> names;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("pxegate.")) names.push_back(line);
  }
  return names;
}

void RabbitMq::delete_listeners_queues() const {
  ctl({"eval",
       "[rabbit_amqqueue:delete(Q, false, false, <<\"test\">>) || "
       "Q <- rabbit_amqqueue:list(), "
       "binary:match(element(4, amqqueue:get_name(Q)), <<\"pxegate.\">>) "
       "=/= nomatch]."});
}

void RabbitMq::make_certificates() const {
  for (const std::string name : {"ca", "other-ca"}) {
    run({"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj",
         "/CN=" + name, "-days", "2", "-keyout", file(name + ".key"), "-out",
         file(name + ".pem")});
  }
  for (const std::string name : {"broker", "client"}) {
    run({"openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj",
         "/CN=" + name, "-keyout", file(name + ".key"), "-out",
         file(name + ".csr")});
    dir_.write(name + ".ext", name == "broker"
                                  ? "subjectAltName=DNS:localhost\n"
                                  : "extendedKeyUsage=clientAuth\n");
    run({"openssl", "x509", "-req", "-in", file(name + ".csr"), "-CA",
         file("ca.pem"), "-CAkey", file("ca.key"), "-CAcreateserial", "-days",
         "2", "-extfile", file(name + ".ext"), "-out", file(name + ".pem")});
  }
}

Publisher::Publisher() : state_(amqp_new_connection()) {
  amqp_socket_t* socket = amqp_tcp_socket_new(state_);
  if (amqp_socket_open(socket, "127.0.0.1", kPlainPort) != AMQP_STATUS_OK ||
      amqp_login(state_, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, "guest",
                 "guest")
              .reply_type != AMQP_RESPONSE_NORMAL) {
    amqp_destroy_connection(state_);
    throw std::runtime_error("the publisher cannot log in");
  }
  amqp_channel_open(state_, 1);
  check("channel.open");
}

Publisher::~Publisher() { amqp_destroy_connection(state_); }

void Publisher::check(std::string_view what) {
  if (amqp_get_rpc_reply(state_).reply_type != AMQP_RESPONSE_NORMAL) {
    throw std::runtime_error(fmt::format("the publisher's {} failed", what));
  }
}

void Publisher::make_exchange(const std::string& name) {
  amqp_exchange_declare(state_, 1, amqp_cstring_bytes(name.c_str()),
                        amqp_cstring_bytes("topic"), 0, 0, 0, 0,
                        amqp_empty_table);
  check("exchange.declare");
}

void Publisher::delete_exchange(const std::string& name) {
  amqp_exchange_delete(state_, 1, amqp_cstring_bytes(name.c_str()), 0);
  check("exchange.delete");
}

void Publisher::publish(const std::string& exchange, const std::string& key,
                        std::string_view body) {
  const int status =
      amqp_basic_publish(state_, 1, amqp_cstring_bytes(exchange.c_str()),
                         amqp_cstring_bytes(key.c_str()), 0, 0, nullptr,
                         {body.size(), const_cast<char*>(body.data())});
  if (status != AMQP_STATUS_OK) {
    throw std::runtime_error(amqp_error_string2(status));
  }
}

void Publisher::make_queue(const std::string& exchange,
                           const std::string& name) {
  const amqp_bytes_t queue = amqp_cstring_bytes(name.c_str());
  amqp_queue_declare(state_, 1, queue, 0, 0, 0, 0, amqp_empty_table);
  check("queue.declare");
  amqp_queue_bind(state_, 1, queue, amqp_cstring_bytes(exchange.c_str()), queue,
                  amqp_empty_table);
  check("queue.bind");
  amqp_queue_purge(state_, 1, queue);
  check("queue.purge");
}

unsigned Publisher::messages_in(const std::string& queue) {
  const auto* answer =
      amqp_queue_declare(state_, 1, amqp_cstring_bytes(queue.c_str()), 1, 0, 0,
                         0, amqp_empty_table);
  check("queue.declare");
  return answer->message_count;
}

Listening::Listening(AmqpOptions options) {
  auto listener = AmqpListener::start(std::move(options), clock_, [this] {
    const std::lock_guard lock(mutex_);
    ++wakes_;
    woken_.notify_all();
  });
  if (!listener) throw std::runtime_error(listener.error().message());
  listener_ = *std::move(listener);
}

bool Listening::wait(const std::function<bool()>& holds) {
  const auto deadline = steady_clock::now() + kPatience;
  std::unique_lock lock(mutex_);
  while (true) {
    const std::uint64_t seen = wakes_;
    lock.unlock();
    if (holds()) return true;
    lock.lock();
    if (!woken_.wait_until(lock, deadline, [&] { return wakes_ > seen; })) {
      return false;
    }
  }
}

bool Listening::wait_connected() {
  return wait([this] { return listener_->status().connected; });
}

bool Listening::wait_hints(std::size_t count) {
  return wait([&] {
    Hints more = listener_->take();
    std::ranges::move(more.hints, std::back_inserter(hints.hints));
    hints.missed |= more.missed;
    return hints.hints.size() >= count;
  });
}

bool poll_until(const std::function<bool()>& holds) {
  const auto deadline = steady_clock::now() + kPatience;
  while (!holds()) {
    if (steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(milliseconds{20});
  }
  return true;
}

namespace {

// Made by the first test, in the namespace of the thread that runs them all.
struct Shared {
  std::string why_not;
  std::optional<Result<NetNamespace>> netns;
  std::unique_ptr<RabbitMq> rabbitmq;

  Shared() {
    if (::geteuid() != 0) {
      why_not = "needs root, for a network namespace";
    } else if (!std::filesystem::exists(kSbin)) {
      why_not = "rabbitmq-server is not installed";
    } else {
      netns.emplace(NetNamespace::enter());
      if (!*netns) throw std::runtime_error(netns->error().message());
      const auto up = ip_command("link set lo up");
      if (!up) throw std::runtime_error(up.error().message());
      rabbitmq = std::make_unique<RabbitMq>();
    }
  }
};
std::unique_ptr<Shared> shared;

class EndShared : public ::testing::Environment {
 public:
  void TearDown() override { shared.reset(); }
};
[[maybe_unused]] const auto* const kEndShared =
    ::testing::AddGlobalTestEnvironment(new EndShared);

}  // namespace

RabbitMq* shared_rabbitmq(std::string& why_not) {
  if (!shared) shared = std::make_unique<Shared>();
  why_not = shared->why_not;
  return shared->rabbitmq.get();
}

}  // namespace pxegate::testing
