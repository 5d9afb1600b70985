// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_IRONIC_HINT_MAILBOX_H_
#define PXEGATE_CONTROLLER_IRONIC_HINT_MAILBOX_H_

#include <cstddef>
#include <map>
#include <mutex>

#include "controller/ironic/notifications.h"
#include "controller/ironic/uuid.h"

namespace pxegate {

// Where hints wait to be taken: one per node, and of so many nodes at most.
// Thread-safe.
class HintMailbox {
 public:
  explicit HintMailbox(std::size_t max_nodes) : max_nodes_(max_nodes) {}

  // Joins `hint` to what waits for its node: its claim replaces the older one
  // where it makes one, flags add up. Where there is no room for one more
  // node, it is told as missed. True if nothing waited before: who takes has
  // to be woken. `hint.node_uuid` is a UUID.
  bool put(Hint hint);
  // Notifications may have been missed. True as above.
  bool miss();

  Hints take();

 private:
  const std::size_t max_nodes_;
  std::mutex mutex_;
  Hints waiting_;
  std::map<UuidBits, std::size_t> index_;  // into waiting_.hints
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_IRONIC_HINT_MAILBOX_H_
