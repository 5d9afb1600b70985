// SPDX-License-Identifier: Apache-2.0
//
// The client against a server with Ironic's habits, and with faults that a
// real one will not produce.
#include "tests/support/fake_ironic.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "controller/ironic/curl_transport.h"
#include "controller/ironic/ironic_client.h"

namespace pxegate {
namespace {

using nlohmann::json;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class FakeIronicTest : public ::testing::Test {
 protected:
  // Carries out a POST /_fake and returns its report.
  json control(const json& request) {
    HttpRequest post{.method = "POST",
                     .url = fake_.url() + "/_fake",
                     .headers = {},
                     .body = request.dump()};
    const auto response = transport_->send(post);
    EXPECT_TRUE(response) << response.error().message();
    EXPECT_EQ(response->status, 200) << response->body;
    return json::parse(response->body);
  }

  // The error with which the next list of ports fails.
  Error error_with(json fault) {
    fault["match"] = "/v1/ports";
    control({{"faults", {fault}}});
    const auto ports = all_ports();
    if (ports) ADD_FAILURE() << "no error";
    // The one after it is whole again.
    EXPECT_EQ(all_ports().value_or(std::vector<Port>()).size(), 25u);
    return ports ? Error("none") : ports.error();
  }

  Result<std::vector<Port>> all_ports() {
    std::vector<Port> ports;
    for (;;) {
      auto page = client_->ports_page(ports.empty() ? "" : ports.back().uuid);
      if (!page) return fail(page.error());
      for (Port& port : page->items) ports.push_back(std::move(port));
      if (page->last) return ports;
    }
  }

  testing::FakeIronic fake_{
      PXEGATE_FAKE_IRONIC,
      {"--nodes", "10", "--ports", "25", "--max-limit", "7"}};
  std::unique_ptr<CurlTransport> transport_ =
      *CurlTransport::make({.stall_timeout = std::chrono::milliseconds{500},
                            .max_body = std::size_t{1} << 20});
  NoAuthenticator none_;
  SystemClock clock_;
  std::unique_ptr<IronicClient> client_ = *IronicClient::make(
      {.endpoint = fake_.url()}, *transport_, none_, clock_);
};

TEST_F(FakeIronicTest, ListsComeWholeThroughSmallPages) {
  EXPECT_THAT(all_ports().value(), SizeIs(25));
  EXPECT_THAT(client_->nodes_in_state("available").value(), SizeIs(10));
  EXPECT_THAT(client_->nodes_in_state("inspect wait").value(), IsEmpty());
  EXPECT_EQ(control(json::object())["by_path"]["/v1/nodes"], 3);
}

TEST_F(FakeIronicTest, WhatChangesShows) {
  const std::string node = all_ports()->front().node_uuid;
  control({{"nodes",
            {{node,
              {{"provision_state", "inspect wait"},
               {"driver_internal_info", {{"inspector_manage_boot", false}}}}}}},
           {"add_ports",
            {{{"node_uuid", node}, {"address", "52:54:00:00:00:01"}}}}});
  const auto nodes = client_->nodes_in_state("inspect wait");
  ASSERT_TRUE(nodes);
  ASSERT_THAT(*nodes, SizeIs(1));
  EXPECT_EQ(nodes->front().inspector_manage_boot, false);
  const auto ports = client_->ports_of_node(node);
  ASSERT_TRUE(ports);
  ASSERT_THAT(*ports, SizeIs(4));
  EXPECT_EQ(ports->back().address.to_string(), "52:54:00:00:00:01");

  control({{"delete_nodes", {node}}});
  EXPECT_THAT(client_->ports_of_node(node).value(), IsEmpty());
  EXPECT_EQ(client_->nodes_page(node).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(client_->ports_page(ports->back().uuid).error().code(),
            ErrorCode::kNotFound);
  EXPECT_THAT(all_ports().value(), SizeIs(22));
}

TEST_F(FakeIronicTest, AnOlderIronicIsAskedInItsVersion) {
  control({{"versions", {"1.1", "1.46"}}});
  EXPECT_THAT(all_ports().value(), SizeIs(25));
  control({{"versions", {"1.1", "1.30"}}});
  EXPECT_THAT(all_ports().error().message(), HasSubstr("1.1 to 1.30"));
}

TEST_F(FakeIronicTest, AFaultCostsTheListAndNothingElse) {
  // Once would go unnoticed: the connection had been kept.
  EXPECT_EQ(error_with({{"kind", "reset"}, {"times", 2}}).code(),
            ErrorCode::kUnavailable);
  EXPECT_EQ(error_with({{"kind", "close"}}).code(), ErrorCode::kUnavailable);
  EXPECT_THAT(error_with({{"kind", "html"}}).message(), HasSubstr("HTML"));
  EXPECT_THAT(error_with({{"kind", "truncate"}}).message(),
              HasSubstr("cut off"));
  EXPECT_THAT(
      error_with({{"kind", "body"}, {"body", R"({"ports": 1})"}}).message(),
      HasSubstr("no list"));
  EXPECT_EQ(error_with({{"kind", "large"}}).code(), ErrorCode::kCapacity);
  EXPECT_THAT(error_with({{"kind", "drip"}}).message(), HasSubstr("stalled"));
  const Error busy =
      error_with({{"status", 503}, {"headers", {{"Retry-After", "9"}}}});
  EXPECT_EQ(busy.code(), ErrorCode::kUnavailable);
  EXPECT_EQ(busy.retry_after(), seconds{9});
  EXPECT_THAT(busy.message(), HasSubstr("\"injected fault\""));
}

TEST_F(FakeIronicTest, ALoopEndsAtItsSecondPage) {
  control({{"faults",
            {{{"match", "/v1/ports"}, {"kind", "loop"}, {"times", -1}}}}});
  EXPECT_THAT(all_ports().error().message(), HasSubstr("does not advance"));
  EXPECT_EQ(control({{"clear_faults", true}})["by_path"]["/v1/ports"], 2);
  EXPECT_THAT(all_ports().value(), SizeIs(25));
}

}  // namespace
}  // namespace pxegate
