// SPDX-License-Identifier: Apache-2.0
#include "controller/ironic/service_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "controller/base/log.h"
#include "controller/ironic/http_answer.h"
#include "fake_http_transport.h"
#include "tests/support/temp_dir.h"

namespace pxegate {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

constexpr const char* kUuid = "619f7780-2399-4db6-958f-c86d37f29620";

class FixedClock final : public Clock {
 public:
  Monotonic now() const override { return {}; }
  // Sun, 06 Nov 1994 08:49:37 GMT
  WallTime wall() const override {
    return std::chrono::system_clock::from_time_t(784111777);
  }
};

// Renews `renewals` times.
class FakeAuthenticator final : public Authenticator {
 public:
  Result<> authorize(HttpRequest& request) override {
    if (broken) return fail("identity service down", ErrorCode::kUnavailable);
    request.headers["x-auth-token"] = std::to_string(token);
    return {};
  }
  Result<bool> renew() override {
    if (renewals == 0) return false;
    --renewals;
    ++token;
    if (!next_catalogue.empty()) catalogue = next_catalogue;
    return true;
  }
  std::string describe() const override { return "auth_type = fake"; }
  bool has_catalogue() const override { return !catalogue.empty(); }
  bool confidential() const override { return by_tls; }
  Result<std::string> endpoint() override { return catalogue; }

  bool broken = false;
  bool by_tls = false;
  int renewals = 0;
  int token = 1;
  std::string catalogue;
  std::string next_catalogue;
};

class ServiceClientTest : public ::testing::Test {
 protected:
  ServiceTraits traits() const {
    return {.name = "Ironic",
            .section = "ironic",
            .version_prefix = "x-openstack-ironic-api-",
            .oldest = {1, 39},
            .preferred = {1, 53}};
  }

  Result<ServiceClient> make(std::string_view endpoint) {
    return ServiceClient::make(traits(), endpoint, transport_, auth_, clock_);
  }

  Result<ServiceClient::Answer> get(const Query& query = {},
                                    std::string_view subject = {}) {
    if (!client_) client_ = *make("http://ironic.example:6385");
    return client_->get("/v1/ports", query, subject);
  }

  // The error for an answer of `status`, with "GET <url>: " checked and gone.
  Error error_for(int status, std::string body = {}, HttpHeaders headers = {},
                  std::string_view subject = {}) {
    transport_.push(status, std::move(body), std::move(headers));
    const auto answer = get({}, subject);
    if (answer) {
      ADD_FAILURE() << "no error";
      return Error("none");
    }
    EXPECT_THAT(
        answer.error().message(),
        ::testing::StartsWith("GET http://ironic.example:6385/v1/ports"));
    EXPECT_LT(answer.error().message().size(), 1000u);
    return answer.error();
  }

  HttpHeaders range(const char* lowest, const char* highest) {
    return {{"x-openstack-ironic-api-minimum-version", lowest},
            {"x-openstack-ironic-api-maximum-version", highest}};
  }

  std::string asked_version(std::size_t request) {
    return transport_.requests.at(request).headers.at(
        "x-openstack-ironic-api-version");
  }

  FakeHttpTransport transport_;
  FakeAuthenticator auth_;
  FixedClock clock_;
  std::optional<ServiceClient> client_;
};

TEST_F(ServiceClientTest, AnEndpointMayOrMayNotNameTheVersion) {
  for (const char* endpoint : {"http://h:6385", "http://h:6385/",
                               "http://h:6385/v1", "http://h:6385/v1/"}) {
    transport_.push(200, "{}");
    ASSERT_TRUE(make(endpoint)->get("/v1/nodes", {}));
    EXPECT_EQ(transport_.requests.back().url, "http://h:6385/v1/nodes");
  }
  transport_.push(200, "{}");
  ASSERT_TRUE(make("https://[::1]/baremetal/v1")->get("/v1/nodes", {}));
  EXPECT_EQ(transport_.requests.back().url, "https://[::1]/baremetal/v1/nodes");
}

TEST_F(ServiceClientTest, ATokenOfHttpsThatGoesOnInTheClearIsWarnedOf) {
  const testing::TempDir folder;
  const std::string file = folder / "log";
  const auto warnings = [&](bool by_tls, const std::string& endpoint,
                            const std::string& catalogue) {
    std::ofstream(file).flush();
    EXPECT_TRUE(log::configure(log::Level::kWarning, file));
    auth_.by_tls = by_tls;
    auth_.catalogue = catalogue;
    auto client = make(endpoint);
    for (int i = 0; i < 3; ++i) {
      transport_.push(200, "{}");
      EXPECT_TRUE(client->get("/v1/nodes", {}));
    }
    std::ifstream written(file);
    long lines = 0;
    for (std::string line; std::getline(written, line);) {
      EXPECT_THAT(line, HasSubstr(catalogue));
      ++lines;
    }
    EXPECT_EQ(client->login()->warnings.size(), lines > 0 ? 1u : 0u);
    return lines;
  };
  EXPECT_EQ(warnings(true, "", "http://one"), 1);
  EXPECT_EQ(warnings(true, "", "https://one"), 0);
  EXPECT_EQ(warnings(false, "", "http://one"), 0);
  EXPECT_EQ(warnings(true, "http://mine", "http://one"), 0);
  ASSERT_TRUE(log::configure(log::Level::kWarning, ""));
}

TEST_F(ServiceClientTest, WithoutAnEndpointTheCatalogueIsAsked) {
  const auto none = make("");
  EXPECT_THAT(none.error().message(),
              AllOf(HasSubstr("[ironic] endpoint_override is not set"),
                    HasSubstr("auth_type = fake")));
  auth_.catalogue = "http://one:6385/v1/";
  auto client = make("");
  ASSERT_TRUE(client) << client.error().message();
  EXPECT_EQ(client->last_endpoint(), "");
  transport_.push(200, "{}");
  ASSERT_TRUE(client->get("/v1/nodes", {}));
  EXPECT_EQ(transport_.requests.back().url, "http://one:6385/v1/nodes");
  EXPECT_EQ(client->last_endpoint(), "http://one:6385");
  // With a token comes another catalogue.
  auth_.renewals = 1;
  auth_.next_catalogue = "https://two/baremetal";
  transport_.push(401, "");
  transport_.push(200, "{}");
  ASSERT_TRUE(client->get("/v1/nodes", {}));
  EXPECT_EQ(transport_.requests.back().url, "https://two/baremetal/v1/nodes");
  EXPECT_EQ(client->last_endpoint(), "https://two/baremetal");
  EXPECT_EQ(client->moves(), 1u);
  // endpoint_override wins.
  transport_.push(200, "{}");
  ASSERT_TRUE(make("http://mine")->get("/v1/nodes", {}));
  EXPECT_EQ(transport_.requests.back().url, "http://mine/v1/nodes");
}

TEST_F(ServiceClientTest, ACataloguesEndpointIsCheckedAsWell) {
  auth_.catalogue = "file:///etc/passwd";
  auto client = *make("");
  EXPECT_THAT(client.get("/v1/nodes", {}).error().message(),
              AllOf(HasSubstr("the catalogue's endpoint of Ironic"),
                    HasSubstr("[ironic] endpoint_override")));
  EXPECT_THAT(transport_.requests, SizeIs(0));
}

TEST_F(ServiceClientTest, ARequestMayNeedALaterVersion) {
  const Requirement needs{{1, 82}, "[pxe_filter] shard"};
  client_ = *make("http://ironic.example:6385");
  transport_.push(200, "", range("1.1", "1.109"));
  ASSERT_TRUE(client_->get("/v1/ports", {}, {}, needs));
  EXPECT_EQ(asked_version(0), "1.82");
  transport_.push(200, "", range("1.1", "1.81"));
  ASSERT_TRUE(client_->get("/v1/ports", {}));
  EXPECT_EQ(asked_version(1), "1.53");
  EXPECT_FALSE(client_->offers({1, 82}));
  // Asked all the same: it may have been upgraded since.
  transport_.push(406, "", range("1.1", "1.81"));
  EXPECT_THAT(client_->get("/v1/ports", {}, {}, needs).error().message(),
              HasSubstr("1.1 to 1.81, [pxe_filter] shard needs 1.82"));
  transport_.push(200, "", range("1.1", "1.82"));
  ASSERT_TRUE(client_->get("/v1/ports", {}, {}, needs));
  EXPECT_TRUE(client_->offers({1, 82}));
}

TEST_F(ServiceClientTest, WhatAnAnswerOffersIsFollowedDownAndUp) {
  transport_.push(200, "", range("1.1", "1.46"));
  transport_.push(200, "", range("1.1", "1.95"));
  transport_.push(200, "");
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(get());
  EXPECT_EQ(asked_version(0), "1.53");
  EXPECT_EQ(asked_version(1), "1.46");
  EXPECT_EQ(asked_version(2), "1.53");
}

TEST_F(ServiceClientTest, AnEndpointThatIsNoUrlIsRefusedByName) {
  for (const char* endpoint :
       {"", "ironic", "ironic:6385", "ftp://h", "http://", "http:///v1",
        "http://:80", "http://h/?a=b", "http://h/#x", "http://h /",
        "http://h\n/"}) {
    const auto client = make(endpoint);
    ASSERT_FALSE(client) << endpoint;
    EXPECT_EQ(client.error().code(), ErrorCode::kInvalid);
    EXPECT_THAT(client.error().message(),
                HasSubstr("[ironic] endpoint_override"));
  }
}

TEST_F(ServiceClientTest, AnEndpointWithPasswordIsRefusedAndNotRepeated) {
  for (const char* endpoint :
       {"http://user:s3cret@h", "http://s3cret@h/v1", "user:s3cret@h"}) {
    const auto client = make(endpoint);
    ASSERT_FALSE(client);
    EXPECT_THAT(client.error().message(),
                AllOf(HasSubstr("username"), Not(HasSubstr("s3cret"))));
  }
}

TEST_F(ServiceClientTest, QueryValuesArePercentEncoded) {
  transport_.push(200, "{}");
  ASSERT_TRUE(get({{"state", "inspect wait"},
                   {"x", "a&b=c/ü%\0"},
                   {"fields", "uuid,name"}}));
  EXPECT_EQ(transport_.requests[0].url,
            "http://ironic.example:6385/v1/ports?state=inspect%20wait&"
            "x=a%26b%3Dc%2F%C3%BC%25&fields=uuid,name");
}

TEST_F(ServiceClientTest, AsksForJsonInTheBaselineVersionWithCredentials) {
  transport_.push(200, "body");
  const auto answer = get();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "body");
  EXPECT_EQ(answer->request, "GET http://ironic.example:6385/v1/ports");
  const HttpRequest& request = transport_.requests.at(0);
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.headers.at("accept"), "application/json");
  EXPECT_EQ(request.headers.at("x-auth-token"), "1");
  EXPECT_EQ(asked_version(0), "1.53");
}

TEST_F(ServiceClientTest, A406LowersTheVersionOnceAndForGood) {
  transport_.push(406, "", range("1.1", "1.46"));
  transport_.push(200, "{}");
  transport_.push(200, "{}");
  ASSERT_TRUE(get());
  ASSERT_TRUE(get());
  ASSERT_THAT(transport_.requests, SizeIs(3));
  EXPECT_EQ(asked_version(1), "1.46");
  EXPECT_EQ(asked_version(2), "1.46");
}

TEST_F(ServiceClientTest, A406RaisesTheVersionToTheLowestOffered) {
  transport_.push(406, "", range("1.60", "1.99"));
  transport_.push(200, "{}");
  ASSERT_TRUE(get());
  EXPECT_EQ(asked_version(1), "1.60");
}

TEST_F(ServiceClientTest, AfterAnUpgradeTheVersionGoesBackToTheBaseline) {
  transport_.push(406, "", range("1.1", "1.46"));
  transport_.push(200, "{}");
  transport_.push(406, "", range("1.50", "1.82"));
  transport_.push(200, "{}");
  ASSERT_TRUE(get());
  ASSERT_TRUE(get());
  EXPECT_EQ(asked_version(3), "1.53");
}

TEST_F(ServiceClientTest, AnIronicThatIsTooOldIsToldWithBothVersions) {
  EXPECT_THAT(error_for(406, "", range("1.1", "1.38")).message(),
              AllOf(HasSubstr("1.38"), HasSubstr("1.39 or later")));
  EXPECT_THAT(transport_.requests, SizeIs(1));
}

TEST_F(ServiceClientTest, AnotherMajorVersionIsTold) {
  EXPECT_THAT(error_for(406, "", range("2.0", "2.5")).message(),
              HasSubstr("2.0 to 2.5"));
}

TEST_F(ServiceClientTest, A406WithoutUsableRangeIsNotTriedAgain) {
  EXPECT_THAT(error_for(406).message(),
              HasSubstr("asked for API version 1.53"));
  error_for(406, "", range("abc", "1."));
  error_for(406, "", range("1.1", "1.99999999999999"));
  // The range holds what was asked for: the version was not the problem.
  error_for(406, "", range("1.1", "1.82"));
  EXPECT_THAT(transport_.requests, SizeIs(4));
}

TEST_F(ServiceClientTest, A406AgainAfterRenegotiationIsAnError) {
  transport_.push(406, "", range("1.1", "1.46"));
  transport_.push(406, "", range("1.1", "1.45"));
  EXPECT_FALSE(get());
  EXPECT_THAT(transport_.requests, SizeIs(2));
}

TEST_F(ServiceClientTest, A401RenewsTheCredentialsOnce) {
  auth_.renewals = 5;
  transport_.push(401, "");
  transport_.push(200, "{}");
  ASSERT_TRUE(get());
  EXPECT_EQ(transport_.requests[1].headers.at("x-auth-token"), "2");
  transport_.push(401, "");
  transport_.push(401, "");
  const auto refused = get();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kPermission);
  EXPECT_THAT(transport_.requests, SizeIs(4));
}

TEST_F(ServiceClientTest, A401WithNothingToRenewNamesTheOptions) {
  const Error error = error_for(401, "Incorrect username or password");
  EXPECT_EQ(error.code(), ErrorCode::kPermission);
  EXPECT_THAT(
      error.message(),
      AllOf(HasSubstr("HTTP 401"), HasSubstr("[ironic] username"),
            HasSubstr("auth_type = fake"), HasSubstr("Incorrect username")));
}

TEST_F(ServiceClientTest, A403IsAMissingPermission) {
  const Error error = error_for(403);
  EXPECT_EQ(error.code(), ErrorCode::kPermission);
  EXPECT_THAT(error.message(), HasSubstr("may not read"));
}

TEST_F(ServiceClientTest, FailingAuthenticationNamesTheRequest) {
  auth_.broken = true;
  const auto answer = get();
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().message(),
              AllOf(HasSubstr("GET http"), HasSubstr("identity service down")));
  EXPECT_EQ(answer.error().code(), ErrorCode::kUnavailable);
}

TEST_F(ServiceClientTest, A404ThatNamesTheThingInAFaultIsNotFound) {
  const std::string body =
      R"({"error_message": "{\"faultcode\": \"Client\", \"faultstring\": )"
      R"(\"Port 619f7780-2399-4db6-958f-c86d37f29620 could not be found.\", )"
      R"(\"debuginfo\": null}"})";
  EXPECT_EQ(error_for(404, body, {}, kUuid).code(), ErrorCode::kNotFound);
}

TEST_F(ServiceClientTest, AnyOther404IsAWrongAddress) {
  const std::string other_page =
      R"({"error_message": "{\"code\": 404, \"title\": \"Not Found\", )"
      R"(\"description\": \"\"}"})";
  const std::string echo = "<p>" + std::string(kUuid) + " not found</p>";
  for (const std::string& body : {other_page, echo, std::string()}) {
    const Error error = error_for(404, body, {}, kUuid);
    EXPECT_EQ(error.code(), ErrorCode::kFailed);
    EXPECT_THAT(error.message(), HasSubstr("check [ironic] endpoint_override"));
  }
}

TEST_F(ServiceClientTest, WhatMayPassIsUnavailable) {
  for (const int status : {408, 429, 500, 502, 503, 504, 599}) {
    EXPECT_EQ(error_for(status).code(), ErrorCode::kUnavailable) << status;
  }
  EXPECT_EQ(error_for(409).code(), ErrorCode::kConflict);
  EXPECT_EQ(error_for(400).code(), ErrorCode::kInvalid);
  EXPECT_EQ(error_for(418).code(), ErrorCode::kFailed);
  EXPECT_EQ(error_for(0).code(), ErrorCode::kFailed);
}

TEST_F(ServiceClientTest, OnlyA200HasABodyToBelieve) {
  for (const int status : {201, 202, 204, 206}) {
    EXPECT_THAT(error_for(status, R"({"ports": []})").message(),
                HasSubstr("HTTP 20"));
  }
}

TEST_F(ServiceClientTest, ARedirectNamesItsTargetAndIsNotFollowed) {
  EXPECT_THAT(
      error_for(302, "", {{"location", "https://other/v1"}}).message(),
      AllOf(HasSubstr("https://other/v1"), HasSubstr("endpoint_override")));
  error_for(301);
  EXPECT_THAT(transport_.requests, SizeIs(2));
}

TEST_F(ServiceClientTest, RetryAfterIsPassedOn) {
  EXPECT_EQ(error_for(503, "", {{"retry-after", "7"}}).retry_after(),
            seconds{7});
  EXPECT_EQ(
      error_for(429, "", {{"retry-after", "Sun, 06 Nov 1994 08:50:07 GMT"}})
          .retry_after(),
      seconds{30});
  EXPECT_EQ(error_for(503).retry_after(), std::nullopt);
  EXPECT_EQ(error_for(503, "", {{"retry-after", "soon"}}).retry_after(),
            std::nullopt);
}

TEST_F(ServiceClientTest, TheServicesOwnWordsAreQuotedAndShort) {
  EXPECT_THAT(error_for(500, R"({"error_message": {"faultstring": "db gone"}})")
                  .message(),
              HasSubstr(": \"db gone\""));
  EXPECT_THAT(error_for(500, R"({"error_message": "plain words"})").message(),
              HasSubstr(": \"plain words\""));
  EXPECT_THAT(
      error_for(500, R"({"error": {"message": "inspector"}})").message(),
      HasSubstr(": \"inspector\""));
  EXPECT_THAT(error_for(502, "<html>\x1b[31m</html>").message(),
              HasSubstr("HTML: \"<html>\\x1b[31m"));
  EXPECT_THAT(
      error_for(500, "{\"error_message\": \"{\\\"faultstring\\\":").message(),
      HasSubstr("HTTP 500"));
  error_for(500, std::string(10'000'000, '['));
  error_for(500,
            R"({"error_message": ")" + std::string(1'000'000, 'x') + "\"}");
  error_for(500, R"({"error_message": ")" + std::string(60'000, '[') + "\"}");
}

TEST_F(ServiceClientTest, ATransportErrorHintsAtTheEndpoint) {
  transport_.answers.push_back(
      fail("GET http://x: refused", ErrorCode::kUnavailable));
  EXPECT_THAT(get().error().message(),
              AllOf(HasSubstr("refused"), HasSubstr("is Ironic running"),
                    HasSubstr("http://ironic.example:6385")));
}

TEST_F(ServiceClientTest, StoppingIsPassedOnAsItIs) {
  transport_.answers.push_back(fail("stopped", ErrorCode::kCancelled));
  EXPECT_EQ(get().error().code(), ErrorCode::kCancelled);
}

TEST(RetryAfter, IsBoundedAndNeverNegative) {
  const WallTime now = FixedClock().wall();
  EXPECT_EQ(parse_retry_after("0", now), seconds{0});
  EXPECT_EQ(parse_retry_after("86400", now), seconds{600});
  EXPECT_EQ(parse_retry_after("99999999999999999999", now), seconds{600});
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now),
            seconds{0});
  EXPECT_EQ(parse_retry_after("Fri, 31 Dec 9999 23:59:59 GMT", now),
            seconds{600});
}

TEST(RetryAfter, OtherFormsAreIgnored) {
  const WallTime now = FixedClock().wall();
  for (const char* value :
       {"", "-5", "1.5", "5 s", "tomorrow", "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 06 Nov 1994 08:49:37 GMT, and later"}) {
    EXPECT_EQ(parse_retry_after(value, now), std::nullopt) << value;
  }
}

TEST(ApiVersion, ReadsTwoNumbersAndNothingElse) {
  EXPECT_EQ(ApiVersion::parse("1.53"), (ApiVersion{1, 53}));
  for (const char* text : {"", "1", "1.", ".5", "1.5.3", "1.-5", " 1.5", "1.5 ",
                           "1.99999999999", "latest"}) {
    EXPECT_EQ(ApiVersion::parse(text), std::nullopt) << text;
  }
  EXPECT_LT((ApiVersion{1, 9}), (ApiVersion{1, 53}));
}

}  // namespace
}  // namespace pxegate
