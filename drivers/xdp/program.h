// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_XDP_PROGRAM_H_
#define PXEGATE_DRIVERS_XDP_PROGRAM_H_

#include <cstdint>

#include "controller/base/fd.h"
#include "controller/base/result.h"
#include "drivers/xdp/map_set.h"

namespace pxegate {

// The XDP program in the kernel with the maps that it uses.
struct LoadedProgram {
  UniqueFd fd;
  std::uint32_t id = 0;
  MapSet maps;
};

// Loads the program. It uses the maps of `reuse` (consumed; any may be
// absent) and fresh ones for the rest; where `reuse` has rules for another
// `max_clients`, they are copied into a fresh map. Without rules, its settings
// are not used either, so that everything is denied. kPermission names the
// capabilities; kCapacity: the rules in force do not fit into `max_clients`.
Result<LoadedProgram> load_program(std::uint32_t max_clients, MapSet reuse);

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_XDP_PROGRAM_H_
