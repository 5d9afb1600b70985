// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_BUILTIN_DRIVERS_H_
#define PXEGATE_CONTROLLER_APP_BUILTIN_DRIVERS_H_

#include <vector>

#include "controller/config/config.h"
#include "controller/driver/registry.h"

namespace pxegate {

// The drivers that this program brings along, each of which takes its options
// from `config`, by value.
std::vector<DriverEntry> builtin_drivers(const Config& config);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_BUILTIN_DRIVERS_H_
