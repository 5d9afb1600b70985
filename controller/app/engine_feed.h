// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_ENGINE_FEED_H_
#define PXEGATE_CONTROLLER_APP_ENGINE_FEED_H_

#include <chrono>

#include "controller/app/control_backend.h"
#include "controller/base/clock.h"
#include "controller/base/result.h"
#include "controller/config/config.h"

namespace pxegate {

// What keeps a driver in step with Ironic, in a thread of its own. Calls are
// thread-safe, but for start(), stop() and the destructor, which belong to one
// thread.
class EngineFeed {
 public:
  virtual ~EngineFeed() = default;  // as stop()

  virtual void start() = 0;
  // Ends requests under way and joins. Waiting sync() calls get kCancelled.
  virtual void stop() = 0;

  // The filter's surroundings changed: have the driver look again.
  virtual void request_driver_sync() = 0;
  virtual void reconfigure(const Config& config) = 0;

  // Fills in all but version, pid, started, state and driver.
  virtual void describe(ControllerStatus& status) const = 0;
  virtual PolicyInForce policy() const = 0;
  // As ControlBackend says.
  virtual Result<SyncOutcome> sync(const SyncRequest& request) = 0;
  virtual Result<> tear_down() = 0;

  // The first complete sync is done.
  virtual bool synced() const = 0;
  // When it last gave a sign of life.
  virtual Monotonic last_heartbeat() const = 0;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_ENGINE_FEED_H_
