// SPDX-License-Identifier: Apache-2.0
#include "controller/base/ip_network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <string_view>
#include <utility>

namespace pxegate {
namespace {

using namespace std::string_view_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

using Octets = std::array<std::uint8_t, 16>;

constexpr Octets mapped(std::uint8_t a, std::uint8_t b, std::uint8_t c,
                        std::uint8_t d) {
  return {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d};
}

TEST(IpNetwork, OfIpv4StandsBelowTheMappedPrefix) {
  const auto network = IpNetwork::parse("10.1.0.0/16");
  ASSERT_TRUE(network) << network.error().message();
  EXPECT_EQ(network->address, mapped(10, 1, 0, 0));
  EXPECT_EQ(network->prefix_length, 96u + 16u);
}

TEST(IpNetwork, OfIpv6StandsAsItIs) {
  const auto network = IpNetwork::parse("fd00:1::/64");
  ASSERT_TRUE(network) << network.error().message();
  EXPECT_EQ(network->address, (Octets{0xfd, 0, 0, 1}));
  EXPECT_EQ(network->prefix_length, 64u);
}

TEST(IpNetwork, WithoutLengthIsOneAddress) {
  EXPECT_EQ(*IpNetwork::parse("10.1.0.7"), *IpNetwork::parse("10.1.0.7/32"));
  EXPECT_EQ(*IpNetwork::parse("fe80::1"), *IpNetwork::parse("fe80::1/128"));
  EXPECT_EQ(IpNetwork::parse("10.1.0.7")->prefix_length, 128u);
}

TEST(IpNetwork, IsWrittenAsItIsRead) {
  for (const std::string text :
       {"0.0.0.0/0", "10.0.0.0/8", "10.128.0.0/9", "192.0.2.1/32", "::/0",
        "2000::/3", "fd00:1::/64", "fe80::1/128", "::1/128"}) {
    const auto network = IpNetwork::parse(text);
    ASSERT_TRUE(network) << network.error().message();
    EXPECT_EQ(network->to_string(), text);
  }
}

TEST(IpNetwork, RefusesWhatIsNone) {
  for (const std::string_view text :
       {""sv, "x"sv, "10.1.0.0/"sv, "10.1.0.0/33"sv, "10.1.0.0/-1"sv,
        "10.1.0.0/8x"sv, "10.1.0.0/ 8"sv, "10.1.0.0 /16"sv, "10.1/16"sv,
        "010.1.0.0/16"sv, "/16"sv, "fd00::/129"sv, "fd00::%eth0"sv,
        "fd00::/64/64"sv, "10.1.0.0\0/16"sv}) {
    const auto network = IpNetwork::parse(text);
    ASSERT_FALSE(network) << text;
    EXPECT_EQ(network.error().code(), ErrorCode::kInvalid) << text;
  }
  EXPECT_THAT(IpNetwork::parse("rack1").error().message(),
              AllOf(HasSubstr("\"rack1\""), HasSubstr("10.1.0.0/16")));
  EXPECT_THAT(IpNetwork::parse("10.0.0.0/33").error().message(),
              HasSubstr("from 0 to 32"));
  EXPECT_THAT(IpNetwork::parse("fd00::/129").error().message(),
              HasSubstr("from 0 to 128"));
}

TEST(IpNetwork, NamesTheNetworkWhereBitsBehindThePrefixAreSet) {
  for (const auto& [text, meant] : {std::pair{"10.1.0.1/16", "is 10.1.0.0/16"},
                                    std::pair{"10.129.0.0/8", "is 10.0.0.0/8"},
                                    std::pair{"fd00:1::1/64", "is fd00:1::/64"},
                                    std::pair{"ff::/7", "is ::/7"}}) {
    const auto network = IpNetwork::parse(text);
    ASSERT_FALSE(network) << text;
    EXPECT_THAT(network.error().message(), HasSubstr(meant));
  }
}

TEST(IpNetwork, OfIpv4IsWrittenAsSuch) {
  EXPECT_THAT(IpNetwork::parse("::ffff:10.1.0.0/112").error().message(),
              HasSubstr("10.1.0.0"));
}

RC_GTEST_PROP(IpNetwork, SurvivesTheRoundTrip, ()) {
  const auto bits = *rc::gen::inRange<unsigned>(0, 129);
  IpNetwork network;
  network.prefix_length = bits;
  for (unsigned i = 0; i < bits; ++i) {
    if (*rc::gen::arbitrary<bool>()) {
      network.address[i / 8] |= static_cast<std::uint8_t>(0x80 >> i % 8);
    }
  }
  const auto back = IpNetwork::parse(network.to_string());
  RC_ASSERT(back.has_value());
  RC_ASSERT(*back == network);
}

TEST(IpToString, WritesMappedAddressesAsIpv4) {
  EXPECT_EQ(ip_to_string(mapped(10, 1, 0, 1)), "10.1.0.1");
  EXPECT_EQ(
      ip_to_string({0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}),
      "fe80::1");
  EXPECT_EQ(ip_to_string({}), "::");
}

}  // namespace
}  // namespace pxegate
