// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_CONFIG_SUBSTITUTE_H_
#define PXEGATE_CONTROLLER_CONFIG_SUBSTITUTE_H_

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "controller/base/result.h"

namespace pxegate {

// Gives the text that stands for a reference: `name` is "option" or
// "group.option", as written.
using ReferenceLookup =
    std::function<Result<std::string>(std::string_view name)>;

inline constexpr std::size_t kMaxSubstituted = std::size_t{64} << 10;

// Replaces $name, ${name}, $group.name and ${group.name} in `text` as
// oslo.config does. "$$" and "\$" stand for '$'; a '$' that starts no
// reference is kept. A name is a letter or '_', then letters, digits, '_' and
// '.'; as in oslo.config an unbraced one takes a '.' that follows it along.
// What `lookup` returns is taken as it is. Fails with the error of `lookup`,
// or with kCapacity where the result exceeds kMaxSubstituted bytes.
Result<std::string> substitute(std::string_view text,
                               const ReferenceLookup& lookup);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_CONFIG_SUBSTITUTE_H_
