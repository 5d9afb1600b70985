// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_DRIVERS_H_
#define PXEGATE_CONTROLLER_APP_DRIVERS_H_

#include "controller/base/result.h"
#include "controller/config/config.h"
#include "controller/driver/registry.h"

namespace pxegate {

// Every driver that [pxe_filter] driver can name: the built-in ones, and the
// plugins found in plugin_dir. Runs no code of a plugin; that takes create(). A
// plugin that cannot be used, or has the name of a built-in driver or of a
// section of the configuration, is among broken() and harms no other.
Result<DriverRegistry> available_drivers(const Config& config);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_DRIVERS_H_
