// SPDX-License-Identifier: Apache-2.0
#include "controller/base/transport_url.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

namespace pxegate {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Fails the test by exception where the URL is refused or means "none".
TransportUrl parse(std::string_view url) {
  return parse_transport_url(Secret(url)).value().value();
}

std::string error_of(std::string_view url) {
  const auto parsed = parse_transport_url(Secret(url));
  if (parsed) return "accepted";
  EXPECT_EQ(parsed.error().code(), ErrorCode::kInvalid);
  return parsed.error().message();
}

BrokerHost host(std::string name, std::optional<std::uint16_t> port,
                std::string user = "guest",
                std::string_view password = "guest") {
  return {std::move(name), port, std::move(user), Secret(password)};
}

TEST(TransportUrl, NamesHostCredentialsAndVirtualHost) {
  const TransportUrl url = parse("rabbit://ironic:secret@broker:5673/site");
  EXPECT_EQ(url.hosts, std::vector{host("broker", 5673, "ironic", "secret")});
  EXPECT_EQ(url.virtual_host, "site");
}

TEST(TransportUrl, NamesSeveralHosts) {
  EXPECT_EQ(parse("rabbit://a:1@one:1,b:2@two:2,c:3@three").hosts,
            (std::vector{host("one", 1, "a", "1"), host("two", 2, "b", "2"),
                         host("three", std::nullopt, "c", "3")}));
}

TEST(TransportUrl, FillsInWhatKombuDoes) {
  const std::vector local{host("localhost", std::nullopt)};
  EXPECT_EQ(parse("rabbit://").hosts, local);
  EXPECT_EQ(parse("rabbit:///vhost").hosts, local);
  EXPECT_EQ(parse("rabbit://,,/").hosts, local);
  EXPECT_EQ(parse("rabbit://:5673").hosts,
            std::vector{host("localhost", 5673)});
  EXPECT_EQ(parse("rabbit://broker:").hosts,
            std::vector{host("broker", std::nullopt)});
  EXPECT_EQ(parse("rabbit://user@broker").hosts,
            std::vector{host("broker", std::nullopt, "user")});
  EXPECT_EQ(parse("rabbit://user:@broker").hosts,
            std::vector{host("broker", std::nullopt, "user")});
}

TEST(TransportUrl, GivesNoHostTheCredentialsOfAnother) {
  EXPECT_EQ(parse("rabbit://user:secret@one,two").hosts,
            (std::vector{host("one", std::nullopt, "user", "secret"),
                         host("two", std::nullopt)}));
}

TEST(TransportUrl, DecodesEscapesOnce) {
  const TransportUrl url =
      parse("rabbit://us%40er:p%2Fa%3A%2C%2540%zz%4@broker/a%2fb%25");
  EXPECT_EQ(url.hosts, std::vector{host("broker", std::nullopt, "us@er",
                                        "p/a:,%40%zz%4")});
  EXPECT_EQ(url.virtual_host, "a/b%");
}

TEST(TransportUrl, TakesUserAndPasswordApartAtTheFirstColonAndTheLastAt) {
  EXPECT_EQ(parse("rabbit://u@realm:a:b@broker").hosts,
            std::vector{host("broker", std::nullopt, "u@realm", "a:b")});
}

TEST(TransportUrl, ReadsAddressesInBrackets) {
  EXPECT_EQ(parse("rabbit://u:p@[2001:db8::1]:5671,[::1]/").hosts,
            (std::vector{host("2001:db8::1", 5671, "u", "p"),
                         host("::1", std::nullopt)}));
  EXPECT_THAT(error_of("rabbit://[::1"), HasSubstr("not closed"));
  EXPECT_THAT(error_of("rabbit://[::1]5672"), HasSubstr("between ]"));
  EXPECT_THAT(error_of("rabbit://[]"), HasSubstr("empty"));
}

TEST(TransportUrl, TakesNoVirtualHostForTheDefaultOne) {
  EXPECT_EQ(parse("rabbit://broker").virtual_host, "/");
  EXPECT_EQ(parse("rabbit://broker/").virtual_host, "/");
  EXPECT_EQ(parse("rabbit://broker//").virtual_host, "/");
  EXPECT_EQ(parse("rabbit://broker/%2F").virtual_host, "/");
  EXPECT_EQ(parse("rabbit://broker/%2Fsite").virtual_host, "/site");
}

TEST(TransportUrl, ReadsTheOptionsOfItsQuery) {
  const TransportUrl url = parse(
      "rabbit://broker/?ssl=1&ssl_ca_file=%2Fetc%2Fca+1.pem&"
      "ssl_cert_file=/c&ssl_key_file=/k&heartbeat_timeout_threshold=7&"
      "ssl_enforce_hostname_verification=Off&rabbit_qos_prefetch_count=3&x");
  EXPECT_EQ(url.ssl, true);
  EXPECT_EQ(url.ssl_ca_file, "/etc/ca 1.pem");
  EXPECT_EQ(url.ssl_cert_file, "/c");
  EXPECT_EQ(url.ssl_key_file, "/k");
  EXPECT_EQ(url.ssl_enforce_hostname_verification, false);
  EXPECT_EQ(url.heartbeat_timeout_threshold, std::chrono::seconds{7});
  EXPECT_EQ(parse("rabbit://broker?ssl=no").ssl, false);
  EXPECT_EQ(parse("rabbit://broker?ssl=").ssl, std::nullopt);
  EXPECT_EQ(parse("rabbit://broker").ssl, std::nullopt);
  EXPECT_EQ(parse("rabbit://broker?heartbeat_timeout_threshold=0")
                .heartbeat_timeout_threshold,
            std::nullopt);
  EXPECT_EQ(parse("rabbit://broker?heartbeat_timeout_threshold=300")
                .heartbeat_timeout_threshold,
            std::chrono::seconds{300});
  EXPECT_THAT(error_of("rabbit://broker?heartbeat_timeout_threshold=301"),
              HasSubstr("from 1 to 300"));
  EXPECT_THAT(error_of("rabbit://broker?ssl=maybe"), HasSubstr("ssl"));
  EXPECT_THAT(error_of("rabbit://broker?heartbeat_timeout_threshold=-1"),
              HasSubstr("heartbeat_timeout_threshold"));
}

TEST(TransportUrl, KnowsTheDriversOfRabbitMq) {
  for (const char* scheme :
       {"rabbit", "RABBIT", "kombu", "kombu+amqp", "kombu+pyamqp"}) {
    const TransportUrl url = parse(fmt::format("{}://broker", scheme));
    EXPECT_EQ(url.hosts, std::vector{host("broker", std::nullopt)}) << scheme;
    EXPECT_EQ(url.ssl, std::nullopt) << scheme;
  }
  EXPECT_EQ(parse("kombu+amqps://broker").ssl, true);
}

TEST(TransportUrl, SaysThatThereIsNoBroker) {
  for (const char* url : {"", "fake://", "fake:///", "kombu+memory:////"}) {
    const auto parsed = parse_transport_url(Secret(url));
    ASSERT_TRUE(parsed) << url;
    EXPECT_EQ(*parsed, std::nullopt) << url;
  }
}

TEST(TransportUrl, RefusesOtherBrokersByName) {
  EXPECT_THAT(error_of("kafka://u:secret@broker"), HasSubstr("\"kafka\""));
  EXPECT_THAT(error_of("amqp://u:secret@broker"), HasSubstr("AMQP 1.0"));
  EXPECT_THAT(error_of("u:secret@broker"), HasSubstr("rabbit://"));
  EXPECT_THAT(error_of("://broker"), HasSubstr("rabbit://"));
}

TEST(TransportUrl, RefusesWhatCannotBeAHostOrAPort) {
  for (const char* port : {"0", "65536", "x", "5672x", "-1", "+1", " 1"}) {
    EXPECT_THAT(error_of(fmt::format("rabbit://ok,broker:{}/", port)),
                HasSubstr("host 2: the port"))
        << port;
  }
  for (const char* name : {"a b", "a\nb", "a$b", "caf\xc3\xa9"}) {
    EXPECT_THAT(error_of(fmt::format("rabbit://{}/", name)),
                HasSubstr("host 1: the host"))
        << name;
  }
  EXPECT_THAT(error_of("rabbit://broker/" + std::string(256, 'v')),
              HasSubstr("virtual host"));
  EXPECT_THAT(error_of("rabbit://u:%00@broker/"), HasSubstr("NUL"));
}

TEST(TransportUrl, ShowsNoPasswordThatIsNotEncoded) {
  // Each would otherwise end up as a host, a port or a virtual host.
  for (const char* url :
       {"rabbit://user:12/hush@broker/", "rabbit://user:hush/x@broker/",
        "rabbit://user:12?hush@broker/", "rabbit://user:12#hush@broker/",
        "rabbit://user:12,hush@[broker/", "rabbit://user:hu,sh$@broker:x/",
        "user:hush://broker", "rabbit:/user:hush@broker"}) {
    const std::string error = error_of(url);
    EXPECT_NE(error, "accepted") << url;
    EXPECT_THAT(error, Not(HasSubstr("hush"))) << url;
    EXPECT_THAT(error, Not(HasSubstr("12"))) << url;
  }
}

std::string encoded(const std::string& text) {
  std::string out;
  for (const char c : text) {
    out += fmt::format("%{:02x}", static_cast<unsigned char>(c));
  }
  return out;
}

RC_GTEST_PROP(TransportUrl, ReadsBackWhatWasEncoded, ()) {
  const auto printable =
      rc::gen::container<std::string>(rc::gen::inRange<char>(0x20, 0x7f));
  const auto name = rc::gen::nonEmpty(rc::gen::container<std::string>(
      rc::gen::elementOf(std::string("abcXYZ019.-"))));
  const int count = *rc::gen::inRange(1, 5);
  std::vector<BrokerHost> hosts;
  std::string netloc;
  for (int i = 0; i < count; ++i) {
    const auto user = *rc::gen::nonEmpty(printable);
    const auto password = *rc::gen::nonEmpty(printable);
    const auto port = *rc::gen::inRange<std::uint16_t>(1, 65535);
    hosts.push_back(host(*name, port, user, password));
    if (i > 0) netloc += ',';
    netloc += fmt::format("{}:{}@{}:{}", encoded(user), encoded(password),
                          hosts.back().host, port);
  }
  const auto virtual_host = *rc::gen::nonEmpty(printable);
  const TransportUrl url = parse(fmt::format(
      "rabbit://{}/{}", netloc, encoded(virtual_host.substr(0, 255))));
  RC_ASSERT(url.hosts == hosts);
  RC_ASSERT(url.virtual_host == virtual_host.substr(0, 255));
}

RC_GTEST_PROP(TransportUrl, TakesAnythingWithoutShowingIt, ()) {
  // Bytes that mean something, mixed.
  const auto noise = *rc::gen::container<std::string>(
      rc::gen::oneOf(rc::gen::elementOf(std::string(":/@,[]?#&=%+ 0a")),
                     rc::gen::arbitrary<char>()));
  const auto parsed = parse_transport_url(Secret("rabbit://hush:hush" + noise));
  if (parsed) {
    RC_ASSERT(parsed->has_value());
    RC_ASSERT(!parsed->value().hosts.empty());
    for (const BrokerHost& one : parsed->value().hosts) {
      RC_ASSERT(!one.host.empty());
    }
  } else {
    RC_ASSERT(parsed.error().message().find("hush") == std::string::npos);
  }
}

TEST(TransportUrl, WritesHostAndPort) {
  EXPECT_EQ(host_and_port("broker", 5672), "broker:5672");
  EXPECT_EQ(host_and_port("::1", 5672), "[::1]:5672");
}

}  // namespace
}  // namespace pxegate
