// SPDX-License-Identifier: Apache-2.0
#include "controller/app/login_environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace pxegate {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

LoginEnvironment from(std::vector<const char*> variables) {
  variables.push_back(nullptr);
  return login_environment(variables.data());
}

TEST(LoginEnvironment, KeepsWhatIsOpenStacks) {
  const auto found = from({"PATH=/bin", "OS_PASSWORD=a=b", "OS_TOKEN=", "OSX=1",
                           "OS_USERNAME", "HOSTNAME=h"});
  ASSERT_EQ(found.variables.size(), 1u);
  EXPECT_EQ(found.variables.at("OS_PASSWORD"), Secret("a=b"));
}

// ./clouds.yaml and a home's are for whoever works there, not for a service
// that root runs.
TEST(LoginEnvironment, AServiceLooksInEtcAlone) {
  const auto found = from({"HOME=/home/me"});
  EXPECT_THAT(found.clouds.dirs, ElementsAre("/etc/openstack"));
  EXPECT_EQ(found.clouds.clouds, "");
  EXPECT_THAT(found.user_clouds.dirs,
              ElementsAre(".", "/home/me/.config/openstack", "/etc/openstack"));
}

TEST(LoginEnvironment, TheFilesCanBeNamed) {
  const auto found =
      from({"HOME=/home/me", "XDG_CONFIG_HOME=/x", "OS_CLIENT_CONFIG_FILE=/c",
            "OS_CLIENT_SECURE_FILE=/s"});
  EXPECT_EQ(found.clouds.clouds, "/c");
  EXPECT_EQ(found.clouds.secure, "/s");
  EXPECT_EQ(found.user_clouds.clouds, "/c");
  EXPECT_THAT(found.user_clouds.dirs,
              ElementsAre(".", "/x/openstack", "/etc/openstack"));
}

TEST(LoginEnvironment, NoneIsNone) {
  EXPECT_THAT(login_environment(nullptr).variables, IsEmpty());
  EXPECT_THAT(from({}).user_clouds.dirs, ElementsAre(".", "/etc/openstack"));
}

}  // namespace
}  // namespace pxegate
