// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_CONFIG_MESSAGE_BUS_H_
#define PXEGATE_CONTROLLER_CONFIG_MESSAGE_BUS_H_

#include <vector>

#include "controller/config/combinations.h"
#include "controller/config/config.h"

namespace pxegate {

// Fills in what follows from the options of the message bus, and says what is
// wrong with them, each about the option that has to be put right; there is no
// broker then. Looks at the files that TLS needs. Where there is no broker,
// nothing else matters.
std::vector<Misfit> settle_message_bus(Config::Notifications& bus);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_CONFIG_MESSAGE_BUS_H_
