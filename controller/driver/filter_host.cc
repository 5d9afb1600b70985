// SPDX-License-Identifier: Apache-2.0
#include "controller/driver/filter_host.h"

#include <utility>

namespace pxegate {

std::string_view to_string(FilterState state) {
  return state == FilterState::kInitialized ? "initialized" : "uninitialized";
}

FilterHost::FilterHost(std::unique_ptr<FilterDriver> driver)
    : driver_(std::move(driver)) {}

Result<> FilterHost::initialize() {
  const std::lock_guard lock(mutex_);
  if (retired_) {
    return fail("the filter was removed", ErrorCode::kInvalidState);
  }
  auto done = driver_->initialize();
  if (!done) driver_->reset();
  state_ = done ? FilterState::kInitialized : FilterState::kUninitialized;
  return done;
}

Result<SyncReport> FilterHost::sync(const Snapshot& desired) {
  const std::lock_guard lock(mutex_);
  if (state_ != FilterState::kInitialized) {
    return fail("the filter driver is not initialized",
                ErrorCode::kInvalidState);
  }
  auto report = driver_->sync(desired);
  if (!report) {
    driver_->reset();
    state_ = FilterState::kUninitialized;
  }
  return report;
}

void FilterHost::reset() {
  const std::lock_guard lock(mutex_);
  driver_->reset();
  state_ = FilterState::kUninitialized;
}

void FilterHost::shut_down() {
  const std::lock_guard lock(mutex_);
  driver_->shut_down();
  state_ = FilterState::kUninitialized;
}

Result<> FilterHost::tear_down() {
  const std::lock_guard lock(mutex_);
  return tear_down_locked();
}

Result<> FilterHost::retire() {
  const std::lock_guard lock(mutex_);
  auto done = tear_down_locked();
  retired_ = done.has_value();
  return done;
}

Result<> FilterHost::tear_down_locked() {
  state_ = FilterState::kUninitialized;
  auto done = driver_->tear_down();
  if (!done) driver_->reset();
  return done;
}

FilterState FilterHost::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

std::optional<std::chrono::seconds> FilterHost::sync_period(
    std::chrono::seconds configured) const {
  const std::lock_guard lock(mutex_);
  return driver_->sync_period(configured);
}

int FilterHost::wake_fd() const {
  const std::lock_guard lock(mutex_);
  return driver_->wake_fd();
}

bool FilterHost::woken() {
  const std::lock_guard lock(mutex_);
  return driver_->woken();
}

Result<Policy> FilterHost::installed() const {
  const std::lock_guard lock(mutex_);
  return driver_->installed();
}

DriverStatus FilterHost::status() const {
  const std::lock_guard lock(mutex_);
  return driver_->status();
}

Result<Observations> FilterHost::observe() const {
  const std::lock_guard lock(mutex_);
  return driver_->observe();
}

}  // namespace pxegate
