// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_TESTS_UNIT_CONTROLLER_DRIVER_FAKE_DRIVER_H_
#define PXEGATE_TESTS_UNIT_CONTROLLER_DRIVER_FAKE_DRIVER_H_

#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controller/driver/filter_driver.h"

namespace pxegate::testing {

// What a FakeDriver was asked, and what it shall answer. Belongs to the test:
// the driver itself belongs to a FilterHost.
struct FakeDriverScript {
  bool leased = false;  // its status has a lease
  std::vector<std::string> calls;
  std::optional<Error> initialize_error;
  std::optional<Error> sync_error;
  std::optional<Error> tear_down_error;
  SyncReport report;
  std::optional<std::chrono::seconds> period;
  // Called from within sync(); may block.
  std::function<void(const Snapshot&)> on_sync;
  int wake_fd = 42;
  std::size_t woken = 0;
  std::optional<Error> renew_error;
  std::vector<EventRecord> events;
  std::optional<Error> take_events_error;
  int events_fd = -1;
};

// Records each call in `script`, which outlives it. No lock, as drivers have
// none: calls from two threads at once are a data race.
class FakeDriver final : public FilterDriver {
 public:
  explicit FakeDriver(FakeDriverScript& script) : script_(script) {}

  Result<> initialize() override {
    script_.calls.emplace_back("initialize");
    return answer(script_.initialize_error);
  }
  Result<SyncReport> sync(const Snapshot& desired) override {
    script_.calls.emplace_back("sync");
    if (script_.on_sync) script_.on_sync(desired);
    if (script_.sync_error) return fail(*script_.sync_error);
    return script_.report;
  }
  Result<> renew_lease() override {
    script_.calls.emplace_back("renew_lease");
    return answer(script_.renew_error);
  }
  void reset() noexcept override { script_.calls.emplace_back("reset"); }
  void shut_down() noexcept override {
    script_.calls.emplace_back("shut_down");
  }
  Result<> tear_down() override {
    script_.calls.emplace_back("tear_down");
    return answer(script_.tear_down_error);
  }
  std::optional<std::chrono::seconds> sync_period(
      std::chrono::seconds configured) const override {
    return script_.period.value_or(configured * 2);
  }
  int wake_fd() const override { return script_.wake_fd; }
  bool woken() override {
    ++script_.woken;
    return true;
  }
  Result<std::vector<EventRecord>> take_events(std::size_t limit) override {
    if (script_.take_events_error) return fail(*script_.take_events_error);
    std::vector<EventRecord> taken = std::exchange(script_.events, {});
    taken.resize(std::min(limit, taken.size()));
    return taken;
  }
  int events_fd() const override { return script_.events_fd; }
  DriverStatus status() const override {
    DriverStatus status;
    status.driver = "fake";
    status.rules = script_.calls.size();
    if (script_.leased) status.lease.emplace();
    return status;
  }

 private:
  static Result<> answer(const std::optional<Error>& error) {
    if (error) return fail(*error);
    return {};
  }

  FakeDriverScript& script_;
};

}  // namespace pxegate::testing

#endif  // PXEGATE_TESTS_UNIT_CONTROLLER_DRIVER_FAKE_DRIVER_H_
