// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_NFTABLES_EXAMINE_H_
#define PXEGATE_DRIVERS_NFTABLES_EXAMINE_H_

#include <vector>

#include "controller/driver/finding.h"
#include "drivers/nftables/nftables_driver.h"

namespace pxegate {

// FilterDriver::examine() of this driver: whether the kernel would take the
// table (it is asked to check one, and to forget it), and the interfaces.
std::vector<Finding> examine_nftables(const NftablesOptions& options);

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_NFTABLES_EXAMINE_H_
