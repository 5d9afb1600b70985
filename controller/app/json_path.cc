// SPDX-License-Identifier: Apache-2.0
#include "controller/app/json_path.h"

namespace pxegate::json_path {
namespace {

const Json& nothing() {
  static const Json kNull = nullptr;
  return kNull;
}

}  // namespace

const Json& at(const Json& json, Path path) {
  const Json* here = &json;
  for (const std::string_view name : path) {
    if (!here->is_object()) return nothing();
    const auto found = here->find(std::string(name));
    if (found == here->end()) return nothing();
    here = &*found;
  }
  return *here;
}

std::string text(const Json& json, Path path) {
  const Json& found = at(json, path);
  return found.is_string() ? found.get<std::string>() : std::string();
}

bool flag(const Json& json, Path path) {
  const Json& found = at(json, path);
  return found.is_boolean() && found.get<bool>();
}

std::uint64_t count(const Json& json, Path path) {
  const Json& found = at(json, path);
  return found.is_number_integer() ? found.get<std::uint64_t>() : 0;
}

std::optional<double> number(const Json& json, Path path) {
  const Json& found = at(json, path);
  if (!found.is_number()) return std::nullopt;
  return found.get<double>();
}

const Json& list(const Json& json, Path path) {
  static const Json kEmpty = Json::array();
  const Json& found = at(json, path);
  return found.is_array() ? found : kEmpty;
}

}  // namespace pxegate::json_path
