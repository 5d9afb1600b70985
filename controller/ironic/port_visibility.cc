// SPDX-License-Identifier: Apache-2.0
#include "controller/ironic/port_visibility.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

namespace pxegate {
namespace {

bool holds(const nlohmann::json& item, const char* field,
           std::string_view text) {
  const auto found = item.find(field);
  return found != item.end() && found->is_string() &&
         found->get_ref<const std::string&>() == text;
}

std::optional<UuidBits> uuid_in(const nlohmann::json& item) {
  const auto found = item.find("uuid");
  if (found == item.end() || !found->is_string()) return std::nullopt;
  return parse_uuid(found->get_ref<const std::string&>());
}

}  // namespace

void PortVisibility::add_node(const nlohmann::json& node,
                              std::string_view project) {
  if (holds(node, "owner", project) || holds(node, "lessee", project)) return;
  if (const auto uuid = uuid_in(node)) listed_.push_back(*uuid);
}

void PortVisibility::end_nodes() {
  std::ranges::sort(listed_);
  // A page that was asked for twice.
  const auto repeated = std::ranges::unique(listed_);
  listed_.erase(repeated.begin(), repeated.end());
  listed_.shrink_to_fit();
  others_ = std::exchange(listed_, {});
}

void PortVisibility::add_port(std::string_view node_uuid) {
  if (shown_ || others_.empty()) return;
  const auto uuid = parse_uuid(node_uuid);
  shown_ = uuid && std::ranges::binary_search(others_, *uuid);
}

}  // namespace pxegate
