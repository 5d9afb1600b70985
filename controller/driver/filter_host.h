// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_DRIVER_FILTER_HOST_H_
#define PXEGATE_CONTROLLER_DRIVER_FILTER_HOST_H_

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "controller/base/fd.h"
#include "controller/base/result.h"
#include "controller/driver/filter_driver.h"

namespace pxegate {

enum class FilterState { kUninitialized, kInitialized };
std::string_view to_string(FilterState state);

// The only caller of a driver: holds the lock and the state machine of
// ironic-inspector's BaseFilter.
//
//     uninitialized --initialize--> initialized
//     initialized   --sync-------> initialized
//     any           --reset------> uninitialized
//
// A sync in `uninitialized` is ErrorCode::kInvalidState and reaches no
// driver. An error of the driver resets it; the caller re-initializes it when
// its backoff says so. Thread-safe: calls are serialized, so one that changes
// something waits for the one in progress. As a sync may take a minute, those
// that only look soon give up.
class FilterHost {
 public:
  explicit FilterHost(std::unique_ptr<FilterDriver> driver);

  // Also in `initialized`, where it reaches the driver again (idempotent).
  Result<> initialize();
  Result<SyncReport> sync(const Snapshot& desired);
  // A failure resets nothing: what the driver enforces is as it was, and its
  // next sync() finds out what is wrong. kInvalidState in `uninitialized`.
  Result<> renew_lease();
  void reset();
  // The end: the driver leaves behind what its on_exit setting says.
  void shut_down();
  // Removes what the driver installed; `uninitialized` afterwards.
  Result<> tear_down();

  // As tear_down(); after a success the driver is never called again to
  // initialize or sync, whoever asks.
  Result<> retire();

  // Waits for nobody. While a call is in progress: as it was before.
  FilterState state() const;
  std::optional<std::chrono::seconds> sync_period(
      std::chrono::seconds configured) const;
  // Waits for nobody.
  int wake_fd() const { return wake_fd_; }
  // False while the driver is at work: wake_fd() stays readable until this
  // reaches it.
  bool woken();
  // While the driver is at work: its last known status, marked `busy`.
  DriverStatus status() const;
  // kUnavailable after two seconds in which the driver was at work.
  Result<Policy> installed() const;
  Result<Observations> observe() const;
  // Soon kUnavailable while the driver is at work: events are left where they
  // are until it is done.
  Result<std::vector<EventRecord>> take_events(std::size_t limit);
  // Readable while there are events to take; null: none, for now. Another
  // object each time the driver may have another descriptor. It is a duplicate,
  // so that whoever watches it keeps it open. Waits for nobody.
  std::shared_ptr<const UniqueFd> events_fd() const;

 private:
  using Lock = std::unique_lock<std::timed_mutex>;

  Result<> tear_down_locked();
  // After a call that changed something: what to tell during the next one.
  bool has_lease() const;
  void note(FilterState state);
  // As note(), after one that may have given the driver another events_fd().
  void note_anew(FilterState state);
  void note_events_fd();

  mutable std::timed_mutex mutex_;  // held while the driver is called
  const std::unique_ptr<FilterDriver> driver_;
  const int wake_fd_;
  bool retired_ = false;
  int drivers_events_fd_ = -1;

  mutable std::mutex known_mutex_;  // never held while the driver is called
  FilterState state_ = FilterState::kUninitialized;
  mutable DriverStatus known_;
  std::shared_ptr<const UniqueFd> events_fd_;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_DRIVER_FILTER_HOST_H_
