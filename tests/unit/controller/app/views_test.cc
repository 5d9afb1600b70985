// SPDX-License-Identifier: Apache-2.0
#include "controller/app/views.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/controller/app/fake_backend.h"

namespace pxegate {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const Instant kNow = now(FakeClock());

Json status_of(const FakeBackend& backend,
               Origin origin = Origin::kController) {
  return status_json(backend.status(), origin, kNow);
}
Json address_of(const FakeBackend& backend, std::string_view address,
                Origin origin = Origin::kController) {
  const auto seen = backend.observe();
  return address_json(mac(address), backend.policy(), &*seen, origin, kNow);
}
Json policy_of(const FakeBackend& backend, Origin origin) {
  PolicyListing listing(backend.policy(), origin, kNow);
  std::string text;
  while (const auto piece = listing.next()) text += *piece;
  return parse_json(text).value();
}
Json clients_of(const FakeBackend& backend) {
  return clients_json(*backend.observe(), backend.policy(), Origin::kController,
                      kNow);
}

bool is_safe(const std::string& text) {
  return std::ranges::all_of(
      text, [](char c) { return c == '\n' || (c >= 0x20 && c < 0x7f); });
}

TEST(StatusView, BeginsWithTheVerdict) {
  EXPECT_EQ(status_view(status_of(FakeBackend())),
            "healthy: 1 allowed, 2 denied; unknown machines are allowed\n"
            "\n"
            "controller    version 0.1.0, process 4711, up 3 h\n"
            "driver        xdp, initialized, 3 rules of at most 262144\n"
            "              eth1: active, native\n"
            "policy        1 allowed, 2 denied; unknown machines are allowed\n"
            "inventory     3 nodes (1 being inspected), 3 ports\n"
            "full sync     4.1 s ago, took 0.2 s, due every 15 s\n"
            "poll          1.0 s ago, due every 2.0 s\n"
            "last change   12 min ago\n"
            "ironic        http://192.0.2.1:6385: answered 1.0 s ago\n");
}

TEST(StatusView, SaysAsWhomASourceIsAsked) {
  FakeBackend backend;
  backend.status_.sources[0].login = SourceLogin{"pxegate", "system"};
  EXPECT_THAT(status_view(status_of(backend)),
              HasSubstr("http://192.0.2.1:6385 as pxegate (system): answered"));
  EXPECT_EQ(status_of(backend)["sources"][0]["login"],
            (Json{{"user", "pxegate"}, {"scope", "system"}}));
  backend.status_.sources[0].login = SourceLogin{"basic", ""};
  EXPECT_THAT(status_view(status_of(backend)),
              HasSubstr("http://192.0.2.1:6385 as basic: answered"));
}

TEST(StatusView, SaysWhatIsWrongAndWhatToDo) {
  FakeBackend backend;
  backend.status_.stale = true;
  backend.status_.driver.healthy = false;
  backend.status_.driver.targets.push_back(
      {"eth2", false, "", "no such interface"});
  backend.status_.sources[0].consecutive_failures = 12;
  backend.status_.sources[0].last_error = "GET /v1/nodes: 401 Unauthorized";
  backend.status_.sources[0].last_success = kNow - seconds(300);
  backend.status_.last_poll = kNow - seconds(300);
  backend.status_.last_full_sync = kNow - seconds(301);
  EXPECT_EQ(status_view(status_of(backend)),
            "NOT HEALTHY: the xdp driver does not filter everywhere it should: "
            "eth2: no such interface; the controller tries again at each sync\n"
            "and: the policy in force is out of date, last confirmed 5 min "
            "ago: ironic (http://192.0.2.1:6385) failed 12 requests in a row, "
            "last: GET /v1/nodes: 401 Unauthorized; check that it runs and "
            "answers there, and the credentials in [ironic]\n"
            "\n"
            "controller    version 0.1.0, process 4711, up 3 h\n"
            "driver        xdp, initialized, 3 rules of at most 262144\n"
            "              eth1: active, native\n"
            "              eth2: NOT ACTIVE, no such interface\n"
            "policy        1 allowed, 2 denied; unknown machines are allowed\n"
            "inventory     3 nodes (1 being inspected), 3 ports\n"
            "full sync     5 min ago, took 0.2 s, due every 15 s\n"
            "poll          5 min ago, due every 2.0 s\n"
            "last change   12 min ago\n"
            "ironic        http://192.0.2.1:6385: FAILING, 12 requests in a "
            "row; last answered 5 min ago\n"
            "              GET /v1/nodes: 401 Unauthorized\n");
}

TEST(StatusView, ShowsTheBroker) {
  FakeBackend backend;
  BrokerStatus& broker = backend.status_.broker.emplace();
  broker.endpoint = "rabbit1:5672";
  broker.connected = true;
  broker.connected_since = kNow - seconds(7200);
  broker.last_message = kNow - seconds(12);
  backend.status_.polls_every = seconds(15);
  backend.status_.polls_every_why = "notifications tell the news";
  backend.status_.narrowed_to = {"conductor_group = rack1", "shard = s2"};
  EXPECT_THAT(
      status_view(status_of(backend)),
      AllOf(HasSubstr("\npoll          1.0 s ago, due every 15 s: "
                      "notifications tell the news\n"),
            HasSubstr("\nnotifications rabbit1:5672: connected 2 h ago, last "
                      "message 12 s ago\n"
                      "narrowed to   conductor_group = rack1, shard = s2\n"),
            Not(HasSubstr("degraded"))));
  broker.exchange_missing = true;
  broker.received = 9;
  broker.malformed = 2;
  EXPECT_THAT(status_view(status_of(backend)),
              AllOf(HasSubstr("the exchange does not exist"),
                    HasSubstr("2 of 9 messages were not what Ironic sends")));
}

TEST(StatusView, ALostBrokerIsSeenAtOnce) {
  FakeBackend backend;
  BrokerStatus& broker = backend.status_.broker.emplace();
  broker.endpoint = "rabbit1:5672";
  broker.last_error = "connection refused\x1b[2J";
  backend.status_.broker_lost_since = kNow - seconds(34);
  const std::string view = status_view(status_of(backend));
  EXPECT_THAT(view, StartsWith("healthy: 1 allowed, 2 denied; unknown machines "
                               "are allowed\n"
                               "degraded: no notifications from rabbit1:5672 "
                               "since 34 s: connection refused\\x1b[2J; Ironic "
                               "is polled every 2.0 s instead\n"));
  EXPECT_THAT(view, HasSubstr("\nnotifications rabbit1:5672: LOST since 34 s "
                              "ago, polling every 2.0 s\n"
                              "              connection refused\\x1b[2J\n"));
  EXPECT_TRUE(is_safe(view));
}

TEST(StatusView, ShowsAListThatIsHeldBack) {
  FakeBackend backend;
  backend.status_.held_back = {"ports", 0, 101, 1, 3, kNow - seconds(20)};
  EXPECT_THAT(status_view(status_of(backend)),
              AllOf(HasSubstr("\ndegraded: Ironic listed 0 ports"),
                    HasSubstr("\nheld back     20 s ago: Ironic listed 0 "
                              "ports, 101 were known")));
}

TEST(StatusView, AnOlderControllerTellsLess) {
  Json status = status_of(FakeBackend());
  status.erase("degraded");
  status.erase("notifications");
  status.erase("narrowed_to");
  for (const char* each : {"polls_every", "polls_every_why", "held_back"}) {
    status["sync"].erase(each);
  }
  EXPECT_EQ(status_view(status), status_view(status_of(FakeBackend())));
}

TEST(StatusView, SaysFirstThatNoControllerRuns) {
  EXPECT_EQ(
      status_view(status_of(FakeBackend(), Origin::kFilter)),
      "NO CONTROLLER RUNS: the policy in the kernel is frozen as the last one "
      "left it; start one with `pxegate run`\n"
      "\n"
      "driver        xdp, 3 rules of at most 262144\n"
      "              eth1: active, native\n"
      "policy        1 allowed, 2 denied; unknown machines are allowed\n");
}

TEST(PolicyView, IsATable) {
  EXPECT_EQ(policy_view(policy_of(FakeBackend(), Origin::kController)),
            "1 allowed, 2 denied; unknown machines are allowed "
            "(unknown_inspection); as of 1.0 s ago\n"
            "\n"
            "ADDRESS            VERDICT  RULE             NODE                 "
            "            STATE\n"
            "52:54:00:00:00:0a  allow    being_inspected  rack1-n1             "
            "            inspect wait\n"
            "52:54:00:00:00:0b  deny     not_inspected    rack1-n2             "
            "            active\n"
            "52:54:00:00:00:0c  deny     not_inspected    "
            "\\x1b]0;owned\\x07\\x1b[2J\\x0afake  active\n");
}

TEST(PolicyView, FromTheFilterAloneHasNoReasons) {
  FakeBackend backend;
  backend.forget_reasons();
  EXPECT_EQ(policy_view(policy_of(backend, Origin::kFilter)),
            "1 allowed, 2 denied; unknown machines are allowed; NO CONTROLLER "
            "RUNS, so this is frozen\n"
            "\n"
            "ADDRESS            VERDICT  RULE  NODE  STATE\n"
            "52:54:00:00:00:0a  allow    -     -     -\n"
            "52:54:00:00:00:0b  deny     -     -     -\n"
            "52:54:00:00:00:0c  deny     -     -     -\n");
}

TEST(PolicyView, ClaimsNothingBeforeTheFirstSync) {
  FakeBackend backend;
  backend.forget_reasons();
  EXPECT_THAT(policy_view(policy_of(backend, Origin::kController)),
              StartsWith("Nothing is known before the first complete list"));
  EXPECT_THAT(address_view(address_of(backend, "52:54:00:00:00:0b")),
              StartsWith("The verdict on 52:54:00:00:00:0b is not known"));
  backend.status_.synced = false;
  EXPECT_THAT(status_view(status_of(backend)), Not(HasSubstr("\npolicy")));
}

TEST(AddressView, TellsTheReasonInASentence) {
  EXPECT_EQ(address_view(address_of(FakeBackend(), "52:54:00:00:00:0b")),
            "52:54:00:00:00:0b is denied: its node is in Ironic and is not "
            "being inspected.\n"
            "\n"
            "rule          not_inspected\n"
            "node          rack1-n2 (0000-b)\n"
            "state         active, inspect_interface agent\n"
            "port          port-b\n"
            "as of         1.0 s ago\n"
            "last request  3.0 s ago, denied (rule), 7 requests so far, on "
            "eth1, through relay 198.51.100.1, x86-64 UEFI\n");
}

TEST(AddressView, OfAnUnknownMachineSaysSo) {
  EXPECT_EQ(address_view(address_of(FakeBackend(), "02:00:00:00:00:01")),
            "02:00:00:00:00:01 is allowed: Ironic does not know it, and some "
            "node is being inspected.\n"
            "\n"
            "rule          unknown_inspection\n"
            "node          none: no port in Ironic has this address\n"
            "as of         1.0 s ago\n"
            "last request  none seen lately\n");
}

TEST(AddressView, WithoutAControllerTheReasonIsNotKnown) {
  FakeBackend backend;
  backend.forget_reasons();
  EXPECT_EQ(
      address_view(address_of(backend, "52:54:00:00:00:0b", Origin::kFilter)),
      "52:54:00:00:00:0b is denied: the filter has a rule for it. Why is not "
      "known while no controller runs: start it with `pxegate run`.\n"
      "\n"
      "last request  3.0 s ago, denied (rule), 7 requests so far, on eth1, "
      "through relay 198.51.100.1, x86-64 UEFI\n");
  EXPECT_THAT(address_view(address_of(backend, "52:54:00:00:00:0b")),
              HasSubstr("first complete list from Ironic"));
}

TEST(ClientsView, IsATableWithRelaysAndCounters) {
  EXPECT_EQ(clients_view(clients_of(FakeBackend())),
            "2 clients; 3 requests allowed, 7 denied in all; at "
            "2026-11-21T20:00:00.000Z\n"
            "\n"
            "MAC                NODE      RELAY         VERDICT  REASON  COUNT "
            "   AGE  ARCH         TYPE      INTERFACE  VLAN\n"
            "52:54:00:00:00:0b  rack1-n2  198.51.100.1  deny     rule        7 "
            " 3.0 s  x86-64 UEFI  DISCOVER  eth1       -\n"
            "52:54:00:00:00:0a  rack1-n1  -             allow    rule        1 "
            "  40 s  x86-64 UEFI  DISCOVER  eth1       100.7\n"
            "\n"
            "RELAY         ALLOWED  DROPPED    AGE\n"
            "198.51.100.1        2        7  3.0 s\n"
            "\n"
            "VERDICT  REASON  REQUESTS  MEANING\n"
            "deny     rule           7  Ironic has a port with this address\n"
            "allow    rule           3  Ironic has a port with this address\n");
}

TEST(ClientsView, OfADriverThatSeesNoPacketsSaysSo) {
  FakeBackend backend;
  backend.observations_ = {};
  EXPECT_THAT(clients_view(clients_of(backend)),
              StartsWith("The driver in use sees no packets"));
}

TEST(ClientsView, FitsTheTerminalAndCountsWhatItLeavesOut) {
  FakeBackend backend;
  const ClientRecord one = backend.observations_.clients[0];
  backend.observations_.clients.assign(50, one);
  for (std::size_t rows = 0; rows < 70; ++rows) {
    const std::string text =
        clients_view(clients_of(backend), TerminalSize{rows, 40});
    const auto lines = static_cast<std::size_t>(std::ranges::count(text, '\n'));
    if (rows > 5) {
      // The line below the last is the cursor's.
      EXPECT_LT(lines, rows + 1) << rows << "\n" << text;
    }
    std::size_t begin = 0;
    while (begin < text.size()) {
      const std::size_t end = text.find('\n', begin);
      EXPECT_LE(end - begin, 40U);
      begin = end + 1;
    }
  }
  EXPECT_THAT(clients_view(clients_of(backend), TerminalSize{10, 200}),
              HasSubstr("... and 44 more\n"));
  EXPECT_THAT(clients_view(clients_of(backend), TerminalSize{60, 200}),
              Not(HasSubstr("more\n")));
}

TEST(StatusView, TellsTheLease) {
  FakeBackend backend;
  backend.status_.driver.lease = {false, seconds(98), "deny"};
  backend.status_.last_renewal = kNow - seconds(2);
  EXPECT_THAT(status_view(status_of(backend)),
              HasSubstr("\npolicy lease  renewed 2.0 s ago, runs out in 98 s "
                        "unless renewed; then every request is denied "
                        "(stale_action = deny)\n"));
  backend.status_.driver.lease = {true, seconds(12), "deny"};
  EXPECT_THAT(status_view(status_of(backend)),
              StartsWith("NOT HEALTHY: the policy is STALE: its lease ran out "
                         "12 s ago, since no controller renewed it; every "
                         "request is denied (stale_action = deny)\n"));
}

TEST(StatusView, WithoutAControllerTellsWhatTheLeaseDoes) {
  FakeBackend backend;
  backend.status_.driver.lease = {false, seconds(98), "allow"};
  EXPECT_THAT(status_view(status_of(backend, Origin::kFilter)),
              HasSubstr("policy lease  runs out in 98 s unless renewed; then "
                        "every request is allowed"));
  backend.status_.driver.lease = {true, seconds(12), "keep"};
  EXPECT_THAT(status_view(status_of(backend, Origin::kFilter)),
              StartsWith("NO CONTROLLER RUNS, and the policy is STALE: its "
                         "lease ran out 12 s ago, since no controller renewed "
                         "it; every request gets what the old policy says "
                         "(stale_action = keep); start one with"));
}

TEST(ClientsView, WarnsFirstOfAPolicyThatIsStale) {
  FakeBackend backend;
  EXPECT_THAT(clients_view(clients_of(backend)), StartsWith("2 clients"));
  backend.observations_.lease = {true, seconds(12), "deny"};
  EXPECT_THAT(clients_view(clients_of(backend)),
              StartsWith("WARNING: the policy is STALE: its lease ran out 12 s "
                         "ago"));
}

TEST(ClientsView, TellsTheIpVersionWhereThereIsMoreThanOne) {
  FakeBackend backend;
  EXPECT_THAT(clients_view(clients_of(backend)), Not(HasSubstr("IP\n")));
  backend.observations_.clients[0].ip_version = 6;
  backend.observations_.clients[0].message_type = "SOLICIT";
  EXPECT_THAT(clients_view(clients_of(backend)), HasSubstr("IP\n"));
  EXPECT_THAT(address_view(address_of(backend, "52:54:00:00:00:0b")),
              HasSubstr("DHCPv6"));
}

TEST(AddressView, ExplainsTheFiltersOwnReason) {
  FakeBackend backend;
  backend.observations_.clients[0].reason = "stale";
  EXPECT_THAT(address_view(address_of(backend, "52:54:00:00:00:0b")),
              HasSubstr("; stale: no controller renewed the policy"));
}

TEST(SyncView, SaysWhatChanged) {
  SyncOutcome outcome;
  outcome.took = std::chrono::milliseconds(420);
  EXPECT_EQ(sync_view(sync_json(outcome)),
            "Synced in 0.4 s: nothing had to change.\n");
  outcome.report = {1, 2, true, {"eth1: the program was gone"}};
  EXPECT_EQ(sync_view(sync_json(outcome)),
            "Synced in 0.4 s: 1 rule added or changed, 2 removed, another "
            "verdict for unknown machines.\n"
            "Repaired: eth1: the program was gone\n");
  outcome.report = {0, 2, false, {}};
  outcome.forced = true;
  EXPECT_EQ(
      sync_view(sync_json(outcome)),
      "Synced in 0.4 s, by force: 0 rules added or changed, 2 removed.\n");
}

TEST(Views, LetNothingFromOutsideReachTheTerminal) {
  const std::string evil = "\x1b]0;x\x07\x1b[2J\n\u009b\u202e";
  FakeBackend backend;
  backend.status_.version = evil;
  backend.status_.driver = {.driver = evil,
                            .healthy = false,
                            .targets = {{evil, true, evil, evil}},
                            .notices = {evil},
                            .lease = LeaseStatus{true, seconds(1), evil}};
  backend.status_.driver_error = evil;
  backend.status_.stale = true;
  backend.status_.sources = {
      {evil, evil, {}, evil, kNow, 3, SourceLogin{evil, evil}},
      {evil, evil, {}, evil, kNow, 0, SourceLogin{evil, evil}}};
  backend.set_inventory(
      Inventory::make({{evil, evil, evil, evil, {}}},
                      {make_port(evil, evil, "52:54:00:00:00:0b")})
          .value());
  ClientRecord& client = backend.observations_.clients[0];
  client.reason = client.relay = client.interface = evil;
  client.message_type = client.architecture = evil;
  backend.observations_.clients[1].address = evil;
  backend.observations_.relays[0].relay = evil;
  backend.observations_.counters[0].reason = evil;
  SyncOutcome outcome;
  outcome.report.repaired = {evil};

  for (const Json& json :
       {status_of(backend), policy_of(backend, Origin::kController),
        address_of(backend, "52:54:00:00:00:0b"), clients_of(backend),
        sync_json(outcome)}) {
    for (const auto view :
         {+[](const Json& each) { return status_view(each); },
          +[](const Json& each) { return policy_view(each); },
          +[](const Json& each) { return address_view(each); },
          +[](const Json& each) { return clients_view(each); },
          +[](const Json& each) { return sync_view(each); }}) {
      const std::string text = view(json);
      EXPECT_TRUE(is_safe(text)) << dump(text);
    }
  }
}

TEST(Views, SurviveAnyDocument) {
  const Json documents[] = {
      nullptr,
      7,
      "text",
      Json::array({1, 2}),
      {{"sources", {1, nullptr, "x", Json::object()}},
       {"driver", {{"targets", {1}}, {"notices", {1}}, {"rules", "x"}}},
       {"entries", {1, nullptr, {{"node", 5}, {"address", 6}}}},
       {"supported", true},
       {"clients", {1, {{"vlans", {-1, "x", 4}}, {"count", -1}}}},
       {"relays", {1}},
       {"counters", {1}},
       {"node", Json::object()},
       {"last_request", Json::object()},
       {"sync", Json::object()},
       {"problems", {1}},
       {"repaired", {1}},
       {"age", 1e300}}};
  for (const Json& each : documents) {
    EXPECT_FALSE(status_view(each).empty());
    EXPECT_FALSE(policy_view(each).empty());
    EXPECT_FALSE(address_view(each).empty());
    EXPECT_FALSE(clients_view(each).empty());
    EXPECT_FALSE(sync_view(each).empty());
  }
}

}  // namespace
}  // namespace pxegate
