// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_IRONIC_UUID_H_
#define PXEGATE_CONTROLLER_IRONIC_UUID_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace pxegate {

// The 128 bits of a UUID: a cheap key.
using UuidBits = std::array<std::uint64_t, 2>;

// Reads the forms that Ironic hands out: 32 hex digits of either case, with
// or without hyphens. nullopt for anything else. What passes is safe in URLs
// and in logs.
std::optional<UuidBits> parse_uuid(std::string_view text);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_IRONIC_UUID_H_
