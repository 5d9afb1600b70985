// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_IRONIC_NOTIFICATION_H_
#define PXEGATE_CONTROLLER_IRONIC_NOTIFICATION_H_

#include <cstddef>
#include <optional>
#include <string_view>

#include "controller/base/result.h"
#include "controller/ironic/notifications.h"

namespace pxegate {

// Longer messages are not read. A node with much in its properties makes some
// tens of KiB.
inline constexpr std::size_t kMaxNotification = std::size_t{1} << 20;

// What a message of Ironic's notification bus suggests to look at: nullopt
// where that is nothing, since it tells of something else than a node or a
// port, or of a request that has changed nothing yet.
//
// Reads both of oslo.messaging's forms: {"oslo.version": "2.0",
// "oslo.message": "<JSON>"} (driver messagingv2) and the bare message (driver
// messaging). kInvalid, saying what is wrong, for everything else. Holds no
// more memory than a few times `body`, however it is nested. Pure; does not
// throw.
Result<std::optional<Hint>> decode_notification(std::string_view body);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_IRONIC_NOTIFICATION_H_
