// SPDX-License-Identifier: Apache-2.0
#include "controller/config/clouds.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <rapidcheck.h>
#include <rapidcheck/gtest.h>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "tests/support/temp_dir.h"

namespace pxegate {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

class Clouds : public ::testing::Test {
 protected:
  Clouds() { where_.dirs = {dir_}; }

  void write(const std::string& name, std::string_view text,
             mode_t mode = 0600) const {
    const std::string path = dir_ + "/" + name;
    std::filesystem::create_directories(
        std::filesystem::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << text;
    ::chmod(path.c_str(), mode);
  }

  Result<Cloud> cloud(std::string_view section = "ironic") const {
    return read_cloud("x", section, where_);
  }
  // clouds.yaml is `text`.
  Result<Cloud> cloud_of(std::string_view text) const {
    write("clouds.yaml", text);
    return cloud();
  }
  // The entry x is `text`, a flow map.
  std::map<std::string, std::string> values_of(
      std::string_view text, std::string_view section = "ironic") const {
    write("clouds.yaml", "clouds: {x: " + std::string(text) + "}\n");
    return values(cloud(section));
  }
  static std::map<std::string, std::string> values(const Result<Cloud>& cloud) {
    std::map<std::string, std::string> all;
    EXPECT_TRUE(cloud) << cloud.error().message();
    if (!cloud) return all;
    for (const ServiceValue& value : cloud->values) {
      EXPECT_TRUE(
          all.emplace(value.option, std::string(value.text.reveal())).second)
          << value.option;
    }
    return all;
  }
  std::string problem_of(std::string_view text) const {
    const auto read = cloud_of(text);
    if (read) return "read";
    std::string message = read.error().message();
    if (message.starts_with(dir_ + "/")) message.erase(0, dir_.size() + 1);
    return message;
  }

  const testing::TempDir temp_;
  const std::string dir_ = temp_.path();
  CloudFiles where_;
};

TEST_F(Clouds, AnEntryGivesTheOptionsOfALogin) {
  const auto read = cloud_of(
      "clouds:\n"
      "  other: {auth: {auth_url: 'http://other'}}\n"
      "  x:\n"
      "    auth:\n"
      "      auth_url: https://k:5000/v3\n"
      "      username: pxegate\n"
      "      password: hunter2\n"
      "      user_domain_name: Default\n"
      "      system_scope: all\n"
      "    region_name: RegionTwo\n"
      "    interface: publicURL\n"
      "    cacert: /ca.pem\n"
      "    cert: /c.pem\n"
      "    key: /k.pem\n"
      "    api_timeout: 12\n"
      "    networks: [{name: a}]\n"
      "    identity_api_version: 3\n");
  EXPECT_THAT(
      values(read),
      UnorderedElementsAre(
          Pair("auth_url", "https://k:5000/v3"), Pair("username", "pxegate"),
          Pair("password", "hunter2"), Pair("user_domain_name", "Default"),
          Pair("system_scope", "all"), Pair("region_name", "RegionTwo"),
          Pair("valid_interfaces", "public"), Pair("cafile", "/ca.pem"),
          Pair("certfile", "/c.pem"), Pair("keyfile", "/k.pem"),
          Pair("timeout", "12")));
  EXPECT_THAT(read->warnings, IsEmpty());
  EXPECT_EQ(read->file, dir_ + "/clouds.yaml");
  for (const ServiceValue& value : read->values) {
    if (value.option != "password") continue;
    EXPECT_EQ(value.place, dir_ + "/clouds.yaml:7: clouds.x.auth.password");
  }
}

TEST_F(Clouds, OlderNamesAreUnderstoodAndTheCurrentOnesGoBefore) {
  EXPECT_THAT(values_of("{auth_plugin: password, auth: {user-name: u, "
                        "tenant_name: old, project_name: new, tenant_id: i}}"),
              UnorderedElementsAre(
                  Pair("auth_type", "password"), Pair("username", "u"),
                  Pair("project_name", "new"), Pair("project_id", "i")));
  // As openstacksdk: what stands in auth goes before what stands beside it.
  EXPECT_THAT(values_of("{username: beside, auth: {username: within}}"),
              UnorderedElementsAre(Pair("username", "within")));
  EXPECT_THAT(values_of("{username: beside}"),
              UnorderedElementsAre(Pair("username", "beside")));
}

TEST_F(Clouds, WhatIsAboutTheServiceGoesBeforeWhatIsAboutAll) {
  const std::string text =
      "{region_name: all, interface: admin, baremetal_region_name: mine, "
      "baremetal_endpoint_override: 'http://b', baremetal_service_type: t, "
      "baremetal_introspection_endpoint_override: 'http://i', "
      "baremetal_api_version: 1, compute_endpoint_override: 'http://c'}";
  EXPECT_THAT(values_of(text),
              UnorderedElementsAre(Pair("region_name", "mine"),
                                   Pair("valid_interfaces", "admin"),
                                   Pair("endpoint_override", "http://b"),
                                   Pair("service_type", "t")));
  EXPECT_THAT(values_of(text, "inspector"),
              UnorderedElementsAre(Pair("region_name", "all"),
                                   Pair("valid_interfaces", "admin"),
                                   Pair("endpoint_override", "http://i")));
}

TEST_F(Clouds, VerifySaysTheOppositeOfInsecure) {
  EXPECT_THAT(values_of("{verify: false}"),
              ElementsAre(Pair("insecure", "true")));
  EXPECT_THAT(values_of("{verify: True}"),
              ElementsAre(Pair("insecure", "false")));
  EXPECT_THAT(values_of("{verify: /ca}"), ElementsAre(Pair("insecure", "/ca")))
      << "for the option to refuse";
}

TEST_F(Clouds, TheFirstRegionIsTheDefault) {
  EXPECT_THAT(values_of("{regions: [a, b]}"),
              ElementsAre(Pair("region_name", "a")));
  EXPECT_THAT(values_of("{regions: [{name: a}, b], region_name: c}"),
              ElementsAre(Pair("region_name", "c")));
  EXPECT_THAT(problem_of("clouds: {x: {regions: [{name: a, values: {b: 1}}]}}"),
              HasSubstr("does not read settings by region"));
  EXPECT_THAT(problem_of("clouds: {x: {regions: []}}"), HasSubstr("regions"));
  EXPECT_THAT(problem_of("clouds: {x: {regions: [[a]]}}"),
              HasSubstr("without a name"));
}

TEST_F(Clouds, SecureYamlGoesBefore) {
  write("clouds.yaml",
        "clouds: {x: {auth: {username: u, password: weak}, key: /a}}");
  write("secure.yaml", "clouds: {x: {auth: {password: strong}}}");
  EXPECT_THAT(values(cloud()),
              UnorderedElementsAre(Pair("username", "u"), Pair("keyfile", "/a"),
                                   Pair("password", "strong")));
  write("secure.yaml", "clouds: {y: {auth: {password: strong}}}");
  EXPECT_EQ(values(cloud())["password"], "weak");
  write("secure.yaml", "");
  EXPECT_EQ(values(cloud())["password"], "weak");
}

TEST_F(Clouds, TheFirstFileThatExistsIsRead) {
  write("b/clouds.yml", "clouds: {x: {region_name: b}}");
  write("c/clouds.yaml", "clouds: {x: {region_name: c}}");
  write("named", "clouds: {x: {region_name: named}}");
  write("j/clouds.json", R"({"clouds": {"x": {"region_name": "j"}}})");
  where_.dirs = {dir_ + "/a", dir_ + "/b", dir_ + "/c"};
  EXPECT_EQ(values(cloud())["region_name"], "b");
  where_.dirs = {dir_ + "/j"};
  EXPECT_EQ(values(cloud())["region_name"], "j");
  where_.clouds = dir_ + "/named";
  EXPECT_EQ(values(cloud())["region_name"], "named");
  where_.clouds = dir_ + "/missing";
  ASSERT_FALSE(cloud());
  EXPECT_EQ(cloud().error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(cloud().error().message(), HasSubstr("OS_CLIENT_"));
}

TEST_F(Clouds, MissingOnesAreToldWithWhereTheyWereLookedFor) {
  ASSERT_FALSE(cloud());
  EXPECT_EQ(cloud().error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(cloud().error().message(), HasSubstr(dir_));
  EXPECT_THAT(problem_of("clouds: {xx: {}}"),
              HasSubstr("clouds.yaml has no cloud \"x\"; did you mean \"xx\""));
  EXPECT_THAT(problem_of(""), HasSubstr("has no cloud"));
  EXPECT_THAT(problem_of("clouds:\n"), HasSubstr("has no cloud"));
  EXPECT_THAT(problem_of("other: 1\n"), HasSubstr("has no cloud"));
}

TEST_F(Clouds, AVendorsProfileIsRefused) {
  EXPECT_THAT(problem_of("clouds:\n  x:\n    profile: rackspace\n"),
              AllOf(StartsWith("clouds.yaml:3: clouds.x.profile: "),
                    HasSubstr("expected auth_url and the like")));
}

TEST_F(Clouds, MergeKeysAndAliasesAreFollowed) {
  EXPECT_THAT(
      values(cloud_of("base: &b\n  region_name: r\n  cert: /base\n"
                      "clouds:\n  x:\n    <<: *b\n    cert: /own\n")),
      UnorderedElementsAre(Pair("region_name", "r"), Pair("certfile", "/own")));
  EXPECT_THAT(
      values(cloud_of("a: &a {cert: /a}\nb: &b {cert: /b, key: /b}\n"
                      "clouds: {x: {<<: [*a, *b]}}\n")),
      UnorderedElementsAre(Pair("certfile", "/a"), Pair("keyfile", "/b")));
}

TEST_F(Clouds, AnUnknownKeyOfALoginIsAWarning) {
  const auto read =
      cloud_of("clouds:\n  x:\n    auth: {usrname: u, zzzzzz: 1}");
  ASSERT_TRUE(read);
  EXPECT_THAT(read->values, IsEmpty());
  EXPECT_THAT(read->warnings,
              ElementsAre(AllOf(HasSubstr(":3: clouds.x.auth.usrname: "),
                                EndsWith("did you mean username?")),
                          EndsWith("unknown, and ignored")));
}

TEST_F(Clouds, APasswordThatEverybodyCanReadIsAWarning) {
  write("clouds.yaml", "clouds: {x: {auth: {password: hunter2}}}", 0644);
  EXPECT_THAT(cloud()->warnings,
              ElementsAre(AllOf(HasSubstr("expected mode 0640 or less"),
                                Not(HasSubstr("hunter2")))));
  write("clouds.yaml", "clouds: {x: {auth: {username: u}}}", 0644);
  write("secure.yaml", "clouds: {x: {auth: {password: hunter2}}}", 0640);
  EXPECT_THAT(cloud()->warnings, IsEmpty());
}

TEST_F(Clouds, WrongTypesAreRefusedWithFileLineAndKey) {
  struct Row {
    std::string_view text;
    std::string_view start;
  };
  for (const Row& row : std::initializer_list<Row>{
           {"- a\n", "clouds.yaml:1: the file: a list; expected a map"},
           {"hunter2\n", "clouds.yaml:1: the file: a single value"},
           {"clouds: []\n", "clouds.yaml:1: clouds: a list"},
           {"clouds:\n  x: hunter2\n", "clouds.yaml:2: clouds.x: a single"},
           {"clouds: {x: {auth: hunter2}}\n", "clouds.yaml:1: clouds.x.auth: "},
           {"clouds:\n  x:\n    auth:\n      password: [hunter2]\n",
            "clouds.yaml:4: clouds.x.auth.password: a list; expected a single"},
           {"clouds:\n  x:\n    cacert: {hunter2: 1}\n",
            "clouds.yaml:3: clouds.x.cacert: a map"},
           {"clouds:\n  x:\n    ? [hunter2]\n    : 1\n", "clouds.yaml:3: "},
           {"clouds:\n  x:\n    auth: {token: a, token: hunter2}\n",
            "clouds.yaml:3: clouds.x.auth.token: is there twice"},
           {"clouds: {x: {<<: hunter2}}\n", "clouds.yaml:1: clouds.x.<<: "},
           {"clouds:\n\tx: hunter2\n", "clouds.yaml:"},
           {"clouds: {x: {auth: {password: \"hunter2\n", "clouds.yaml:"},
           {"clouds: {x: *hunter}\n", "clouds.yaml:1: cannot be read as YAML"},
       }) {
    EXPECT_THAT(problem_of(row.text),
                AllOf(StartsWith(row.start), Not(HasSubstr("hunter2"))))
        << row.text;
  }
}

TEST_F(Clouds, NothingIsNotAValue) {
  EXPECT_THAT(values_of("{auth: , region_name: ~, regions: }"), IsEmpty());
}

TEST_F(Clouds, AHugeFileIsRefused) {
  EXPECT_THAT(problem_of("# " + std::string(2 << 20, 'x')),
              HasSubstr("clouds.yaml"));
}

TEST_F(Clouds, ADeepFileIsRefused) {
  EXPECT_THAT(problem_of(std::string(100'000, '[')), HasSubstr("clouds.yaml"));
  EXPECT_THAT(problem_of("clouds: {x: " + std::string(100'000, '{')),
              HasSubstr("clouds.yaml"));
  std::string blocks;
  for (int i = 0; i < 1000; ++i) blocks += std::string(i, ' ') + "a:\n";
  EXPECT_THAT(problem_of(blocks), HasSubstr("clouds.yaml"));
}

TEST_F(Clouds, AliasesThatMultiplyOrGoInCirclesAreRefused) {
  std::string bomb = "a0: &a0 {k0: v}\n";
  for (int i = 1; i < 40; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " {<<: [" +
            before;
    for (int copy = 0; copy < 9; ++copy) bomb += ", " + before;
    bomb += "]}\n";
  }
  EXPECT_THAT(problem_of(bomb + "clouds: {x: *a39}\n"),
              HasSubstr("merges into itself, or too deep"));
  EXPECT_THAT(problem_of("clouds: &c {x: &x {<<: *x}}\n"),
              HasSubstr("clouds.yaml:1: "));
}

TEST_F(Clouds, TooManyKeysAreRefused) {
  std::string many = "clouds:\n  x:\n";
  for (int i = 0; i < 5000; ++i) many += "    k" + std::to_string(i) + ": 1\n";
  EXPECT_THAT(problem_of(many), HasSubstr("too many keys"));
}

// The file grows by a line where the work grows forty times.
TEST_F(Clouds, WhatIsMergedAgainAndAgainHasAnEnd) {
  const auto nested = [](int levels) {
    std::string text = "l0: &l0 {region_name: r}\n";
    for (int level = 1; level <= levels; ++level) {
      std::string aliases;
      for (int i = 0; i < 40; ++i) aliases += fmt::format("*l{}, ", level - 1);
      text += fmt::format("l{0}: &l{0} {{<<: [{1}]}}\n", level, aliases);
    }
    return text + fmt::format("clouds: {{x: {{<<: *l{}}}}}\n", levels);
  };
  EXPECT_THAT(values(cloud_of(nested(2))),
              UnorderedElementsAre(Pair("region_name", "r")));
  EXPECT_THAT(problem_of(nested(3)), HasSubstr("merges it too often"));
}

// Whatever a file holds: values, or an error that names the file.
RC_GTEST_FIXTURE_PROP(Clouds, AnyTextIsReadOrRefused, ()) {
  static const std::vector<std::string> kPieces = {
      "clouds",    "x",
      "auth",      "password",
      ": ",        ":",
      "\n",        "\n  ",
      "\n    ",    "{",
      "}",         "[",
      "]",         ", ",
      "- ",        "&a ",
      "*a",        "<<",
      "'",         "\"",
      "? ",        "#",
      "|",         ">",
      "!!str ",    "!x ",
      "%YAML 1.2", "---",
      "...",       "~",
      "regions",   "profile",
      "verify",    std::string(1, '\0'),
      "\xff",      "\t"};
  std::string text = *rc::gen::element<std::string>(
      "", "clouds:\n  x:\n    ", "clouds: {x: {", "clouds: {x: {auth: {");
  const auto pieces = *rc::gen::container<std::vector<std::string>>(
      rc::gen::elementOf(kPieces));
  for (const std::string& piece : pieces) text += piece;
  const auto read = cloud_of(text);
  if (!read) {
    RC_ASSERT(read.error().message().find(dir_) != std::string::npos);
  }
}

}  // namespace
}  // namespace pxegate
