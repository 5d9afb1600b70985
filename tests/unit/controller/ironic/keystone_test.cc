// SPDX-License-Identifier: Apache-2.0
#include "controller/ironic/keystone.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "controller/base/log.h"
#include "controller/ironic/service_client.h"
#include "fake_http_transport.h"
#include "fake_keystone.h"
#include "tests/support/temp_dir.h"

namespace pxegate {
namespace {

using nlohmann::json;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

KeystoneOptions by_password() {
  KeystoneOptions options;
  options.section = "ironic";
  options.auth_url = "http://keystone:5000";
  options.username = "pxegate";
  options.user_domain_name = "Default";
  options.password = Secret("s3cr3t-password");
  options.system_scope = "all";
  return options;
}

KeystoneOptions by_credential() {
  KeystoneOptions options;
  options.section = "ironic";
  options.method = KeystoneMethod::kApplicationCredential;
  options.auth_url = "http://keystone:5000/v3/";
  options.application_credential_id = "ac1";
  options.application_credential_secret = Secret("s3cr3t-credential");
  return options;
}

class KeystoneTest : public ::testing::Test {
 protected:
  void start(KeystoneOptions options = by_password()) {
    auto made =
        KeystoneAuthenticator::make(std::move(options), keystone_, clock_);
    ASSERT_TRUE(made) << made.error().message();
    auth_ = *std::move(made);
  }

  // The token that a request is given, or the error.
  std::string token() {
    HttpRequest request;
    const auto added = auth_->authorize(request);
    return added ? request.headers.at("x-auth-token") : added.error().message();
  }
  Error error() {
    HttpRequest request;
    const auto added = auth_->authorize(request);
    return added ? Error("no error") : added.error();
  }
  json asked(KeystoneOptions options) {
    start(std::move(options));
    const std::string given = token();
    EXPECT_EQ(given, FakeKeystone::token(keystone_.logins));
    return keystone_.bodies.back();
  }

  ManualClock clock_;
  FakeKeystone keystone_{clock_};
  std::unique_ptr<KeystoneAuthenticator> auth_;
};

// --- What is asked for -----------------------------------------------------

TEST_F(KeystoneTest, LogsInByNameAndDomainForTheWholeSystem) {
  EXPECT_EQ(asked(by_password()), json::parse(R"(
    {"auth": {"identity": {"methods": ["password"], "password": {"user": {
       "name": "pxegate", "domain": {"name": "Default"},
       "password": "s3cr3t-password"}}},
     "scope": {"system": {"all": true}}}})"));
  const HttpRequest& request = keystone_.requests.back();
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.url, "http://keystone:5000/v3/auth/tokens");
  EXPECT_EQ(request.headers.at("content-type"), "application/json");
}

TEST_F(KeystoneTest, TheUrlMayOrMayNotNameTheVersion) {
  for (const char* url : {"http://k/identity", "http://k/identity/",
                          "http://k/identity/v3", "http://k/identity/v3/"}) {
    KeystoneOptions options = by_password();
    options.auth_url = url;
    asked(options);
    EXPECT_EQ(keystone_.requests.back().url,
              "http://k/identity/v3/auth/tokens");
  }
}

TEST_F(KeystoneTest, AUserIdNeedsNoDomain) {
  KeystoneOptions options = by_password();
  options.user_id = "u1";
  options.user_domain_name.clear();
  EXPECT_EQ(asked(options)["auth"]["identity"]["password"]["user"],
            json::parse(R"({"id": "u1", "password": "s3cr3t-password"})"));
}

TEST_F(KeystoneTest, EachScopeHasItsForm) {
  const auto scope = [this](auto set) {
    KeystoneOptions options = by_password();
    options.system_scope.clear();
    set(options);
    return asked(options)["auth"]["scope"].dump();
  };
  EXPECT_EQ(scope([](auto& o) { o.project_id = "p1"; }),
            R"({"project":{"id":"p1"}})");
  EXPECT_EQ(scope([](auto& o) {
              o.project_name = "service";
              o.project_domain_id = "default";
            }),
            R"({"project":{"domain":{"id":"default"},"name":"service"}})");
  EXPECT_EQ(scope([](auto& o) { o.domain_name = "D"; }),
            R"({"domain":{"name":"D"}})");
  EXPECT_EQ(scope([](auto& o) { o.domain_id = "d"; }),
            R"({"domain":{"id":"d"}})");
  EXPECT_EQ(scope([](auto& o) { o.trust_id = "t"; }),
            R"({"OS-TRUST:trust":{"id":"t"}})");
}

TEST_F(KeystoneTest, AnApplicationCredentialIsKnownByIdOrByNameAndUser) {
  EXPECT_EQ(asked(by_credential()), json::parse(R"(
    {"auth": {"identity": {"methods": ["application_credential"],
      "application_credential": {"id": "ac1", "secret": "s3cr3t-credential"}
     }}})"));
  KeystoneOptions options = by_credential();
  options.application_credential_id.clear();
  options.application_credential_name = "gate";
  options.username = "pxegate";
  options.user_domain_id = "default";
  EXPECT_EQ(asked(options)["auth"]["identity"]["application_credential"],
            json::parse(R"({"name": "gate", "secret": "s3cr3t-credential",
        "user": {"name": "pxegate", "domain": {"id": "default"}}})"));
}

TEST_F(KeystoneTest, ATokenIsExchangedForOneOfTheScope) {
  KeystoneOptions options = by_password();
  options.method = KeystoneMethod::kToken;
  options.token = Secret("s3cr3t-token");
  EXPECT_EQ(asked(options), json::parse(R"({"auth": {"identity": {
      "methods": ["token"], "token": {"id": "s3cr3t-token"}},
      "scope": {"system": {"all": true}}}})"));
}

TEST_F(KeystoneTest, EveryByteOfAPasswordArrives) {
  std::string password = "quote\" back\\slash tab\t \xc3\xa9";
  for (char c = 1; c < 0x20; ++c) password += c;
  KeystoneOptions options = by_password();
  options.password = Secret(password);
  EXPECT_EQ(asked(options)["auth"]["identity"]["password"]["user"]["password"],
            password);
}

TEST(KeystoneOptions, WhatIsNoLoginIsRefusedByTheNameOfTheOption) {
  struct Row {
    void (*spoil)(KeystoneOptions&);
    const char* says;
  };
  const Row rows[] = {
      {[](auto& o) { o.auth_url.clear(); }, "auth_url"},
      {[](auto& o) { o.auth_url = "keystone:5000"; }, "auth_url"},
      {[](auto& o) { o.auth_url = "http://k/v2.0"; }, "v2.0"},
      {[](auto& o) { o.password.clear(); }, "password"},
      {[](auto& o) { o.username.clear(); }, "username"},
      {[](auto& o) { o.user_domain_name.clear(); }, "user_domain_name"},
      {[](auto& o) { o.system_scope.clear(); }, "system_scope (all)"},
      {[](auto& o) { o.system_scope = "some"; }, "system_scope"},
      {[](auto& o) { o.project_id = "p"; }, "more than one"},
      {[](auto& o) {
         o.system_scope.clear();
         o.project_name = "p";
       },
       "project_domain_name"},
      {[](auto& o) { o.valid_interfaces.clear(); }, "valid_interfaces"},
      {[](auto& o) { o.service_type.clear(); }, "service_type"},
      {[](auto& o) { o.method = KeystoneMethod::kToken; }, "token is not set"},
      {[](auto& o) { o.method = KeystoneMethod::kApplicationCredential; },
       "application_credential_secret"},
      {[](auto& o) {
         o = by_credential();
         o.project_id = "p";
       },
       "has its project in it"},
      {[](auto& o) {
         o = by_credential();
         o.application_credential_id.clear();
       },
       "application_credential_id"},
      {[](auto& o) {
         o = by_credential();
         o.application_credential_id.clear();
         o.application_credential_name = "n";
       },
       "username or user_id"},
  };
  EXPECT_TRUE(validate(by_password()));
  EXPECT_TRUE(validate(by_credential()));
  for (const Row& row : rows) {
    KeystoneOptions options = by_password();
    row.spoil(options);
    const auto valid = validate(options);
    ASSERT_FALSE(valid) << row.says;
    EXPECT_EQ(valid.error().code(), ErrorCode::kInvalid);
    EXPECT_THAT(valid.error().message(),
                AllOf(HasSubstr("[ironic]"), HasSubstr(row.says)));
  }
}

TEST(KeystoneOptions, AUserInTheUrlIsNotRepeated) {
  KeystoneOptions options = by_password();
  options.auth_url = "http://me:hunter2@keystone/v3";
  EXPECT_THAT(validate(options).error().message(), Not(HasSubstr("hunter2")));
}

// --- How long a token is used ----------------------------------------------

TEST_F(KeystoneTest, ATokenIsUsedUntilShortlyBeforeItsEnd) {
  start();
  EXPECT_EQ(token(), FakeKeystone::token(1));
  clock_.advance(minutes{57});
  EXPECT_EQ(token(), FakeKeystone::token(1));
  clock_.advance(seconds{61});
  EXPECT_EQ(token(), FakeKeystone::token(2));
  EXPECT_EQ(auth_->generation(), 2u);
}

TEST_F(KeystoneTest, ATokenOfSecondsIsRenewedForEachQuarterThatIsLeft) {
  keystone_.life = seconds{4};
  start();
  std::string now = token();
  for (int i = 0; i < 100; ++i) {
    clock_.advance(milliseconds{100});
    now = token();
  }
  // 10 s of 3 s each.
  EXPECT_EQ(now, FakeKeystone::token(4));
  EXPECT_EQ(keystone_.logins, 4);
}

TEST_F(KeystoneTest, ClocksThatDifferOrJumpChangeNothing) {
  for (const seconds skew : {seconds{-7'200}, seconds{90'000}, seconds{0}}) {
    keystone_.skew = skew;
    keystone_.logins = 0;
    start();
    for (const hours jump : {hours{0}, hours{-1000}, hours{5000}}) {
      clock_.wall_time += jump;
      EXPECT_EQ(token(), FakeKeystone::token(1));
      clock_.advance(minutes{15});
      EXPECT_EQ(token(), FakeKeystone::token(1));
    }
    // 45 minutes are gone, whatever the wall clock says.
    clock_.advance(minutes{14});
    EXPECT_EQ(token(), FakeKeystone::token(2));
  }
}

TEST_F(KeystoneTest, WhileKeystoneIsDownATokenIsUsedToItsEnd) {
  start();
  EXPECT_EQ(token(), FakeKeystone::token(1));
  keystone_.down = true;
  clock_.advance(minutes{59});
  EXPECT_EQ(token(), FakeKeystone::token(1));
  clock_.advance(minutes{1});
  EXPECT_EQ(error().code(), ErrorCode::kUnavailable);
  keystone_.down = false;
  clock_.advance(minutes{1});
  EXPECT_EQ(token(), FakeKeystone::token(2));
}

TEST_F(KeystoneTest, ARefusedTokenIsReplacedOnceAndThenSeldom) {
  start();
  EXPECT_EQ(token(), FakeKeystone::token(1));
  EXPECT_TRUE(auth_->renew().value());
  EXPECT_EQ(token(), FakeKeystone::token(2));
  EXPECT_FALSE(auth_->renew().value()) << "at once again";
  EXPECT_EQ(token(), FakeKeystone::token(2));
  // A service that refuses all tokens, asked every second for ten minutes.
  for (int i = 0; i < 600; ++i) {
    clock_.advance(seconds{1});
    ASSERT_TRUE(auth_->renew());
  }
  EXPECT_LT(keystone_.logins, 25);
  // After a calm while the first one counts again.
  clock_.advance(minutes{10});
  const int before = keystone_.logins;
  EXPECT_TRUE(auth_->renew().value());
  clock_.advance(seconds{2});
  EXPECT_TRUE(auth_->renew().value());
  EXPECT_EQ(keystone_.logins, before + 2);
}

// --- When Keystone refuses --------------------------------------------------

TEST_F(KeystoneTest, RefusedCredentialsAreTriedSeldom) {
  keystone_.answer = HttpResponse{
      401,
      {},
      R"({"error": {"message": "The request you have made requires authentication.", "code": 401, "title": "Unauthorized"}})"};
  start();
  const Error refused = error();
  EXPECT_EQ(refused.code(), ErrorCode::kPermission);
  EXPECT_THAT(refused.message(),
              AllOf(HasSubstr("POST http://keystone:5000/v3/auth/tokens"),
                    HasSubstr("HTTP 401"), HasSubstr("requires"),
                    HasSubstr("[ironic] username"), HasSubstr("password"),
                    HasSubstr("system_scope")));
  for (int i = 0; i < 3600; ++i) {
    const Error again = error();
    EXPECT_EQ(again.code(), ErrorCode::kPermission);
    clock_.advance(seconds{1});
  }
  // 30 s, 1, 2, 4, 8 and then 15 minutes apart.
  EXPECT_THAT(keystone_.requests, SizeIs(8));
  EXPECT_THAT(error().message(), HasSubstr("next try in"));
  EXPECT_GT(error().retry_after(), seconds{0});
  keystone_.answer.reset();
  clock_.advance(minutes{15});
  EXPECT_EQ(token(), FakeKeystone::token(1));
}

TEST_F(KeystoneTest, AnOperatorNeedNotWaitForTheNextTry) {
  keystone_.answer = HttpResponse{401, {}, ""};
  start();
  auth_->retry_login();
  error();
  clock_.advance(seconds{31});
  error();
  EXPECT_THAT(keystone_.requests, SizeIs(2));
  EXPECT_THAT(error().message(), AllOf(HasSubstr("next try in 60 s"),
                                       HasSubstr("`pxegate sync`")));
  auth_->retry_login();
  error();
  EXPECT_THAT(keystone_.requests, SizeIs(3));
  // At most once in 10 s, however often it is asked for.
  for (int i = 0; i < 99; ++i) {
    clock_.advance(milliseconds{100});
    auth_->retry_login();
    error();
  }
  EXPECT_THAT(keystone_.requests, SizeIs(3));
  keystone_.answer.reset();
  clock_.advance(milliseconds{100});
  auth_->retry_login();
  EXPECT_EQ(token(), FakeKeystone::token(1));
}

TEST_F(KeystoneTest, AnOperatorDoesNotHurryAKeystoneThatAskedForTime) {
  keystone_.answer = HttpResponse{429, {{"retry-after", "120"}}, ""};
  start();
  error();
  auth_->retry_login();
  error();
  EXPECT_THAT(keystone_.requests, SizeIs(1));
  clock_.advance(seconds{120});
  error();
  EXPECT_THAT(keystone_.requests, SizeIs(2));
}

TEST_F(KeystoneTest, AKeystoneThatIsDownIsAskedWithinAMinute) {
  keystone_.down = true;
  start();
  EXPECT_THAT(error().message(),
              AllOf(HasSubstr("refused"),
                    HasSubstr("[ironic] auth_url = http://keystone:5000")));
  for (int i = 0; i < 600; ++i) {
    EXPECT_EQ(error().code(), ErrorCode::kUnavailable);
    clock_.advance(seconds{1});
  }
  EXPECT_GT(keystone_.requests.size(), 10u);
  EXPECT_LT(keystone_.requests.size(), 20u);
}

TEST_F(KeystoneTest, ErrorsSayWhereTheLoginStands) {
  struct Row {
    const char* from;
    const char* auth_url;
    const char* user;
  };
  for (const Row& row :
       {Row{"[catalog]", "[catalog] auth_url", "[catalog] username"},
        Row{"cloud \"x\" of /c.yaml", "auth_url (cloud \"x\" of /c.yaml)",
            "system_scope (cloud \"x\" of /c.yaml)"}}) {
    KeystoneOptions options = by_password();
    options.login_from = row.from;
    for (const int status : {301, 404}) {
      keystone_.answer = HttpResponse{status, {}, ""};
      start(options);
      EXPECT_THAT(error().message(), HasSubstr(row.auth_url)) << status;
    }
    keystone_.answer = HttpResponse{401, {}, ""};
    start(options);
    EXPECT_THAT(error().message(),
                AllOf(HasSubstr(row.user), Not(HasSubstr("[ironic]"))));
    keystone_.answer.reset();
    keystone_.down = true;
    start(options);
    EXPECT_THAT(error().message(), HasSubstr(row.auth_url));
    keystone_.down = false;
    options.auth_url = "keystone";
    EXPECT_THAT(validate(options).error().message(), HasSubstr(row.auth_url));
    options.auth_url = "http://k";
    options.username.clear();
    EXPECT_THAT(validate(options).error().message(),
                AllOf(HasSubstr("username"), HasSubstr(row.from)));
  }
}

TEST_F(KeystoneTest, RetryAfterIsHeeded) {
  keystone_.answer = HttpResponse{503, {{"retry-after", "120"}}, ""};
  start();
  EXPECT_EQ(error().code(), ErrorCode::kUnavailable);
  clock_.advance(seconds{119});
  EXPECT_EQ(error().retry_after(), seconds{1});
  EXPECT_THAT(keystone_.requests, SizeIs(1));
  clock_.advance(seconds{1});
  error();
  EXPECT_THAT(keystone_.requests, SizeIs(2));
}

TEST_F(KeystoneTest, ARedirectIsNotFollowedWithCredentials) {
  keystone_.answer =
      HttpResponse{302, {{"location", "http://evil/v3/auth/tokens"}}, ""};
  start();
  EXPECT_THAT(error().message(),
              AllOf(HasSubstr("HTTP 302"), HasSubstr("[ironic] auth_url")));
  EXPECT_THAT(keystone_.requests, SizeIs(1));
}

TEST_F(KeystoneTest, AnAnswerWithoutATokenIsNone) {
  const std::string good = keystone_.token_body().dump();
  for (const HttpResponse& answer :
       {HttpResponse{201, {}, good},
        HttpResponse{201, {{"x-subject-token", ""}}, good},
        HttpResponse{201, {{"x-subject-token", "a b"}}, good},
        HttpResponse{
            201, {{"x-subject-token", std::string(100'000, 'x')}}, good},
        HttpResponse{201, {{"x-subject-token", "abc"}}, "<html>"}}) {
    keystone_.answer = answer;
    start();
    EXPECT_EQ(error().code(), ErrorCode::kInvalid);
  }
}

// --- Where the service is ---------------------------------------------------

TEST_F(KeystoneTest, TheEndpointIsReadWithEachToken) {
  start();
  EXPECT_EQ(auth_->endpoint().value(), FakeKeystone::endpoint(1));
  EXPECT_EQ(token(), FakeKeystone::token(1));
  EXPECT_EQ(keystone_.logins, 1);
  clock_.advance(hours{2});
  EXPECT_EQ(auth_->endpoint().value(), FakeKeystone::endpoint(2));
}

TEST_F(KeystoneTest, ACatalogueWithoutTheServiceIsToldWithWhatItHas) {
  KeystoneOptions options = by_password();
  options.region_name = "Two";
  start(options);
  EXPECT_THAT(auth_->endpoint().error().message(),
              AllOf(HasSubstr("\"baremetal\" \"public\" in \"RegionOne\""),
                    HasSubstr("region_name = \"Two\""),
                    HasSubstr("[ironic] endpoint_override")));
  keystone_.catalog =
      json::parse(R"([{"type": "compute"}, {"type": "\u0007"}])");
  start(options);
  EXPECT_THAT(auth_->endpoint().error().message(),
              AllOf(HasSubstr("\"compute\""), Not(HasSubstr("\x07"))));
  keystone_.catalog = json::array();
  start(options);
  EXPECT_THAT(auth_->endpoint().error().message(), HasSubstr("it has nothing"));
}

TEST_F(KeystoneTest, WhereSeveralEndpointsFitTheOperatorHasToSay) {
  keystone_.catalog = json::parse(R"([{"type": "baremetal", "endpoints": [
    {"interface": "public", "region_id": "One", "url": "http://1"},
    {"interface": "public", "region_id": "Two", "url": "http://2"}]}])");
  start();
  EXPECT_THAT(
      auth_->endpoint().error().message(),
      AllOf(HasSubstr("\"One\""), HasSubstr("\"Two\""),
            HasSubstr("[ironic] region_name"), HasSubstr("endpoint_override")));
  KeystoneOptions options = by_password();
  options.region_name = "Two";
  start(options);
  EXPECT_EQ(auth_->endpoint().value(), "http://2");
}

// --- Secrets -----------------------------------------------------------------

// Every failure that there is, with markers in all secrets, and a Keystone
// that repeats what it was sent.
TEST_F(KeystoneTest, NoSecretIsInAnyErrorOrLogLine) {
  const testing::TempDir folder;
  const std::string name = folder / "log";
  ASSERT_TRUE(log::configure(log::Level::kDebug, name));

  KeystoneOptions options = by_password();
  options.password = Secret("MARKER\"1");
  options.token = Secret("MARKER2");
  options.application_credential_secret = Secret("MARKER3");
  std::string said;
  const auto note = [&said](const auto& result) {
    if (!result) said += result.error().message() + "\n";
  };
  for (const auto method :
       {KeystoneMethod::kPassword, KeystoneMethod::kApplicationCredential,
        KeystoneMethod::kToken}) {
    options.method = method;
    options.application_credential_id = "ac";
    options.system_scope =
        method == KeystoneMethod::kApplicationCredential ? "" : "all";
    for (const int status : {200, 201, 302, 400, 401, 403, 404, 429, 500}) {
      for (const bool json_fault : {false, true}) {
        start(options);
        HttpRequest request;
        keystone_.answer.reset();
        note(auth_->authorize(request));
        const std::string sent = keystone_.requests.back().body;
        EXPECT_THAT(sent, HasSubstr("MARKER"));
        json fault;
        fault["error"]["message"] = "bad MARKER\"1 MARKER2 MARKER3";
        keystone_.answer = HttpResponse{
            status,
            {{"x-subject-token", "MARKER4"}, {"location", "http://x/" + sent}},
            json_fault ? fault.dump() : sent};
        note(auth_->renew());
        note(auth_->authorize(request));
        note(auth_->endpoint());
        said += auth_->describe() + "\n";
      }
    }
  }
  // A service that repeats the token.
  keystone_.answer.reset();
  start();
  FakeHttpTransport ironic;
  for (const int status : {200, 302, 401, 404, 500}) {
    ironic.push(status, "you sent " + FakeKeystone::token(keystone_.logins + 1),
                {{"location", FakeKeystone::token(keystone_.logins + 1)}});
    clock_.advance(hours{2});
    auto client =
        ServiceClient::make({"Ironic", "ironic", "x-", {1, 39}, {1, 53}}, "",
                            ironic, *auth_, clock_);
    ironic.otherwise = [&](const HttpRequest& sent) {
      return HttpResponse{status, {}, sent.headers.at("x-auth-token")};
    };
    note(client->get("/v1/nodes", {}));
  }
  EXPECT_THAT(said, HasSubstr("repeats our credentials"));
  ASSERT_TRUE(log::configure(log::Level::kWarning, ""));
  std::ifstream file(name);
  said.append(std::istreambuf_iterator<char>(file), {});
  EXPECT_THAT(said, HasSubstr("logged in"));
  EXPECT_THAT(said, HasSubstr("HTTP 401"));
  EXPECT_THAT(said, Not(HasSubstr("MARKER")));
  EXPECT_THAT(said, Not(HasSubstr("0123456789"))) << "a token";
}

TEST_F(KeystoneTest, DescribesItselfWithoutSecrets) {
  start();
  EXPECT_EQ(auth_->describe(),
            "auth_type = password, username = \"pxegate\", system_scope = all");
  EXPECT_FALSE(auth_->identity());
  token();
  EXPECT_EQ(auth_->identity()->user, "pxegate");
  EXPECT_EQ(auth_->identity()->scope, "system");
  EXPECT_THAT(auth_->identity()->project_id, IsEmpty());
}

}  // namespace
}  // namespace pxegate
