// SPDX-License-Identifier: Apache-2.0
#include "controller/ironic/notification.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

namespace pxegate {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

constexpr const char* kNode = "619f7780-2399-4db6-958f-c86d37f29620";
constexpr const char* kPort = "0a0b0c0d-2399-4db6-958f-c86d37f29620";

json message(const std::string& event_type, json data) {
  return {{"message_id", "1"},
          {"publisher_id", "ironic-conductor.host"},
          {"priority", "INFO"},
          {"timestamp", "2026-01-01 00:00:00.000000"},
          {"_context_user", nullptr},
          {"event_type", event_type},
          {"payload",
           {{"ironic_object.name", "NodePayload"},
            {"ironic_object.namespace", "ironic"},
            {"ironic_object.version", "1.16"},
            {"ironic_object.data", std::move(data)}}}};
}

json node_data(const std::string& state) {
  return {{"uuid", kNode},
          {"provision_state", state},
          {"properties", {{"capabilities", "a:b"}, {"uuid", "not this"}}},
          {"extra", json::array({1, 2.5, true, nullptr, {{"uuid", 3}}})}};
}
json port_data() {
  return {{"uuid", kPort}, {"node_uuid", kNode}, {"extra", json::object()}};
}

std::string bare(const json& message) { return message.dump(); }
std::string wrapped(const json& message) {
  return json{{"oslo.version", "2.0"}, {"oslo.message", message.dump()}}.dump();
}

// Fails the test by exception where there is none.
Hint hint(const std::string& body) {
  return decode_notification(body).value().value();
}
std::string error_of(const std::string& body) {
  const auto decoded = decode_notification(body);
  if (decoded) return "accepted";
  EXPECT_EQ(decoded.error().code(), ErrorCode::kInvalid);
  return decoded.error().message();
}
bool says_nothing(const std::string& event, const json& data) {
  const auto decoded = decode_notification(bare(message(event, data)));
  return decoded.has_value() && !decoded->has_value();
}

TEST(Notification, TellsWhereANodeClaimsToBe) {
  const json body =
      message("baremetal.node.provision_set.start", node_data("inspecting"));
  const Hint expected{.node_uuid = kNode, .provision_state = "inspecting"};
  EXPECT_EQ(hint(bare(body)), expected);
  EXPECT_EQ(hint(wrapped(body)), expected);
  EXPECT_EQ(hint(" \r\n\t" + wrapped(body)), expected);
}

TEST(Notification, TellsOfPortsByTheirNode) {
  const Hint expected{.node_uuid = kNode, .provision_state = {}, .ports = true};
  for (const char* event :
       {"baremetal.port.create.end", "baremetal.port.update.end",
        "baremetal.port.delete.end", "baremetal.port.update.error"}) {
    EXPECT_EQ(hint(wrapped(message(event, port_data()))), expected) << event;
  }
}

TEST(Notification, TellsOfANodeThatWasDeleted) {
  Hint expected{.node_uuid = kNode, .provision_state = "available"};
  EXPECT_EQ(hint(bare(message("baremetal.node.delete.error",
                              node_data("available")))),
            expected);
  expected.gone = true;
  EXPECT_EQ(
      hint(bare(message("baremetal.node.delete.end", node_data("available")))),
      expected);
}

TEST(Notification, TakesAStateThatIsNullForNone) {
  json data = node_data("");
  data["provision_state"] = nullptr;
  EXPECT_EQ(hint(bare(message("baremetal.node.update.end", data))),
            (Hint{.node_uuid = kNode, .provision_state = ""}));
  data.erase("provision_state");
  EXPECT_EQ(hint(bare(message("baremetal.node.update.end", data))),
            (Hint{.node_uuid = kNode, .provision_state = ""}));
}

TEST(Notification, WritesUuidsAsTheApiDoes) {
  json data = node_data("inspecting");
  data["uuid"] = "619F778023994DB6958FC86D37F29620";
  EXPECT_EQ(hint(bare(message("baremetal.node.power_set.end", data))).node_uuid,
            kNode);
}

TEST(Notification, LooksAtNothingThatHasNotHappenedYet) {
  // The node that will be made has no UUID yet, or one that is nowhere.
  EXPECT_TRUE(says_nothing("baremetal.node.create.start", json::object()));
  EXPECT_TRUE(says_nothing("baremetal.node.update.start", node_data("x")));
  EXPECT_TRUE(says_nothing("baremetal.node.delete.start", node_data("x")));
  EXPECT_TRUE(says_nothing("baremetal.port.create.start", port_data()));
}

TEST(Notification, LooksAtNodesAndPortsOnly) {
  EXPECT_TRUE(says_nothing("baremetal.portgroup.create.end", port_data()));
  EXPECT_TRUE(says_nothing("baremetal.chassis.update.end", json::object()));
  EXPECT_TRUE(says_nothing("baremetal.nodes.update.end", node_data("x")));
}

TEST(Notification, TheLastOfTwoMembersCounts) {
  const std::string body =
      R"({"payload": {"ironic_object.data": {"uuid": "x"}},
          "event_type": "a", "event_type": "baremetal.node.update.end",
          "payload": {"ironic_object.data": {"uuid": ")" +
      std::string(kNode) + R"(", "provision_state": "a",
          "provision_state": "b"}}})";
  EXPECT_EQ(hint(body), (Hint{.node_uuid = kNode, .provision_state = "b"}));
  // What a replaced payload said is gone.
  EXPECT_THAT(error_of(R"({"event_type": "baremetal.node.update.end",
          "payload": {"ironic_object.data": {"uuid": ")" +
                       std::string(kNode) + R"("}}, "payload": {}})"),
              HasSubstr("ironic_object.data"));
}

TEST(Notification, RefusesWhatIsNotOfThatForm) {
  const auto node = [](json data) {
    return bare(message("baremetal.node.update.end", std::move(data)));
  };
  EXPECT_THAT(error_of(""), HasSubstr("empty"));
  EXPECT_THAT(error_of(" \n"), HasSubstr("empty"));
  EXPECT_THAT(error_of("\x1f\x8b\x08"), HasSubstr("kombu_compression"));
  EXPECT_THAT(error_of("[]"), HasSubstr("no JSON object"));
  EXPECT_THAT(error_of("{"), HasSubstr("not valid JSON"));
  EXPECT_THAT(error_of("{}{}"), HasSubstr("not valid JSON"));
  EXPECT_THAT(error_of("{\"a\": \"\xff\"}"), HasSubstr("not valid JSON"));
  EXPECT_THAT(error_of("{\"a\": 1e999}"), HasSubstr("not valid JSON"));
  EXPECT_THAT(error_of("{}"), HasSubstr("event_type"));
  EXPECT_THAT(error_of(R"({"event_type": 5})"), HasSubstr("is no text"));
  EXPECT_THAT(error_of(R"({"event_type": {}})"), HasSubstr("is no text"));
  EXPECT_THAT(error_of(R"({"event_type": []})"), HasSubstr("is no text"));
  for (const char* event :
       {"", "node", "baremetal.node", "baremetal.node.update",
        "baremetal.node.update.end.more", "baremetal..update.end",
        "compute.node.update.end", "baremetal.node.update."}) {
    EXPECT_THAT(error_of(bare(message(event, node_data("x")))),
                HasSubstr("OBJECT.ACTION.STATUS"))
        << event;
  }
  EXPECT_THAT(error_of(R"({"event_type": "baremetal.node.update.end"})"),
              HasSubstr("ironic_object.data"));
  EXPECT_THAT(error_of(node(json::array({node_data("x")}))),
              HasSubstr("ironic_object.data"));
  EXPECT_THAT(error_of(node(json::object())), HasSubstr("UUID"));
  EXPECT_THAT(error_of(node({{"uuid", nullptr}})), HasSubstr("UUID"));
  EXPECT_THAT(error_of(node({{"uuid", "../ports"}})), HasSubstr("UUID"));
  EXPECT_THAT(error_of(node({{"uuid", 7}})), HasSubstr("is no text"));
  EXPECT_THAT(error_of(node(node_data(std::string(65, 'a')))),
              HasSubstr("provision_state"));
  EXPECT_THAT(error_of(node(node_data("a\nb"))), HasSubstr("provision_state"));
  // A port's own UUID is no node's.
  EXPECT_THAT(
      error_of(bare(message("baremetal.port.update.end", {{"uuid", kPort}}))),
      HasSubstr("UUID"));
}

TEST(Notification, RefusesEnvelopesThatItDoesNotKnow) {
  const std::string inner =
      bare(message("baremetal.node.update.end", node_data("x")));
  const auto envelope = [](json version, json text) {
    return json{{"oslo.version", std::move(version)},
                {"oslo.message", std::move(text)}}
        .dump();
  };
  EXPECT_EQ(error_of(envelope("2.1", inner)), "accepted");
  EXPECT_THAT(error_of(envelope("3.0", inner)), HasSubstr("version"));
  EXPECT_THAT(error_of(envelope("20", inner)), HasSubstr("version"));
  EXPECT_THAT(error_of(envelope(2.0, inner)), HasSubstr("is no text"));
  EXPECT_THAT(error_of(envelope("2.0", json::parse(inner))),
              HasSubstr("is no text"));
  EXPECT_THAT(error_of(envelope("2.0", nullptr)), HasSubstr("envelope"));
  EXPECT_THAT(error_of(envelope("2.0", "")), HasSubstr("not valid JSON"));
  // One in the other is not opened, or they would nest without end.
  EXPECT_THAT(error_of(envelope("2.0", envelope("2.0", inner))),
              HasSubstr("event_type"));
}

TEST(Notification, RefusesWhatIsNestedOrLongBeyondReason) {
  const auto nested = [](std::size_t levels) {
    return std::string(levels, '[') + std::string(levels, ']');
  };
  const std::string good =
      bare(message("baremetal.node.update.end", node_data("x")));
  const auto with = [&good](const std::string& value) {
    return "{\"more\": " + value + ", " + good.substr(1);
  };
  EXPECT_EQ(error_of(with(nested(63))), "accepted");
  EXPECT_THAT(error_of(with(nested(64))), HasSubstr("nested"));
  EXPECT_THAT(error_of(with(std::string(500'000, '['))), HasSubstr("nested"));

  const std::size_t room = kMaxNotification - with("\"\"").size();
  EXPECT_EQ(error_of(with('"' + std::string(room, 'x') + '"')), "accepted");
  EXPECT_THAT(error_of(with('"' + std::string(room + 1, 'x') + '"')),
              HasSubstr("longer"));
}

TEST(Notification, ErrorsShowNoControlCharacters) {
  const std::string error =
      error_of(bare(message("\x1b[31m\nfake log line", json::object())));
  EXPECT_EQ(error.find('\x1b'), std::string::npos);
  EXPECT_EQ(error.find('\n'), std::string::npos);
}

}  // namespace
}  // namespace pxegate
