// SPDX-License-Identifier: Apache-2.0
#include "controller/driver/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/controller/driver/fake_driver.h"

namespace pxegate {
namespace {

using testing::FakeDriver;
using testing::FakeDriverScript;
using ::testing::HasSubstr;

DriverEntry entry(std::string name, std::string origin,
                  FakeDriverScript& script) {
  return {std::move(name), "a driver", std::move(origin),
          [&script]() -> Result<std::unique_ptr<FilterDriver>> {
            return std::make_unique<FakeDriver>(script);
          }};
}

TEST(DriverRegistry, MakesTheDriverThatIsNamed) {
  FakeDriverScript a;
  FakeDriverScript b;
  const auto registry = DriverRegistry::make(
      {entry("alpha", "built-in", a), entry("beta", "built-in", b)});
  ASSERT_TRUE(registry);
  const auto driver = registry->create("beta");
  ASSERT_TRUE(driver);
  ASSERT_TRUE((*driver)->initialize());
  EXPECT_EQ(b.calls.size(), 1U);
  EXPECT_EQ(a.calls.size(), 0U);
}

TEST(DriverRegistry, KeepsTheOrderOfItsEntries) {
  FakeDriverScript script;
  const auto registry = DriverRegistry::make(
      {entry("beta", "built-in", script), entry("alpha", "built-in", script)});
  ASSERT_TRUE(registry);
  ASSERT_EQ(registry->entries().size(), 2U);
  EXPECT_EQ(registry->entries()[0].name, "beta");
  EXPECT_EQ(registry->entries()[1].name, "alpha");
}

TEST(DriverRegistry, RefusesTwoDriversOfOneNameAndSaysWhereBothAreFrom) {
  FakeDriverScript script;
  const auto registry = DriverRegistry::make(
      {entry("alpha", "built-in", script), entry("beta", "built-in", script),
       entry("alpha", "/lib/alpha.so", script)});
  ASSERT_FALSE(registry);
  EXPECT_EQ(registry.error().code(), ErrorCode::kConflict);
  for (const char* part : {"\"alpha\"", "built-in", "/lib/alpha.so"}) {
    EXPECT_THAT(registry.error().message(), HasSubstr(part));
  }
}

TEST(DriverRegistry, AnUnknownNameIsInvalidAndTheErrorNamesTheDriversThereAre) {
  FakeDriverScript script;
  const auto registry = DriverRegistry::make(
      {entry("alpha", "built-in", script), entry("beta", "built-in", script)});
  ASSERT_TRUE(registry);
  for (const char* name : {"gamma", "", "Alpha", "alpha ", "alph"}) {
    const auto driver = registry->create(name);
    ASSERT_FALSE(driver) << name;
    EXPECT_EQ(driver.error().code(), ErrorCode::kInvalid);
    EXPECT_THAT(driver.error().message(), HasSubstr("[pxe_filter] driver"));
    EXPECT_THAT(driver.error().message(), HasSubstr("alpha, beta"));
  }
}

TEST(DriverRegistry, ADriverThatCannotBeMadeIsItsOwnError) {
  const auto registry = DriverRegistry::make(
      {{"broken", "", "built-in",
        []() -> Result<std::unique_ptr<FilterDriver>> {
          return fail("no such chain", ErrorCode::kPermission);
        }}});
  ASSERT_TRUE(registry);
  const auto driver = registry->create("broken");
  ASSERT_FALSE(driver);
  EXPECT_EQ(driver.error().message(), "no such chain");
  EXPECT_EQ(driver.error().code(), ErrorCode::kPermission);
}

TEST(DriverRegistry, AnUnknownNameIsToldWhereElseDriversCouldBe) {
  const auto registry = DriverRegistry::make({}, {}, "look behind the sofa");
  ASSERT_TRUE(registry);
  const auto known = registry->check("alpha");
  ASSERT_FALSE(known);
  EXPECT_THAT(known.error().message(), HasSubstr("look behind the sofa"));
}

TEST(DriverRegistry, ABrokenDriverIsInvalidAndItsProblemIsTheError) {
  const auto registry =
      DriverRegistry::make({}, {{"alpha", "/p/alpha.so", "it is torn"}});
  ASSERT_TRUE(registry);
  EXPECT_EQ(registry->broken().size(), 1U);
  EXPECT_TRUE(registry->entries().empty());
  const auto driver = registry->create("alpha");
  ASSERT_FALSE(driver);
  EXPECT_EQ(driver.error().code(), ErrorCode::kInvalid);
  EXPECT_THAT(driver.error().message(), HasSubstr("it is torn"));
}

TEST(DriverRegistry, ABrokenDriverDoesNotStandInForOneOfItsName) {
  FakeDriverScript script;
  const auto registry = DriverRegistry::make(
      {entry("alpha", "built-in", script)}, {{"alpha", "/p/alpha.so", "torn"}});
  ASSERT_TRUE(registry);
  EXPECT_TRUE(registry->check("alpha"));
  EXPECT_TRUE(registry->create("alpha"));
}

TEST(DriverRegistry, CheckingANameMakesNoDriver) {
  const auto registry =
      DriverRegistry::make({{"alpha", "a driver", "built-in",
                             []() -> Result<std::unique_ptr<FilterDriver>> {
                               return fail("made");
                             }}});
  ASSERT_TRUE(registry);
  EXPECT_TRUE(registry->check("alpha"));
}

TEST(DriverRegistry, WithoutDriversEveryNameIsUnknown) {
  const auto registry = DriverRegistry::make({});
  ASSERT_TRUE(registry);
  EXPECT_FALSE(registry->create("noop"));
}

}  // namespace
}  // namespace pxegate
