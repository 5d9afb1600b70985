// SPDX-License-Identifier: Apache-2.0
#include "controller/app/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/controller/app/fake_backend.h"

namespace pxegate {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const Instant kNow = now(FakeClock());

Json whole_policy(const PolicyInForce& policy, Origin origin) {
  PolicyListing listing(policy, origin, kNow);
  std::string text;
  while (const auto piece = listing.next()) text += *piece;
  return parse_json(text).value();
}

TEST(Json, TimesAreUtcWithMilliseconds) {
  EXPECT_EQ(timestamp(kNow.wall), "2026-11-21T20:00:00.000Z");
  EXPECT_EQ(timestamp(kNow.wall - std::chrono::milliseconds(1)),
            "2026-11-21T19:59:59.999Z");
}

TEST(Json, DumpsNothingThatCouldSteerATerminal) {
  EXPECT_EQ(dump({{"a", "\x1b[2J\x7f\u009b"}}),
            R"({"a":"\u001b[2J\u007f\u009b"})");
}

TEST(Json, DumpsInvalidUtf8AsReplacement) {
  EXPECT_EQ(dump({{"a", "\xff"}}), R"({"a":"\ufffd"})");
}

TEST(Json, RefusesWhatIsNoJson) {
  const auto result = parse_json("<html>\x1b");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message(), R"(not JSON: "<html>\x1b")");
}

TEST(Json, ErrorsSurviveTheRoundTrip) {
  const Error error("eth1: busy", ErrorCode::kConflict);
  const auto back = error_from_json(error_json(error));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->message(), error.message());
  EXPECT_EQ(back->code(), error.code());
  EXPECT_FALSE(error_from_json({{"error", "text"}}));
  EXPECT_FALSE(error_from_json(Json::array()));
}

TEST(StatusJson, TellsAHealthyController) {
  const FakeBackend backend;
  EXPECT_EQ(
      status_json(backend.status(), Origin::kController, kNow).dump(),
      R"({"controller_running":true,"healthy":true,"problems":[],)"
      R"("degraded":[],)"
      R"("version":"0.1.0","pid":4711,"started":"2026-11-21T17:00:00.000Z",)"
      R"("uptime":10800.0,"driver":{"name":"xdp","state":"initialized",)"
      R"("healthy":true,"busy":false,"error":null,"rules":3,"capacity":262144,)"
      R"("targets":[{"name":"eth1","active":true,"mode":"native",)"
      R"("detail":null}],"notices":[],"lease":null},)"
      R"("sync":{"synced":true,"stale":false,)"
      R"("poll_interval":2.0,"polls_every":2.0,"polls_every_why":null,)"
      R"("full_sync_every":15.0,"full_sync_took":0.21,"held_back":null,)"
      R"("last_full_sync":"2026-11-21T19:59:55.900Z",)"
      R"("last_full_sync_age":4.1,"last_poll":"2026-11-21T19:59:59.000Z",)"
      R"("last_poll_age":1.0,"last_change":"2026-11-21T19:48:00.000Z",)"
      R"("last_change_age":720.0,"last_renewal":null,)"
      R"("last_renewal_age":null},"sources":[{"name":"ironic",)"
      R"("endpoint":"http://192.0.2.1:6385","login":null,)"
      R"("consecutive_failures":0,)"
      R"("last_success":"2026-11-21T19:59:59.000Z","last_success_age":1.0,)"
      R"("last_error":null,"last_error_at":null,"last_error_age":null}],)"
      R"("notifications":null,"narrowed_to":[],)"
      R"("inventory":{"nodes":3,"ports":3,"being_inspected":1},)"
      R"("policy":{"allowed":1,"denied":2,"unknown":"allow"},)"
      R"("drivers":[],"notices":[]})");
}

TEST(StatusJson, TellsWhatIsUnderWay) {
  FakeBackend backend;
  backend.status_.driver.busy = true;
  backend.status_.drivers = {"xdp", "iptables"};
  backend.status_.notices = {"driver iptables waits"};
  const Json json = status_json(backend.status(), Origin::kController, kNow);
  EXPECT_EQ(json["driver"]["busy"], true);
  EXPECT_THAT(json["drivers"], ElementsAre("xdp", "iptables"));
  EXPECT_THAT(json["notices"], ElementsAre("driver iptables waits"));
}

TEST(StatusJson, AWallClockThatWasSetDoesNotChangeTheUptime) {
  const FakeBackend backend;
  Instant set = kNow;
  set.wall += std::chrono::hours(24);
  const Json json = status_json(backend.status(), Origin::kController, set);
  EXPECT_EQ(json["uptime"], 10800.0);
  EXPECT_EQ(json["started"], "2026-11-22T17:00:00.000Z");
}

TEST(StatusJson, AWallClockThatWasSetChangesNoAge) {
  FakeBackend backend;
  ControllerStatus& status = backend.status_;
  status.last_renewal = kNow - seconds(2);
  status.broker.emplace();
  status.broker->connected_since = kNow - seconds(50);
  status.broker->last_message = kNow - seconds(40);
  status.broker->last_error_at = kNow - seconds(60);
  status.broker_lost_since = kNow - seconds(61);
  status.held_back = {"ports", 3, 101, 2, 3, kNow - seconds(20)};
  status.sources[0].last_error = "timed out";
  status.sources[0].last_error_at = kNow - seconds(70);
  status.stale = true;
  const Json before = status_json(status, Origin::kController, kNow);
  for (const int hours : {24, -24}) {
    Instant set = kNow;
    set.wall += std::chrono::hours(hours);
    Json after = status_json(status, Origin::kController, set);
    EXPECT_NE(after["started"], before["started"]);
    after["started"] = before["started"];
    EXPECT_EQ(after, before) << "dates and ages are those of before";
    EXPECT_EQ(
        PolicyListing(backend.policy(), Origin::kController, set).next(),
        PolicyListing(backend.policy(), Origin::kController, kNow).next());
  }
}

BrokerStatus lost_broker() {
  BrokerStatus broker;
  broker.endpoint = "rabbit2:5672";
  broker.last_message = kNow - seconds(40);
  broker.last_error = "connection reset by peer";
  broker.last_error_at = kNow - seconds(3);
  broker.consecutive_failures = 4;
  broker.received = 17;
  broker.malformed = 1;
  return broker;
}

TEST(StatusJson, ALostBrokerIsDegradedNotUnhealthy) {
  FakeBackend backend;
  backend.status_.broker = lost_broker();
  backend.status_.broker_lost_since = kNow - seconds(34);
  const Json json = status_json(backend.status(), Origin::kController, kNow);
  EXPECT_EQ(json["healthy"], true);
  EXPECT_THAT(json["problems"], ElementsAre());
  EXPECT_THAT(json["degraded"],
              ElementsAre(Json("no notifications from rabbit2:5672 since 34 s: "
                               "connection reset by peer; Ironic is polled "
                               "every 2.0 s instead")));
  EXPECT_EQ(json["notifications"].dump(),
            R"({"endpoint":"rabbit2:5672","connected":false,)"
            R"("exchange_missing":false,"connected_since":null,)"
            R"("connected_since_age":null,)"
            R"("last_message":"2026-11-21T19:59:20.000Z",)"
            R"("last_message_age":40.0,)"
            R"("lost_since":"2026-11-21T19:59:26.000Z","lost_since_age":34.0,)"
            R"("consecutive_failures":4,)"
            R"("last_error":"connection reset by peer",)"
            R"("last_error_at":"2026-11-21T19:59:57.000Z",)"
            R"("last_error_age":3.0,"received":17,"malformed":1})");
}

TEST(StatusJson, ABrokerWithoutTheExchangeIsDegradedAndSaysSo) {
  FakeBackend backend;
  backend.status_.broker = BrokerStatus{};
  backend.status_.broker->exchange_missing = true;
  const Json json = status_json(backend.status(), Origin::kController, kNow);
  ASSERT_EQ(json["degraded"].size(), 1U);
  EXPECT_THAT(json["degraded"][0].get<std::string>(),
              HasSubstr("the exchange does not exist"));
}

TEST(StatusJson, TellsOfAListThatIsHeldBack) {
  FakeBackend backend;
  backend.status_.held_back = {"ports", 3, 101, 2, 3, kNow - seconds(20)};
  backend.status_.narrowed_to = {"conductor_group = rack1"};
  Json json = status_json(backend.status(), Origin::kController, kNow);
  const std::string sentence =
      "Ironic listed 3 ports, 101 were known: held back until 3 lists in a "
      "row say so (this is number 2); if it is right, `pxegate sync --force` "
      "believes it now, else see to Ironic's database, and to what its account "
      "may read";
  EXPECT_THAT(json["degraded"], ElementsAre(Json(sentence)));
  EXPECT_EQ(json["sync"]["held_back"]["meaning"], sentence);
  EXPECT_EQ(json["sync"]["held_back"]["since_age"], 20.0);
  EXPECT_EQ(json["sync"]["held_back"]["known"], 101);
  EXPECT_THAT(json["narrowed_to"],
              ElementsAre(Json("conductor_group = rack1")));
  // Where it makes the controller unhealthy, that is the reason to give.
  backend.status_.synced = false;
  backend.status_.held_back->what = "rules";
  backend.status_.sources[0].consecutive_failures = 2;
  json = status_json(backend.status(), Origin::kController, kNow);
  EXPECT_THAT(json["problems"].dump(),
              AllOf(HasSubstr("Ironic's list makes 3 rules, 101 are in force "
                              "from before the start: held back"),
                    Not(HasSubstr("credentials"))));
}

TEST(StatusJson, FromTheFilterAloneIsNeverHealthy) {
  const FakeBackend backend;
  const Json json = status_json(backend.status(), Origin::kFilter, kNow);
  EXPECT_EQ(json["controller_running"], false);
  EXPECT_EQ(json["healthy"], false);
  EXPECT_THAT(json["problems"],
              ElementsAre(Json("no controller runs, so the filter "
                               "stays as it is")));
  EXPECT_TRUE(json["sync"].is_null());
  EXPECT_TRUE(json["pid"].is_null());
  EXPECT_EQ(json["driver"]["rules"], 3);
}

TEST(StatusJson, TellsTheLease) {
  FakeBackend backend;
  backend.status_.driver.lease = {false, seconds(298), "deny"};
  backend.status_.last_renewal = kNow - seconds(2);
  const Json json = status_json(backend.status(), Origin::kController, kNow);
  EXPECT_EQ(json["healthy"], true);
  EXPECT_EQ(json["driver"]["lease"].dump(),
            R"({"expired":false,"expires_in":298.0,"expired_for":null,)"
            R"("stale_action":"deny","meaning":"runs out in 4 min unless )"
            "renewed; then every request is denied (stale_action = deny)\"}");
  EXPECT_EQ(json["sync"]["last_renewal_age"], 2.0);
}

TEST(StatusJson, SaysWhatALeaseThatRanOutMeans) {
  for (const auto& [action, effect] :
       {std::pair{"deny", "is denied"}, std::pair{"allow", "is allowed"},
        std::pair{"keep", "gets what the old policy says"}}) {
    FakeBackend backend;
    backend.status_.driver.lease = {true, seconds(112), action};
    const Json json = status_json(backend.status(), Origin::kController, kNow);
    EXPECT_EQ(json["healthy"], false);
    EXPECT_EQ(json["driver"]["lease"]["expired_for"], 112.0);
    EXPECT_THAT(json["problems"].dump(),
                AllOf(HasSubstr("STALE"), HasSubstr("112 s ago"),
                      HasSubstr(effect), HasSubstr(action)));
  }
}

TEST(Problems, AreNoneExactlyWhenHealthy) {
  // Each bit breaks one of the things that healthy() asks for.
  for (unsigned bits = 0; bits < 32; ++bits) {
    FakeBackend backend;
    ControllerStatus& status = backend.status_;
    if (bits & 1) status.state = FilterState::kUninitialized;
    if (bits & 2) status.driver.healthy = false;
    if (bits & 4) status.synced = false;
    if (bits & 8) status.stale = true;
    if (bits & 16) status.driver.lease = {true, seconds(7), "deny"};
    EXPECT_EQ(problems(status, kNow).empty(), status.healthy()) << bits;
  }
}

TEST(Problems, NameTheSourceThatFails) {
  FakeBackend backend;
  backend.status_.stale = true;
  backend.status_.sources[0].consecutive_failures = 12;
  backend.status_.sources[0].last_error = "GET /v1/nodes: 401";
  EXPECT_THAT(
      problems(backend.status_, kNow),
      ElementsAre("the policy in force is out of date, last confirmed 1.0 s "
                  "ago: ironic (http://192.0.2.1:6385) failed 12 requests in "
                  "a row, last: GET /v1/nodes: 401; check that it runs and "
                  "answers there, and the credentials in [ironic]"));
}

// A second port of the active node is behind InfiniBand, and its neighbour
// address is that of the port being inspected.
TEST(PolicyJson, OfSeveralPortsWithAnAddressTheOneThatDecidesIsTold) {
  FakeBackend backend;
  const auto guid = HardwareAddress::infiniband({0, 2, 0xc9, 3, 0, 0, 0, 1});
  PolicyInForce policy = backend.policy();
  Inventory inventory = *policy.inventory;
  Port port = make_port("port-ib", "", "52:54:00:00:00:77");
  for (const PortView each : inventory.ports()) {
    const auto why = explain(each.address, inventory, policy.options);
    if (why.rule != Rule::kNotInspected) continue;
    port.node_uuid = each.node_uuid.to_string();
  }
  ASSERT_FALSE(port.node_uuid.empty());
  port.guid = guid;
  inventory.add_ports({port});
  inventory.set_ethernet_neighbours(
      {{mac("52:54:00:00:00:0a"), guid}, {mac("52:54:00:00:00:78"), guid}});
  policy.policy =
      std::make_shared<const Policy>(compute_policy(inventory, policy.options));
  policy.inventory = std::make_shared<const Inventory>(inventory);

  const Json taken = address_json(mac("52:54:00:00:00:0a"), policy, nullptr,
                                  Origin::kController, kNow);
  EXPECT_EQ(taken["verdict"], "deny");
  EXPECT_EQ(taken["rule"], "not_inspected");
  EXPECT_EQ(taken["port_uuid"], "port-ib");
  const Json own = address_json(mac("52:54:00:00:00:78"), policy, nullptr,
                                Origin::kController, kNow);
  EXPECT_EQ(own["known"], true);
  EXPECT_EQ(own["port_uuid"], "port-ib");
  const Json listed = whole_policy(policy, Origin::kController);
  EXPECT_EQ(listed["entries"][0]["address"], "52:54:00:00:00:0a");
  EXPECT_EQ(listed["entries"][0]["port_uuid"], "port-ib");
}

TEST(PolicyJson, ListsEveryEntryWithItsRule) {
  const FakeBackend backend;
  const Json json = whole_policy(backend.policy(), Origin::kController);
  EXPECT_EQ(json["controller_running"], true);
  EXPECT_EQ(json["as_of"], "2026-11-21T19:59:59.000Z");
  EXPECT_EQ(json["age"], 1.0);
  EXPECT_EQ(json["allowed"], 1);
  EXPECT_EQ(json["denied"], 2);
  EXPECT_EQ(json["unknown"], "allow");
  EXPECT_EQ(json["unknown_rule"], "unknown_inspection");
  ASSERT_EQ(json["entries"].size(), 3U);
  EXPECT_EQ(json["entries"][0].dump(),
            R"({"address":"52:54:00:00:00:0a","verdict":"allow",)"
            R"("rule":"being_inspected","port_uuid":"port-a",)"
            R"("node":{"uuid":"0000-a","name":"rack1-n1",)"
            R"("provision_state":"inspect wait",)"
            R"("inspect_interface":"agent"}})");
}

TEST(PolicyJson, OfNoEntriesIsWellFormed) {
  FakeBackend backend;
  backend.set_inventory(Inventory());
  EXPECT_THAT(whole_policy(backend.policy(), Origin::kController)["entries"],
              IsEmpty());
}

TEST(PolicyJson, GivesNoReasonBeforeIronicConfirmedAnything) {
  FakeBackend backend;
  backend.forget_reasons();
  const Json list = whole_policy(backend.policy(), Origin::kFilter);
  EXPECT_EQ(list["controller_running"], false);
  EXPECT_TRUE(list["as_of"].is_null());
  EXPECT_TRUE(list["unknown_rule"].is_null());
  ASSERT_EQ(list["entries"].size(), 3U);
  EXPECT_EQ(list["entries"][0]["verdict"], "allow");
  EXPECT_TRUE(list["entries"][0]["rule"].is_null());

  const Json one = address_json(mac("52:54:00:00:00:0a"), backend.policy(),
                                nullptr, Origin::kFilter, kNow);
  EXPECT_EQ(one["verdict"], "allow");
  EXPECT_EQ(one["known"], true);
  EXPECT_TRUE(one["rule"].is_null());
  EXPECT_TRUE(one["reason"].is_null());
}

TEST(PolicyJson, OneAddressTellsReasonAndLastRequest) {
  const FakeBackend backend;
  const auto seen = backend.observe();
  const Json json = address_json(mac("52:54:00:00:00:0b"), backend.policy(),
                                 &*seen, Origin::kController, kNow);
  EXPECT_EQ(json["verdict"], "deny");
  EXPECT_EQ(json["rule"], "not_inspected");
  EXPECT_EQ(json["reason"], "its node is in Ironic and is not being inspected");
  EXPECT_EQ(json["node"]["name"], "rack1-n2");
  EXPECT_EQ(json["last_request"]["relay"], "198.51.100.1");
  EXPECT_EQ(json["last_request"]["age"], 3.0);
}

TEST(PolicyJson, AnUnknownAddressHasTheVerdictForUnknowns) {
  const FakeBackend backend;
  const Json json = address_json(mac("02:00:00:00:00:01"), backend.policy(),
                                 nullptr, Origin::kController, kNow);
  EXPECT_EQ(json["known"], false);
  EXPECT_EQ(json["verdict"], "allow");
  EXPECT_EQ(json["rule"], "unknown_inspection");
  EXPECT_TRUE(json["node"].is_null());
  EXPECT_TRUE(json["last_request"].is_null());
}

TEST(ClientsJson, TellsTheLeaseAndWhatIsNotRecorded) {
  FakeBackend backend;
  backend.observations_.lease = {true, seconds(5), "deny"};
  backend.observations_.events_lost = 3;
  backend.observations_.clients_unrecorded = 4;
  const Json json = clients_json(*backend.observe(), backend.policy(),
                                 Origin::kController, kNow);
  EXPECT_EQ(json["lease"]["expired"], true);
  EXPECT_EQ(json["events_lost"], 3);
  EXPECT_EQ(json["clients_unrecorded"], 4);
}

TEST(ClientsJson, JoinsClientsWithTheirNodes) {
  const FakeBackend backend;
  const Json json = clients_json(*backend.observe(), backend.policy(),
                                 Origin::kController, kNow);
  EXPECT_EQ(json["clients"][0].dump(),
            R"({"address":"52:54:00:00:00:0b","htype":1,)"
            R"("node":{"uuid":"0000-b","name":"rack1-n2"},"verdict":"deny",)"
            R"("reason":"rule","relay":"198.51.100.1","interface":"eth1",)"
            R"("vlans":[],"ip_version":4,"message_type":"DISCOVER",)"
            R"("architecture":"x86-64 UEFI","count":7,)"
            R"("last_seen":"2026-11-21T19:59:57.000Z","age":3.0})");
  EXPECT_EQ(json["clients"][1]["vlans"], Json({100, 7}));
  EXPECT_EQ(json["relays"][0].dump(),
            R"({"relay":"198.51.100.1","allowed":2,"dropped":7,)"
            R"("last_seen":"2026-11-21T19:59:57.000Z","age":3.0})");
  EXPECT_EQ(json["counters"][0].dump(),
            R"({"verdict":"deny","reason":"rule",)"
            R"("meaning":"Ironic has a port with this address",)"
            R"("packets":7})");
}

}  // namespace
}  // namespace pxegate
