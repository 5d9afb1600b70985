// SPDX-License-Identifier: Apache-2.0
#include "controller/core/identifier.h"

#include <gtest/gtest.h>

#include <string>
#include <unordered_set>

#include "tests/unit/controller/core/generators.h"

namespace pxegate {
namespace {

constexpr std::string_view kUuid = "0123abcd-4567-89ef-0123-456789abcdef";

TEST(Identifier, AUuidIsKeptInSixteenBytes) {
  const Identifier id(kUuid);
  EXPECT_TRUE(id.is_uuid());
  EXPECT_EQ(id.bits().front(), 0x01);
  EXPECT_EQ(id.bits().back(), 0xef);
  EXPECT_EQ(id.to_string(), kUuid);
  EXPECT_EQ(Identifier::uuid(id.bits()), id);
}

// What differs in its text is another name, whatever UUID it means.
TEST(Identifier, WhatIsNoUuidInItsUsualFormIsKeptVerbatim) {
  for (const std::string_view text : {
           "",
           "n1",
           "0123ABCD-4567-89ef-0123-456789abcdef",
           "0123abcd456789ef0123456789abcdef",
           "0123abcd-4567-89ef-0123-456789abcde",
           "0123abcd-4567-89ef-0123-456789abcdef0",
           "0123abcd-4567-89ef-0123-456789abcdeg",
           "0123abcd-4567-89ef-01234-56789abcdef",
           "0123abcd04567-89ef-0123-456789abcdef",
       }) {
    const Identifier id(text);
    EXPECT_FALSE(id.is_uuid()) << text;
    EXPECT_EQ(id.to_string(), text);
    EXPECT_NE(id, Identifier(kUuid));
  }
}

rc::Gen<std::string> gen_text() {
  return rc::gen::oneOf(testing::gen_node_uuid(),
                        rc::gen::map(rc::gen::inRange(0, 16),
                                     [](int n) {
                                       std::string text(kUuid);
                                       text[static_cast<std::size_t>(n) % 8] =
                                           "0f"[n / 8];
                                       return text;
                                     }),
                        rc::gen::container<std::string>(
                            rc::gen::element('a', '0', '-', 'A', '\0')));
}

RC_GTEST_PROP(IdentifierProperty, TwoAreEqualWhereTheirTextsAre, ()) {
  const std::string a = *gen_text();
  const std::string b = *gen_text();
  const Identifier x(a);
  const Identifier y(b);
  RC_ASSERT(x.to_string() == a);
  RC_ASSERT((x == y) == (a == b));
  RC_ASSERT((x <=> y == 0) == (a == b));
  RC_ASSERT((x < y) == (y > x));
  if (x.is_uuid() == y.is_uuid()) RC_ASSERT((x < y) == (a < b));
  if (a == b) RC_ASSERT(Identifier::Hash()(x) == Identifier::Hash()(y));
}

}  // namespace
}  // namespace pxegate
