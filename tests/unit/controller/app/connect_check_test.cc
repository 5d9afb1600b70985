// SPDX-License-Identifier: Apache-2.0
#include "controller/app/connect_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "controller/config/message_bus.h"

namespace pxegate {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr const char* kUuid = "11111111-2222-4333-8444-555555555555";

// An Ironic with one node that asks for HTTP Basic.
class ConnectCheck : public ::testing::Test {
 protected:
  void SetUp() override {
    server_.Get("/v1/nodes", [this](const httplib::Request& request,
                                    httplib::Response& response) {
      response.set_header("X-OpenStack-Ironic-API-Version", "1.53");
      response.set_header("X-OpenStack-Ironic-API-Minimum-Version", "1.1");
      response.set_header("X-OpenStack-Ironic-API-Maximum-Version", "1.82");
      if (request.get_header_value("Authorization") !=
          "Basic dTpodW50ZXIy") {  // u:hunter2
        response.status = 401;
        return;
      }
      if (request.has_param("marker")) {
        response.set_content(R"({"nodes": []})", "application/json");
        return;
      }
      response.set_content(
          std::string(R"({"nodes": [{"uuid": ")") + kUuid +
              R"(", "name": null, "provision_state": "enroll", )"
              R"("inspect_interface": "agent"}]})",
          "application/json");
    });
    const int port = server_.bind_to_any_port("127.0.0.1");
    ASSERT_GT(port, 0);
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    // A stop before that would be lost.
    while (!server_.is_running()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    Config& config = loaded_.config;
    config.ironic.endpoint_override =
        "http://127.0.0.1:" + std::to_string(port);
    config.ironic.auth_type = AuthType::kHttpBasic;
    config.ironic.username = "u";
    config.ironic.password = Secret("hunter2");
    loaded_.ironic_login = "[ironic]";
    loaded_.ironic_endpoint = "a.conf:3: [ironic] endpoint_override";
  }
  void TearDown() override {
    server_.stop();
    if (thread_.joinable()) thread_.join();
  }

  void use_broker(std::string_view url) {
    Config::Notifications& bus = loaded_.config.notifications;
    bus.transport_url = Secret(url);
    EXPECT_THAT(settle_message_bus(bus), IsEmpty());
  }
  ConnectReport check() { return check_connections(loaded_, clock_, {}); }

  httplib::Server server_;
  std::thread thread_;
  SystemClock clock_;
  LoadedConfig loaded_;
};

TEST(ConnectView, ShowsWhatIsWorthAWarning) {
  ConnectReport report;
  report.services.push_back({.service = "ironic",
                             .login_from = {},
                             .endpoint_from = {},
                             .login = Login{},
                             .nodes = {},
                             .problem = {}});
  report.services[0].login->warnings = {"in the clear"};
  EXPECT_THAT(connect_view(report), HasSubstr("warning       in the clear"));
  EXPECT_THAT(connect_json(report)["services"][0]["warnings"],
              ElementsAre("in the clear"));
}

TEST_F(ConnectCheck, TellsAsWhomWhereAndWhatIsShown) {
  const ConnectReport report = check();
  EXPECT_TRUE(report.good()) << connect_view(report);
  ASSERT_EQ(report.services.size(), 1u);
  EXPECT_EQ(report.services[0].nodes, 1u);
  EXPECT_FALSE(report.broker);
  const std::string view = connect_view(report);
  EXPECT_THAT(
      view,
      AllOf(HasSubstr("\nIronic\n"), HasSubstr("  login from    [ironic]\n"),
            HasSubstr("http_basic"),
            HasSubstr("  endpoint from a.conf:3: [ironic] endpoint_override\n"),
            HasSubstr("  microversion  1.53"), HasSubstr("  nodes shown   1\n"),
            HasSubstr("  complete      yes\n"), Not(HasSubstr("hunter2")),
            Not(HasSubstr("PROBLEM"))));
  const Json json = connect_json(report);
  EXPECT_TRUE(json["good"]);
  EXPECT_EQ(json["services"][0]["nodes"], 1);
  EXPECT_EQ(json["services"][0]["complete"], true);
  EXPECT_THAT(json.dump(), Not(HasSubstr("hunter2")));
}

TEST_F(ConnectCheck, AWrongPasswordIsTold) {
  loaded_.config.ironic.password = Secret("swordfish");
  const ConnectReport report = check();
  EXPECT_FALSE(report.good());
  ASSERT_EQ(report.services.size(), 1u);
  EXPECT_THAT(report.services[0].problem,
              AllOf(HasSubstr("401"), Not(HasSubstr("swordfish"))));
  EXPECT_FALSE(report.services[0].login);
  EXPECT_THAT(connect_view(report), HasSubstr("  PROBLEM       "));
  EXPECT_FALSE(connect_json(report)["good"]);
}

TEST_F(ConnectCheck, AnIronicThatIsNotThereIsTold) {
  loaded_.config.ironic.endpoint_override = "http://127.0.0.1:1";
  EXPECT_THAT(check().services[0].problem, HasSubstr("127.0.0.1:1"));
}

TEST_F(ConnectCheck, ABrokerThatIsNotThereIsTold) {
  use_broker("rabbit://u:hunter2@127.0.0.1:1/");
  const ConnectReport report = check();
  EXPECT_FALSE(report.good());
  ASSERT_TRUE(report.broker);
  EXPECT_FALSE(report.broker->connected);
  EXPECT_THAT(report.broker->problem, HasSubstr("expected the broker"));
  EXPECT_THAT(connect_view(report) + connect_json(report).dump(),
              Not(HasSubstr("hunter2")));
  use_broker("fake://");
  EXPECT_FALSE(check().broker);
}

// A broker of which one host after the other is tried, once each time that
// somebody looks.
class HostAfterHost final : public Notifications {
 public:
  explicit HostAfterHost(unsigned down) : down_(down) {}

  Hints take() override { return {}; }
  BrokerStatus status() const override {
    BrokerStatus status;
    status.consecutive_failures = std::min(tried_++, down_);
    status.connected = tried_ > down_ + 1;
    if (status.connected) status.consecutive_failures = 0;
    return status;
  }

 private:
  const unsigned down_;
  mutable unsigned tried_ = 0;
};

TEST_F(ConnectCheck, OneHostOfABrokerIsEnough) {
  use_broker("rabbit://one,two,three/");
  const auto connected = [&](unsigned down) {
    const ConnectReport report = check_connections(
        loaded_, clock_, {},
        [down](const Config&, const Clock&, std::function<void()>)
            -> Result<std::unique_ptr<Notifications>> {
          return std::make_unique<HostAfterHost>(down);
        });
    return report.broker && report.broker->connected;
  };
  EXPECT_TRUE(connected(0));
  EXPECT_TRUE(connected(2));
  EXPECT_FALSE(connected(3));
}

TEST_F(ConnectCheck, WhatCannotBeTriedIsTold) {
  loaded_.config.ironic.cafile = "/missing";
  loaded_.config.ironic.endpoint_override.clear();
  loaded_.config.ironic.auth_type = AuthType::kNone;
  const ConnectReport report = check();
  EXPECT_FALSE(report.good());
  EXPECT_THAT(report.services, IsEmpty());
  EXPECT_THAT(report.problems, ElementsAre(HasSubstr("endpoint_override")));
}

TEST_F(ConnectCheck, ALoginFromTheEnvironmentIsNoneForTheController) {
  loaded_.from_environment = true;
  EXPECT_THAT(check().warnings,
              ElementsAre(HasSubstr("`pxegate run` does not read")));
}

TEST(ConnectReport, IsGoodOnlyWhereNothingIsWrong) {
  ConnectReport report;
  EXPECT_TRUE(report.good());
  report.services.emplace_back();
  report.broker.emplace();
  EXPECT_TRUE(report.good());
  report.services[0].problem = "x";
  EXPECT_FALSE(report.good());
  report.services[0].problem.clear();
  report.broker->problem = "x";
  EXPECT_FALSE(report.good());
  report.broker.reset();
  report.problems.emplace_back("x");
  EXPECT_FALSE(report.good());
}

}  // namespace
}  // namespace pxegate
