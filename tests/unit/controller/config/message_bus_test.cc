// SPDX-License-Identifier: Apache-2.0
#include "controller/config/message_bus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>

namespace pxegate {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

auto about(std::string_view section, std::string_view name,
           const std::string& what) {
  return AllOf(Field(&Misfit::section, section), Field(&Misfit::name, name),
               Field(&Misfit::fatal, true),
               Field(&Misfit::what, HasSubstr(what)));
}

Config::Notifications with(std::string_view url) {
  Config::Notifications bus;
  bus.transport_url = Secret(url);
  return bus;
}

TEST(MessageBus, IsWhereTheUrlSays) {
  Config::Notifications bus = with("rabbit://u:p@one,two:1/v");
  EXPECT_THAT(settle_message_bus(bus), IsEmpty());
  ASSERT_THAT(bus.hosts, SizeIs(2));
  EXPECT_EQ(bus.hosts[0].host, "one");
  EXPECT_EQ(bus.hosts[1].port, 1);
  EXPECT_EQ(bus.virtual_host, "v");
  EXPECT_EQ(bus.heartbeat, seconds(10));
}

TEST(MessageBus, ThatOfNotificationsGoesFirst) {
  Config::Notifications bus = with("rabbit://a");
  bus.own_transport_url = Secret("rabbit://b");
  EXPECT_THAT(settle_message_bus(bus), IsEmpty());
  ASSERT_THAT(bus.hosts, SizeIs(1));
  EXPECT_EQ(bus.hosts[0].host, "b");
  bus.own_transport_url = Secret("fake://");
  EXPECT_THAT(settle_message_bus(bus), IsEmpty());
  EXPECT_THAT(bus.hosts, IsEmpty());
}

TEST(MessageBus, TheQueryGoesBeforeTheSection) {
  Config::Notifications bus = with(
      "rabbit://h/?ssl=0&ssl_ca_file=/q&ssl_enforce_hostname_verification=0&"
      "heartbeat_timeout_threshold=7");
  bus.ssl = true;
  bus.ca_file = "/s";
  EXPECT_THAT(settle_message_bus(bus), IsEmpty());
  EXPECT_FALSE(bus.ssl);
  EXPECT_FALSE(bus.verify_hostname);
  EXPECT_EQ(bus.ca_file, "/q");
  EXPECT_EQ(bus.heartbeat, seconds(7));
}

TEST(MessageBus, AFileThatCannotBeReadIsWrongWhereItIsNamed) {
  Config::Notifications bus = with("rabbit://h/");
  bus.ca_file = "/none";
  // Without TLS nobody reads it.
  EXPECT_THAT(settle_message_bus(bus), IsEmpty());
  bus.ssl = true;
  EXPECT_THAT(settle_message_bus(bus),
              ElementsAre(about("oslo_messaging_rabbit", "ssl_ca_file",
                                "\"/none\": No such file")));
  EXPECT_THAT(bus.hosts, IsEmpty());
  bus.ca_file = "/";
  EXPECT_THAT(
      settle_message_bus(bus),
      ElementsAre(about("oslo_messaging_rabbit", "ssl_ca_file", "is no file")));
  bus = with("rabbit://h/?ssl=1&ssl_ca_file=/none");
  EXPECT_THAT(settle_message_bus(bus),
              ElementsAre(about("DEFAULT", "transport_url",
                                "ssl_ca_file in its query: \"/none\"")));
}

TEST(MessageBus, ACertificateNeedsItsKey) {
  Config::Notifications bus = with("rabbit://h/?ssl=1");
  bus.cert_file = "/proc/self/status";  // any file
  EXPECT_THAT(settle_message_bus(bus),
              ElementsAre(about("oslo_messaging_rabbit", "ssl_cert_file",
                                "without ssl_key_file")));
  std::swap(bus.cert_file, bus.key_file);
  EXPECT_THAT(settle_message_bus(bus),
              ElementsAre(about("oslo_messaging_rabbit", "ssl_key_file",
                                "without ssl_cert_file")));
  bus.cert_file = bus.key_file;
  EXPECT_THAT(settle_message_bus(bus), IsEmpty());
}

TEST(MessageBus, AUrlThatCannotBeReadIsWrongWhereItStands) {
  Config::Notifications bus = with("kafka://h/");
  EXPECT_THAT(settle_message_bus(bus),
              ElementsAre(about("DEFAULT", "transport_url", "\"kafka\"")));
  bus.own_transport_url = Secret("rabbit://h:99999/");
  EXPECT_THAT(settle_message_bus(bus),
              ElementsAre(AllOf(about("oslo_messaging_notifications",
                                      "transport_url", "the port"),
                                Field(&Misfit::what, StartsWith("host 1")))));
}

}  // namespace
}  // namespace pxegate
