// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_NOOP_NOOP_DRIVER_H_
#define PXEGATE_DRIVERS_NOOP_NOOP_DRIVER_H_

#include <memory>

#include "controller/driver/filter_driver.h"

namespace pxegate {

// The driver that filters nothing, for a network on which only machines under
// inspection are. It needs no privilege, touches nothing and has nothing to
// keep in step, so it opts out of the periodic sync.
std::unique_ptr<FilterDriver> make_noop_driver();

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_NOOP_NOOP_DRIVER_H_
