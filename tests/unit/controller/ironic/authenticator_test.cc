// SPDX-License-Identifier: Apache-2.0
#include "controller/ironic/authenticator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pxegate {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::string header_for(std::string user, std::string_view password) {
  BasicAuthenticator basic(std::move(user), password);
  HttpRequest request;
  EXPECT_TRUE(basic.authorize(request));
  return request.headers["authorization"];
}

TEST(NoAuthenticator, AddsNothingAndHasNothingToRenew) {
  NoAuthenticator none;
  HttpRequest request;
  ASSERT_TRUE(none.authorize(request));
  EXPECT_THAT(request.headers, IsEmpty());
  EXPECT_FALSE(none.renew().value());
}

TEST(BasicAuthenticator, EncodesUserAndPassword) {
  // The padding's three cases; the first is RFC 7617's own example.
  EXPECT_EQ(header_for("Aladdin", "open sesame"),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  EXPECT_EQ(header_for("a", "b"), "Basic YTpi");
  EXPECT_EQ(header_for("a", "bc"), "Basic YTpiYw==");
  EXPECT_EQ(header_for("a", "bcd"), "Basic YTpiY2Q=");
  EXPECT_EQ(header_for("\xff", "\xfe"), "Basic /zr+");
}

TEST(BasicAuthenticator, TellsTheUserButNeverThePassword) {
  const BasicAuthenticator basic("admin", "s3cret");
  EXPECT_THAT(basic.describe(), HasSubstr("\"admin\""));
  EXPECT_THAT(basic.describe(), Not(HasSubstr("s3cret")));
}

}  // namespace
}  // namespace pxegate
