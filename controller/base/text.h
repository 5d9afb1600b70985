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

// A byte below 0x20, or 0x7f, is in it.
bool has_control_characters(std::string_view text);

// ASCII's letters only, whatever the locale.
std::string lower_case(std::string_view text);

// As a part of a URL's path or query: what is neither unreserved (RFC 3986,
// section 2.3) nor in `also_plain` becomes %NN.
std::string percent_encoded(std::string_view text,
                            std::string_view also_plain = {});

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_BASE_TEXT_H_
