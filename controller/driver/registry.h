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

// A plugin that was found and cannot be used.
struct BrokenDriver {
  std::string name;
  std::string origin;   // the plugin's path
  std::string problem;  // why, and what to do; names the file
};

// The drivers there are. Immutable once made; thread-safe.
class DriverRegistry {
 public:
  // `entries` have distinct names; a later one of the same name is refused.
  // `broken` may have the name of an entry, which it does not affect. `remark`
  // is a clause about where else drivers could be, for whoever asks for an
  // unknown one.
  static Result<DriverRegistry> make(std::vector<DriverEntry> entries,
                                     std::vector<BrokenDriver> broken = {},
                                     std::string remark = {});

  const std::vector<DriverEntry>& entries() const { return entries_; }
  const std::vector<BrokenDriver>& broken() const { return broken_; }

  // Whether `name` is an entry's; the error is that of create(), which is not
  // tried.
  Result<> check(std::string_view name) const;

  // kInvalid for an unknown name; the message names the drivers there are. For
  // a broken driver it is that driver's problem.
  Result<std::unique_ptr<FilterDriver>> create(std::string_view name) const;

 private:
  std::vector<DriverEntry> entries_;
  std::vector<BrokenDriver> broken_;
  std::string remark_;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_DRIVER_REGISTRY_H_
