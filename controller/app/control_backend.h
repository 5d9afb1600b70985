// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_CONTROL_BACKEND_H_
#define PXEGATE_CONTROLLER_APP_CONTROL_BACKEND_H_

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/app/events.h"
#include "controller/app/held_back.h"
#include "controller/base/clock.h"
#include "controller/base/result.h"
#include "controller/core/policy.h"
#include "controller/driver/filter_driver.h"
#include "controller/driver/filter_host.h"
#include "controller/ironic/login.h"
#include "controller/ironic/notifications.h"

namespace pxegate {

// How one source of truth (Ironic, ironic-inspector) answered lately.
struct SourceStatus {
  std::string name;      // "ironic", "inspector"
  std::string endpoint;  // URL, without credentials
  std::optional<Instant> last_success;
  std::string last_error;  // of the latest request that failed; empty: none
  std::optional<Instant> last_error_at;
  unsigned consecutive_failures = 0;   // 0: the latest request succeeded
  std::optional<SourceLogin> login{};  // nullopt: none, or not yet

  bool operator==(const SourceStatus&) const = default;
};

// What the controller knows of itself at one instant.
struct ControllerStatus {
  std::string version;
  std::int64_t pid = 0;
  Monotonic started;
  FilterState state = FilterState::kUninitialized;
  DriverStatus driver;
  // The driver's latest error; empty once it works again.
  std::string driver_error;

  // A complete list was enforced at least once since the start.
  bool synced = false;
  std::optional<Instant> last_full_sync;  // complete list read, enforced
  std::optional<Instant> last_poll;       // node states read, enforced
  std::optional<Instant> last_change;     // the policy last changed
  std::optional<Instant> last_renewal;    // of the driver's lease
  std::chrono::milliseconds full_sync_took{0};
  std::chrono::seconds full_sync_every{0};  // sync_period, stretched
  std::chrono::seconds poll_interval{0};    // as configured
  // How often polls go now: poll_interval, or longer where notifications tell
  // the news, or where a poll costs Ironic much.
  std::chrono::milliseconds polls_every{0};
  // Why that is not poll_interval, or, with a broker, why it still is. A
  // clause; empty: there is nothing to explain.
  std::string polls_every_why;
  std::optional<HeldBackList> held_back;
  // The policy in force is older than it may get: a source or the driver has
  // been failing for longer than three poll intervals (at least 10 s).
  bool stale = false;

  std::vector<SourceStatus> sources;
  std::optional<BrokerStatus> broker;  // nullopt: no transport_url
  // When the controller began to do without; nullopt while it is connected.
  std::optional<Instant> broker_lost_since;
  // What of Ironic this controller is about, as "conductor_group = rack1".
  // Empty: everything.
  std::vector<std::string> narrowed_to;
  std::size_t nodes = 0;
  std::size_t ports = 0;
  std::size_t being_inspected = 0;  // nodes
  std::size_t allowed = 0;          // entries of the policy
  std::size_t denied = 0;
  Verdict unknown = Verdict::kDeny;
  // All that are at work: the one in force, one that waits to take over, and
  // those that are being removed. Empty where only one can be.
  std::vector<std::string> drivers;
  // What else the operator must know of, one sentence each: what cannot be
  // read, a driver that waits for its turn, what another one left behind.
  std::vector<std::string> notices;

  // Exit status 0 of `pxegate status`.
  bool healthy() const {
    const bool expired = driver.lease && driver.lease->expired;
    return synced && !stale && state == FilterState::kInitialized &&
           driver.healthy && !expired;
  }
};

// The policy in force with what it was computed from. Shared, immutable.
struct PolicyInForce {
  std::shared_ptr<const Inventory> inventory;  // never null
  std::shared_ptr<const Policy> policy;        // never null
  PolicyOptions options;
  // When Ironic last confirmed it; nullopt before the first complete sync.
  std::optional<Instant> as_of;
};

struct SyncRequest {
  std::chrono::milliseconds timeout{0};
  bool force = false;  // believe the list however short it is
};

struct SyncOutcome {
  SyncReport report;  // sums over the syncs done
  std::chrono::milliseconds took{0};
  bool forced = false;  // by the request
};

// What the control API asks of the controller. Thread-safe; only sync(),
// events() and tear_down() block.
class ControlBackend {
 public:
  virtual ~ControlBackend() = default;

  virtual ControllerStatus status() const = 0;
  virtual PolicyInForce policy() const = 0;
  virtual Result<Observations> observe() const = 0;
  // GET /metrics (metrics.h); empty for what is no controller.
  virtual std::string metrics() const { return {}; }

  // The verdicts that fell after the query's; where there are none yet, waits
  // for some. An empty page when that takes too long, or the controller stops.
  virtual Result<EventPage> events(const EventQuery& query) = 0;

  // Lists everything from Ironic and enforces it, now; returns when that is
  // done or failed. kUnavailable after the request's timeout: the sync goes on.
  // kCancelled, soon, when the controller stops meanwhile.
  virtual Result<SyncOutcome> sync(const SyncRequest& request) = 0;

  // Removes the filter and ends the controller: syncing stops for good, the
  // driver tears down, and once this has returned success the controller
  // exits with status 0, without the driver's on_exit (there is nothing left
  // to keep). On an error, which names what is left, the controller goes on
  // enforcing. A second call while one is under way is kConflict.
  virtual Result<> tear_down() = 0;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_CONTROL_BACKEND_H_
