// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_XDP_PROGRAM_H_
#define PXEGATE_DRIVERS_XDP_PROGRAM_H_

#include <cstdint>

#include "controller/base/fd.h"
#include "controller/base/result.h"
#include "drivers/xdp/bpf_rules.h"
#include "drivers/xdp/layouts.h"
#include "drivers/xdp/map_set.h"
#include "drivers/xdp/settings.h"

namespace pxegate {

// The XDP program in the kernel with the maps that it uses.
struct LoadedProgram {
  UniqueFd fd;
  std::uint32_t id = 0;
  MapSet maps;
  BpfRules rules;
  Settings settings;
};

// Loads the program. It uses the maps that are `pinned` (consumed; any may be
// absent) and fresh ones for the rest. Where those were made for another
// `max_clients`, or by an earlier version, what they enforce is copied into
// fresh ones. Without rules, settings are not used either, so that everything
// is denied. kPermission names the capabilities; kCapacity: the rules in force
// do not fit into `max_clients`.
Result<LoadedProgram> load_program(std::uint32_t max_clients,
                                   PinnedMaps pinned);

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_XDP_PROGRAM_H_
