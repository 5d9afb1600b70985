// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_BASE_TEXT_H_
#define PXEGATE_CONTROLLER_BASE_TEXT_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace pxegate {

// `text` in double quotes, made safe for logs and terminals: bytes outside
// printable ASCII become \xNN, and what is longer than `limit` bytes ends in
// "…". For anything that came from outside.
std::string quoted(std::string_view text, std::size_t limit = 80);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_BASE_TEXT_H_
