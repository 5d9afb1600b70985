// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_DRIVER_PLUGIN_LOADER_H_
#define PXEGATE_CONTROLLER_DRIVER_PLUGIN_LOADER_H_

#include <memory>
#include <string>

#include "controller/base/result.h"
#include "controller/driver/driver_module.h"
#include "controller/driver/filter_driver.h"

namespace pxegate {

// The driver `context.name` out of `directory`: checked as check_plugin() does
// before any of it runs, then mapped for good (a plugin is never unloaded:
// threads and objects of its own may still use it), made by its factory, and
// guarded as GuardedDriver does. A file that was replaced since this process
// first loaded it is refused: the old code is still in memory, and only a
// restart brings the new. Errors name the file and what to do.
Result<std::unique_ptr<FilterDriver>> load_plugin(const std::string& directory,
                                                  const DriverContext& context);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_DRIVER_PLUGIN_LOADER_H_
