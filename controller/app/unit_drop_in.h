// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_UNIT_DROP_IN_H_
#define PXEGATE_CONTROLLER_APP_UNIT_DROP_IN_H_

#include <string>

#include "controller/config/config.h"

namespace pxegate {

// What the unit of systemd has to have for the driver and the paths of
// `config`, as a drop-in that takes the place of whatever the unit says of
// these. A driver that is not built in gets no privilege. Pure.
std::string unit_drop_in(const Config& config);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_UNIT_DROP_IN_H_
