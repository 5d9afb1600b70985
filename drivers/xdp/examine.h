// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_XDP_EXAMINE_H_
#define PXEGATE_DRIVERS_XDP_EXAMINE_H_

#include <vector>

#include "controller/driver/finding.h"
#include "drivers/xdp/xdp_driver.h"

namespace pxegate {

// FilterDriver::examine() of this driver: the kernel, where the filter is
// pinned, and the interfaces. Loads the program, beside whatever is in force,
// and drops it again: what the verifier or a missing privilege would refuse
// shows here.
std::vector<Finding> examine_xdp(const XdpOptions& options);

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_XDP_EXAMINE_H_
