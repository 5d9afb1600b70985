// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_IPTABLES_IPTABLES_DRIVER_H_
#define PXEGATE_DRIVERS_IPTABLES_IPTABLES_DRIVER_H_

#include <memory>
#include <string>

#include "controller/base/command_runner.h"
#include "controller/driver/filter_driver.h"

namespace pxegate {

struct IptablesOptions {
  std::string interface;  // on which the DHCP server listens
  std::string chain;      // ours, jumped to from INPUT
  int ip_version = 4;     // 4: iptables, port 67; 6: ip6tables, port 547
};

std::unique_ptr<FilterDriver> make_iptables_driver(
    IptablesOptions options, std::shared_ptr<CommandRunner> runner);

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_IPTABLES_IPTABLES_DRIVER_H_
