// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_CONFIG_NEAREST_H_
#define PXEGATE_CONTROLLER_CONFIG_NEAREST_H_

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

namespace pxegate {

// How many single-character slips (one inserted, left out, replaced, or two
// neighbours swapped) turn `a` into `b`.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The first of the closest among `candidates` that is at most `limit` slips
// away from `text`.
std::optional<std::string_view> nearest(
    std::string_view text, std::span<const std::string_view> candidates,
    std::size_t limit);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_CONFIG_NEAREST_H_
