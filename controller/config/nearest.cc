// SPDX-License-Identifier: Apache-2.0
#include "controller/config/nearest.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

namespace pxegate {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  // Three rows of the usual table are enough; the oldest is for swaps.
  std::vector<std::size_t> oldest(b.size() + 1);
  std::vector<std::size_t> above(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::swap(oldest, above);
    std::swap(above, row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced =
          above[j - 1] + (a[i - 1] != b[j - 1] ? 1 : 0);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, replaced});
      const bool swapped =
          i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], oldest[j - 2] + 1);
    }
  }
  return row[b.size()];
}

std::optional<std::string_view> nearest(
    std::string_view text, std::span<const std::string_view> candidates,
    std::size_t limit) {
  std::optional<std::string_view> best;
  std::size_t bound = limit + 1;
  for (const std::string_view candidate : candidates) {
    // Lengths further apart than the bound cannot be closer than it; this
    // also keeps hostile texts cheap.
    const std::size_t apart = text.size() > candidate.size()
                                  ? text.size() - candidate.size()
                                  : candidate.size() - text.size();
    if (apart >= bound) continue;
    const std::size_t distance = edit_distance(text, candidate);
    if (distance < bound) {
      bound = distance;
      best = candidate;
    }
  }
  return best;
}

}  // namespace pxegate
