// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_REASONS_H_
#define PXEGATE_CONTROLLER_APP_REASONS_H_

#include <string_view>

namespace pxegate {

// What the reason of a verdict means, a clause for an operator; empty for one
// that is not known, as from another version.
std::string_view explain_reason(std::string_view reason);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_REASONS_H_
