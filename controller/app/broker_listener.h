// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_BROKER_LISTENER_H_
#define PXEGATE_CONTROLLER_APP_BROKER_LISTENER_H_

#include <functional>
#include <memory>

#include "controller/base/clock.h"
#include "controller/base/result.h"
#include "controller/config/config.h"
#include "controller/ironic/notifications.h"

namespace pxegate {

// Makes what listens to Ironic's notifications; null where there is no broker.
// `wake` is called from any thread, as AmqpListener::start says, until what was
// made is destroyed.
using ListenToBroker = std::function<Result<std::unique_ptr<Notifications>>(
    const Config& config, const Clock& clock, std::function<void()> wake)>;

// The one of the configuration.
Result<std::unique_ptr<Notifications>> listen_to_broker(
    const Config& config, const Clock& clock, std::function<void()> wake);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_BROKER_LISTENER_H_
