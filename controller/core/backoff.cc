// SPDX-License-Identifier: Apache-2.0
#include "controller/core/backoff.h"

#include <algorithm>
#include <limits>

namespace pxegate {

std::chrono::milliseconds Backoff::next(
    std::uint64_t random_bits,
    std::optional<std::chrono::milliseconds> at_least) {
  auto ceiling = options_.first;
  for (unsigned i = 0; i < failures_ && ceiling < options_.max; ++i) {
    ceiling = ceiling < options_.max / 2 ? ceiling * 2 : options_.max;
  }
  ceiling = std::min(ceiling, options_.max);
  if (failures_ < std::numeric_limits<unsigned>::max()) ++failures_;
  const auto half = ceiling / 2;
  const auto spread = static_cast<std::uint64_t>((ceiling - half).count()) + 1;
  auto delay = half + std::chrono::milliseconds(random_bits % spread);
  if (at_least) {
    delay =
        std::max(delay, std::min(*at_least, options_.max * options_.patience));
  }
  return delay;
}

}  // namespace pxegate
