// SPDX-License-Identifier: Apache-2.0
#include "controller/driver/driver_module.h"

// A function of a library that the plugin was not linked with.
namespace vendor {
pxegate::Result<std::unique_ptr<pxegate::FilterDriver>> missing(
    const pxegate::DriverContext& context);
}  // namespace vendor

PXEGATE_DRIVER_PLUGIN("undefined_symbol", "lacks a library", vendor::missing)
