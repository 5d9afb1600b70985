// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_JSON_H_
#define PXEGATE_CONTROLLER_APP_JSON_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "controller/app/control_backend.h"
#include "controller/base/clock.h"
#include "controller/base/mac_address.h"
#include "controller/base/result.h"
#include "controller/driver/filter_driver.h"

// The documents of the control API, which `--json` prints unchanged. Field
// names are stable; new ones may be added. What is not known is null: so are
// verdicts before a controller's first complete sync, when what an earlier run
// left in the filter holds. Times
// are RFC 3339 UTC with milliseconds; ages and durations are seconds.
namespace pxegate {

using Json = nlohmann::ordered_json;

// Who tells: a running controller, or the filter itself read back by a
// command while no controller runs. The latter knows verdicts, no reasons.
enum class Origin { kController, kFilter };

// One line, ASCII only, so that no byte of it can steer a terminal; invalid
// UTF-8 becomes U+FFFD. Never throws.
std::string dump(const Json& json);

// kInvalid, quoting the beginning, where `text` is no JSON.
Result<Json> parse_json(std::string_view text);

// "2026-11-21T20:55:40.123Z"
std::string timestamp(WallTime time);

// Why the controller is not healthy: one sentence each, saying what is wrong
// and what to do. Empty exactly when status.healthy().
std::vector<std::string> problems(const ControllerStatus& status,
                                  const Instant& instant);

// What works, but not as well as it should: one sentence each. No reason to be
// unhealthy.
std::vector<std::string> degradations(const ControllerStatus& status,
                                      const Instant& instant);

// {"controller_running", "healthy", "problems": [...], "degraded": [...],
//  "version", "pid",
//  "started", "uptime",
//  "driver": {"name", "state", "healthy", "busy", "error", "rules", "capacity",
//             "targets": [{"name", "active", "mode", "detail"}],
//             "notices": [...],
//             "lease": {"expired", "expires_in", "expired_for",
//                       "stale_action", "meaning"}},
//  "sync": {"synced", "stale", "poll_interval", "full_sync_every",
//           "polls_every", "polls_every_why", "full_sync_took",
//           "held_back": {"what", "listed", "known", "lists",
//                         "lists_to_believe", "since", "since_age",
//                         "meaning"},
//           "last_full_sync", "last_full_sync_age",
//           "last_poll", "last_poll_age", "last_change", "last_change_age",
//           "last_renewal", "last_renewal_age"},
//  "sources": [{"name", "endpoint", "consecutive_failures", "last_success",
//               "last_success_age", "last_error", "last_error_at",
//               "last_error_age"}],
//  "notifications": {"endpoint", "connected", "exchange_missing",
//                    "connected_since", "connected_since_age",
//                    "last_message", "last_message_age",
//                    "lost_since", "lost_since_age", "consecutive_failures",
//                    "last_error", "last_error_at", "last_error_age",
//                    "received", "malformed"},
//  "narrowed_to": [...],
//  "inventory": {"nodes", "ports", "being_inspected"},
//  "policy": {"allowed", "denied", "unknown"}, "drivers": [...],
//  "notices": [...]}
// "drivers" are all at work, "driver" is the one in force. "lease" is null
// where the policy holds forever, "held_back" where no list is, "notifications"
// without a transport_url. From the filter
// alone `pid`, `sync`, `inventory` and what else only a controller knows are
// null, and `healthy` is false. Where no filter is in force either, only
// "controller_running", "healthy", "problems" and "filter_in_force": false.
Json status_json(const ControllerStatus& status, Origin origin,
                 const Instant& instant);

// The whole policy, in pieces so that 100,000 entries never stand in memory
// at once:
// {"controller_running", "as_of", "age", "allowed", "denied", "unknown",
//  "unknown_rule",
//  "entries": [{"address", "verdict", "rule", "port_uuid",
//               "node": {"uuid", "name", "provision_state",
//                        "inspect_interface"}}]}
// Entries are sorted by address.
class PolicyListing {
 public:
  PolicyListing(PolicyInForce policy, Origin origin, const Instant& instant);

  // The next piece of the document; nullopt after the last.
  std::optional<std::string> next();

 private:
  enum class Part { kHead, kEntries, kDone };

  PolicyInForce policy_;
  Origin origin_;
  Instant instant_;
  Part part_ = Part::kHead;
  std::size_t position_ = 0;
};

// One address, known to the policy or not:
// {"controller_running", "as_of", "age", "address", "known", "verdict",
//  "rule", "reason", "port_uuid", "physical_network", "node": {...} as above,
//  "last_request": {...} as in `clients`}
// `observations` may be null.
Json address_json(const HardwareAddress& address, const PolicyInForce& policy,
                  const Observations* observations, Origin origin,
                  const Instant& instant);

// A request as it stands in `clients` and `events`:
// {"address", "htype", "node": {"uuid", "name"}, "verdict", "reason", "relay",
//  "interface", "vlans": [...], "ip_version", "message_type", "architecture"}
Json request_json(const RequestRecord& request, const Inventory& inventory);

// {"controller_running", "at", "supported", "lease": {...} as in `status`,
//  "events_lost", "clients_unrecorded",
//  "clients": [{... a request, "count", "last_seen", "age"}],
//  "relays": [{"relay", "allowed", "dropped", "last_seen", "age"}],
//  "clients_total": how many there are, shown or not,
//  "counters": [{"verdict", "reason", "meaning", "packets"}]}
// Clients are ordered latest first, and cut off after `limit`. `supported` is
// false under a driver that sees no packets.
Json clients_json(const Observations& observations, const PolicyInForce& policy,
                  Origin origin, const Instant& instant,
                  std::size_t limit = SIZE_MAX);

// {"took", "forced", "upserts", "removals", "unknown_changed",
//  "repaired": [...]}
Json sync_json(const SyncOutcome& outcome);

// {"error": {"code", "message"}}; code as to_string(ErrorCode).
Json error_json(const Error& error);
// The reverse; nullopt where `json` is no such document.
std::optional<Error> error_from_json(const Json& json);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_JSON_H_
