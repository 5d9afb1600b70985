// SPDX-License-Identifier: Apache-2.0
// The half of SyncLoop that tells how it is going.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "controller/app/sync_loop.h"

namespace pxegate {
namespace {

SourceStatus status_of(const SourceHealth& health) {
  SourceStatus status;
  status.last_success = health.last_success();
  if (health.last_error()) status.last_error = health.last_error()->message();
  status.last_error_at = health.last_error_at();
  status.consecutive_failures = health.failures();
  return status;
}

}  // namespace

SourceStatus SyncLoop::ironic_status() const {
  SourceStatus merged;
  // A request that still fails tells more than one that failed later once.
  bool failing = false;
  for (const SourceHealth* health :
       {&poll_health_, &list_health_, &ports_health_, &new_ports_health_}) {
    const SourceStatus one = status_of(*health);
    merged.last_success = std::max(merged.last_success, one.last_success);
    merged.consecutive_failures =
        std::max(merged.consecutive_failures, one.consecutive_failures);
    if (!health->last_error() || (failing && !health->failing())) continue;
    if ((health->failing() && !failing) ||
        one.last_error_at > merged.last_error_at) {
      merged.last_error = one.last_error;
      merged.last_error_at = one.last_error_at;
    }
    failing = failing || health->failing();
  }
  merged.name = "ironic";
  merged.endpoint = ironic_.endpoint();
  merged.login = ironic_.login_in_use();
  return merged;
}

Monotonic SyncLoop::stale_from() const {
  const std::chrono::milliseconds patience =
      std::max<std::chrono::milliseconds>(3 * poll_every(),
                                          std::chrono::seconds(10));
  const auto answered = [this](const SourceHealth& health) {
    const auto& last = health.last_success();
    return last ? last->monotonic : started_;
  };
  Monotonic oldest = std::max(answered(poll_health_), hastened_);
  if (inspector_) oldest = std::min(oldest, answered(inspector_health_));
  for (const SourceHealth* health : {&list_health_, &ports_health_,
                                     &new_ports_health_, &enforcer_.health()}) {
    if (health->failing()) oldest = std::min(oldest, *health->failing_since());
  }
  return oldest + patience;
}

std::string SyncLoop::why_polls() const {
  const Monotonic now = clock_.now();
  const auto every = poll_every();
  if (poll_pause() > options_.poll_interval &&
      every <= poll_pause() + std::chrono::milliseconds(1)) {
    return fmt::format(
        "a poll takes Ironic {:.1f} s",
        std::chrono::duration<double>(std::min(poll_cost_, poll_cost_before_))
            .count());
  }
  if (!broker_) return {};
  if (!broker_->connected) return "notifications are lost";
  if (!trust_.heard()) {
    return "no notification has come yet: ironic.conf needs [DEFAULT] "
           "notification_level = info and [oslo_messaging_notifications] "
           "driver = messagingv2";
  }
  if (trust_.distrusted(now)) {
    return "a poll found what no notification told of: see that every "
           "conductor sends them";
  }
  return synced() ? "notifications tell sooner" : "";
}

PolicyInForce SyncLoop::policy_in_force() const {
  PolicyInForce result = enforcer_.in_force();
  result.as_of = last_poll_;
  return result;
}

void SyncLoop::describe(ControllerStatus& status) const {
  const SourceHealth& driver = enforcer_.health();
  status.driver_error =
      driver.failing() ? driver.last_error()->message() : std::string();
  if (neighbours_) status.notices = neighbours_->problems();
  if (!renewal_error_.empty()) {
    status.notices.push_back("the policy's lease could not be renewed: " +
                             renewal_error_);
  }
  status.held_back = held_back_;
  status.narrowed_to = options_.narrowed_to;
  status.last_renewal = last_renewal_;
  status.synced = synced();
  status.last_full_sync = last_full_sync_;
  status.last_poll = last_poll_;
  status.last_change = enforcer_.last_change();
  status.full_sync_took =
      std::chrono::duration_cast<std::chrono::milliseconds>(list_cost_);
  status.full_sync_every = full_sync_every();
  status.poll_interval = options_.poll_interval;
  status.polls_every = poll_every();
  status.polls_every_why = why_polls();
  status.broker = broker_;
  status.broker_lost_since = broker_lost_since_;
  status.stale = clock_.now() >= stale_from();

  status.sources = {ironic_status()};
  if (inspector_) {
    status.sources.push_back(status_of(inspector_health_));
    status.sources.back().name = "inspector";
    status.sources.back().endpoint = inspector_->endpoint();
    status.sources.back().login = inspector_->login_in_use();
  }
  const PolicyInForce& in_force = enforcer_.in_force();
  status.nodes = in_force.inventory->nodes().size();
  status.ports = in_force.inventory->ports().size();
  status.being_inspected = enforcer_.being_inspected();
  status.allowed = enforcer_.allowed();
  status.denied = in_force.policy->entries().size() - enforcer_.allowed();
  status.unknown = in_force.policy->unknown();
}

}  // namespace pxegate
