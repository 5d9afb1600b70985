// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_IPTABLES_EXAMINE_H_
#define PXEGATE_DRIVERS_IPTABLES_EXAMINE_H_

#include <vector>

#include "controller/driver/finding.h"
#include "drivers/iptables/iptables_driver.h"
#include "drivers/iptables/xtables.h"

namespace pxegate {

// FilterDriver::examine() of this driver: whether the programs are there and
// may read the table, which of two backends holds rules, and the interface.
std::vector<Finding> examine_iptables(const IptablesOptions& options,
                                      const Xtables& xtables);

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_IPTABLES_EXAMINE_H_
