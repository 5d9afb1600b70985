// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_CONFIG_OPTION_GROUPS_H_
#define PXEGATE_CONTROLLER_CONFIG_OPTION_GROUPS_H_

#include <span>

#include "controller/config/options.h"

namespace pxegate {

// Parts of the option table that are kept in files of their own; options()
// has them in its places. They live as long as the program.

std::span<const Option> ironic_options();     // [ironic]
std::span<const Option> inspector_options();  // [inspector]
// [oslo_messaging_rabbit], [oslo_messaging_notifications]
std::span<const Option> messaging_options();

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_CONFIG_OPTION_GROUPS_H_
