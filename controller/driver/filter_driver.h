// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_DRIVER_FILTER_DRIVER_H_
#define PXEGATE_CONTROLLER_DRIVER_FILTER_DRIVER_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controller/base/result.h"
#include "controller/core/inventory.h"
#include "controller/core/policy.h"
#include "controller/driver/finding.h"

namespace pxegate {

// What has to be enforced: the policy, and the inventory it was computed
// from for drivers that need more than a verdict per address.
struct Snapshot {
  std::shared_ptr<const Inventory> inventory;  // never null
  std::shared_ptr<const Policy> policy;        // never null
};

// What one sync() changed. All zero: the filter already was as desired.
struct SyncReport {
  std::size_t upserts = 0;
  std::size_t removals = 0;
  bool unknown_changed = false;
  // Differences between what the driver had installed and what it found:
  // somebody or something else changed the filter. One sentence each.
  std::vector<std::string> repaired;

  bool changed() const {
    return upserts + removals > 0 || unknown_changed || !repaired.empty();
  }
};

// One place where the filter works: a network interface, a chain, a folder.
struct DriverTarget {
  std::string name;  // "eth1"
  bool active = false;
  std::string mode;    // "native", "skb"; empty while inactive
  std::string detail;  // why inactive, or what else is worth knowing
};

// A filter that works without its controller may stop trusting the policy when
// it has not heard from one for a while.
struct LeaseStatus {
  bool expired = false;
  // Until it expires, or since it did.
  std::chrono::seconds age{0};
  std::string action;  // once expired: "deny", "keep", "allow"
};

struct DriverStatus {
  std::string driver;  // as in [pxe_filter] driver
  bool healthy = false;
  std::vector<DriverTarget> targets;
  std::size_t rules = 0;
  std::size_t capacity = 0;  // 0: no limit
  // What the operator must know of this driver's limits, one sentence each.
  std::vector<std::string> notices;
  std::optional<LeaseStatus> lease{};  // none: the policy holds forever
  // Set by FilterHost: the driver is at work, and this is what was known
  // before it began.
  bool busy = false;
};

// A DHCP request as the filter saw it.
struct RequestRecord {
  std::string address;  // hardware address, as HardwareAddress prints it
  std::uint8_t htype = 0;
  Verdict verdict = Verdict::kDeny;
  std::string reason;  // "rule", "unknown", "stale", ...
  std::string relay;   // giaddr or link-address, empty where not relayed
  std::string interface;
  std::vector<std::uint16_t> vlans;  // outermost first
  int ip_version = 4;
  std::string message_type;  // "DISCOVER", "SOLICIT"; empty for BOOTP
  std::string architecture;  // RFC 4578 client architecture, or empty
};

// One DHCP client as the filter saw it lately.
struct ClientRecord : RequestRecord {  // the latest request
  std::uint64_t count = 0;
  std::chrono::nanoseconds last_seen{0};  // CLOCK_MONOTONIC
};

// One verdict as it fell.
struct EventRecord : RequestRecord {
  std::chrono::nanoseconds time{0};  // CLOCK_MONOTONIC
  // How many before it, on the same CPU, were not reported: more fell than
  // the filter reports in a second, or than were taken.
  std::uint64_t missed = 0;
};

struct RelayRecord {
  std::string relay;  // giaddr or link-address
  std::uint64_t allowed = 0;
  std::uint64_t dropped = 0;
  std::chrono::nanoseconds last_seen{0};  // CLOCK_MONOTONIC
};

struct CounterRecord {
  Verdict verdict = Verdict::kDeny;
  std::string reason;
  std::uint64_t packets = 0;
};

// The same, by where the requests came from. What is too malformed to tell
// counts as not relayed.
struct RequestCount {
  std::string interface;  // empty: of all those that could not be told apart
  bool relayed = false;
  Verdict verdict = Verdict::kDeny;
  std::string reason;
  std::uint64_t packets = 0;
};

// What the filter itself observed. Drivers that see no packets return none.
struct Observations {
  bool supported = false;
  std::vector<ClientRecord> clients;  // latest first
  std::vector<RelayRecord> relays;
  std::vector<CounterRecord> counters;
  // Since each interface was made; the counters above outlast it. nullopt: the
  // filter does not tell them apart.
  std::optional<std::vector<RequestCount>> requests{};
  std::optional<LeaseStatus> lease{};  // as in DriverStatus
  // Verdicts that fell and were not reported, requests of clients that were
  // not recorded because there were too many new ones.
  std::uint64_t events_lost = 0;
  std::uint64_t clients_unrecorded = 0;
};

// One way to enforce a policy. Drivers are called by FilterHost only, which
// serializes the calls; none needs locks of its own, and none ever sees
// Ironic, so that an Ironic outage cannot reset a filter.
//
// Whatever fails must leave the filter no more open than it was.
class FilterDriver {
 public:
  virtual ~FilterDriver() = default;

  // Makes the filter ready to enforce, without opening it: where an earlier
  // run left a policy in force that policy stays, else everything is denied
  // until the first sync(). Idempotent; may change system-wide state.
  virtual Result<> initialize() = 0;

  // Makes `desired` what is enforced, whatever was before: reads back what
  // is installed, and applies the difference in PolicyDiff's order.
  // Idempotent. Called after initialize() only. An error means that the
  // filter may not be as desired; FilterHost then calls reset().
  virtual Result<SyncReport> sync(const Snapshot& desired) = 0;

  // The controller is alive, and what it synced last is what it wants: renews
  // the lease of a filter that has one. Called between sync()s, every few
  // seconds, after the first that succeeded. Must be cheap.
  virtual Result<> renew_lease() { return {}; }

  // Forgets the driver's own state and lets go of its locks, after an error
  // or for another controller, so that initialize() can start afresh. What is
  // enforced stays.
  virtual void reset() noexcept {}

  // A clean stop of the controller: leaves behind what the driver's on_exit
  // setting says, and logs what that is. Callable in any state.
  virtual void shut_down() noexcept { reset(); }

  // Removes everything that the driver installed, also by an earlier run.
  // Idempotent, callable in any state. The error names what is left.
  virtual Result<> tear_down() = 0;

  // How often sync() must be called when nothing changed; nullopt opts out.
  virtual std::optional<std::chrono::seconds> sync_period(
      std::chrono::seconds configured) const {
    return configured;
  }

  // A descriptor that becomes readable when the world may have changed (an
  // interface appeared); -1: none. The same for the driver's whole life.
  virtual int wake_fd() const { return -1; }
  // Makes wake_fd() unreadable again; true where a sync() is due at once. As
  // that may have to wait for Ironic, what must not stay unfiltered until then
  // (an interface that was made anew) is put under the filter here, as it
  // stands. Brief, in any state, not from the thread that calls sync().
  virtual bool woken() { return false; }

  // Cheap, changes nothing, callable in any state.
  virtual DriverStatus status() const = 0;

  // The policy that is enforced right now, read back; also without
  // initialize(), from what an earlier run left in force.
  virtual Result<Policy> installed() const {
    return fail("this driver cannot tell what it enforces");
  }

  // As status(); reading may cost as much as there are clients.
  virtual Result<Observations> observe() const { return Observations{}; }

  // Takes the verdicts that fell since the last call, oldest first, at most
  // `limit`: they are handed out once. Also without initialize(), unless a
  // controller takes them (kConflict). kUnsupported: this driver has none.
  virtual Result<std::vector<EventRecord>> take_events(std::size_t limit) {
    static_cast<void>(limit);
    return fail("this driver does not see requests", ErrorCode::kNotFound);
  }
  // What of this machine keeps the driver from working as it should, looked
  // at and tried without changing what is filtered. Callable in any state, also
  // while another process filters. May take seconds.
  virtual std::vector<Finding> examine() const { return {}; }

  // A descriptor that is readable while there are events to take; -1: none,
  // for now. Ask anew after initialize(), reset() and tear_down().
  virtual int events_fd() const { return -1; }
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_DRIVER_FILTER_DRIVER_H_
