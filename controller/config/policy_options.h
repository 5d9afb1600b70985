// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_CONFIG_POLICY_OPTIONS_H_
#define PXEGATE_CONTROLLER_CONFIG_POLICY_OPTIONS_H_

#include "controller/config/config.h"
#include "controller/core/policy.h"

namespace pxegate {

// The part of the configuration that decides verdicts.
PolicyOptions policy_options(const Config& config);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_CONFIG_POLICY_OPTIONS_H_
