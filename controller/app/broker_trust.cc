// SPDX-License-Identifier: Apache-2.0
#include "controller/app/broker_trust.h"

#include <algorithm>

namespace pxegate {

void BrokerTrust::status(bool connected, bool heard, Monotonic now) {
  // What happened while it was away nobody could hint at.
  if (connected != connected_) missed(now);
  connected_ = connected;
  heard_ = heard;
}

void BrokerTrust::hinted(const std::string& node, bool open, Monotonic now) {
  const Event event(node, open);
  unhinted_.erase(event);
  if (hinted_.size() >= kRoom && !hinted_.contains(event)) {
    std::erase_if(hinted_, [now](const auto& item) {
      return item.second + kMemory < now;
    });
    if (hinted_.size() >= kRoom) missed(now);
  }
  hinted_.insert_or_assign(event, now);
}

void BrokerTrust::missed(Monotonic now) {
  hinted_.clear();
  unhinted_.clear();
  blind_until_ = now + kMemory;
}

void BrokerTrust::found(const std::string& node, bool open, Monotonic now) {
  if (!connected_ || now < blind_until_) return;
  const Event event(node, open);
  const auto hint = hinted_.find(event);
  if (hint != hinted_.end() && hint->second + kMemory >= now) return;
  if (unhinted_.size() < kRoom) unhinted_.emplace(event, now);
}

bool BrokerTrust::review(Monotonic now) {
  const bool lost = std::ranges::any_of(unhinted_, [now](const auto& item) {
    return item.second + kGrace <= now;
  });
  if (!lost) return false;
  unhinted_.clear();
  distrusted_until_ = now + kDistrust;
  return true;
}

}  // namespace pxegate
