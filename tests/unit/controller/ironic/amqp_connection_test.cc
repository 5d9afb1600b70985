// SPDX-License-Identifier: Apache-2.0
//
// What a broker might do that RabbitMQ does not (tests/rabbitmq has the rest).
#include "controller/ironic/amqp_connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <future>
#include <string>
#include <thread>

#include "tests/unit/controller/ironic/fake_broker.h"

namespace pxegate {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

// Far less than a heartbeat, far more than a busy machine needs.
constexpr seconds kSoon{15};
constexpr seconds kHeartbeat{300};
// More than one login, or call, is worth.
constexpr std::size_t kFlood = 32 << 20;

class AmqpBroker : public ::testing::Test {
 protected:
  void SetUp() override { std::signal(SIGPIPE, SIG_IGN); }

  static AmqpTarget target(const RawServer& server) {
    AmqpTarget target;
    target.host = "127.0.0.1";
    target.port = static_cast<std::uint16_t>(server.port());
    target.virtual_host = "/";
    target.username = "guest";
    target.password = Secret("guest");
    target.heartbeat = kHeartbeat;
    target.timeout = seconds{10};
    return target;
  }
  static AmqpQueue queue() {
    return {.name = "pxegate.test",
            .exchange = "ironic",
            .routing_keys = {"a", "b"},
            .max_messages = 10,
            .max_bytes = 1000,
            .ttl = seconds{60}};
  }

  // Fills what the kernel holds for the server to read, and keeps it full that
  // long: room turns up again.
  static void fill(const RawServer& server, milliseconds duration) {
    const int socket = socket_to(server.port());
    ASSERT_GE(socket, 0);
    const std::string junk(100'000, '\0');
    const auto end = std::chrono::steady_clock::now() + duration;
    while (std::chrono::steady_clock::now() < end) {
      for (const std::size_t size : {junk.size(), std::size_t{1}}) {
        while (::send(socket, junk.data(), size, MSG_DONTWAIT) > 0) {
        }
        ASSERT_EQ(errno, EAGAIN);
      }
      std::this_thread::sleep_for(milliseconds{20});
    }
  }

  Interrupter interrupter_ = Interrupter::make().value();

 private:
  static int socket_to(int port) {
    for (const auto& entry :
         std::filesystem::directory_iterator("/proc/self/fd")) {
      const int fd = std::stoi(entry.path().filename());
      sockaddr_in peer{};
      socklen_t size = sizeof peer;
      if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0 &&
          peer.sin_family == AF_INET && ntohs(peer.sin_port) == port) {
        return fd;
      }
    }
    return -1;
  }
};

TEST_F(AmqpBroker, ThatDoesAsItShouldIsListenedTo) {
  RawServer server([](RawServer::Peer& peer) {
    FakeBroker broker(peer);
    if (!broker.serve_until(FakeBroker::kConsume)) return;
    broker.reply_to(FakeBroker::kConsume);
    broker.deliver("hello");
    peer.wait_for_close();
  });
  auto connection = AmqpConnection::open(target(server), interrupter_);
  ASSERT_TRUE(connection) << connection.error().message();
  const auto there = connection->exchange_exists("ironic");
  ASSERT_TRUE(there) << there.error().message();
  EXPECT_TRUE(*there);
  const auto consumed = connection->consume(queue(), 1);
  ASSERT_TRUE(consumed) << consumed.error().message();
  const auto received = connection->receive(kSoon, 100);
  ASSERT_TRUE(received) << received.error().message();
  EXPECT_EQ(*received, AmqpConnection::Received::kMessage);
  EXPECT_EQ(connection->message(), "hello");
}

TEST_F(AmqpBroker, ThatSendsMessagesInsteadOfAnAnswerIsLeft) {
  for (const auto call : {FakeBroker::kChannelOpen, FakeBroker::kQueueBind,
                          FakeBroker::kConsume}) {
    RawServer server([call](RawServer::Peer& peer) {
      FakeBroker broker(peer);
      if (broker.serve_until(call)) broker.flood(kFlood);
    });
    auto connection = AmqpConnection::open(target(server), interrupter_);
    ASSERT_TRUE(connection) << connection.error().message();
    const auto consumed = connection->consume(queue(), 1);
    ASSERT_FALSE(consumed);
    EXPECT_THAT(consumed.error().message(), HasSubstr("does not fit"));
  }
}

TEST_F(AmqpBroker, ThatSendsMessagesInsteadOfLettingUsInIsLeft) {
  RawServer server([](RawServer::Peer& peer) {
    FakeBroker broker(peer);
    if (broker.serve_until(FakeBroker::kOpen)) broker.flood(kFlood);
  });
  const auto connection = AmqpConnection::open(target(server), interrupter_);
  ASSERT_FALSE(connection);
  EXPECT_THAT(connection.error().message(),
              HasSubstr("more than 1048576 bytes came"));
}

TEST_F(AmqpBroker, ThatReadsNothingIsLeftWithoutAGoodbye) {
  std::promise<void> over;
  RawServer server([ended = over.get_future().share()](RawServer::Peer& peer) {
    FakeBroker broker(peer);
    if (!broker.serve_until(FakeBroker::kOpen)) return;
    broker.reply_to(FakeBroker::kOpen);
    ended.wait();
  });
  auto connection = AmqpConnection::open(target(server), interrupter_);
  ASSERT_TRUE(connection) << connection.error().message();
  fill(server, milliseconds{500});
  const auto said =
      std::async(std::launch::async, [&] { connection->say_goodbye(); });
  EXPECT_EQ(said.wait_for(kSoon), std::future_status::ready);
  over.set_value();
}

TEST_F(AmqpBroker, ThatReadsNoHeartbeatKeepsNobodyFromEnding) {
  std::promise<void> over;
  RawServer server([ended = over.get_future().share()](RawServer::Peer& peer) {
    FakeBroker broker(peer);
    if (!broker.serve_until(FakeBroker::kOpen, /*heartbeat=*/10)) return;
    broker.reply_to(FakeBroker::kOpen);
    while (broker.heartbeat() &&
           ended.wait_for(milliseconds{300}) != std::future_status::ready) {
    }
  });
  auto connection = AmqpConnection::open(target(server), interrupter_);
  ASSERT_TRUE(connection) << connection.error().message();
  fill(server, milliseconds{500});
  const auto received = std::async(
      std::launch::async, [&] { return connection->receive(kHeartbeat, 0); });
  // One of ours is due after that time, and librabbitmq waits for twice as long
  // with it.
  fill(server, seconds{11});
  interrupter_.interrupt();
  EXPECT_EQ(received.wait_for(kSoon), std::future_status::ready);
  over.set_value();
}

}  // namespace
}  // namespace pxegate
