// SPDX-License-Identifier: Apache-2.0
#include "controller/core/ethernet_neighbours.h"

#include <gmock/gmock.h>

#include <string>

#include "tests/unit/controller/core/generators.h"

namespace pxegate {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

const MacAddress kFirst({2, 0, 2, 0x97, 0, 1});
const MacAddress kSecond({2, 0, 0, 0x61, 0, 2});
constexpr auto kGuid =
    HardwareAddress::infiniband({0x7c, 0xfe, 0x90, 3, 0, 0x29, 0x26, 0x52});
constexpr auto kOther =
    HardwareAddress::infiniband({0x7c, 0xfe, 0x90, 3, 0, 0x29, 0x24, 0x4f});

TEST(EthernetNeighbours, AreReadFromTheFileOfTheKernelsDriver) {
  EXPECT_THAT(
      parse_ethernet_neighbours(
          "EMAC=02:00:02:97:00:01 IMAC=97:fe:80:00:00:00:00:00:00:7c:fe:90:03:"
          "00:29:26:52\n"
          "EMAC=02:00:00:61:00:02 IMAC=61:fe:80:00:00:00:00:00:00:7c:fe:90:03:"
          "00:29:24:4f\n"),
      ElementsAre(Pair(kSecond, kOther), Pair(kFirst, kGuid)));
}

TEST(EthernetNeighbours, APortMayHaveSeveralAndSeveralMayClaimOne) {
  const std::string guid = "7c:fe:90:03:00:29:26:52\n";
  const std::string other = "7c:fe:90:03:00:29:24:4f\n";
  EXPECT_EQ(parse_ethernet_neighbours("EMAC=02:00:02:97:00:01 IMAC=" + guid +
                                      "EMAC=02:00:00:61:00:02 IMAC=" + guid +
                                      "EMAC=02:00:02:97:00:01 IMAC=" + other)
                .size(),
            3U);
}

TEST(EthernetNeighbours, BlanksOrderAndCaseDoNotMatter) {
  for (const char* text :
       {"EMAC=02:00:02:97:00:01 IMAC=97:7C:FE:90:03:00:29:26:52",
        " \tIMAC=97:7c:fe:90:03:00:29:26:52  EMAC=02:00:02:97:00:01 \r\n",
        "\n\nEMAC=02:00:02:97:00:01 QPN=1 IMAC=7c:fe:90:03:00:29:26:52\n\n"}) {
    EXPECT_THAT(parse_ethernet_neighbours(text),
                ElementsAre(Pair(kFirst, kGuid)))
        << text;
  }
}

TEST(EthernetNeighbours, OtherLinesArePassedOver) {
  for (const char* text :
       {"", "\n", "EMAC=02:00:02:97:00:01", "IMAC=7c:fe:90:03:00:29:26:52",
        "EMAC= IMAC=", "EMAC=02:00:02:97:00 IMAC=7c:fe:90:03:00:29:26:52",
        "EMAC=02:00:02:97:00:01 IMAC=fe:90:03:00:29:26:52",
        "EMAC=02:00:02:97:00:01 IMAC=77c:fe:90:03:00:29:26:52",
        "EMAC=02:00:02:97:00:01 IMAC=x:7c:fe:90:03:00:29:26:52",
        "EMAC=02:00:02:97:00:01 IMAC=7c:fe:90:03:00:29:26:5g",
        "EMAC=02:00:02:97:00:01\nIMAC=7c:fe:90:03:00:29:26:52",
        "XEMAC=02:00:02:97:00:01 IMAC=7c:fe:90:03:00:29:26:52"}) {
    EXPECT_THAT(parse_ethernet_neighbours(text), IsEmpty()) << text;
  }
}

TEST(EthernetNeighbours, GroupAddressesBelongToNoClient) {
  const std::string imac = " IMAC=7c:fe:90:03:00:29:26:52\n";
  EXPECT_THAT(parse_ethernet_neighbours("EMAC=ff:ff:ff:ff:ff:ff" + imac +
                                        "EMAC=01:00:5e:00:00:01" + imac +
                                        "EMAC=00:00:00:00:00:00" + imac),
              IsEmpty());
}

RC_GTEST_PROP(EthernetNeighboursProperty, AnyBytesMayBeGiven, ()) {
  std::string text;
  for (const std::string& piece :
       *rc::gen::container<std::vector<std::string>>(rc::gen::oneOf(
           rc::gen::element<std::string>(
               "EMAC=", "IMAC=", " ", "\n", ":", "02:00:02:97:00:01",
               "7c:fe:90:03:00:29:26:52", std::string(1, '\0')),
           rc::gen::arbitrary<std::string>()))) {
    text += piece;
  }
  for (const auto& [address, guid] : parse_ethernet_neighbours(text)) {
    RC_ASSERT((address.bytes().front() & 1) == 0);
    RC_ASSERT(guid.type() == HardwareAddress::Type::kInfiniband);
  }
}

RC_GTEST_PROP(EthernetNeighboursProperty, WhatIsWrittenIsRead, ()) {
  const EthernetNeighbours written = *testing::gen_neighbours();
  std::string text;
  for (const auto& [address, guid] : written) {
    text += "EMAC=" + address.to_string() +
            " IMAC=97:fe:80:00:00:00:00:00:00:" + guid.to_string() + "\n";
  }
  RC_ASSERT(parse_ethernet_neighbours(text) == written);
}

}  // namespace
}  // namespace pxegate
