// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_DRIVER_NEEDS_H_
#define PXEGATE_CONTROLLER_APP_DRIVER_NEEDS_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/config/config.h"

namespace pxegate {

struct Capability {
  std::string_view name;  // "CAP_BPF"
  int number = 0;         // capabilities(7)
};

// What a built-in driver needs of the service that runs it, beside what every
// one has: a user of its own, the network, and /run/pxegate.
struct DriverNeeds {
  std::vector<Capability> capabilities;
  // System calls, by name, that a service of no such driver has no use for.
  std::vector<std::string_view> system_calls;
  // Commands that root runs before each start; "pxegate" as user and group is
  // the service's. Absolute programs.
  std::vector<std::vector<std::string>> prepare;
  // What is written to though the system is read-only.
  std::vector<std::string> writable;
  // Runs as root, with these capabilities only, and may write below /sys.
  bool root = false;
};

// What the driver of `config` needs; nullopt for one that is not built in.
// Pure.
std::optional<DriverNeeds> driver_needs(const Config& config);

// Those of `needed` that a process does not have in effect (capget(2)); 0: this
// one. Of one that is not there, none.
std::vector<std::string_view> missing_capabilities(
    const std::vector<Capability>& needed, int pid = 0);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_DRIVER_NEEDS_H_
