// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_DRIVER_REGISTRY_H_
#define PXEGATE_CONTROLLER_DRIVER_REGISTRY_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/result.h"
#include "controller/driver/filter_driver.h"

namespace pxegate {

// One driver that `[pxe_filter] driver` can name.
struct DriverEntry {
  std::string name;
  std::string summary;  // one line for `pxegate drivers`
  std::string origin;   // "built-in", or the plugin's path
  std::function<Result<std::unique_ptr<FilterDriver>>()> make;
};

// The drivers there are. Immutable once made; thread-safe.
class DriverRegistry {
 public:
  // `entries` have distinct names; a later one of the same name is refused.
  static Result<DriverRegistry> make(std::vector<DriverEntry> entries);

  const std::vector<DriverEntry>& entries() const { return entries_; }

  // kInvalid for an unknown name; the message names the drivers there are.
  Result<std::unique_ptr<FilterDriver>> create(std::string_view name) const;

 private:
  std::vector<DriverEntry> entries_;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_DRIVER_REGISTRY_H_
