// SPDX-License-Identifier: Apache-2.0
#include "controller/app/engines.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "controller/app/reload_plan.h"
#include "controller/base/log.h"

namespace pxegate {
namespace {

// Why a candidate has not taken over yet; empty: no reason is known.
std::string hindrance(const Engine& candidate) {
  ControllerStatus status;
  candidate.feed->describe(status);
  if (!status.driver_error.empty()) return status.driver_error;
  for (const SourceStatus& source : status.sources) {
    if (source.consecutive_failures > 0) return source.last_error;
  }
  if (!candidate.feed->synced()) return {};
  for (const DriverTarget& target : candidate.host->status().targets) {
    if (!target.active) return target.name + ": " + target.detail;
  }
  return {};
}

}  // namespace

Engines::Engines(Hooks hooks, BackoffOptions removal)
    : hooks_(std::move(hooks)), removal_(removal) {}

Engines::~Engines() = default;

Engines::EnginePtr Engines::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

Engines::EnginePtr Engines::candidate() const {
  const std::lock_guard lock(mutex_);
  return candidate_;
}

void Engines::set(EnginePtr current, EnginePtr candidate) {
  const std::lock_guard lock(mutex_);
  // The old ones go after the lock: their last owner may be this.
  std::swap(current_, current);
  std::swap(candidate_, candidate);
}

// ---- making and feeding ----

Result<Engines::EnginePtr> Engines::make_engine(const Config& config) {
  // Told from the feed's thread; by then the engine may be gone.
  const auto self = std::make_shared<std::weak_ptr<Engine>>();
  auto engine = hooks_.make(config, adoptable(config), [this, self] {
    hooks_.post([this, self] { first_sync(*self); });
  });
  if (engine) *self = *engine;
  return engine;
}

// What the engine in force has from the same sources, if it is fresh.
std::shared_ptr<const Inventory> Engines::adoptable(
    const Config& config) const {
  const EnginePtr engine = current();
  if (!engine || !same_sources(engine->config, config) ||
      engine->config.pxe_filter.open_provision_states !=
          config.pxe_filter.open_provision_states) {
    return nullptr;
  }
  ControllerStatus status;
  engine->feed->describe(status);
  const PolicyInForce policy = engine->feed->policy();
  const bool fresh = status.synced && !status.stale && policy.as_of;
  return fresh ? policy.inventory : nullptr;
}

// The feed brings back a driver that is not initialized.
Result<> Engines::feed(const EnginePtr& engine) {
  engine->feed->start();
  const int fd = engine->host->wake_fd();
  if (fd < 0) return {};
  return hooks_.watch(fd, [weak = std::weak_ptr<Engine>(engine)] {
    const EnginePtr woken = weak.lock();
    if (woken && woken->host->woken()) woken->feed->request_driver_sync();
  });
}

Result<> Engines::make(const Config& config) {
  auto engine = make_engine(config);
  if (!engine) return fail(engine.error());
  set(*std::move(engine), nullptr);
  return {};
}

Result<> Engines::begin() {
  const EnginePtr engine = current();
  if (auto ready = engine->host->initialize(); !ready) return ready;
  return feed(engine);
}

void Engines::first_sync(const std::weak_ptr<Engine>& engine) {
  const EnginePtr synced = engine.lock();
  if (!synced) return;
  if (synced == candidate()) {
    tick();
  } else if (synced == current() && hooks_.synced) {
    hooks_.synced();
  }
}

void Engines::tick() {
  const EnginePtr waiting = candidate();
  if (!waiting || !waiting->feed->synced()) return;
  // One that filters nothing yet would leave the network open.
  if (waiting->host->status().healthy) promote();
}

// ---- another configuration ----

Result<std::string> Engines::reload(const Config& config) {
  {
    const std::lock_guard lock(mutex_);
    if (ending_) {
      return fail("the filter is being removed", ErrorCode::kConflict);
    }
  }
  reap();
  if (candidate()) return reload_candidate(config);
  const EnginePtr engine = current();
  const ReloadPlan plan = plan_reload(engine->config, config);
  switch (plan.kind) {
    case ReloadKind::kReconfigure:
      engine->feed->reconfigure(config);
      engine->config = config;
      return std::string("in force");
    case ReloadKind::kRestart:
      return restart_current(config).map([&] {
        return fmt::format("driver {} restarted", config.pxe_filter.driver);
      });
    case ReloadKind::kSwap:
      return begin_swap(config);
    case ReloadKind::kRefuse:
      break;
  }
  return fail(plan.reason, ErrorCode::kInvalid);
}

// While another driver waits for its first sync.
Result<std::string> Engines::reload_candidate(const Config& config) {
  const EnginePtr waiting = candidate();
  const ReloadKind to_current = plan_reload(current()->config, config).kind;
  const ReloadKind to_waiting = plan_reload(waiting->config, config).kind;
  // Back to the one in force, or on to a third.
  if (to_current != ReloadKind::kSwap || to_waiting == ReloadKind::kSwap ||
      to_waiting == ReloadKind::kRefuse) {
    drop_candidate();
    return reload(config);
  }
  if (to_waiting == ReloadKind::kRestart) return restart_candidate(config);
  waiting->feed->reconfigure(config);
  waiting->config = config;
  return fmt::format("driver {} still waits for its first sync",
                     waiting->driver);
}

Result<std::string> Engines::begin_swap(const Config& config) {
  const std::string old = current()->driver;
  const std::string& name = config.pxe_filter.driver;
  auto made = make_engine(config);
  if (!made) return fail(made.error());
  const EnginePtr engine = *std::move(made);
  forget_retirements(config);
  if (auto ready = engine->host->initialize(); !ready) {
    // Nothing of it may stay; but what another controller holds is its own.
    if (ready.error().code() != ErrorCode::kConflict) {
      if (auto removed = engine->host->retire(); !removed) {
        log::warning("cannot remove what driver {} left: {}", name,
                     removed.error().message());
      }
    }
    return fail(ready.error());
  }
  set(current(), engine);
  if (auto fed = feed(engine); !fed) log::error("{}", fed.error().message());
  return fmt::format(
      "driver {} takes over once it has synced and is healthy; until then {} "
      "stays in force",
      name, old);
}

void Engines::promote() {
  const EnginePtr next = candidate();
  const EnginePtr old = current();
  {
    const std::lock_guard lock(mutex_);
    if (ending_) return;
    current_ = next;
    candidate_.reset();
  }
  log::info("driver {} has taken over from {}", next->driver, old->driver);
  retire(old);
  if (hooks_.synced) hooks_.synced();
}

void Engines::drop_candidate() {
  const EnginePtr dropped = candidate();
  if (!dropped) return;
  log::info("driver {} is given up before it took over", dropped->driver);
  set(current(), nullptr);
  retire(dropped);
}

Result<std::string> Engines::restart_candidate(const Config& config) {
  const EnginePtr old = candidate();
  hooks_.ignore(old->host->wake_fd());
  old->feed->stop();
  old->host->reset();
  set(current(), nullptr);
  auto begun = begin_swap(config);
  if (!begun) retire(old);
  return begun;
}

// The old driver lets go of its locks before the new one takes them; what it
// enforced stays. Where the new one cannot begin, the old one goes on. Either
// way one is fed afterwards.
Result<> Engines::restart_current(const Config& config) {
  const EnginePtr old = current();
  auto made = make_engine(config);
  if (!made) return fail(made.error());
  const EnginePtr engine = *std::move(made);
  hooks_.ignore(old->host->wake_fd());
  old->feed->stop();
  old->host->reset();
  const auto ready = engine->host->initialize();
  if (ready) {
    set(engine, nullptr);
    return feed(engine);
  }
  engine->host->reset();
  auto restored = make_engine(old->config);
  if (!restored) {
    log::error("{}; the old configuration cannot be used any more: {}",
               ready.error().message(), restored.error().message());
    set(engine, nullptr);
    return feed(engine);
  }
  set(*restored, nullptr);
  if (auto again = (*restored)->host->initialize(); !again) {
    log::error("{}; trying again", again.error().message());
  }
  if (auto fed = feed(*restored); !fed) {
    log::error("{}", fed.error().message());
  }
  return ready;
}

// ---- engines that leave ----

void Engines::retire(EnginePtr engine) {
  hooks_.ignore(engine->host->wake_fd());
  auto retirement = std::make_unique<Retirement>(
      std::move(engine), removal_, [this] { hooks_.post([this] { reap(); }); });
  const std::lock_guard lock(mutex_);
  retirements_.push_back(std::move(retirement));
}

void Engines::reap() {
  std::vector<std::unique_ptr<Retirement>> done;
  const std::lock_guard lock(mutex_);
  std::erase_if(retirements_, [&](std::unique_ptr<Retirement>& each) {
    if (!each->done()) return false;
    done.push_back(std::move(each));
    return true;
  });
}

// What an engine of the same driver has not removed yet is taken over by the
// new one, which must not have it removed under its feet.
void Engines::forget_retirements(const Config& config) {
  std::vector<std::unique_ptr<Retirement>> forgotten;
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(retirements_, [&](std::unique_ptr<Retirement>& each) {
      const ReloadKind kind = plan_reload(each->engine()->config, config).kind;
      if (kind == ReloadKind::kSwap) return false;
      forgotten.push_back(std::move(each));
      return true;
    });
  }
  for (auto& each : forgotten) {
    const EnginePtr engine = each->engine();
    each.reset();
    engine->host->reset();
  }
}

// ---- the end ----

void Engines::stop_feeds() {
  for (const EnginePtr& engine : {candidate(), current()}) {
    if (engine) engine->feed->stop();
  }
}

void Engines::shut_down() {
  std::vector<std::unique_ptr<Retirement>> leaving;
  {
    const std::lock_guard lock(mutex_);
    leaving = std::exchange(retirements_, {});
  }
  for (auto& each : leaving) {
    const EnginePtr engine = each->engine();
    const bool done = each->done();
    each.reset();
    if (done) continue;
    log::warning(
        "the filter of driver {} is not removed yet; to remove it: pxegate "
        "teardown --driver {}",
        engine->driver, engine->driver);
  }
  for (const EnginePtr& engine : {candidate(), current()}) {
    if (engine) engine->host->shut_down();
  }
}

Result<> Engines::tear_down() {
  std::vector<EnginePtr> all;
  {
    const std::lock_guard lock(mutex_);
    if (ending_) {
      return fail("the controller is already ending", ErrorCode::kConflict);
    }
    ending_ = true;
    for (const auto& each : retirements_) all.push_back(each->engine());
    if (candidate_) all.push_back(candidate_);
  }
  Result<> done;
  for (const EnginePtr& engine : all) {
    done = engine->host->retire();
    if (!done) break;
  }
  if (done) done = current()->feed->tear_down();
  if (done) return done;
  const std::lock_guard lock(mutex_);
  ending_ = false;
  hooks_.post([this] { drop_candidate(); });
  return done;
}

// ---- what is under way ----

std::vector<std::string> Engines::notices() const {
  EnginePtr waiting;
  std::vector<std::string> notices;
  {
    const std::lock_guard lock(mutex_);
    waiting = candidate_;
    for (const auto& each : retirements_) {
      const std::string problem = each->problem();
      if (problem.empty()) continue;
      notices.push_back(fmt::format(
          "what driver {} left in force cannot be removed, which is tried "
          "again: {}",
          each->engine()->driver, problem));
    }
  }
  if (waiting) {
    const std::string problem = hindrance(*waiting);
    notices.push_back(fmt::format(
        "driver {} takes over once it has synced and is healthy{}{}",
        waiting->driver, problem.empty() ? "" : ": ", problem));
  }
  return notices;
}

std::vector<std::string> Engines::drivers() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const EnginePtr& engine : {current_, candidate_}) {
    if (engine) names.push_back(engine->driver);
  }
  for (const auto& each : retirements_) {
    names.push_back(each->engine()->driver);
  }
  return names;
}

}  // namespace pxegate
