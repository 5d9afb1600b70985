// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_ENFORCER_H_
#define PXEGATE_CONTROLLER_APP_ENFORCER_H_

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>

#include "controller/app/control_backend.h"
#include "controller/app/source_health.h"
#include "controller/app/sync_observer.h"
#include "controller/base/clock.h"
#include "controller/base/result.h"
#include "controller/core/policy.h"
#include "controller/driver/filter_host.h"

namespace pxegate {

// Keeps the driver at the policy that was computed last: decides whether a
// sync is needed, brings a driver that failed back with backoff, and logs
// what changed. Knows nothing of where the inventory comes from.
class Enforcer {
 public:
  // The references must outlive this.
  Enforcer(FilterHost& host, const Clock& clock, Random random,
           SyncObserver& observer);

  enum class When {
    kPolicyChanged,     // the driver is called if the policy is another one
    kInventoryChanged,  // or if anything else is, which a driver may read
    kAlways,
  };

  // From now on what `inventory` and `options` yield has to be enforced. An
  // error is the driver's: it is tried again when due() says so.
  Result<SyncReport> enforce(std::shared_ptr<const Inventory> inventory,
                             const PolicyOptions& options, When when);

  // Enforces the same once more: something may have changed the filter. A
  // driver that has nothing to enforce yet is initialized again instead,
  // which readies new interfaces without opening them.
  void enforce_again();

  // When a driver that failed is to be tried again; Monotonic::max() while
  // it works.
  Monotonic due() const { return retry_at_; }
  // In two halves, so that what a driver has installed can be looked at in
  // between: the first one initializes it, and says whether that worked; the
  // second one enforces what has to be.
  bool retry();
  void resume();
  void retry_now();
  // There is nothing to enforce any more. Before enforced_once() only.
  void forget() { wanted_.reset(); }

  const SourceHealth& health() const { return health_; }
  // End of the latest sync that succeeded.
  std::optional<Monotonic> last_sync() const { return last_sync_; }

  const PolicyInForce& in_force() const { return in_force_; }
  bool enforced_once() const { return enforced_once_; }
  bool working() const { return retry_at_ == Monotonic::max(); }
  std::size_t being_inspected() const { return being_inspected_; }
  std::size_t allowed() const { return allowed_; }
  std::optional<Instant> last_change() const { return last_change_; }

 private:
  struct Wanted {
    std::shared_ptr<const Inventory> inventory;
    std::shared_ptr<const Policy> policy;
    PolicyOptions options;
  };

  Result<SyncReport> sync();
  void driver_failed(const Error& error);
  void take_over_wanted();
  void log_change(const SyncReport& report) const;

  FilterHost& host_;
  const Clock& clock_;
  SyncObserver& observer_;
  SourceHealth health_;
  Monotonic retry_at_ = Monotonic::max();
  std::optional<Monotonic> last_sync_;
  std::optional<Wanted> wanted_;
  PolicyInForce in_force_;
  bool enforced_once_ = false;
  std::optional<Instant> last_change_;
  std::size_t being_inspected_ = 0;
  std::size_t allowed_ = 0;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_ENFORCER_H_
