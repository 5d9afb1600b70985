// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_METRICS_H_
#define PXEGATE_CONTROLLER_APP_METRICS_H_

#include <memory>
#include <string>

#include "controller/app/control_backend.h"
#include "controller/app/request_observer.h"
#include "controller/app/sync_observer.h"
#include "controller/base/clock.h"
#include "controller/driver/filter_driver.h"

namespace pxegate {

// What Prometheus is shown: docs/metrics.md lists each metric with its labels,
// its meaning and how many series there may be.
//
// Most of it is what ControllerStatus and Observations say when asked. What
// has to be counted as it happens is told by the observers' calls, of one
// engine after another, so it goes on when the driver is swapped. All calls
// are thread-safe, and none waits for anything but another of them.
class Metrics final : public SyncObserver, public RequestObserver {
 public:
  // Make it when the process starts: that is what it tells of this.
  explicit Metrics(const Clock& clock);
  ~Metrics() override;
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // In the text format 0.0.4. `seen` may be an error: what is in the filter is
  // left out then, and pxegate_filter_readable says so. Whatever the labels'
  // values are, the page is well-formed.
  std::string page(const ControllerStatus& status,
                   const Result<Observations>& seen, const Instant& now) const;

  void succeeded(SyncWork work, std::chrono::nanoseconds took) override;
  void failed(SyncWork work) override;
  void enforced_change(bool opened, std::chrono::nanoseconds delay) override;
  void took_hints(std::size_t hints, bool missed) override;
  void received_messages(std::uint64_t messages,
                         std::uint64_t malformed) override;
  void request_ended(const RequestReport& report) override;

 private:
  struct Instruments;
  const std::unique_ptr<Instruments> instruments_;
  const WallTime started_;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_METRICS_H_
