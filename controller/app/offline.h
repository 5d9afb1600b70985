// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_OFFLINE_H_
#define PXEGATE_CONTROLLER_APP_OFFLINE_H_

#include <memory>

#include "controller/app/control_backend.h"
#include "controller/base/result.h"
#include "controller/config/config.h"

namespace pxegate {

// The filter as an earlier run left it in force, read without changing it,
// for the commands while no controller runs. Its policy has no inventory
// and no as_of; sync() and tear_down() fail with kInvalidState.
Result<std::unique_ptr<ControlBackend>> offline_backend(const Config& config);

// Removes what the configured driver has installed. kConflict, naming the
// process, where a controller holds the filter.
Result<> tear_down_filter(const Config& config);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_OFFLINE_H_
