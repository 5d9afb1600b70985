// SPDX-License-Identifier: Apache-2.0
#include "controller/config/nearest.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace pxegate {
namespace {

TEST(EditDistance, CountsSlips) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("mode", "mode"), 0u);
  EXPECT_EQ(edit_distance("", "mode"), 4u);
  EXPECT_EQ(edit_distance("mode", ""), 4u);
  EXPECT_EQ(edit_distance("mode", "modes"), 1u);
  EXPECT_EQ(edit_distance("mode", "mde"), 1u);
  EXPECT_EQ(edit_distance("mode", "made"), 1u);
  EXPECT_EQ(edit_distance("mode", "moed"), 1u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
}

TEST(Nearest, TakesTheClosestWithinTheLimit) {
  constexpr std::array<std::string_view, 3> kNames = {"driver", "debug",
                                                      "drive"};
  EXPECT_EQ(nearest("drivr", kNames, 2), "driver");
  EXPECT_EQ(nearest("drive", kNames, 2), "drive");
  EXPECT_EQ(nearest("socket", kNames, 2), std::nullopt);
  EXPECT_EQ(nearest(std::string(1 << 20, 'x'), kNames, 2), std::nullopt);
}

}  // namespace
}  // namespace pxegate
