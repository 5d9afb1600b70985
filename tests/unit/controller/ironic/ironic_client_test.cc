// SPDX-License-Identifier: Apache-2.0
#include "controller/ironic/ironic_client.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <nlohmann/json.hpp>

#include "controller/base/fd.h"
#include "controller/base/log.h"
#include "fake_http_transport.h"

namespace pxegate {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::string uuid(int number) {
  return fmt::format("00000000-0000-4000-8000-{:012x}", number);
}

json node_json(int number, const char* state = "available") {
  return {{"uuid", uuid(number)},
          {"name", fmt::format("node-{}", number)},
          {"provision_state", state},
          {"inspect_interface", "agent"}};
}

json port_json(int number, int node = 1) {
  return {{"uuid", uuid(number)},
          {"node_uuid", uuid(node)},
          {"address",
           fmt::format("52:54:00:{:02x}:{:02x}:{:02x}", number >> 16 & 0xff,
                       number >> 8 & 0xff, number & 0xff)},
          {"extra", json::object()},
          {"local_link_connection", json::object()},
          {"physical_network", nullptr}};
}

std::string page(const char* name, json items, bool next = false) {
  json body = {{name, std::move(items)}};
  if (next) body["next"] = "http://elsewhere/v1/loop?marker=x";
  return body.dump();
}

std::string not_found(const char* kind, const std::string& which) {
  const json fault = {
      {"faultcode", "Client"},
      {"faultstring", fmt::format("{} {} could not be found.", kind, which)},
      {"debuginfo", nullptr}};
  return json{{"error_message", fault.dump()}}.dump();
}

// The value of a parameter in a URL's query; empty where there is none.
std::string parameter(const std::string& url, const std::string& name) {
  for (const char* before : {"?", "&"}) {
    const std::size_t at = url.find(before + name + "=");
    if (at == std::string::npos) continue;
    const std::size_t begin = at + name.size() + 2;
    return url.substr(begin, url.find('&', begin) - begin);
  }
  return {};
}

class IronicClientTest : public testing::Test {
 protected:
  IronicClientTest() { restart({.endpoint = "http://ironic:6385"}); }

  void restart(IronicOptions options) {
    client_ =
        *IronicClient::make(std::move(options), transport_, none_, clock_);
  }

  // The message of what one node, or port, of this form is answered with.
  std::string node_error(const json& item) {
    transport_.push(200, page("nodes", json::array({item})));
    const auto nodes = client_->nodes_in_state("available");
    return nodes ? "no error" : nodes.error().message();
  }
  std::string port_error(const json& item) {
    transport_.push(200, page("ports", json::array({item})));
    const auto ports = client_->ports_page("");
    return ports ? "no error" : ports.error().message();
  }
  Port port_from(const json& item) {
    transport_.push(200, page("ports", json::array({item})));
    auto ports = client_->ports_page("");
    EXPECT_TRUE(ports) << ports.error().message();
    return ports->items.at(0);
  }

  const std::string& url(std::size_t request) {
    return transport_.requests.at(request).url;
  }

  FakeHttpTransport transport_;
  NoAuthenticator none_;
  SystemClock clock_;
  std::unique_ptr<IronicClient> client_;
};

TEST_F(IronicClientTest, AsksForNodesInAStateWithWhatThePolicyNeeds) {
  json node = node_json(1, "inspect wait");
  node["driver_internal_info"] = {{"inspector_manage_boot", true},
                                  {"steps", {1, 2, 3}}};
  transport_.push(200, page("nodes", json::array({node})));
  const auto nodes = client_->nodes_in_state("inspect wait");
  ASSERT_TRUE(nodes) << nodes.error().message();
  EXPECT_EQ(url(0),
            "http://ironic:6385/v1/nodes?provision_state=inspect%20wait&fields="
            "uuid,name,provision_state,inspect_interface,provision_updated_at,"
            "driver_internal_info&"
            "limit=1000");
  ASSERT_THAT(*nodes, SizeIs(1));
  EXPECT_EQ(nodes->front(), (Node{.uuid = uuid(1),
                                  .name = "node-1",
                                  .provision_state = "inspect wait",
                                  .inspect_interface = "agent",
                                  .inspector_manage_boot = true}));
  EXPECT_THAT(transport_.requests, SizeIs(1));
}

TEST_F(IronicClientTest, NodesTellWhenTheirStateChanged) {
  const auto updated = [this](const json& value) {
    json item = node_json(1, "inspecting");
    item["driver_internal_info"] = json::object();
    item["provision_updated_at"] = value;
    transport_.push(200, page("nodes", json::array({item})));
    const auto nodes = client_->nodes_in_state("inspecting");
    EXPECT_TRUE(nodes) << nodes.error().message();
    return nodes ? nodes->at(0).provision_updated_at : std::nullopt;
  };
  const WallTime at{std::chrono::seconds(1'795'291'200)};
  EXPECT_EQ(updated("2026-11-21T20:00:00+00:00"), at);
  EXPECT_EQ(updated("2026-11-21T20:00:00.250000+00:00"),
            at + std::chrono::milliseconds(250));
  // Nothing hangs on it.
  for (const json& value : {json(nullptr), json("yesterday"), json(7)}) {
    EXPECT_EQ(updated(value), std::nullopt) << value;
  }
}

TEST_F(IronicClientTest, OneNodeIsAskedForByItsUuid) {
  json item = node_json(1, "inspecting");
  item["driver_internal_info"] = {{"inspector_manage_boot", false}};
  item["links"] = {1, 2};
  transport_.push(200, item.dump());
  const auto node = client_->node(uuid(1));
  ASSERT_TRUE(node) << node.error().message();
  EXPECT_EQ(*node, (Node{.uuid = uuid(1),
                         .name = "node-1",
                         .provision_state = "inspecting",
                         .inspect_interface = "agent",
                         .inspector_manage_boot = false}));
  EXPECT_EQ(url(0), "http://ironic:6385/v1/nodes/" + uuid(1) +
                        "?fields=uuid,name,provision_state,inspect_interface,"
                        "provision_updated_at,driver_internal_info");
}

TEST_F(IronicClientTest, ANodeThatIronicDoesNotHaveIsNone) {
  transport_.push(404, not_found("Node", uuid(1)));
  const auto node = client_->node(uuid(1));
  ASSERT_TRUE(node) << node.error().message();
  EXPECT_EQ(*node, std::nullopt);
}

TEST_F(IronicClientTest, A404OfAnotherServerSaysNothingOfTheNode) {
  for (const std::string& body :
       {std::string("<html>Not Found: /v1/nodes/" + uuid(1) + "</html>"),
        std::string(R"({"error_message": "no such page"})"), std::string(),
        not_found("Node", uuid(2))}) {
    transport_.push(404, body);
    const auto node = client_->node(uuid(1));
    ASSERT_FALSE(node) << body;
    EXPECT_EQ(node.error().code(), ErrorCode::kFailed);
  }
}

TEST_F(IronicClientTest, AnswersThatAreNotTheNodeAreRefused) {
  const std::string one = node_json(1).dump();
  const std::string broken = one.substr(0, one.size() - 3);
  for (const std::string& body :
       {node_json(2).dump(), one + "," + one, node_json(2).dump() + "," + one,
        std::string(), std::string("null"), std::string("[]"), broken,
        "[" + one + "]", one + "]}", std::string("<html>"),
        json{{"uuid", uuid(1)}}.dump()}) {
    transport_.push(200, body);
    const auto node = client_->node(uuid(1));
    ASSERT_FALSE(node) << body;
    EXPECT_EQ(node.error().code(), ErrorCode::kInvalid) << body;
  }
}

TEST_F(IronicClientTest, ANodeIsAskedForByNothingButAUuid) {
  for (const char* name : {"", "node-1", "../ports", "a/b", "?x=1"}) {
    EXPECT_EQ(client_->node(name).error().code(), ErrorCode::kInvalid);
  }
  EXPECT_THAT(transport_.requests, IsEmpty());
}

TEST_F(IronicClientTest, WhoBootsANodeMayBeUndecided) {
  json items = json::array();
  for (int i = 0; i < 4; ++i) items.push_back(node_json(i, "inspecting"));
  items[0]["driver_internal_info"] = nullptr;
  items[1]["driver_internal_info"] = json::object();
  items[2]["driver_internal_info"] = {{"inspector_manage_boot", nullptr}};
  items[3]["driver_internal_info"] = {{"inspector_manage_boot", false}};
  transport_.push(200, page("nodes", items));
  const auto nodes = client_->nodes_in_state("inspecting");
  ASSERT_TRUE(nodes) << nodes.error().message();
  EXPECT_EQ((*nodes)[0].inspector_manage_boot, std::nullopt);
  EXPECT_EQ((*nodes)[1].inspector_manage_boot, std::nullopt);
  EXPECT_EQ((*nodes)[2].inspector_manage_boot, std::nullopt);
  EXPECT_EQ((*nodes)[3].inspector_manage_boot, false);
}

TEST_F(IronicClientTest, AllNodesAreAskedForWithoutInternals) {
  transport_.push(200, page("nodes", json::array({node_json(1)})));
  const auto nodes = client_->nodes_page("");
  ASSERT_TRUE(nodes);
  EXPECT_TRUE(nodes->last);
  EXPECT_EQ(url(0),
            "http://ironic:6385/v1/nodes?fields=uuid,name,provision_state,"
            "inspect_interface&limit=1000");
}

TEST_F(IronicClientTest, ANodeWithoutNameOrInterfaceIsANode) {
  json node = node_json(1);
  node["name"] = nullptr;
  node["inspect_interface"] = nullptr;
  transport_.push(200, page("nodes", json::array({node})));
  const auto nodes = client_->nodes_page("");
  ASSERT_TRUE(nodes);
  EXPECT_EQ(nodes->items[0].name, "");
  EXPECT_EQ(nodes->items[0].inspect_interface, "");
}

TEST_F(IronicClientTest, PortsAreReadWithAllThatDriversNeed) {
  json port = port_json(0x010203);
  port["extra"] = {
      {"client-id",
       "FF:00:00:00:00:00:02:00:00:02:c9:00:f4:52:14:03:00:66:87:41"},
      {"other", {1, 2}}};
  port["local_link_connection"] = {{"switch_id", "0a:1b"}, {"port_id", "E1"}};
  port["physical_network"] = "leaf1";
  EXPECT_EQ(port_from(port),
            (Port{.uuid = uuid(0x010203),
                  .node_uuid = uuid(1),
                  .address = *MacAddress::parse("52:54:00:01:02:03"),
                  .guid = *HardwareAddress::parse("f4:52:14:03:00:66:87:41"),
                  .physical_network = "leaf1",
                  .local_link_connection =
                      R"({"port_id":"E1","switch_id":"0a:1b"})"}));
  EXPECT_EQ(url(0),
            "http://ironic:6385/v1/ports?fields=uuid,address,node_uuid,extra,"
            "local_link_connection,physical_network&limit=1000");
}

// A port whose node vanishes while Ironic answers is missing from its page,
// which then is short and names no next one.
TEST_F(IronicClientTest, AShortPageDoesNotEndTheListOfPorts) {
  transport_.push(200, page("ports", json::array({port_json(1)})));
  transport_.push(200, page("ports", json::array({port_json(2)})));
  transport_.push(200, page("ports", json::array()));
  EXPECT_FALSE(client_->ports_page("")->last);
  EXPECT_FALSE(client_->ports_page(uuid(1))->last);
  const auto end = client_->ports_page(uuid(2));
  ASSERT_TRUE(end);
  EXPECT_TRUE(end->last);
  EXPECT_THAT(end->items, IsEmpty());
  EXPECT_EQ(parameter(url(1), "marker"), uuid(1));
}

TEST_F(IronicClientTest, FurtherPagesKeepTheFilterAndNextIsNotFollowed) {
  json first = node_json(1, "inspecting");
  json second = node_json(2, "inspecting");
  first["driver_internal_info"] = second["driver_internal_info"] =
      json::object();
  transport_.push(200, page("nodes", json::array({first}), true));
  transport_.push(200, page("nodes", json::array({second})));
  const auto nodes = client_->nodes_in_state("inspecting");
  ASSERT_TRUE(nodes) << nodes.error().message();
  EXPECT_THAT(*nodes, SizeIs(2));
  EXPECT_EQ(parameter(url(1), "provision_state"), "inspecting");
  EXPECT_EQ(parameter(url(1), "marker"), uuid(1));
  EXPECT_TRUE(url(1).starts_with("http://ironic:6385/"));
}

TEST_F(IronicClientTest, PortsOfOneNodeNeedOneRequest) {
  transport_.push(200,
                  page("ports", json::array({port_json(5), port_json(6)})));
  const auto ports = client_->ports_of_node(uuid(1));
  ASSERT_TRUE(ports) << ports.error().message();
  EXPECT_THAT(*ports, SizeIs(2));
  EXPECT_EQ(parameter(url(0), "node"), uuid(1));
  EXPECT_THAT(transport_.requests, SizeIs(1));
}

TEST_F(IronicClientTest, ANodeThatIsGoneHasNoPorts) {
  transport_.push(404, not_found("Node", uuid(1)));
  const auto ports = client_->ports_of_node(uuid(1));
  ASSERT_TRUE(ports) << ports.error().message();
  EXPECT_THAT(*ports, IsEmpty());
}

TEST_F(IronicClientTest, AWrongAddressIsNotANodeWithoutPorts) {
  transport_.push(404, "<h1>Not Found</h1>");
  EXPECT_FALSE(client_->ports_of_node(uuid(1)));
}

TEST_F(IronicClientTest, APortThatGoesWhileANodesPortsAreListedIsAnError) {
  transport_.push(200, page("ports", json::array({port_json(5)}), true));
  transport_.push(404, not_found("Port", uuid(5)));
  const auto ports = client_->ports_of_node(uuid(1));
  ASSERT_FALSE(ports);
  EXPECT_EQ(ports.error().code(), ErrorCode::kUnavailable);
}

TEST_F(IronicClientTest, PortsOfAnotherNodeAreRefused) {
  transport_.push(200, page("ports", json::array({port_json(5, 2)})));
  EXPECT_THAT(client_->ports_of_node(uuid(1)).error().message(),
              AllOf(HasSubstr(uuid(1)), HasSubstr(uuid(2))));
}

TEST_F(IronicClientTest, NodesInAnotherStateAreRefused) {
  json node = node_json(1, "active");
  node["driver_internal_info"] = nullptr;
  transport_.push(200, page("nodes", json::array({node})));
  EXPECT_THAT(client_->nodes_in_state("inspecting").error().message(),
              AllOf(HasSubstr("\"active\""), HasSubstr("\"inspecting\"")));
}

TEST_F(IronicClientTest, AMarkerThatIsGoneIsNotFound) {
  transport_.push(404, not_found("Port", uuid(9)));
  EXPECT_EQ(client_->ports_page(uuid(9)).error().code(), ErrorCode::kNotFound);
  transport_.push(404, not_found("Node", uuid(9)));
  EXPECT_EQ(client_->nodes_page(uuid(9)).error().code(), ErrorCode::kNotFound);
}

TEST_F(IronicClientTest, ANodeThatGoesWhileAStateIsListedIsAnError) {
  json node = node_json(1, "inspecting");
  node["driver_internal_info"] = nullptr;
  transport_.push(200, page("nodes", json::array({node}), true));
  transport_.push(404, not_found("Node", uuid(1)));
  const auto nodes = client_->nodes_in_state("inspecting");
  ASSERT_FALSE(nodes);
  EXPECT_EQ(nodes.error().code(), ErrorCode::kUnavailable);
}

TEST_F(IronicClientTest, WhatIsNoUuidIsNeverSent) {
  EXPECT_FALSE(client_->ports_page("x&node=y"));
  EXPECT_FALSE(client_->nodes_page("../../v1"));
  EXPECT_FALSE(client_->ports_of_node(""));
  EXPECT_FALSE(client_->ports_of_node("node-1"));
  EXPECT_THAT(transport_.requests, IsEmpty());
}

TEST_F(IronicClientTest, APageThatRepeatsItselfIsAnErrorNotALoop) {
  transport_.otherwise = [](const HttpRequest&) {
    return HttpResponse{
        200,
        {},
        page("ports", json::array({port_json(1), port_json(2)}), true)};
  };
  ASSERT_TRUE(client_->ports_page(""));
  const auto again = client_->ports_page(uuid(2));
  ASSERT_FALSE(again);
  EXPECT_THAT(again.error().message(),
              AllOf(HasSubstr("GET http://ironic:6385/v1/ports"),
                    HasSubstr("does not advance")));
  EXPECT_FALSE(client_->ports_of_node(uuid(1)));
}

TEST_F(IronicClientTest, PagesThatTakeTurnsAreAnErrorNotALoop) {
  transport_.otherwise = [](const HttpRequest& request) {
    const int other = parameter(request.url, "marker") == uuid(1) ? 2 : 1;
    return HttpResponse{
        200, {}, page("ports", json::array({port_json(other)}), true)};
  };
  ASSERT_TRUE(client_->ports_page(""));
  ASSERT_TRUE(client_->ports_page(uuid(1)));
  EXPECT_FALSE(client_->ports_page(uuid(2)));
}

TEST_F(IronicClientTest, AListWithoutEndIsAnError) {
  restart({.endpoint = "http://ironic:6385", .max_items = 50});
  int next = 0;
  transport_.otherwise = [&next](const HttpRequest&) {
    json node = node_json(++next, "inspecting");
    node["driver_internal_info"] = nullptr;
    return HttpResponse{200, {}, page("nodes", json::array({node}), true)};
  };
  const auto nodes = client_->nodes_in_state("inspecting");
  ASSERT_FALSE(nodes);
  EXPECT_EQ(nodes.error().code(), ErrorCode::kCapacity);
}

TEST_F(IronicClientTest, AnEmptyPageThatNamesANextOneIsAnError) {
  transport_.push(200, page("ports", json::array(), true));
  EXPECT_FALSE(client_->ports_page(""));
  transport_.push(200, page("nodes", json::array(), true));
  EXPECT_FALSE(client_->nodes_page(""));
}

TEST_F(IronicClientTest, EveryFieldOfANodeIsChecked) {
  json good = node_json(1);
  good["driver_internal_info"] = json::object();
  ASSERT_EQ(node_error(good), "no error");
  for (const auto& [field, unused] : good.items()) {
    if (field == "name") continue;
    json item = good;
    item.erase(field);
    EXPECT_THAT(node_error(item),
                AllOf(HasSubstr("GET http://ironic:6385"),
                      HasSubstr("\"" + field + "\""), HasSubstr("missing")));
    for (const json& wrong : {json(3), json(true), json::array({1})}) {
      item[field] = wrong;
      EXPECT_THAT(node_error(item), HasSubstr("\"" + field + "\""));
    }
  }
  good["driver_internal_info"] = {{"inspector_manage_boot", "yes"}};
  EXPECT_THAT(node_error(good),
              AllOf(HasSubstr(uuid(1)), HasSubstr("inspector_manage_boot"),
                    HasSubstr("got string")));
}

TEST_F(IronicClientTest, EveryFieldOfAPortIsChecked) {
  const json good = port_json(1);
  ASSERT_EQ(port_error(good), "no error");
  for (const auto& [field, unused] : good.items()) {
    if (field == "physical_network" || field == "local_link_connection") {
      continue;
    }
    json item = good;
    item.erase(field);
    EXPECT_THAT(port_error(item),
                AllOf(HasSubstr("GET http://ironic:6385"),
                      HasSubstr("\"" + field + "\""), HasSubstr("missing")));
    for (const json& wrong : {json(3), json(true), json::array({1})}) {
      item[field] = wrong;
      EXPECT_THAT(port_error(item), HasSubstr("\"" + field + "\""));
    }
  }
}

TEST_F(IronicClientTest, AMacThatIsNoneNamesPortAndText) {
  for (const json& address :
       {json("52:54:00:12:34"), json("52:54:00:12:34:5g"), json(""),
        json("52:54:00:12:34:56:78:9a"), json("not a mac"),
        json(std::string("52:54:00:12:34:56\0", 18)),
        json(std::string(9000, 'a')), json(nullptr), json(0x525400123456)}) {
    json port = port_json(7);
    port["address"] = address;
    EXPECT_THAT(port_error(port),
                AllOf(HasSubstr("port " + uuid(7)), HasSubstr("\"address\"")));
  }
}

TEST_F(IronicClientTest, AUuidThatIsNoneIsRefused) {
  json port = port_json(1);
  port["uuid"] = "../../etc/passwd";
  EXPECT_THAT(port_error(port), HasSubstr("\"uuid\""));
  port = port_json(1);
  port["node_uuid"] = nullptr;
  EXPECT_THAT(port_error(port), HasSubstr("\"node_uuid\""));
}

TEST_F(IronicClientTest, AMalformedClientIdCostsOnlyTheGuid) {
  for (const json& client_id :
       {json("short"), json(""), json(42), json(json::object()),
        json("ff:00:00:00:00:00:02"), json("f452140300668741"),
        json("zz:00:00:00:f4:52:14:03:00:66:87:41"),
        json("f4:52:14:03:00:66:87:41:"), json("f4-52-14-03-00-66-87-41"),
        json(std::string(5000, 'a'))}) {
    json port = port_json(1);
    port["extra"] = {{"client-id", client_id}};
    EXPECT_EQ(port_from(port).guid, std::nullopt) << client_id;
  }
  json port = port_json(1);
  port["extra"] = {{"client-id", nullptr}};
  EXPECT_EQ(port_from(port).guid, std::nullopt);
  port["extra"] = {{"client-id", "f4:52:14:03:00:66:87:41"}};
  EXPECT_EQ(port_from(port).guid,
            *HardwareAddress::parse("f4:52:14:03:00:66:87:41"));
}

TEST_F(IronicClientTest, AMalformedClientIdIsLoggedOnce) {
  const std::string path = testing::TempDir() + "/pxegate_client_id.log";
  std::remove(path.c_str());
  ASSERT_TRUE(log::configure(log::Level::kInfo, path));
  json port = port_json(3);
  port["extra"] = {{"client-id", "junk"}};
  for (int i = 0; i < 3; ++i) port_from(port);
  ASSERT_TRUE(log::configure(log::Level::kInfo, ""));
  const auto text = read_file(path);
  ASSERT_TRUE(text);
  EXPECT_THAT(*text, AllOf(HasSubstr(uuid(3)), HasSubstr("client-id")));
  EXPECT_EQ(std::ranges::count(*text, '\n'), 1);
  std::remove(path.c_str());
}

TEST_F(IronicClientTest, AnEndlessLocalLinkIsLeftOut) {
  json port = port_json(1);
  port["local_link_connection"] = {{"port_id", std::string(5000, 'x')}};
  EXPECT_EQ(port_from(port).local_link_connection, "");
}

TEST_F(IronicClientTest, WhatIsOnlyShownNeverFailsAList) {
  const json odd[] = {json("a\x1b[2Jb"), json("a\nb"),
                      json(3),           json(true),
                      json::array({1}),  json(std::string(5000, 'x'))};
  for (const json& value : odd) {
    json node = node_json(1);
    node["name"] = value;
    transport_.push(200, page("nodes", {node, node_json(2)}));
    const auto nodes = client_->nodes_page("");
    ASSERT_TRUE(nodes) << nodes.error().message();
    ASSERT_EQ(nodes->items.size(), 2U);
    EXPECT_EQ(nodes->items[0].name, "");
    EXPECT_EQ(nodes->items[1].name, "node-2");

    json port = port_json(1);
    port["physical_network"] = value;
    EXPECT_EQ(port_from(port).physical_network, "");
    port["local_link_connection"] = value;
    EXPECT_EQ(port_from(port).local_link_connection, "");
  }
  json port = port_json(1);
  port["physical_network"] = "größer";
  EXPECT_EQ(port_from(port).physical_network, "größer");
}

TEST_F(IronicClientTest, WhatIsLeftOutIsLoggedOnceForEachItem) {
  const std::string path = testing::TempDir() + "/pxegate_left_out.log";
  std::remove(path.c_str());
  ASSERT_TRUE(log::configure(log::Level::kInfo, path));
  json port = port_json(3);
  port["physical_network"] = "a\nb";
  for (int i = 0; i < 3; ++i) port_from(port);
  ASSERT_TRUE(log::configure(log::Level::kInfo, ""));
  const auto text = read_file(path);
  ASSERT_TRUE(text);
  EXPECT_THAT(*text, HasSubstr("Ironic's port " + uuid(3) +
                               ": field \"physical_network\": control"));
  EXPECT_EQ(std::ranges::count(*text, '\n'), 1);
  std::remove(path.c_str());
}

TEST_F(IronicClientTest, WhoMayNotReadInternalsLearnsNothingOfThem) {
  json node = node_json(1, "inspect wait");
  node["driver_internal_info"] = {{"content",
                                   "** Redacted - Requires baremetal:node:get:"
                                   "driver_internal_info permission. **"}};
  transport_.push(200, page("nodes", {node}));
  const auto nodes = client_->nodes_in_state("inspect wait");
  ASSERT_TRUE(nodes);
  EXPECT_EQ(nodes->front().inspector_manage_boot, std::nullopt);
}

TEST_F(IronicClientTest, WhatIsNotJsonNamesTheRequest) {
  transport_.push(200, "<html>please log in</html>");
  EXPECT_THAT(client_->ports_page("").error().message(),
              AllOf(HasSubstr("GET http://ironic:6385/v1/ports?"),
                    HasSubstr("HTML"), HasSubstr("please log in")));
  transport_.push(200,
                  page("ports", json::array({port_json(1)})).substr(0, 40));
  EXPECT_THAT(client_->ports_page("").error().message(),
              HasSubstr("cut off after 40 bytes"));
}

TEST_F(IronicClientTest, AFailedPageCanBeAskedForAgain) {
  transport_.push(200, page("ports", json::array({port_json(1)}), true));
  transport_.push(503, "");
  transport_.push(200, page("ports", json::array({port_json(2)})));
  ASSERT_TRUE(client_->ports_page(""));
  ASSERT_FALSE(client_->ports_page(uuid(1)));
  EXPECT_TRUE(client_->ports_page(uuid(1)));
}

// Serves `count` ports as Ironic does, in pages of at most `max_limit`, with
// the ports in `vanishing` left out of their page.
class IronicModel {
 public:
  IronicModel(int count, int max_limit, std::set<int> vanishing)
      : count_(count),
        max_limit_(max_limit),
        vanishing_(std::move(vanishing)) {}

  HttpResponse operator()(const HttpRequest& request) const {
    const std::string marker = parameter(request.url, "marker");
    const int after = marker.empty() ? 0 : std::stoi(marker.substr(24), {}, 16);
    const int limit =
        std::min(max_limit_, std::stoi(parameter(request.url, "limit")));
    json items = json::array();
    int taken = 0;
    for (int i = after + 1; i <= count_ && taken < limit; ++i, ++taken) {
      if (!vanishing_.contains(i)) items.push_back(port_json(i));
    }
    const bool next = static_cast<int>(items.size()) == limit;
    return {200, {}, page("ports", std::move(items), next)};
  }

 private:
  int count_;
  int max_limit_;
  std::set<int> vanishing_;
};

RC_GTEST_PROP(IronicClientPages, AnyPageSizesYieldEveryPortOnceInOrder, ()) {
  const int count = *rc::gen::inRange(0, 60);
  const int max_limit = *rc::gen::inRange(1, 20);
  const auto page_size = *rc::gen::inRange<std::size_t>(1, 20);
  FakeHttpTransport transport;
  transport.otherwise = IronicModel(count, max_limit, {});
  NoAuthenticator none;
  SystemClock clock;
  const auto client =
      *IronicClient::make({.endpoint = "http://ironic", .page_size = page_size},
                          transport, none, clock);
  std::vector<std::string> got;
  for (;;) {
    const auto ports = client->ports_page(got.empty() ? "" : got.back());
    RC_ASSERT(ports.has_value());
    for (const Port& port : ports->items) got.push_back(port.uuid);
    if (ports->last) break;
  }
  std::vector<std::string> all;
  for (int i = 1; i <= count; ++i) all.push_back(uuid(i));
  RC_ASSERT(got == all);
  const auto of_node = client->ports_of_node(uuid(1));
  RC_ASSERT(of_node.has_value());
  RC_ASSERT(of_node->size() == all.size());
}

RC_GTEST_PROP(IronicClientPages, PortsThatVanishNeverShortenTheList, ()) {
  const int count = *rc::gen::inRange(1, 60);
  // No page vanishes as a whole.
  const int max_limit = *rc::gen::inRange(5, 20);
  const auto vanishing = *rc::gen::container<std::set<int>>(
      *rc::gen::inRange<std::size_t>(0, 4), rc::gen::inRange(1, 1000));
  FakeHttpTransport transport;
  transport.otherwise = IronicModel(count, max_limit, vanishing);
  NoAuthenticator none;
  SystemClock clock;
  const auto client = *IronicClient::make({.endpoint = "http://ironic"},
                                          transport, none, clock);
  std::vector<std::string> got;
  for (;;) {
    const auto ports = client->ports_page(got.empty() ? "" : got.back());
    RC_ASSERT(ports.has_value());
    for (const Port& port : ports->items) got.push_back(port.uuid);
    if (ports->last) break;
  }
  std::vector<std::string> rest;
  for (int i = 1; i <= count; ++i) {
    if (!vanishing.contains(i)) rest.push_back(uuid(i));
  }
  RC_ASSERT(got == rest);
}

}  // namespace
}  // namespace pxegate
