// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_CONTROLLER_H_
#define PXEGATE_CONTROLLER_APP_CONTROLLER_H_

#include "controller/config/load_config.h"

namespace pxegate {

// `pxegate run`: keeps the filter in step with Ironic until SIGTERM or
// SIGINT, and returns the exit status. Call it from the main thread, before
// any other thread exists.
//
// - SIGHUP reads `sources` again. A configuration that cannot be used is
//   logged and the one in force stays. The driver and the connections are made
//   anew only where their settings changed; another driver takes over once it
//   has synced and is healthy (engines.h). [api] is read at the start only.
// - READY=1 goes to the service manager after the first complete sync,
//   WATCHDOG=1 as long as the sync loop makes progress.
// - A driver that cannot be initialized at the start ends the controller:
//   somebody else's program on the interface, a missing privilege, another
//   controller. Later, also after SIGHUP, it is tried again until it works.
int run_controller(const LoadedConfig& config, const ConfigSources& sources);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_CONTROLLER_H_
