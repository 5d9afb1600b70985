// SPDX-License-Identifier: Apache-2.0
#include "controller/base/mac_address.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>

namespace pxegate {
namespace {

using namespace std::string_view_literals;

constexpr MacAddress kMac(MacAddress::Bytes{0x52, 0x54, 0x00, 0xab, 0xcd,
                                            0xef});
constexpr HardwareAddress::Guid kGuid{0x00, 0x02, 0xc9, 0x03,
                                      0x00, 0x1a, 0x2b, 0x3c};

TEST(MacAddress, IsReadInEitherCaseAndWithEitherSeparator) {
  for (const std::string_view text :
       {"52:54:00:ab:cd:ef", "52:54:00:AB:CD:EF", "52:54:00:aB:Cd:eF",
        "52-54-00-ab-cd-ef", "52-54-00-AB-CD-EF"}) {
    const auto mac = MacAddress::parse(text);
    ASSERT_TRUE(mac) << text;
    EXPECT_EQ(*mac, kMac) << text;
  }
}

TEST(MacAddress, IsWrittenAsIronicStoresIt) {
  EXPECT_EQ(kMac.to_string(), "52:54:00:ab:cd:ef");
  EXPECT_EQ(MacAddress().to_string(), "00:00:00:00:00:00");
}

const std::string_view kNoMac[] = {
    ""sv,
    ":"sv,
    "52"sv,
    "525400abcdef"sv,
    "5254.00ab.cdef"sv,
    "52:54:00:ab:cd"sv,
    "52:54:00:ab:cd:"sv,
    "52:54:00:ab:cd:e"sv,
    "52:54:00:ab:cd:ef:"sv,
    "52:54:00:ab:cd:ef:01"sv,
    "52:54:00:ab:cd:eff"sv,
    "52:54:0:ab:cd:eff"sv,
    ":52:54:00:ab:cd:e"sv,
    " 52:54:00:ab:cd:ef"sv,
    "52:54:00:ab:cd:ef "sv,
    "52:54:00:ab:cd:ef\n"sv,
    "52:54:00:ab:cd:ef\0"sv,
    "52:54:00:ab:cd: f"sv,
    "52:54:00:ab:cd:+f"sv,
    "52:54:00:ab:cd:-f"sv,
    "52:54:00:ab:cd:0x"sv,
    "52:54:00:ab:cd:eg"sv,
    "52:54:00:ab:cd:e@"sv,
    "52:54:00:ab:cd:e`"sv,
    "52:54:00:ab:cd:e/"sv,
    "52:54:00:ab:cd-ef"sv,
    "52-54:00:ab:cd:ef"sv,
    "52:54-00-ab-cd-ef"sv,
    "52.54.00.ab.cd.ef"sv,
    "52 54 00 ab cd ef"sv,
    "52:54::0:ab:cd:ef"sv,
    "::::::::::::::::::"sv,
    "\xff\xff:54:00:ab:cd:ef"sv,
};

TEST(MacAddress, AnythingElseIsInvalidAndQuoted) {
  for (const std::string_view text : kNoMac) {
    const auto mac = MacAddress::parse(text);
    ASSERT_FALSE(mac) << text;
    EXPECT_EQ(mac.error().code(), ErrorCode::kInvalid) << text;
    EXPECT_EQ(mac.error().message().find('"'), 0U) << text;
    EXPECT_NE(mac.error().message().find("is not a MAC address"),
              std::string::npos);
  }
}

TEST(MacAddress, AnErrorNeitherFloodsNorForgesALog) {
  const auto mac = MacAddress::parse(std::string(1 << 20, '\n'));
  ASSERT_FALSE(mac);
  EXPECT_LT(mac.error().message().size(), 1000U);
  EXPECT_EQ(mac.error().message().find('\n'), std::string::npos);
}

RC_GTEST_PROP(MacAddress, WhatIsWrittenReadsBack,
              (const MacAddress::Bytes& bytes)) {
  const MacAddress mac(bytes);
  std::string text = mac.to_string();
  RC_ASSERT(MacAddress::parse(text).value() == mac);
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return std::toupper(c); });
  std::ranges::replace(text, ':', '-');
  RC_ASSERT(MacAddress::parse(text).value() == mac);
}

RC_GTEST_PROP(MacAddress, AnyOneWrongCharacterIsRefused,
              (const MacAddress::Bytes& bytes)) {
  std::string text = MacAddress(bytes).to_string();
  const auto at = *rc::gen::inRange<std::size_t>(0, text.size());
  const char wrong = *rc::gen::suchThat<char>([&](char c) {
    return at % 3 == 2 ? c != ':'
                       : std::isxdigit(static_cast<unsigned char>(c)) == 0;
  });
  text[at] = wrong;
  RC_ASSERT(!MacAddress::parse(text));
}

RC_GTEST_PROP(MacAddress, OrderIsThatOfTheText,
              (const MacAddress::Bytes& a, const MacAddress::Bytes& b)) {
  RC_ASSERT((MacAddress(a) < MacAddress(b)) ==
            (MacAddress(a).to_string() < MacAddress(b).to_string()));
}

TEST(HardwareAddress, SixPairsAreAMacAddress) {
  const auto address = HardwareAddress::parse("52-54-00-AB-CD-EF");
  ASSERT_TRUE(address);
  EXPECT_EQ(*address, HardwareAddress(kMac));
  EXPECT_EQ(address->type(), HardwareAddress::Type::kEthernet);
  EXPECT_EQ(address->size(), 6U);
  EXPECT_EQ(address->octets().size(), 6U);
  EXPECT_EQ(address->to_string(), "52:54:00:ab:cd:ef");
}

TEST(HardwareAddress, EightPairsAreAGuid) {
  const auto address = HardwareAddress::parse("00:02:c9:03:00:1a:2b:3c");
  ASSERT_TRUE(address);
  EXPECT_EQ(*address, HardwareAddress::infiniband(kGuid));
  EXPECT_EQ(address->type(), HardwareAddress::Type::kInfiniband);
  EXPECT_EQ(address->size(), 8U);
  EXPECT_EQ(address->to_string(), "00:02:c9:03:00:1a:2b:3c");
}

TEST(HardwareAddress, OtherLengthsAreRefused) {
  for (const std::string_view text :
       {"", "52", "00:02:c9:03:00:1a:2b", "00:02:c9:03:00:1a:2b:3",
        "00:02:c9:03:00:1a:2b:3c:", "00:02:c9:03:00:1a:2b:3c:4d",
        "00:02:c9:03:00:1a:2b-3c", "00:02:c9:03:00:1a:2b:3g"}) {
    const auto address = HardwareAddress::parse(text);
    ASSERT_FALSE(address) << text;
    EXPECT_EQ(address.error().code(), ErrorCode::kInvalid);
  }
}

TEST(HardwareAddress, AGuidIsNeverAMacAddressWithTheSameBytes) {
  HardwareAddress::Guid padded{};
  std::ranges::copy(kMac.bytes(), padded.begin());
  EXPECT_NE(HardwareAddress::infiniband(padded), HardwareAddress(kMac));
}

RC_GTEST_PROP(HardwareAddress, AGuidThatIsWrittenReadsBack,
              (const HardwareAddress::Guid& guid)) {
  const auto address = HardwareAddress::infiniband(guid);
  RC_ASSERT(HardwareAddress::parse(address.to_string()).value() == address);
}

RC_GTEST_PROP(HardwareAddress, AMacAddressThatIsWrittenReadsBack,
              (const MacAddress::Bytes& bytes)) {
  const HardwareAddress address{MacAddress(bytes)};
  RC_ASSERT(HardwareAddress::parse(address.to_string()).value() == address);
}

}  // namespace
}  // namespace pxegate
