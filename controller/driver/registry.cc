// SPDX-License-Identifier: Apache-2.0
#include "controller/driver/registry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "controller/base/text.h"

namespace pxegate {

Result<DriverRegistry> DriverRegistry::make(std::vector<DriverEntry> entries) {
  DriverRegistry registry;
  for (DriverEntry& entry : entries) {
    const auto same =
        std::ranges::find(registry.entries_, entry.name, &DriverEntry::name);
    if (same != registry.entries_.end()) {
      return fail(fmt::format("two filter drivers are called {}: {} and {}",
                              quoted(entry.name), same->origin, entry.origin),
                  ErrorCode::kConflict);
    }
    registry.entries_.push_back(std::move(entry));
  }
  return registry;
}

Result<std::unique_ptr<FilterDriver>> DriverRegistry::create(
    std::string_view name) const {
  const auto entry = std::ranges::find(entries_, name, &DriverEntry::name);
  if (entry != entries_.end()) return entry->make();
  std::vector<std::string_view> names;
  for (const DriverEntry& each : entries_) names.push_back(each.name);
  return fail(fmt::format("[pxe_filter] driver = {}: no such filter driver; "
                          "set it to one of: {}",
                          quoted(name), fmt::join(names, ", ")),
              ErrorCode::kInvalid);
}

}  // namespace pxegate
