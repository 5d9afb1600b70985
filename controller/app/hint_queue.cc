// SPDX-License-Identifier: Apache-2.0
#include "controller/app/hint_queue.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace pxegate {

bool HintQueue::add(Look look, Monotonic now) {
  const auto same = std::ranges::find(looks_, look.node, &Look::node);
  if (same != looks_.end()) {
    same->state = same->state || look.state;
    same->ports = same->ports || look.ports;
    // What was asked for last is what an answer has to be younger than.
    same->since = std::max(same->since, look.since);
    return true;
  }
  const std::chrono::duration<double> passed = now - filled_at_;
  filled_at_ = now;
  allowance_ = std::min(static_cast<double>(kRoom),
                        allowance_ + passed.count() * kPerSecond);
  if (allowance_ < 1 || looks_.size() >= kRoom) return false;
  allowance_ -= 1;
  looks_.push_back(std::move(look));
  return true;
}

std::optional<HintQueue::Look> HintQueue::take() {
  if (looks_.empty()) return std::nullopt;
  Look look = std::move(looks_.front());
  looks_.erase(looks_.begin());
  return look;
}

Monotonic HintQueue::since() const {
  return looks_.empty() ? Monotonic::max() : looks_.front().since;
}

void HintQueue::answered_by_poll(Monotonic began) {
  for (Look& look : looks_) {
    if (look.since <= began) look.state = false;
  }
  std::erase_if(looks_,
                [](const Look& look) { return !look.state && !look.ports; });
}

}  // namespace pxegate
