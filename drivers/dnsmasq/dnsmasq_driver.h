// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_DNSMASQ_DNSMASQ_DRIVER_H_
#define PXEGATE_DRIVERS_DNSMASQ_DNSMASQ_DRIVER_H_

#include <memory>
#include <string>

#include "controller/base/command_runner.h"
#include "controller/driver/filter_driver.h"

namespace pxegate {

struct DnsmasqOptions {
  std::string hostsdir;       // dnsmasq's --dhcp-hostsdir
  bool purge = true;          // the directory is ours alone
  std::string start_command;  // for /bin/sh; empty: dnsmasq is started
  std::string stop_command;   // and stopped by others
};

std::unique_ptr<FilterDriver> make_dnsmasq_driver(
    DnsmasqOptions options, std::shared_ptr<CommandRunner> runner);

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_DNSMASQ_DNSMASQ_DRIVER_H_
