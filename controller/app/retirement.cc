// SPDX-License-Identifier: Apache-2.0
#include "controller/app/retirement.h"

#include <random>
#include <utility>

#include "controller/base/log.h"

namespace pxegate {

Retirement::Retirement(std::shared_ptr<Engine> engine, BackoffOptions backoff,
                       std::function<void()> done)
    : engine_(std::move(engine)),
      told_(std::move(done)),
      backoff_(backoff),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

Retirement::~Retirement() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

bool Retirement::done() const {
  const std::lock_guard lock(mutex_);
  return done_;
}

std::string Retirement::problem() const {
  const std::lock_guard lock(mutex_);
  return problem_;
}

void Retirement::run(const std::stop_token& stop) {
  const std::string& driver = engine_->driver;
  std::mt19937_64 random(std::random_device{}());
  engine_->feed->stop();
  while (!stop.stop_requested()) {
    const auto removed = engine_->host->retire();
    std::unique_lock lock(mutex_);
    if (removed) {
      done_ = true;
      problem_.clear();
      lock.unlock();
      log::info("the filter of driver {} is removed", driver);
      if (told_) told_();
      return;
    }
    if (removed.error().message() != problem_) {
      problem_ = removed.error().message();
      log::error("cannot remove the filter of driver {}: {}; trying again",
                 driver, problem_);
    }
    stopped_.wait_for(lock, stop, backoff_.next(random()),
                      [] { return false; });
  }
}

}  // namespace pxegate
