// SPDX-License-Identifier: Apache-2.0
#include "controller/config/service_values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace pxegate {
namespace {

using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

using Values = std::map<std::string, std::string>;

Values as_map(const std::vector<ServiceValue>& values) {
  Values all;
  for (const ServiceValue& value : values) {
    EXPECT_TRUE(
        all.emplace(value.option, std::string(value.text.reveal())).second)
        << value.option;
  }
  return all;
}

Values environment(
    std::initializer_list<std::pair<std::string, std::string>> variables,
    std::string_view section = "ironic") {
  Environment all;
  for (const auto& [name, text] : variables) all.emplace(name, Secret(text));
  return as_map(environment_values(all, section));
}

std::vector<ServiceValue> values_from(
    std::initializer_list<std::pair<std::string, std::string>> values) {
  std::vector<ServiceValue> all;
  for (const auto& [option, text] : values) {
    all.push_back({option, Secret(text), "somewhere"});
  }
  return all;
}

TEST(EnvironmentValues, AreThoseOfOpenstackclient) {
  EXPECT_THAT(
      environment({{"OS_AUTH_TYPE", "v3applicationcredential"},
                   {"OS_AUTH_URL", "http://k"},
                   {"OS_USERNAME", "u"},
                   {"OS_PASSWORD", "p"},
                   {"OS_TOKEN", "t"},
                   {"OS_APPLICATION_CREDENTIAL_ID", "i"},
                   {"OS_APPLICATION_CREDENTIAL_SECRET", "s"},
                   {"OS_SYSTEM_SCOPE", "all"},
                   {"OS_REGION_NAME", "r"},
                   {"OS_CACERT", "/ca"},
                   {"OS_INTERFACE", "publicURL"},
                   {"OS_USER_DOMAIN_NAME", "d"},
                   {"OS_DEFAULT_DOMAIN", "default"},
                   {"OS_IDENTITY_API_VERSION", "3"},
                   {"OS_VOLUME_API_VERSION", "3"},
                   {"OS_PROJECT_NAME", ""}}),
      UnorderedElementsAre(
          Pair("auth_type", "v3applicationcredential"),
          Pair("auth_url", "http://k"), Pair("username", "u"),
          Pair("password", "p"), Pair("token", "t"),
          Pair("application_credential_id", "i"),
          Pair("application_credential_secret", "s"),
          Pair("system_scope", "all"), Pair("region_name", "r"),
          Pair("cafile", "/ca"), Pair("valid_interfaces", "public"),
          Pair("user_domain_name", "d"), Pair("default_domain_id", "default")));
}

TEST(EnvironmentValues, AnEndpointIsOfOneService) {
  const std::initializer_list<std::pair<std::string, std::string>> kVariables =
      {{"OS_ENDPOINT_OVERRIDE", "http://any"},
       {"OS_BAREMETAL_INTROSPECTION_ENDPOINT_OVERRIDE", "http://i"}};
  EXPECT_THAT(environment(kVariables),
              UnorderedElementsAre(Pair("endpoint_override", "http://any")));
  EXPECT_THAT(environment(kVariables, "inspector"),
              UnorderedElementsAre(Pair("endpoint_override", "http://i")));
  EXPECT_THAT(environment({{"OS_BAREMETAL_ENDPOINT_OVERRIDE", "http://b"},
                           {"OS_ENDPOINT_OVERRIDE", "http://any"}}),
              UnorderedElementsAre(Pair("endpoint_override", "http://b")));
  EXPECT_THAT(environment({{"OS_ENDPOINT", "http://old"},
                           {"OS_ENDPOINT_OVERRIDE", "http://new"}}),
              UnorderedElementsAre(Pair("endpoint_override", "http://new")));
}

TEST(ValuesBeside, WhatTheOperatorSetIsLeftAlone) {
  EXPECT_THAT(
      as_map(values_beside(values_from({{"auth_url", "a"}, {"password", "p"}}),
                           {"auth_url"})),
      UnorderedElementsAre(Pair("password", "p")));
}

TEST(ValuesBeside, AnotherUserCredentialOrScopeDoesNotMixIn) {
  const auto cloud = values_from({{"username", "u"},
                                  {"project_name", "p"},
                                  {"application_credential_name", "n"},
                                  {"region_name", "r"}});
  EXPECT_THAT(as_map(values_beside(cloud, {"system_scope", "user_id"})),
              UnorderedElementsAre(Pair("application_credential_name", "n"),
                                   Pair("region_name", "r")));
  EXPECT_THAT(
      as_map(values_beside(cloud, {"application_credential_id"})),
      UnorderedElementsAre(Pair("username", "u"), Pair("project_name", "p"),
                           Pair("region_name", "r")));
}

// openstacksdk's _handle_domain_id().
TEST(ValuesBeside, TheDomainOfALoginToAProjectIsThatOfUserAndProject) {
  EXPECT_THAT(
      as_map(values_beside(
          values_from({{"project_name", "p"}, {"domain_id", "d"}}), {})),
      UnorderedElementsAre(Pair("project_name", "p"),
                           Pair("user_domain_id", "d"),
                           Pair("project_domain_id", "d")));
  EXPECT_THAT(as_map(values_beside(values_from({{"project_name", "p"},
                                                {"domain_name", "d"},
                                                {"user_domain_id", "own"}}),
                                   {})),
              UnorderedElementsAre(Pair("project_name", "p"),
                                   Pair("user_domain_id", "own"),
                                   Pair("project_domain_name", "d")));
  EXPECT_THAT(as_map(values_beside(values_from({{"domain_id", "d"}}), {})),
              UnorderedElementsAre(Pair("domain_id", "d")));
}

TEST(Complete, FindsTheKindOfLoginWhereKeystoneIsNamed) {
  ServiceConfig service;
  service.password = Secret("p");
  complete(service, false);
  EXPECT_EQ(service.auth_type, AuthType::kNone);
  service.auth_url = "http://k";
  complete(service, true);
  EXPECT_EQ(service.auth_type, AuthType::kNone) << "the operator said so";
  complete(service, false);
  EXPECT_EQ(service.auth_type, AuthType::kPassword);
  service.token = Secret("t");
  complete(service, false);
  EXPECT_EQ(service.auth_type, AuthType::kPassword);
  service.password = Secret();
  complete(service, false);
  EXPECT_EQ(service.auth_type, AuthType::kToken);
  service.application_credential_secret = Secret("s");
  complete(service, false);
  EXPECT_EQ(service.auth_type, AuthType::kApplicationCredential);
}

TEST(Complete, TheDefaultDomainIsForWhatHasNone) {
  ServiceConfig service;
  service.default_domain_id = "default";
  service.user_domain_name = "mine";
  complete(service, true);
  EXPECT_EQ(service.user_domain_id, "");
  EXPECT_EQ(service.user_domain_name, "mine");
  EXPECT_EQ(service.project_domain_id, "default");
}

}  // namespace
}  // namespace pxegate
