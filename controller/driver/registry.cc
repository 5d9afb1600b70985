// SPDX-License-Identifier: Apache-2.0
#include "controller/driver/registry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "controller/base/text.h"

namespace pxegate {

Result<DriverRegistry> DriverRegistry::make(std::vector<DriverEntry> entries,
                                            std::vector<BrokenDriver> broken,
                                            std::string remark) {
  DriverRegistry registry;
  registry.broken_ = std::move(broken);
  registry.remark_ = std::move(remark);
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

Result<> DriverRegistry::check(std::string_view name) const {
  if (std::ranges::find(entries_, name, &DriverEntry::name) != entries_.end()) {
    return {};
  }
  const std::string what =
      fmt::format("[pxe_filter] driver = {}", quoted(name));
  const auto bad = std::ranges::find(broken_, name, &BrokenDriver::name);
  if (bad != broken_.end()) {
    return fail(fmt::format("{}: {}", what, bad->problem), ErrorCode::kInvalid);
  }
  std::vector<std::string_view> names;
  for (const DriverEntry& each : entries_) names.push_back(each.name);
  return fail(
      fmt::format("{}: no such filter driver; set it to one of: {}{}{}", what,
                  fmt::join(names, ", "), remark_.empty() ? "" : "; ", remark_),
      ErrorCode::kInvalid);
}

Result<std::unique_ptr<FilterDriver>> DriverRegistry::create(
    std::string_view name) const {
  if (auto known = check(name); !known) return fail(known.error());
  return std::ranges::find(entries_, name, &DriverEntry::name)->make();
}

}  // namespace pxegate
