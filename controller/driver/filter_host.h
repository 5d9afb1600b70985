// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_DRIVER_FILTER_HOST_H_
#define PXEGATE_CONTROLLER_DRIVER_FILTER_HOST_H_

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>

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
// its backoff says so. Thread-safe: calls are serialized, so a call waits for
// the one in progress.
class FilterHost {
 public:
  explicit FilterHost(std::unique_ptr<FilterDriver> driver);

  // Also in `initialized`, where it reaches the driver again (idempotent).
  Result<> initialize();
  Result<SyncReport> sync(const Snapshot& desired);
  void reset();
  // The end: the driver leaves behind what its on_exit setting says.
  void shut_down();
  // Removes what the driver installed; `uninitialized` afterwards.
  Result<> tear_down();

  // As tear_down(); after a success the driver is never called again to
  // initialize or sync, whoever asks.
  Result<> retire();

  FilterState state() const;
  std::optional<std::chrono::seconds> sync_period(
      std::chrono::seconds configured) const;
  int wake_fd() const;
  bool woken();
  DriverStatus status() const;
  Result<Policy> installed() const;
  Result<Observations> observe() const;

 private:
  Result<> tear_down_locked();

  mutable std::mutex mutex_;
  const std::unique_ptr<FilterDriver> driver_;
  FilterState state_ = FilterState::kUninitialized;
  bool retired_ = false;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_DRIVER_FILTER_HOST_H_
