// SPDX-License-Identifier: Apache-2.0
#include "controller/ironic/keystone_token.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <nlohmann/json.hpp>

namespace pxegate {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

json service(const char* type, const char* name,
             const std::vector<std::array<const char*, 3>>& endpoints) {
  json item = {{"type", type}, {"name", name}, {"endpoints", json::array()}};
  for (const auto& [interface, region, url] : endpoints) {
    item["endpoints"].push_back({{"interface", interface},
                                 {"region", region},
                                 {"region_id", region},
                                 {"url", url}});
  }
  return item;
}

json token(json catalog = json::array()) {
  return {{"issued_at", "2026-11-22T08:00:00.000000Z"},
          {"expires_at", "2026-11-22T08:00:10.500000Z"},
          {"user", {{"id", "u"}, {"name", "me"}}},
          {"system", {{"all", true}}},
          {"catalog", std::move(catalog)}};
}

EndpointFilter baremetal() {
  return {.service_type = "baremetal",
          .service_name = "",
          .valid_interfaces = {"internal", "public"},
          .region_name = ""};
}

Result<TokenFacts> read(const json& content,
                        const EndpointFilter& filter = baremetal()) {
  return read_token(json{{"token", content}}.dump(), filter);
}

std::string endpoint(json catalog, const EndpointFilter& filter) {
  const auto facts = read(token(std::move(catalog)), filter);
  return facts ? facts->endpoint : facts.error().message();
}

TEST(Rfc3339, ReadsWhatKeystoneWritesAndItsRelatives) {
  using namespace std::chrono;
  const WallTime expected = sys_days{2026y / 11 / 22} + 8h + 30min + 5s;
  EXPECT_EQ(parse_rfc3339("2026-11-22T08:30:05Z"), expected);
  EXPECT_EQ(parse_rfc3339("2026-11-22T08:30:05.000000Z"), expected);
  EXPECT_EQ(parse_rfc3339("2026-11-22T08:30:05.25Z"), expected + 250ms);
  EXPECT_EQ(parse_rfc3339("2026-11-22T10:30:05+02:00"), expected);
  EXPECT_EQ(parse_rfc3339("2026-11-22T06:00:05-02:30"), expected);
  EXPECT_EQ(parse_rfc3339("2026-11-22T08:30:05.123456789123Z"),
            expected + 123456us);
}

TEST(Rfc3339, RefusesWhatIsNoDate) {
  for (const char* text :
       {"", "tomorrow", "2026-11-22", "2026-11-22T08:30:05",
        "2026-13-01T0:0:0Z", "2026-02-30T00:00:00Z", "2026-11-22T24:00:00Z",
        "2026-11-22T08:60:00Z", "2026-11-22T08:30:05.Z",
        "2026-11-22T08:30:05Zz", "9999-01-01T00:00:00Z", "0000-01-01T00:00:00Z",
        "2026-11-22T08:30:05+2:00", "-026-11-22T08:30:05Z",
        "2026-11-22T08:30:05+99:99"}) {
    EXPECT_FALSE(parse_rfc3339(text)) << text;
  }
}

RC_GTEST_PROP(Rfc3339, NothingMakesItFall, ()) {
  parse_rfc3339(*rc::gen::arbitrary<std::string>());
}

TEST(ReadToken, TheLifeIsWhatKeystonesOwnClockSays) {
  const auto facts = read(token());
  ASSERT_TRUE(facts) << facts.error().message();
  EXPECT_EQ(facts->life, milliseconds{10'500});
  json forever = token();
  forever["expires_at"] = "2260-01-01T00:00:00Z";
  EXPECT_LE(read(forever)->life, std::chrono::hours{24 * 366});
}

TEST(ReadToken, TimesThatCannotBeAreRefused) {
  for (const json& bad :
       {json("soon"), json(7), json(), json::object(),
        json("2026-11-22T08:00:00Z"), json("2001-01-01T00:00:00Z")}) {
    json content = token();
    content["expires_at"] = bad;
    EXPECT_EQ(read(content).error().code(), ErrorCode::kInvalid) << bad;
    content.erase("expires_at");
    EXPECT_FALSE(read(content));
  }
}

TEST(ReadToken, TellsWhoAndForWhat) {
  json content = token();
  EXPECT_TRUE(read(content)->identity.system);
  EXPECT_EQ(read(content)->identity.scope, "system");
  EXPECT_EQ(read(content)->identity.user, "me");
  content["roles"] = {{{"id", "1"}, {"name", "reader"}}, {{"id", "2"}}};
  EXPECT_EQ(read(content)->identity.roles,
            (std::vector<std::string>{"reader", "2"}));
  // A project counts whatever else is there: it may hide something.
  content["project"] = {{"id", "p"}, {"name", "demo"}};
  EXPECT_FALSE(read(content)->identity.system);
  EXPECT_EQ(read(content)->identity.scope, "project demo");
  EXPECT_EQ(read(content)->identity.project_id, "p");
  content["project"] = json::object();
  EXPECT_FALSE(read(content)->identity.project_id.empty());
  content.erase("project");
  content["system"] = {{"all", "true"}};
  EXPECT_FALSE(read(content)->identity.system);
  EXPECT_EQ(read(content)->identity.scope, "unscoped");
  content["domain"] = {{"id", "d"}};
  EXPECT_EQ(read(content)->identity.scope, "domain d");
}

TEST(Catalogue, OfSeveralThatFitEquallyNoneIsTaken) {
  const json two_regions =
      json::array({service("baremetal", "ironic",
                           {{"public", "one", "http://1"},
                            {"public", "two", "http://2"},
                            {"internal", "one", "http://i"}})});
  EndpointFilter filter = baremetal();
  EXPECT_EQ(endpoint(two_regions, filter), "http://i");
  filter.valid_interfaces = {"public"};
  const auto facts = read(token(two_regions), filter);
  ASSERT_TRUE(facts);
  EXPECT_TRUE(facts->ambiguous);
  EXPECT_THAT(facts->endpoint, IsEmpty());
  EXPECT_THAT(facts->catalogue, AllOf(HasSubstr("\"http://1\" in \"one\""),
                                      HasSubstr("\"http://2\" in \"two\"")));
  filter.region_name = "two";
  EXPECT_EQ(endpoint(two_regions, filter), "http://2");

  const json two_services =
      json::array({service("baremetal", "a", {{"public", "r", "http://1"}}),
                   service("baremetal", "b", {{"public", "r", "http://2"}})});
  filter = baremetal();
  EXPECT_TRUE(read(token(two_services), filter)->ambiguous);
  filter.service_name = "b";
  EXPECT_EQ(endpoint(two_services, filter), "http://2");

  // The same one twice is one.
  const json same =
      json::array({service("baremetal", "a", {{"public", "r", "http://1"}}),
                   service("baremetal", "b", {{"public", "s", "http://1/"}})});
  EXPECT_EQ(endpoint(same, baremetal()), "http://1");
}

TEST(Catalogue, TheFirstInterfaceThatThereIsWins) {
  const json catalog = json::array(
      {service("identity", "keystone", {{"internal", "r", "http://no"}}),
       service("baremetal", "ironic",
               {{"admin", "r", "http://a"},
                {"public", "r", "http://p"},
                {"internal", "r", "http://i"}})});
  EndpointFilter filter = baremetal();
  EXPECT_EQ(endpoint(catalog, filter), "http://i");
  filter.valid_interfaces = {"public", "internal"};
  EXPECT_EQ(endpoint(catalog, filter), "http://p");
  filter.valid_interfaces = {"adminURL"};
  EXPECT_EQ(endpoint(catalog, filter), "http://a");
  filter.valid_interfaces = {"nosuch"};
  EXPECT_EQ(endpoint(catalog, filter), "");
}

TEST(Catalogue, RegionAndNameChoose) {
  const json catalog = json::array(
      {service(
           "baremetal", "ironic",
           {{"public", "one", "http://one"}, {"public", "two", "http://two"}}),
       service("baremetal", "other", {{"public", "one", "http://other"}})});
  EndpointFilter filter = baremetal();
  EXPECT_EQ(endpoint(catalog, filter), "");
  filter.region_name = "two";
  EXPECT_EQ(endpoint(catalog, filter), "http://two");
  filter.region_name = "three";
  EXPECT_EQ(endpoint(catalog, filter), "");
  filter = baremetal();
  filter.service_name = "other";
  EXPECT_EQ(endpoint(catalog, filter), "http://other");
}

TEST(Catalogue, TheSameServiceHasSeveralTypes) {
  const json old = json::array(
      {service("bare-metal", "ironic", {{"public", "r", "http://old"}})});
  EXPECT_EQ(endpoint(old, baremetal()), "http://old");
  // The one that was asked for wins, wherever it stands and whatever its
  // interface is.
  const json both = json::array(
      {service("bare-metal", "ironic", {{"internal", "r", "http://old"}}),
       service("baremetal", "ironic", {{"public", "r", "http://new"}})});
  EndpointFilter filter = baremetal();
  EXPECT_EQ(endpoint(both, filter), "http://new");
  filter.service_type = "bare-metal";
  EXPECT_EQ(endpoint(both, filter), "http://old");
  filter.service_type = "baremetal-introspection";
  EXPECT_EQ(endpoint(both, filter), "");
  EXPECT_EQ(endpoint(json::array({service("introspection", "ii",
                                          {{"public", "r", "http://ii"}})}),
                     filter),
            "http://ii");
}

TEST(Catalogue, WhatIsBrokenInItIsPassedOver) {
  json odd = service("baremetal", "ironic",
                     {{"public", "r", ""}, {"public", "r", "http://good"}});
  odd["endpoints"].insert(odd["endpoints"].begin(), json(17));
  odd["endpoints"].push_back({{"interface", 5}, {"url", "http://bad"}});
  odd["endpoints"].push_back({{"interface", "internal"}, {"url", 5}});
  odd["endpoints"].push_back(
      {{"interface", "internal"}, {"url", std::string(5000, 'x')}});
  EXPECT_EQ(endpoint(json::array({odd}), baremetal()), "http://good");
  EXPECT_EQ(endpoint(json::array({{{"type", 5}}, {{"type", "baremetal"}}}),
                     baremetal()),
            "");
}

TEST(ReadToken, AHundredThousandServicesAreNoBurden) {
  const std::string other =
      service("baremetal", "n", {{"admin", "elsewhere", "http://no"}}).dump() +
      ",";
  const std::string wanted =
      service("baremetal", "n", {{"public", "r", "http://yes"}}).dump();
  const std::string whole = json{{"token", token(json::array({1}))}}.dump();
  const std::size_t at = whole.find("[1]") + 1;
  std::string body = whole.substr(0, at);
  for (int i = 0; i < 100'000; ++i) body += other;
  body += wanted + whole.substr(at + 1);
  EndpointFilter filter = baremetal();
  auto facts = read_token(body, filter);
  ASSERT_TRUE(facts) << facts.error().message();
  EXPECT_EQ(facts->endpoint, "http://yes");
  EXPECT_LT(facts->catalogue.size(), 2000u);
}

TEST(ReadToken, HostileAnswersAreErrors) {
  const std::string deep(100'000, '[');
  json large = service("baremetal", "n", {});
  for (int i = 0; i < 30'000; ++i) large["endpoints"].push_back(i);
  json roles = token();
  for (int i = 0; i < 30'000; ++i) roles["roles"].push_back(i);
  json shallow = token();
  shallow["catalog"] = json::object();
  json scalar = token(json::array({1}));
  const std::string good = json{{"token", token()}}.dump();
  for (const std::string& body :
       {std::string(), std::string("null"), std::string("[]"),
        std::string("{}"), std::string(R"({"token": 5})"),
        std::string(R"({"token": []})"), std::string("<html>"), deep,
        "{\"token\":" + deep, "{\"x\":" + deep,
        "{\"token\":{\"catalog\":" + deep, good.substr(0, good.size() / 2),
        good + good, std::string("{\"token\": {\"user\": \"\xff\"}}"),
        json{{"token", token(json::array({large}))}}.dump(),
        json{{"token", roles}}.dump(), json{{"token", shallow}}.dump(),
        json{{"token", scalar}}.dump()}) {
    const auto facts = read_token(body, baremetal());
    ASSERT_FALSE(facts) << body.substr(0, 100);
    EXPECT_EQ(facts.error().code(), ErrorCode::kInvalid);
    EXPECT_THAT(facts.error().message(), HasSubstr("Keystone's answer"));
    EXPECT_LT(facts.error().message().size(), 400u);
  }
}

RC_GTEST_PROP(ReadToken, NoDamageMakesItFall, ()) {
  static const std::string good =
      json{{"token", token(json::array({service(
                         "baremetal", "n", {{"public", "r", "http://x"}})}))}}
          .dump();
  std::string body = good;
  const auto edits = *rc::gen::container<std::vector<std::pair<int, char>>>(
      rc::gen::pair(rc::gen::inRange(0, static_cast<int>(good.size())),
                    rc::gen::arbitrary<char>()));
  for (const auto& [at, c] : edits) body[static_cast<std::size_t>(at)] = c;
  const auto facts = read_token(body, baremetal());
  if (facts) RC_ASSERT(facts->life > milliseconds{0});
}

}  // namespace
}  // namespace pxegate
