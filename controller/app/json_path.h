// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_JSON_PATH_H_
#define PXEGATE_CONTROLLER_APP_JSON_PATH_H_

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "controller/app/json.h"

// Reads documents that may come from a controller of another version: what is
// missing or of another type is null, empty, zero or false.
namespace pxegate::json_path {

using Path = std::initializer_list<std::string_view>;

const Json& at(const Json& json, Path path);
std::string text(const Json& json, Path path);
bool flag(const Json& json, Path path);
std::uint64_t count(const Json& json, Path path);
std::optional<double> number(const Json& json, Path path);
const Json& list(const Json& json, Path path);

}  // namespace pxegate::json_path

#endif  // PXEGATE_CONTROLLER_APP_JSON_PATH_H_
