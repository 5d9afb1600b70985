// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "controller/config/combinations.h"

namespace pxegate {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// "!" before what is fatal.
std::vector<std::string> found(const ServiceConfig& service) {
  std::vector<std::string> all;
  for (const Misfit& misfit : find_login_misfits("ironic", service)) {
    EXPECT_EQ(misfit.section, "ironic");
    all.push_back((misfit.fatal ? "!" : "") + std::string(misfit.name) + ": " +
                  misfit.what);
  }
  return all;
}

ServiceConfig password() {
  ServiceConfig service;
  service.auth_type = AuthType::kPassword;
  service.auth_url = "http://k";
  service.username = "u";
  service.user_domain_id = "default";
  service.password = Secret("p");
  service.system_scope = "all";
  return service;
}

ServiceConfig credential() {
  ServiceConfig service;
  service.auth_type = AuthType::kApplicationCredential;
  service.auth_url = "http://k";
  service.application_credential_id = "i";
  service.application_credential_secret = Secret("s");
  return service;
}

TEST(LoginChecks, WhoeverIsBelievedIsWarnedOf) {
  ServiceConfig service = password();
  service.insecure = true;
  EXPECT_THAT(found(service), ElementsAre(HasSubstr("insecure: true")));
}

TEST(LoginChecks, WhatIsCompletePasses) {
  EXPECT_THAT(found(ServiceConfig{}), IsEmpty());
  EXPECT_THAT(found(password()), IsEmpty());
  EXPECT_THAT(found(credential()), IsEmpty());
  auto token = password();
  token.auth_type = AuthType::kToken;
  token.token = Secret("t");
  token.username.clear();
  token.password = Secret();
  EXPECT_THAT(found(token), IsEmpty());
}

TEST(LoginChecks, WhatIsMissingIsAskedFor) {
  ServiceConfig service;
  service.auth_type = AuthType::kPassword;
  EXPECT_THAT(found(service),
              ElementsAre(HasSubstr("!auth_url: not set"),
                          HasSubstr("!username: not set"),
                          HasSubstr("!password: not set"),
                          HasSubstr("!system_scope: not set; expected all")));
  service.auth_type = AuthType::kToken;
  EXPECT_THAT(found(service), Contains(HasSubstr("!token: not set")));
  service.auth_type = AuthType::kApplicationCredential;
  EXPECT_THAT(found(service),
              ElementsAre(HasSubstr("!auth_url: "),
                          HasSubstr("!application_credential_secret: "),
                          HasSubstr("!application_credential_id: ")));
}

TEST(LoginChecks, ANameNeedsItsDomain) {
  auto service = password();
  service.user_domain_id.clear();
  EXPECT_THAT(found(service), ElementsAre(HasSubstr("!user_domain_name: ")));
  service.username.clear();
  service.user_id = "i";
  EXPECT_THAT(found(service), IsEmpty());

  service = password();
  service.system_scope.clear();
  service.project_name = "p";
  EXPECT_THAT(found(service), ElementsAre(HasSubstr("!project_domain_name: ")));
  service.project_id = "i";
  EXPECT_THAT(found(service), IsEmpty());

  service = credential();
  service.application_credential_id.clear();
  service.application_credential_name = "n";
  EXPECT_THAT(found(service), ElementsAre(HasSubstr("!username: not set")));
  service.username = "u";
  EXPECT_THAT(found(service), ElementsAre(HasSubstr("!user_domain_name: ")));
}

TEST(LoginChecks, ALoginHasOneScope) {
  using Field = std::string ServiceConfig::*;
  for (const Field field :
       {&ServiceConfig::project_id, &ServiceConfig::domain_id,
        &ServiceConfig::domain_name, &ServiceConfig::trust_id}) {
    auto service = password();
    service.*field = "x";
    EXPECT_THAT(found(service),
                ElementsAre(HasSubstr("a login has one scope; expected "
                                      "system_scope = all alone")));
    service.system_scope.clear();
    EXPECT_THAT(found(service), IsEmpty());
  }
}

TEST(LoginChecks, AnApplicationCredentialCarriesItsScope) {
  auto service = credential();
  service.project_id = "x";
  service.system_scope = "all";
  EXPECT_THAT(found(service),
              ElementsAre(HasSubstr("!system_scope: cannot be had"),
                          HasSubstr("!project_id: cannot be had")));
}

TEST(LoginChecks, WhatHasNoEffectIsAWarning) {
  auto service = password();
  service.user_id = "i";
  EXPECT_THAT(found(service), ElementsAre("username: has no effect beside "
                                          "user_id"));
}

}  // namespace
}  // namespace pxegate
