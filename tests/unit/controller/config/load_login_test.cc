// SPDX-License-Identifier: Apache-2.0
//
// Where [ironic] and [inspector] get their logins from.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "controller/config/load_config.h"
#include "controller/config/options.h"
#include "tests/support/temp_dir.h"

namespace pxegate {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr std::string_view kCloud =
    "clouds:\n"
    "  x:\n"
    "    auth:\n"
    "      auth_url: https://k\n"
    "      username: clouduser\n"
    "      password: hunter2\n"
    "      project_name: service\n"
    "      user_domain_name: Default\n"
    "      project_domain_name: Default\n"
    "    region_name: r\n";

class LoadLogin : public ::testing::Test {
 protected:
  LoadLogin() {
    sources_.clouds.dirs = {dir_};
    sources_.environment_clouds.dirs = {dir_};
  }

  std::string write(const std::string& name, std::string_view text) const {
    const std::string path = dir_ + "/" + name;
    std::ofstream(path, std::ios::binary) << text;
    ::chmod(path.c_str(), 0600);
    return path;
  }

  Result<LoadedConfig> load(std::string_view text) {
    sources_.files = {
        write("a.conf", "[pxe_filter]\ndriver = noop\n" + std::string(text))};
    return load_config(sources_);
  }
  LoadedConfig loaded(std::string_view text) {
    auto result = load(text);
    EXPECT_TRUE(result) << result.error().message();
    return result ? *std::move(result) : LoadedConfig{};
  }
  std::string problems(std::string_view text) {
    const auto result = load(text);
    return result ? "loaded" : result.error().message();
  }
  void environment(std::string_view name, std::string_view text) {
    sources_.environment.emplace(name, Secret(text));
  }

  const testing::TempDir temp_;
  const std::string dir_ = temp_.path();
  ConfigSources sources_;
};

TEST_F(LoadLogin, APasswordLoginAtKeystone) {
  const auto result = loaded(
      "[ironic]\nauth-type = v3password\nauth-url = https://k\n"
      "user-name = me\npassword = hunter2\nuser_domain_name = Default\n"
      "system-scope = all\nconnect-retries = 2\n");
  const ServiceConfig& ironic = result.config.ironic;
  EXPECT_EQ(ironic.auth_type, AuthType::kPassword);
  EXPECT_EQ(ironic.auth_url, "https://k");
  EXPECT_EQ(ironic.username, "me");
  EXPECT_EQ(ironic.password, Secret("hunter2"));
  EXPECT_EQ(ironic.system_scope, "all");
  EXPECT_EQ(ironic.connect_retries, 2u);
  EXPECT_EQ(ironic.endpoint_override, "") << "from the catalogue";
  EXPECT_EQ(result.ironic_login, "[ironic]");
  EXPECT_EQ(result.config.ironic.login_from, "") << "where it is expected";
  EXPECT_THAT(result.warnings, ElementsAre(HasSubstr("deprecated name")));
}

// ironic-inspector's default where its file does not say.
TEST_F(LoadLogin, AuthUrlAloneMeansAPassword) {
  EXPECT_EQ(loaded("[ironic]\nauth_url = https://k\nusername = me\n"
                   "password = p\ndefault_domain_id = default\n"
                   "project_name = service\n")
                .config.ironic.auth_type,
            AuthType::kPassword);
}

TEST_F(LoadLogin, WhatDoesNotFitTogetherIsTold) {
  EXPECT_THAT(problems("[ironic]\nauth_type = password\nauth_url = https://k\n"
                       "user_id = i\npassword = hunter2\nsystem_scope = all\n"
                       "project_id = p\n"),
              AllOf(HasSubstr("a.conf:8: [ironic] system_scope: system_scope "
                              "and project_id are set"),
                    Not(HasSubstr("hunter2"))));
}

TEST_F(LoadLogin, AnotherSectionHoldsTheLogin) {
  const auto result = loaded(
      "[keystone_authtoken]\nauth-type = password\nauth-url = https://k\n"
      "user-id = i\npassword = hunter2\nproject_id = p\ncafile = /not\n"
      "memcached_servers = m:1\n"
      "[ironic]\nauth_section = Keystone_AuthToken\ncafile = /mine\n");
  EXPECT_EQ(result.config.ironic.auth_url, "https://k");
  EXPECT_EQ(result.config.ironic.password, Secret("hunter2"));
  EXPECT_EQ(result.config.ironic.cafile, "/mine") << "no part of the login";
  EXPECT_EQ(result.ironic_login, "[keystone_authtoken]");
  EXPECT_EQ(result.config.ironic.login_from, result.ironic_login);
  EXPECT_THAT(result.warnings, IsEmpty());
}

TEST_F(LoadLogin, AnotherSectionIsCheckedToo) {
  const std::string rest = "[ironic]\nauth_section = k\n";
  EXPECT_THAT(
      loaded("[k]\nauth_url = https://k\nuser_id = i\npassword = p\n"
             "projet_id = p\nsystem_scope = all\n" +
             rest)
          .warnings,
      ElementsAre(HasSubstr("[k] projet_id: unknown, and ignored; did you "
                            "mean project_id?")));
  EXPECT_THAT(problems("[k]\nauth_type = hunter\n" + rest),
              HasSubstr("a.conf:4: [k] auth_type: \"hunter\" is not one"));
  EXPECT_THAT(problems(rest), HasSubstr("there is no section \"k\""));
  EXPECT_THAT(loaded("[k]\nauth_url = https://k\nuser_id = i\npassword = p\n"
                     "system_scope = all\n" +
                     rest + "auth_url = https://other\n")
                  .warnings,
              ElementsAre(HasSubstr("[ironic] auth_url: ignored, because "
                                    "auth_section says")));
}

TEST_F(LoadLogin, ASecretInAnotherSectionIsWarnedOfWhereEverybodyReadsIt) {
  sources_.files = {write("a.conf",
                          "[pxe_filter]\ndriver = noop\n[k]\nauth_url = "
                          "https://k\nuser_id = i\npassword = hunter2\n"
                          "system_scope = all\n[ironic]\nauth_section = k\n")};
  ::chmod(sources_.files.front().c_str(), 0644);
  const auto result = load_config(sources_);
  ASSERT_TRUE(result) << result.error().message();
  EXPECT_THAT(result->warnings,
              ElementsAre(HasSubstr("[k] password: every user can read")));
}

TEST_F(LoadLogin, ACloudFillsInWhatTheSectionDoesNotSay) {
  write("clouds.yaml", kCloud);
  const auto result =
      loaded("[ironic]\ncloud = x\nusername = mine\nservice_type = t\n");
  EXPECT_EQ(result.config.ironic.auth_type, AuthType::kPassword);
  EXPECT_EQ(result.config.ironic.auth_url, "https://k");
  EXPECT_EQ(result.config.ironic.username, "mine");
  EXPECT_EQ(result.config.ironic.password, Secret("hunter2"));
  EXPECT_EQ(result.config.ironic.region_name, "r");
  EXPECT_EQ(result.config.ironic.service_type, "t");
  EXPECT_EQ(result.ironic_login, "cloud \"x\" of " + dir_ + "/clouds.yaml");
  EXPECT_EQ(result.config.ironic.login_from, result.ironic_login);
  EXPECT_THAT(result.warnings, IsEmpty());
}

TEST_F(LoadLogin, TheSectionsScopeReplacesTheCloudsScope) {
  write("clouds.yaml", kCloud);
  const auto ironic =
      loaded("[ironic]\ncloud = x\nsystem_scope = all\n").config.ironic;
  EXPECT_EQ(ironic.project_name, "");
  EXPECT_EQ(ironic.system_scope, "all");
}

TEST_F(LoadLogin, WhatIsWrongInACloudIsToldWithItsPlace) {
  EXPECT_THAT(problems("[ironic]\ncloud = x\n"),
              HasSubstr("a.conf:4: [ironic] cloud: no clouds.yaml was found"));
  write("clouds.yaml", "clouds:\n  x:\n    interface: hunter2\n");
  EXPECT_THAT(problems("[ironic]\ncloud = x\n"),
              HasSubstr("clouds.yaml:3: clouds.x.interface: \"hunter2\" is "
                        "none of a catalogue's interfaces"));
  write("clouds.yaml",
        "clouds:\n  x:\n    auth: {auth_url: 'http://k', username: u,\n"
        "           password: hunter2, system_scope: all}\n");
  EXPECT_THAT(problems("[ironic]\ncloud = x\n"),
              AllOf(HasSubstr("[ironic] user_domain_name: not set"),
                    Not(HasSubstr("hunter2"))));
}

TEST_F(LoadLogin, TheEnvironmentCountsOnlyWhereNothingElseIsSaid) {
  environment("OS_AUTH_URL", "https://env");
  environment("OS_USERNAME", "envuser");
  environment("OS_PASSWORD", "hunter2");
  environment("OS_USER_DOMAIN_NAME", "Default");
  environment("OS_SYSTEM_SCOPE", "all");
  const auto taken = loaded("[ironic]\ntimeout = 7\n");
  EXPECT_EQ(taken.config.ironic.auth_url, "https://env");
  EXPECT_EQ(taken.config.ironic.auth_type, AuthType::kPassword);
  EXPECT_EQ(taken.config.ironic.timeout, std::chrono::seconds(7));
  EXPECT_EQ(taken.ironic_login, "OS_* of the environment");
  EXPECT_EQ(taken.config.ironic.login_from, taken.ironic_login);

  const auto own = loaded("[ironic]\nauth_type = none\n");
  EXPECT_EQ(own.config.ironic.auth_url, "");
  EXPECT_EQ(own.config.ironic.auth_type, AuthType::kNone);
}

TEST_F(LoadLogin, WhatIsWrongInTheEnvironmentIsToldWithItsName) {
  environment("OS_AUTH_URL", "hunter2@k");
  EXPECT_THAT(problems("[ironic]\ntimeout = 7\n"),
              AllOf(HasSubstr("OS_AUTH_URL of the environment: holds a user"),
                    Not(HasSubstr("hunter2"))));
}

TEST_F(LoadLogin, OsCloudNamesACloudAndTheOtherVariablesGoBefore) {
  write("clouds.yaml", kCloud);
  environment("OS_CLOUD", "x");
  environment("OS_SYSTEM_SCOPE", "all");
  const auto result = loaded("");
  EXPECT_EQ(result.config.ironic.username, "clouduser");
  EXPECT_EQ(result.config.ironic.system_scope, "all");
  EXPECT_EQ(result.config.ironic.project_name, "");
  sources_.environment_clouds.dirs = {};
  EXPECT_THAT(problems(""), HasSubstr("OS_CLOUD of the environment: no cloud"));
}

TEST_F(LoadLogin, InspectorIsAskedAtTheCataloguesAddress) {
  const std::string login =
      "auth_url = https://k\nuser_id = i\npassword = p\nsystem_scope = all\n";
  const auto result = loaded("ask_inspector = true\n[ironic]\n" + login +
                             "[inspector]\n" + login);
  EXPECT_TRUE(result.config.inspector_asked());
  EXPECT_EQ(result.config.inspector.auth_type, AuthType::kPassword);
  EXPECT_THAT(problems("ask_inspector = true\n"),
              HasSubstr("[inspector] endpoint_override: not set"));
  EXPECT_FALSE(loaded("[inspector]\n" + login).config.inspector_asked());
}

TEST_F(LoadLogin, AnIronicsMessageBusIsUnderstood) {
  const auto result = loaded(
      "[DEFAULT]\ntransport_url = rabbit://u:p$$w@h:5672/v\n"
      "[oslo_messaging_rabbit]\nrabbit_use_ssl = true\nssl_ca_file = " +
      write("ca.pem", "") +
      "\nkombu_reconnect_delay = 1\n"
      "[oslo_messaging_notifications]\ndriver = messagingv2\n");
  const Config::Notifications& bus = result.config.notifications;
  EXPECT_EQ(bus.transport_url, Secret("rabbit://u:p$w@h:5672/v"));
  EXPECT_TRUE(bus.ssl);
  EXPECT_THAT(bus.ca_file, EndsWith("/ca.pem"));
  ASSERT_EQ(bus.hosts.size(), 1u);
  EXPECT_EQ(bus.hosts[0].host, "h");
  EXPECT_EQ(bus.virtual_host, "v");
}

TEST_F(LoadLogin, FilesThatOthersCanWriteAreAWarning) {
  write("clouds.yaml", kCloud);
  const std::string text =
      "[ironic]\ncloud = x\nsystem_scope = all\nendpoint_override = http://h\n";
  EXPECT_THAT(loaded(text).warnings, IsEmpty());
  ::chmod(sources_.files.front().c_str(), 0620);
  ::chmod((dir_ + "/clouds.yaml").c_str(), 0602);
  const auto again = load_config(sources_);
  ASSERT_TRUE(again);
  EXPECT_THAT(again->warnings,
              ElementsAre(AllOf(StartsWith(dir_ + "/a.conf: group "),
                                HasSubstr("can write")),
                          StartsWith(dir_ + "/clouds.yaml: every user can "
                                            "write")));
}

// By file, line and the option where it stands.
TEST_F(LoadLogin, AMessageBusThatCannotBeUsedIsAProblem) {
  const std::string a_conf = dir_ + "/a.conf";
  EXPECT_EQ(problems("[DEFAULT]\ntransport_url = kafka://u:hush@h/\n"),
            a_conf +
                ":4: [DEFAULT] transport_url: \"kafka\" is not supported: only "
                "RabbitMQ (rabbit://) is, and fake:// for none");
  const std::string port = problems(
      "[DEFAULT]\ntransport_url = rabbit://a\n"
      "[oslo_messaging_notifications]\n"
      "transport_url = rabbit://u:hush@h:99999/\n");
  EXPECT_THAT(port, StartsWith(a_conf + ":6: [oslo_messaging_notifications] "
                                        "transport_url: host 1: the port"));
  EXPECT_THAT(port, Not(HasSubstr("hush")));
  EXPECT_EQ(problems("[DEFAULT]\ntransport_url = rabbit://h/\n"
                     "[oslo_messaging_rabbit]\nssl = true\n"
                     "kombu_ssl_ca_certs = /none.pem\n"),
            a_conf +
                ":7: [oslo_messaging_rabbit] kombu_ssl_ca_certs: "
                "\"/none.pem\": No such file or directory; expected a PEM file "
                "that can be read");
  EXPECT_THAT(
      problems("[DEFAULT]\ncontrol_exchange = " + std::string(256, 'x') + "\n"),
      StartsWith(a_conf + ":4: [DEFAULT] control_exchange"));
  EXPECT_EQ(load("[DEFAULT]\ntransport_url = x\n").error().code(),
            ErrorCode::kInvalid);
}

}  // namespace
}  // namespace pxegate
