// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_IRONIC_NOTIFICATIONS_H_
#define PXEGATE_CONTROLLER_IRONIC_NOTIFICATIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "controller/base/clock.h"

namespace pxegate {

// What a message on Ironic's notification bus suggests to look at. Anybody
// who can write to the broker can make one up, so it decides nothing: the
// node and its ports are read from Ironic's API.
struct Hint {
  std::string node_uuid;  // checked: a UUID
  // Where the message claims the node to be now; empty where it does not say
  // (a port's), at most 64 bytes without control characters.
  std::string provision_state;
  bool ports = false;  // one of the node's ports was made, changed or removed
  bool gone = false;   // the node was deleted
  // More than one message is in here, and they claimed different states, or
  // not all of them that the node was deleted.
  bool differing = false;

  bool operator==(const Hint&) const = default;
};

// How the connection to the broker is doing.
struct BrokerStatus {
  std::string endpoint;    // of the host in use or last tried: no credentials
  bool connected = false;  // and the queue is bound: notifications would come
  // The exchange does not exist: Ironic has not published anything yet, or
  // publishes elsewhere.
  bool exchange_missing = false;
  std::optional<Instant> connected_since;
  std::optional<Instant> last_message;  // that was one of Ironic's
  std::string last_error;  // of the latest connection that failed or was lost
  std::optional<Instant> last_error_at;
  unsigned consecutive_failures = 0;
  std::uint64_t received = 0;   // messages, good or not
  std::uint64_t malformed = 0;  // of these, not what Ironic sends

  bool operator==(const BrokerStatus&) const = default;
};

// What has come since the last take().
struct Hints {
  // In order of arrival, one per node: the latest claim, and all flags.
  std::vector<Hint> hints;
  // Notifications may have been missed: the connection is new, or more came
  // than is kept. Everything has to be asked for.
  bool missed = false;
};

// Where hints come from. Thread-safe.
class Notifications {
 public:
  virtual ~Notifications() = default;

  virtual Hints take() = 0;
  virtual BrokerStatus status() const = 0;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_IRONIC_NOTIFICATIONS_H_
