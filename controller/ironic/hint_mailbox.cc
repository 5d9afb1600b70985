// SPDX-License-Identifier: Apache-2.0
#include "controller/ironic/hint_mailbox.h"

#include <utility>

namespace pxegate {

bool HintMailbox::put(Hint hint) {
  const auto node = parse_uuid(hint.node_uuid);
  if (!node) return false;
  const std::lock_guard lock(mutex_);
  const bool was_empty = waiting_.hints.empty() && !waiting_.missed;
  const auto found = index_.find(*node);
  if (found != index_.end()) {
    Hint& known = waiting_.hints[found->second];
    // A port's message says nothing of the node.
    if (!known.provision_state.empty() || known.gone) {
      known.differing |= known.gone != hint.gone &&
                         (!hint.provision_state.empty() || hint.gone);
    }
    if (!hint.provision_state.empty()) {
      known.differing |= !known.provision_state.empty() &&
                         known.provision_state != hint.provision_state;
      known.provision_state = std::move(hint.provision_state);
    }
    known.ports |= hint.ports;
    known.gone |= hint.gone;
    return false;
  }
  if (waiting_.hints.size() >= max_nodes_) {
    waiting_.missed = true;
    return was_empty;
  }
  index_.emplace(*node, waiting_.hints.size());
  waiting_.hints.push_back(std::move(hint));
  return was_empty;
}

bool HintMailbox::miss() {
  const std::lock_guard lock(mutex_);
  const bool was_empty = waiting_.hints.empty() && !waiting_.missed;
  waiting_.missed = true;
  return was_empty;
}

Hints HintMailbox::take() {
  const std::lock_guard lock(mutex_);
  index_.clear();
  return std::exchange(waiting_, Hints{});
}

}  // namespace pxegate
