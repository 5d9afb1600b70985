// SPDX-License-Identifier: Apache-2.0
#include "controller/app/state_poll.h"

#include <algorithm>
#include <utility>

namespace pxegate {

void StatePoll::begin(std::vector<std::string> states) {
  *this = StatePoll();
  phase_ = states.empty() ? Phase::kComplete : Phase::kAsking;
  states_ = std::move(states);
}

Result<> StatePoll::ask(IronicApi& ironic,
                        const Inventory::NodesByUuid& before) {
  auto nodes = ironic.nodes_in_state(states_[next_]);
  if (!nodes) {
    drop();
    return fail(nodes.error());
  }
  for (Node& node : *nodes) {
    std::string uuid = node.uuid;
    found_.insert_or_assign(std::move(uuid), std::move(node));
  }
  if (++next_ < states_.size()) return {};
  states_.pop_back();
  if (asked_again_ || states_.empty() || !misses_any_of(before)) {
    phase_ = Phase::kComplete;
    return {};
  }
  asked_again_ = true;
  next_ = 0;
  return {};
}

Inventory::NodesByUuid StatePoll::take() {
  phase_ = Phase::kIdle;
  return std::exchange(found_, {});
}

bool StatePoll::misses_any_of(const Inventory::NodesByUuid& before) const {
  return std::ranges::any_of(before, [this](const auto& item) {
    return !found_.contains(item.first);
  });
}

}  // namespace pxegate
