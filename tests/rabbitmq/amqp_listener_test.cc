// SPDX-License-Identifier: Apache-2.0
//
// The listener against a real RabbitMQ.
#include "controller/ironic/amqp_listener.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>

#include "controller/base/command_runner.h"
#include "controller/base/fd.h"
#include "controller/base/log.h"
#include "controller/ironic/amqp_connection.h"
#include "controller/ironic/notification.h"
#include "controller/ironic/tcp_dial.h"
#include "tests/rabbitmq/rabbitmq.h"

namespace pxegate::testing {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr const char* kInfo = "ironic_versioned_notifications.info";
constexpr const char* kError = "ironic_versioned_notifications.error";
constexpr const char* kUser = "rabbit://user:p%25ss%2Fw%40rd@127.0.0.1";

std::string uuid(int n) {
  return fmt::format("00000000-0000-0000-0000-{:012x}", n);
}

// As Ironic writes it without an envelope.
std::string node_message(int node, const std::string& state) {
  return json{{"event_type", "baremetal.node.provision_set.start"},
              {"payload",
               {{"ironic_object.data",
                 {{"uuid", uuid(node)}, {"provision_state", state}}}}}}
      .dump();
}
std::string enveloped(const std::string& message) {
  return json{{"oslo.version", "2.0"}, {"oslo.message", message}}.dump();
}
Hint inspecting(int node) {
  return {.node_uuid = uuid(node), .provision_state = "inspecting"};
}

AmqpOptions options(std::string_view url = kUser) {
  AmqpOptions options;
  const auto broker = parse_transport_url(Secret(url)).value().value();
  options.hosts = broker.hosts;
  options.virtual_host = broker.virtual_host;
  options.ssl = broker.ssl.value_or(false);
  options.backoff = {.first = milliseconds{50}, .max = milliseconds{500}};
  options.exchange_poll = milliseconds{100};
  // Nothing in these tests has to run into it.
  options.timeout = seconds{60};
  return options;
}

class AmqpListenerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string why_not;
    rabbitmq_ = shared_rabbitmq(why_not);
    if (rabbitmq_ == nullptr) GTEST_SKIP() << why_not;
    publisher_.emplace();
    publisher_->make_exchange("ironic");
  }

  RabbitMq& rabbitmq() { return *rabbitmq_; }
  Publisher& publisher() { return *publisher_; }
  void publish(const std::string& body, const std::string& key = kInfo) {
    publisher_->publish("ironic", key, body);
  }
  // Publishes one about `node` and waits until it has come.
  bool hears(Listening& listening, int node) {
    publish(node_message(node, "inspecting"));
    return listening.wait([&] {
      const Hints hints = listening->take();
      return std::ranges::find(hints.hints, inspecting(node)) !=
             hints.hints.end();
    });
  }

  RabbitMq* rabbitmq_ = nullptr;
  std::optional<Publisher> publisher_;
};

TEST_F(AmqpListenerTest, HandsOutWhatIronicSendsInEitherFormAndPriority) {
  Listening listening(options());
  ASSERT_TRUE(listening.wait_connected());
  // Whatever came before was missed.
  EXPECT_TRUE(listening->take().missed);
  publish(node_message(1, "inspecting"));
  publish(enveloped(node_message(2, "inspecting")));
  publish(node_message(3, "inspecting"), kError);
  publish(node_message(4, "inspecting"), "notifications.info");
  publish(node_message(5, "inspecting"));
  ASSERT_TRUE(listening.wait_hints(4));
  EXPECT_THAT(listening.hints.hints, ElementsAre(inspecting(1), inspecting(2),
                                                 inspecting(3), inspecting(5)));
  EXPECT_FALSE(listening.hints.missed);

  const BrokerStatus status = listening->status();
  EXPECT_EQ(status.endpoint, "amqp://127.0.0.1:5672/%2F");
  EXPECT_FALSE(status.exchange_missing);
  EXPECT_TRUE(status.connected_since.has_value());
  EXPECT_TRUE(status.last_message.has_value());
  EXPECT_EQ(status.received, 4u);
  EXPECT_EQ(status.malformed, 0u);
  EXPECT_EQ(status.consecutive_failures, 0u);
  EXPECT_EQ(status.last_error, "");
}

TEST_F(AmqpListenerTest, TakesNothingFromOthersAndOthersNothingFromIt) {
  publisher().make_queue("ironic", kInfo);
  Listening one(options());
  Listening two(options());
  ASSERT_TRUE(one.wait_connected());
  ASSERT_TRUE(two.wait_connected());
  for (int i = 0; i < 50; ++i) publish(node_message(i, "inspecting"));
  EXPECT_TRUE(one.wait_hints(50));
  EXPECT_TRUE(two.wait_hints(50));
  EXPECT_EQ(publisher().messages_in(kInfo), 50u);
  // The queues of earlier tests may take a moment to go.
  EXPECT_TRUE(
      poll_until([&] { return rabbitmq().listeners_queues().size() == 2; }));
}

TEST_F(AmqpListenerTest, LeavesNoQueueBehind) {
  {
    Listening listening(options());
    ASSERT_TRUE(listening.wait_connected());
    ASSERT_TRUE(
        poll_until([&] { return rabbitmq().listeners_queues().size() == 1; }));
  }
  EXPECT_TRUE(
      poll_until([&] { return rabbitmq().listeners_queues().empty(); }));
}

TEST_F(AmqpListenerTest, WaitsForAnExchangeThatIsNotThereAndMakesNone) {
  AmqpOptions late = options();
  late.exchange = "late";
  Listening listening(late);
  ASSERT_TRUE(
      listening.wait([&] { return listening->status().exchange_missing; }));
  EXPECT_FALSE(listening->status().connected);
  EXPECT_FALSE(listening->take().missed);
  EXPECT_THAT(rabbitmq().ctl({"list_exchanges", "name"}),
              Not(HasSubstr("late")));
  publisher().make_exchange("late");
  ASSERT_TRUE(listening.wait_connected());
  EXPECT_FALSE(listening->status().exchange_missing);
  // Waiting for it is no failure.
  EXPECT_EQ(listening->status().last_error, "");
  EXPECT_TRUE(listening->take().missed);
  publisher().publish("late", kInfo, node_message(1, "inspecting"));
  EXPECT_TRUE(listening.wait_hints(1));
  publisher().delete_exchange("late");
}

TEST_F(AmqpListenerTest, HearsAgainAfterTheExchangeWasMadeAnew) {
  AmqpOptions soon = options();
  soon.exchange = "anew";
  soon.rebind = milliseconds{100};
  publisher().make_exchange("anew");
  Listening listening(soon);
  ASSERT_TRUE(listening.wait_connected());
  publisher().delete_exchange("anew");
  publisher().make_exchange("anew");
  EXPECT_TRUE(poll_until([&] {
    publisher().publish("anew", kInfo, node_message(1, "inspecting"));
    return !listening->take().hints.empty();
  }));
  // It notices one that stays away.
  publisher().delete_exchange("anew");
  ASSERT_TRUE(
      listening.wait([&] { return listening->status().exchange_missing; }));
  EXPECT_FALSE(listening->status().connected);
  EXPECT_THAT(listening->status().last_error, HasSubstr("NOT_FOUND"));
}

TEST_F(AmqpListenerTest, ComesBackAfterItsQueueWasDeleted) {
  Listening listening(options());
  ASSERT_TRUE(listening.wait_connected());
  listening->take();
  rabbitmq().delete_listeners_queues();
  ASSERT_TRUE(listening.wait([&] {
    return listening->status().connected &&
           !listening->status().last_error.empty();
  }));
  EXPECT_THAT(listening->status().last_error, HasSubstr("was deleted"));
  EXPECT_TRUE(listening->take().missed);
  EXPECT_TRUE(hears(listening, 1));
}

TEST_F(AmqpListenerTest, ComesBackAfterTheBrokerWasRestarted) {
  Listening listening(options());
  ASSERT_TRUE(listening.wait_connected());
  listening->take();
  rabbitmq().stop();
  EXPECT_TRUE(listening.wait([&] { return !listening->status().connected; }));
  EXPECT_TRUE(listening.wait(
      [&] { return listening->status().consecutive_failures >= 2; }));
  EXPECT_THAT(listening->status().last_error, HasSubstr("127.0.0.1:5672"));
  EXPECT_FALSE(listening->status().connected_since.has_value());
  EXPECT_FALSE(listening->take().missed);
  publisher_.reset();
  rabbitmq().start();
  publisher_.emplace();
  // Ironic makes it with its first notification.
  publisher().make_exchange("ironic");
  ASSERT_TRUE(listening.wait_connected());
  EXPECT_EQ(listening->status().consecutive_failures, 0u);
  EXPECT_TRUE(listening->take().missed);
  EXPECT_TRUE(hears(listening, 1));
}

TEST_F(AmqpListenerTest, NoticesABrokerThatFallsSilent) {
  AmqpOptions brisk = options();
  brisk.heartbeat = seconds{2};
  // So that it does not wait for the silent one when it logs in again.
  brisk.timeout = seconds{5};
  Listening listening(brisk);
  ASSERT_TRUE(listening.wait_connected());
  rabbitmq().pause();
  const bool noticed =
      listening.wait([&] { return !listening->status().connected; });
  const std::string error = listening->status().last_error;
  rabbitmq().resume();
  ASSERT_TRUE(noticed);
  EXPECT_THAT(error, HasSubstr("heartbeat"));
  ASSERT_TRUE(listening.wait_connected());
  EXPECT_TRUE(hears(listening, 1));
}

TEST_F(AmqpListenerTest, KeepsAQuietConnectionForManyHeartbeats) {
  AmqpOptions brisk = options();
  brisk.heartbeat = seconds{2};
  Listening listening(brisk);
  ASSERT_TRUE(listening.wait_connected());
  const auto since = listening->status().connected_since;
  // RabbitMQ closes a connection that is silent for two or three of them.
  std::this_thread::sleep_for(seconds{12});
  EXPECT_TRUE(listening->status().connected);
  EXPECT_EQ(listening->status().connected_since, since);
}

TEST_F(AmqpListenerTest, TellsThatALoginIsRefusedWithoutShowingIt) {
  const std::string log = rabbitmq().file("refused.log");
  ASSERT_TRUE(log::configure(log::Level::kDebug, log));
  {
    Listening listening(options("rabbit://user:hush-hush@127.0.0.1"));
    ASSERT_TRUE(listening.wait(
        [&] { return listening->status().consecutive_failures >= 3; }));
    const BrokerStatus status = listening->status();
    EXPECT_FALSE(status.connected);
    EXPECT_THAT(status.last_error, HasSubstr("transport_url"));
    EXPECT_THAT(status.last_error, HasSubstr("ACCESS_REFUSED"));
    EXPECT_THAT(status.last_error, Not(HasSubstr("hush")));
    EXPECT_THAT(status.endpoint, Not(HasSubstr("user")));
    EXPECT_TRUE(status.last_error_at.has_value());
  }
  ASSERT_TRUE(log::configure(log::Level::kInfo, ""));
  const std::string lines = read_file(log).value();
  EXPECT_THAT(lines, HasSubstr("ACCESS_REFUSED"));
  EXPECT_THAT(lines, Not(HasSubstr("hush")));
  // The same trouble is told once.
  EXPECT_EQ(lines.find("ACCESS_REFUSED"), lines.rfind("ACCESS_REFUSED"));
}

TEST_F(AmqpListenerTest, TellsThatAVirtualHostIsNotThere) {
  Listening listening(options(std::string(kUser) + "/no%2Fwhere"));
  ASSERT_TRUE(
      listening.wait([&] { return !listening->status().last_error.empty(); }));
  EXPECT_THAT(listening->status().last_error, HasSubstr("NOT_ALLOWED"));
  EXPECT_THAT(listening->status().last_error, HasSubstr("transport_url"));
  EXPECT_EQ(listening->status().endpoint, "amqp://127.0.0.1:5672/no%2Fwhere");
}

TEST_F(AmqpListenerTest, TriesTheNextHost) {
  Listening listening(
      options("rabbit://user:x@127.0.0.1:1,user:p%25ss%2Fw%40rd@localhost:5672,"
              "user:x@no-such-host.invalid"));
  ASSERT_TRUE(listening.wait_connected());
  EXPECT_EQ(listening->status().endpoint, "amqp://localhost:5672/%2F");
}

TEST_F(AmqpListenerTest, CountsWhatIsNotIronicsAndGoesOn) {
  Listening listening(options());
  ASSERT_TRUE(listening.wait_connected());
  listening->take();
  publish("");
  publish("\xff\xfe\x00");
  publish("{}");
  publish(std::string(800'000, '['));
  publish(std::string(kMaxNotification + 1, ' '));
  publish(std::string(std::size_t{16} << 20, '{'));
  publish(enveloped("{\"event_type\": 7}"));
  publish(node_message(1, std::string(65, 'x')));
  // What is none of ours is not malformed.
  publish(json{{"event_type", "baremetal.chassis.update.end"}}.dump());
  publish(node_message(2, "inspecting"));
  ASSERT_TRUE(listening.wait_hints(1));
  EXPECT_THAT(listening.hints.hints, ElementsAre(inspecting(2)));
  EXPECT_EQ(listening->status().received, 10u);
  EXPECT_EQ(listening->status().malformed, 8u);
  EXPECT_TRUE(listening->status().connected);
  EXPECT_EQ(listening->status().last_error, "");
}

// A connection that reads a queue of its own.
class AmqpConnectionTest : public AmqpListenerTest {
 protected:
  static constexpr std::size_t kMax = 1000;

  void consume(std::uint16_t prefetch) {
    auto interrupter = Interrupter::make();
    ASSERT_TRUE(interrupter);
    interrupter_.emplace(*std::move(interrupter));
    AmqpTarget target;
    target.host = "127.0.0.1";
    target.port = kPlainPort;
    target.virtual_host = "/";
    target.username = "guest";
    target.password = Secret("guest");
    auto connection = AmqpConnection::open(target, *interrupter_);
    ASSERT_TRUE(connection) << connection.error().message();
    connection_.emplace(*std::move(connection));
    ASSERT_TRUE(connection_->consume({.name = "pxegate.test",
                                      .exchange = "ironic",
                                      .routing_keys = {kInfo},
                                      .max_messages = 10,
                                      .max_bytes = 64 << 20,
                                      .ttl = seconds{60}},
                                     prefetch));
  }

  AmqpConnection::Received receive(int patience = 60) {
    for (int i = 0; i < patience; ++i) {
      const auto received = connection_->receive(seconds{1}, kMax);
      if (!received) {
        ADD_FAILURE() << received.error().message();
        break;
      }
      if (*received != AmqpConnection::Received::kNothing) return *received;
    }
    return AmqpConnection::Received::kNothing;
  }

  std::optional<Interrupter> interrupter_;
  std::optional<AmqpConnection> connection_;
};

TEST_F(AmqpConnectionTest, HoldsNothingOfAMessageThatIsTooLong) {
  consume(/*prefetch=*/1);
  publish(std::string(kMax, 'a'));
  publish(std::string(std::size_t{16} << 20, 'b'));
  publish("c");
  EXPECT_EQ(receive(), AmqpConnection::Received::kMessage);
  EXPECT_EQ(connection_->message(), std::string(kMax, 'a'));
  EXPECT_EQ(receive(), AmqpConnection::Received::kTooLarge);
  EXPECT_EQ(connection_->message(), "");
  EXPECT_EQ(receive(), AmqpConnection::Received::kMessage);
  EXPECT_EQ(connection_->message(), "c");
}

// Of a long one only the beginning has come, together with the end of the one
// before, when there is nothing more to read.
TEST_F(AmqpConnectionTest, AcknowledgesNoMessageBeforeItIsWhole) {
  consume(/*prefetch=*/100);
  constexpr int kPairs = 30;
  for (int i = 0; i < kPairs; ++i) {
    publish("a");
    publish(std::string(std::size_t{1} << 20, 'b'));
  }
  // So that what is read at once is more than one of them.
  std::this_thread::sleep_for(seconds{1});
  for (int i = 0; i < kPairs; ++i) {
    ASSERT_EQ(receive(), AmqpConnection::Received::kMessage);
    ASSERT_EQ(receive(), AmqpConnection::Received::kTooLarge);
  }
  // The broker closes the channel where one is acknowledged twice.
  EXPECT_EQ(receive(2), AmqpConnection::Received::kNothing);
  publish("c");
  EXPECT_EQ(receive(), AmqpConnection::Received::kMessage);
  EXPECT_EQ(connection_->message(), "c");
}

TEST_F(AmqpListenerTest, HoldsSoManyNodesAndTellsThatItMissedTheRest) {
  Listening listening(options());
  ASSERT_TRUE(listening.wait_connected());
  listening->take();
  for (int i = 0; i < 20'000; ++i) {
    publish(node_message(i % 15'000, "inspecting"));
  }
  ASSERT_TRUE(
      poll_until([&] { return listening->status().received == 20'000; }));
  const Hints hints = listening->take();
  EXPECT_THAT(hints.hints, SizeIs(10'000));
  EXPECT_TRUE(hints.missed);
  EXPECT_TRUE(hears(listening, 1));
}

class AmqpTls : public AmqpListenerTest {
 protected:
  AmqpOptions tls(const std::string& host = "localhost:5671") {
    AmqpOptions out =
        options(fmt::format("rabbit://user:p%25ss%2Fw%40rd@{}/?ssl=1", host));
    out.ca_file = rabbitmq().file("ca.pem");
    return out;
  }
  std::string error_of(const AmqpOptions& options) {
    Listening listening(options);
    EXPECT_TRUE(listening.wait([&] {
      return listening->status().connected ||
             !listening->status().last_error.empty();
    }));
    return listening->status().last_error;
  }
};

TEST_F(AmqpTls, ListensToABrokerThatIsTheOneNamed) {
  Listening listening(tls());
  ASSERT_TRUE(listening.wait_connected());
  EXPECT_EQ(listening->status().endpoint, "amqps://localhost:5671/%2F");
  EXPECT_TRUE(hears(listening, 1));
  // More than one TLS record, and than one read.
  publish(node_message(2, std::string(500'000, 'x')));
  EXPECT_TRUE(hears(listening, 3));
}

TEST_F(AmqpTls, ShowsItsCertificate) {
  AmqpOptions ours = tls();
  ours.cert_file = rabbitmq().file("client.pem");
  ours.key_file = rabbitmq().file("client.key");
  Listening listening(ours);
  ASSERT_TRUE(listening.wait_connected());
  EXPECT_THAT(rabbitmq().ctl({"list_connections", "peer_cert_subject"}),
              HasSubstr("client"));
}

TEST_F(AmqpTls, RefusesABrokerOfAnotherAuthority) {
  AmqpOptions other = tls();
  other.ca_file = rabbitmq().file("other-ca.pem");
  EXPECT_THAT(error_of(other), HasSubstr("certificate is not accepted"));
  // The certificates that the system trusts do not have it either.
  other.ca_file = "";
  EXPECT_THAT(error_of(other), HasSubstr("certificate is not accepted"));
  // Who it is for does not matter then, the authority still does.
  other.verify_hostname = false;
  EXPECT_THAT(error_of(other), HasSubstr("certificate is not accepted"));
}

TEST_F(AmqpTls, RefusesABrokerOfAnotherName) {
  AmqpOptions other = tls("127.0.0.1:5671");
  const std::string error = error_of(other);
  EXPECT_THAT(error, HasSubstr("certificate is not accepted"));
  EXPECT_THAT(error, HasSubstr("it has to be for 127.0.0.1"));
  other.verify_hostname = false;
  EXPECT_EQ(error_of(other), "");
}

TEST_F(AmqpTls, TellsThatAPortSpeaksNoTls) {
  // A URL without a port means the same as without TLS.
  EXPECT_THAT(error_of(tls("localhost")),
              AllOf(HasSubstr("amqps://localhost:5672/"), HasSubstr("TLS")));
}

TEST_F(AmqpTls, TellsOfFilesThatWentAway) {
  AmqpOptions none = tls();
  none.ca_file = rabbitmq().file("none.pem");
  EXPECT_THAT(error_of(none), HasSubstr("ssl_ca_file"));
}

// How long it takes a listener to end, that waits for what `options` lead to.
milliseconds time_to_end(const AmqpOptions& options) {
  Listening listening(options);
  // Long enough for it to be waiting.
  std::this_thread::sleep_for(seconds{1});
  const auto begin = steady_clock::now();
  listening.stop();
  return std::chrono::duration_cast<milliseconds>(steady_clock::now() - begin);
}

// Far less than `timeout`, far more than a busy machine needs.
constexpr seconds kAtOnce{20};

TEST_F(AmqpTls, EndsAtOnceWhateverItWaitsFor) {
  // A broker that takes connections and says nothing.
  rabbitmq().pause();
  const auto login = time_to_end(options());
  const auto handshake = time_to_end(tls());
  rabbitmq().resume();
  EXPECT_LT(login, kAtOnce);
  EXPECT_LT(handshake, kAtOnce);

  // A port that swallows everything.
  SystemCommandRunner runner;
  const auto dropped = runner.run(
      {.argv = {"nft", "-f", "-"},
       .input = "table ip t { chain c { type filter hook output priority 0; "
                "tcp dport 9 drop; }; }"});
  ASSERT_TRUE(dropped && dropped->exit_status == 0);
  const std::string hole = "rabbit://u:p@127.0.0.1:9";
  EXPECT_LT(time_to_end(options(hole)), kAtOnce);
  EXPECT_LT(time_to_end(options(hole + "/?ssl=1")), kAtOnce);

  AmqpOptions missing = options();
  missing.exchange = "never";
  missing.exchange_poll = seconds{60};
  EXPECT_LT(time_to_end(missing), kAtOnce);
  AmqpOptions refused = options("rabbit://u:p@127.0.0.1:1");
  refused.backoff = {.first = seconds{60}, .max = seconds{60}};
  EXPECT_LT(time_to_end(refused), kAtOnce);
}

}  // namespace
}  // namespace pxegate::testing
