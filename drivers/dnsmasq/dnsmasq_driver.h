// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_DNSMASQ_DNSMASQ_DRIVER_H_
#define PXEGATE_DRIVERS_DNSMASQ_DNSMASQ_DRIVER_H_

#include <chrono>
#include <memory>
#include <string>

#include "controller/base/command_runner.h"
#include "controller/driver/filter_driver.h"

namespace pxegate {

// How long things may take. A sync, the commands around it included, has to
// end before the controller's watchdog loses patience.
struct DnsmasqLimits {
  std::chrono::milliseconds sync{110'000};
  // A dnsmasq that has changes to read and does nothing is given up.
  std::chrono::milliseconds stuck{10'000};
  std::chrono::milliseconds start_command{30'000};
  std::chrono::milliseconds stop_command{15'000};
  // Between the start command's end and dnsmasq watching the directory.
  std::chrono::milliseconds start{10'000};
};

struct DnsmasqOptions {
  std::string hostsdir;       // dnsmasq's --dhcp-hostsdir
  bool purge = true;          // the directory is ours alone
  std::string start_command;  // for /bin/sh; empty: dnsmasq is started
  std::string stop_command;   // and stopped by others
  DnsmasqLimits limits = {};
};

// Tells dnsmasq, file by file, whom to answer: a file per MAC address in the
// directory that dnsmasq watches (--dhcp-hostsdir, dnsmasq(8)), as
// ironic-inspector's dnsmasq filter does. The README has what dnsmasq makes of
// it, and how this driver knows that it did. Addresses of InfiniBand get no
// file.
//
// initialize() makes the directory where it is missing, locks it (flock(2):
// exclusively with `purge`, else shared; kConflict) and, unless a dnsmasq
// reads a policy there already, denies everybody.
//
// sync() may take up to limits.sync, and limits.start_command more the first
// time. kUnavailable: dnsmasq has not read everything in that time; the next
// sync() goes on from there. After the first complete one the start command
// is run, unless a dnsmasq reads the directory already; a failure of it is
// one of the sync.
//
// reset() and shut_down() run the stop command, but not after tear_down(),
// which leaves a dnsmasq that answers everybody and a directory without files
// of ours. Without a stop command dnsmasq goes on with the last policy.
//
// status() is active where a dnsmasq reads the directory and is proved to
// know all that was written; a notice says so where it cannot be told.
std::unique_ptr<FilterDriver> make_dnsmasq_driver(
    DnsmasqOptions options, std::shared_ptr<CommandRunner> runner);

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_DNSMASQ_DNSMASQ_DRIVER_H_
