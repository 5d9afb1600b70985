// SPDX-License-Identifier: Apache-2.0
#include "controller/ironic/uuid.h"

#include <gtest/gtest.h>

#include <string>

namespace pxegate {
namespace {

TEST(Uuid, TheFormsThatIronicHandsOutAreTheSameValue) {
  const auto canonical = parse_uuid("619f7780-2399-4db6-958f-c86d37f29620");
  ASSERT_TRUE(canonical);
  EXPECT_EQ(canonical, parse_uuid("619F7780-2399-4DB6-958F-C86D37F29620"));
  EXPECT_EQ(canonical, parse_uuid("619f778023994db6958fc86d37f29620"));
  EXPECT_EQ((*canonical)[0], 0x619f778023994db6u);
  EXPECT_EQ((*canonical)[1], 0x958fc86d37f29620u);
}

TEST(Uuid, NothingElsePasses) {
  for (const std::string& text :
       {std::string(), std::string("node-1"), std::string(36, '-'),
        std::string("619f7780-2399-4db6-958f-c86d37f2962"),
        std::string("619f7780-2399-4db6-958f-c86d37f296200"),
        std::string("619f7780-2399-4db6-958f-c86d37f2962g"),
        std::string("619f7780-2399-4db6-958f-c86d37f2962&"),
        std::string("619f7780-2399-4db6-958f-c86d37f2962\0", 36),
        std::string(1000, 'a')}) {
    EXPECT_FALSE(parse_uuid(text)) << text;
  }
}

}  // namespace
}  // namespace pxegate
