// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_CHANGE_LOG_H_
#define PXEGATE_CONTROLLER_APP_CHANGE_LOG_H_

#include <cstddef>
#include <string>
#include <vector>

#include "controller/app/control_backend.h"
#include "controller/core/inventory.h"
#include "controller/core/policy.h"

namespace pxegate {

// Nodes that are being inspected: in Ironic's words, or in
// ironic-inspector's.
std::size_t count_inspected(const Inventory& inventory,
                            const PolicyOptions& options);

// What differs between two policies, as an operator would tell it: one line
// per node that opened or closed, one for ports that came and went, one for
// unknown machines. At most `limit` lines and one that counts the rest.
std::vector<std::string> describe_change(const PolicyInForce& before,
                                         const PolicyInForce& after,
                                         std::size_t limit = 10);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_CHANGE_LOG_H_
