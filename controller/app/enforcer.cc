// SPDX-License-Identifier: Apache-2.0
#include "controller/app/enforcer.h"

#include <utility>

#include "controller/app/change_log.h"
#include "controller/base/log.h"

namespace pxegate {
namespace {

constexpr std::size_t kMaxRepairsLogged = 10;

}  // namespace

Enforcer::Enforcer(FilterHost& host, const Clock& clock, Random random,
                   SyncObserver& observer)
    : host_(host),
      clock_(clock),
      observer_(observer),
      health_("the filter driver",
              {std::chrono::milliseconds(500), std::chrono::seconds(30)}, clock,
              std::move(random)) {
  in_force_.inventory = std::make_shared<const Inventory>();
  in_force_.policy = std::make_shared<const Policy>();
  if (host_.state() != FilterState::kInitialized) retry_now();
}

Result<SyncReport> Enforcer::enforce(std::shared_ptr<const Inventory> inventory,
                                     const PolicyOptions& options, When when) {
  Policy policy = compute_policy(*inventory, options);
  const bool same = enforced_once_ && policy == *in_force_.policy;
  wanted_ = Wanted{std::move(inventory),
                   same ? in_force_.policy
                        : std::make_shared<const Policy>(std::move(policy)),
                   options};
  if (!working()) {
    if (health_.last_error()) return fail(*health_.last_error());
    return fail("the filter driver is not initialized",
                ErrorCode::kInvalidState);
  }
  const bool needed = !same || when == When::kAlways ||
                      (when == When::kInventoryChanged &&
                       *wanted_->inventory != *in_force_.inventory);
  if (needed) return sync();
  take_over_wanted();
  return SyncReport{};
}

void Enforcer::enforce_again() {
  if (!working()) return;
  if (wanted_) {
    static_cast<void>(sync());
  } else if (auto ready = host_.initialize(); !ready) {
    driver_failed(ready.error());
  }
}

bool Enforcer::retry() {
  if (auto ready = host_.initialize(); !ready) {
    driver_failed(ready.error());
    return false;
  }
  retry_at_ = Monotonic::max();
  return true;
}

void Enforcer::resume() {
  if (wanted_) {
    static_cast<void>(sync());
  } else {
    health_.succeeded();
  }
}

void Enforcer::retry_now() {
  health_.forget_delay();
  retry_at_ = clock_.now();
}

Result<SyncReport> Enforcer::sync() {
  const Monotonic began = clock_.now();
  auto report = host_.sync({wanted_->inventory, wanted_->policy});
  if (!report) {
    observer_.failed(SyncWork::kDriverSync);
    driver_failed(report.error());
    return report;
  }
  last_sync_ = clock_.now();
  observer_.succeeded(SyncWork::kDriverSync, *last_sync_ - began);
  health_.succeeded();
  log_change(*report);
  if (!enforced_once_ || *wanted_->policy != *in_force_.policy) {
    last_change_ = now(clock_);
  }
  enforced_once_ = true;
  take_over_wanted();
  return report;
}

void Enforcer::driver_failed(const Error& error) {
  const auto delay = health_.failed(error);
  retry_at_ = clock_.now();
  // Somebody else reset the driver: nothing is wrong with it that we know.
  const bool was_reset = error.code() == ErrorCode::kInvalidState;
  if (!was_reset || health_.failures() > 1) retry_at_ += delay;
}

void Enforcer::take_over_wanted() {
  in_force_.inventory = wanted_->inventory;
  in_force_.policy = wanted_->policy;
  in_force_.options = wanted_->options;
  being_inspected_ = count_inspected(*in_force_.inventory, in_force_.options);
  allowed_ = in_force_.policy->count(Verdict::kAllow);
}

void Enforcer::log_change(const SyncReport& report) const {
  std::size_t shown = 0;
  for (const std::string& sentence : report.repaired) {
    if (++shown > kMaxRepairsLogged) {
      log::warning("the filter was repaired: {} repairs more",
                   report.repaired.size() - kMaxRepairsLogged);
      break;
    }
    log::warning("the filter was repaired: {}", sentence);
  }
  const PolicyInForce after{wanted_->inventory, wanted_->policy,
                            wanted_->options, std::nullopt};
  if (!enforced_once_) {
    log::info(
        "first complete list enforced: {} ports, {} nodes of which {} being "
        "inspected; unknown machines are {}",
        after.inventory->ports().size(), after.inventory->nodes().size(),
        count_inspected(*after.inventory, after.options),
        after.policy->unknown() == Verdict::kAllow ? "allowed" : "denied");
    return;
  }
  if (after.policy == in_force_.policy) return;
  for (const std::string& line : describe_change(in_force_, after)) {
    log::info("{}", line);
  }
}

}  // namespace pxegate
