// SPDX-License-Identifier: Apache-2.0
#include "controller/ironic/listing.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pxegate {
namespace {

using testing::HasSubstr;

std::string uuid(int number) {
  return fmt::format("00000000-0000-4000-8000-{:012x}", number);
}

TEST(Listing, PagesThatFollowEachOtherAreFine) {
  Listing listing(100);
  std::string marker;
  for (int page = 0; page < 3; ++page) {
    listing.begin_page(marker);
    for (int i = 0; i < 5; ++i) {
      ASSERT_TRUE(listing.add(uuid(page * 5 + i)));
    }
    listing.end_page(false);
    marker = uuid(page * 5 + 4);
  }
  listing.begin_page(marker);
  listing.end_page(true);
}

TEST(Listing, AnItemOfAnEarlierPageIsAnError) {
  Listing listing(100);
  listing.begin_page("");
  ASSERT_TRUE(listing.add(uuid(1)));
  ASSERT_TRUE(listing.add(uuid(2)));
  listing.end_page(false);
  listing.begin_page(uuid(2));
  const auto again = listing.add(uuid(1));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(again.error().message(), HasSubstr(uuid(1)));
}

TEST(Listing, AnItemTwiceOnOnePageIsAnError) {
  Listing listing(100);
  listing.begin_page("");
  ASSERT_TRUE(listing.add(uuid(1)));
  EXPECT_FALSE(listing.add(uuid(1)));
}

TEST(Listing, TheMarkerItselfOnItsPageIsAnError) {
  Listing listing(100);
  listing.begin_page(uuid(7));
  EXPECT_FALSE(listing.add(uuid(7)));
}

TEST(Listing, APageThatFailedMayBeAskedForAgain) {
  Listing listing(100);
  listing.begin_page("");
  ASSERT_TRUE(listing.add(uuid(1)));
  listing.end_page(false);
  listing.begin_page(uuid(1));
  ASSERT_TRUE(listing.add(uuid(2)));
  // No end_page(): the request broke off.
  listing.begin_page(uuid(1));
  EXPECT_TRUE(listing.add(uuid(2)));
}

TEST(Listing, StartingOverForgetsWhatWas) {
  Listing listing(100);
  for (int round = 0; round < 3; ++round) {
    listing.begin_page("");
    ASSERT_TRUE(listing.add(uuid(1)));
    listing.end_page(round == 1);
  }
}

TEST(Listing, AskingForMoreAfterTheEndIsANewListing) {
  Listing listing(2);
  listing.begin_page("");
  ASSERT_TRUE(listing.add(uuid(1)));
  listing.end_page(true);
  for (int later = 2; later < 10; ++later) {
    listing.begin_page(uuid(later - 1));
    ASSERT_TRUE(listing.add(uuid(later)));
    listing.end_page(true);
  }
}

TEST(Listing, AListWithoutEndIsCutOff) {
  Listing listing(3);
  listing.begin_page("");
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(listing.add(uuid(i)));
  listing.end_page(false);
  listing.begin_page(uuid(2));
  const auto more = listing.add(uuid(4));
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code(), ErrorCode::kCapacity);
}

}  // namespace
}  // namespace pxegate
