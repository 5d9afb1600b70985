// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_DNSMASQ_EXAMINE_H_
#define PXEGATE_DRIVERS_DNSMASQ_EXAMINE_H_

#include <optional>
#include <string>
#include <vector>

#include "controller/driver/finding.h"
#include "drivers/dnsmasq/dnsmasq_driver.h"

namespace pxegate {

// FilterDriver::examine() of this driver: whether dnsmasq can hear of changes
// in the directory, and which dnsmasq does.
std::vector<Finding> examine_dnsmasq(const DnsmasqOptions& options);

// The name of a file system (statfs(2), f_type) on which inotify(7) does not
// tell of what another host or layer changes; nullopt for others.
std::optional<std::string> silent_file_system(long type);

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_DNSMASQ_EXAMINE_H_
