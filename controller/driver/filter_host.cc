// SPDX-License-Identifier: Apache-2.0
#include "controller/driver/filter_host.h"

#include <fcntl.h>

#include <cerrno>
#include <utility>

#include "controller/base/log.h"

namespace pxegate {
namespace {

// How long those wait for a driver at work who only look. More than most syncs
// take; for what can be told from memory, less than anybody notices.
constexpr std::chrono::milliseconds kMoment{100};
constexpr std::chrono::seconds kPatience{2};

Failure busy() {
  return fail("the filter driver is at work; try again when it is done",
              ErrorCode::kUnavailable);
}

}  // namespace

std::string_view to_string(FilterState state) {
  return state == FilterState::kInitialized ? "initialized" : "uninitialized";
}

FilterHost::FilterHost(std::unique_ptr<FilterDriver> driver)
    : driver_(std::move(driver)),
      wake_fd_(driver_->wake_fd()),
      known_(driver_->status()) {}

Result<> FilterHost::initialize() {
  const Lock lock(mutex_);
  if (retired_) {
    return fail("the filter was removed", ErrorCode::kInvalidState);
  }
  auto done = driver_->initialize();
  if (!done) driver_->reset();
  note_anew(done ? FilterState::kInitialized : FilterState::kUninitialized);
  return done;
}

Result<SyncReport> FilterHost::sync(const Snapshot& desired) {
  const Lock lock(mutex_);
  if (state() != FilterState::kInitialized) {
    return fail("the filter driver is not initialized",
                ErrorCode::kInvalidState);
  }
  auto report = driver_->sync(desired);
  if (report) {
    note_events_fd();
    note(FilterState::kInitialized);
  } else {
    driver_->reset();
    note_anew(FilterState::kUninitialized);
  }
  return report;
}

Result<> FilterHost::renew_lease() {
  const Lock lock(mutex_);
  if (state() != FilterState::kInitialized) {
    return fail("the filter driver is not initialized",
                ErrorCode::kInvalidState);
  }
  auto done = driver_->renew_lease();
  // Or a status that is told during a long sync would say that it ran out.
  if (done && has_lease()) note(FilterState::kInitialized);
  return done;
}

bool FilterHost::has_lease() const {
  const std::lock_guard lock(known_mutex_);
  return known_.lease.has_value();
}

void FilterHost::reset() {
  const Lock lock(mutex_);
  driver_->reset();
  note_anew(FilterState::kUninitialized);
}

void FilterHost::shut_down() {
  const Lock lock(mutex_);
  driver_->shut_down();
  note_anew(FilterState::kUninitialized);
}

Result<> FilterHost::tear_down() {
  const Lock lock(mutex_);
  return tear_down_locked();
}

Result<> FilterHost::retire() {
  const Lock lock(mutex_);
  auto done = tear_down_locked();
  retired_ = retired_ || done.has_value();
  return done;
}

Result<> FilterHost::tear_down_locked() {
  auto done = driver_->tear_down();
  if (!done) driver_->reset();
  note_anew(FilterState::kUninitialized);
  return done;
}

void FilterHost::note(FilterState state) {
  DriverStatus status = driver_->status();
  const std::lock_guard lock(known_mutex_);
  state_ = state;
  known_ = std::move(status);
}

void FilterHost::note_anew(FilterState state) {
  drivers_events_fd_ = -1;
  note_events_fd();
  note(state);
}

void FilterHost::note_events_fd() {
  const int fd = driver_->events_fd();
  // The same while nothing else was noted.
  if (fd >= 0 && fd == drivers_events_fd_) return;
  std::shared_ptr<const UniqueFd> events;
  if (fd >= 0) {
    events = std::make_shared<const UniqueFd>(fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (!*events) {
      log::warning("{}; its events are not shown",
                   errno_error("the filter driver's events", errno).message());
      events = nullptr;
    }
  }
  drivers_events_fd_ = fd;
  const std::lock_guard lock(known_mutex_);
  events_fd_ = std::move(events);
}

FilterState FilterHost::state() const {
  const std::lock_guard lock(known_mutex_);
  return state_;
}

std::optional<std::chrono::seconds> FilterHost::sync_period(
    std::chrono::seconds configured) const {
  const Lock lock(mutex_);
  return driver_->sync_period(configured);
}

bool FilterHost::woken() {
  const Lock lock(mutex_, kMoment);
  return lock && driver_->woken();
}

Result<Policy> FilterHost::installed() const {
  const Lock lock(mutex_, kPatience);
  if (!lock) return busy();
  return driver_->installed();
}

DriverStatus FilterHost::status() const {
  const Lock lock(mutex_, kMoment);
  if (lock) {
    DriverStatus status = driver_->status();
    const std::lock_guard known(known_mutex_);
    known_ = status;
    return status;
  }
  const std::lock_guard known(known_mutex_);
  DriverStatus status = known_;
  status.busy = true;
  return status;
}

Result<Observations> FilterHost::observe() const {
  const Lock lock(mutex_, kPatience);
  if (!lock) return busy();
  return driver_->observe();
}

Result<std::vector<EventRecord>> FilterHost::take_events(std::size_t limit) {
  const Lock lock(mutex_, kMoment);
  if (!lock) return busy();
  auto events = driver_->take_events(limit);
  note_events_fd();
  return events;
}

std::shared_ptr<const UniqueFd> FilterHost::events_fd() const {
  const std::lock_guard lock(known_mutex_);
  return events_fd_;
}

}  // namespace pxegate
