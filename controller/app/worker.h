// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_WORKER_H_
#define PXEGATE_CONTROLLER_APP_WORKER_H_

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include "controller/app/control_backend.h"
#include "controller/app/sources.h"
#include "controller/app/sync_loop.h"
#include "controller/base/clock.h"
#include "controller/config/config.h"
#include "controller/driver/filter_host.h"

namespace pxegate {

// The thread that runs the sync loop, and what others may ask of it. Its
// requests to Ironic block, so it is apart from the thread that serves
// signals and the watchdog. Public calls are thread-safe, but for start(),
// stop() and the destructor, which belong to the thread that made it.
class Worker {
 public:
  // What happened, told from any thread: do little, and do not call
  // back.
  struct Events {
    std::function<void()> synced;  // first complete sync done
    std::function<void()> torn_down;
  };

  // `host` is initialized by the caller. The references must outlive this.
  // An error where the sources cannot be used (Sources::make).
  static Result<std::unique_ptr<Worker>> make(const Config& config,
                                              FilterHost& host,
                                              const Clock& clock,
                                              Events events);
  ~Worker();  // as stop()
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void start();
  // Ends requests under way and joins. Waiting sync() calls get kCancelled.
  void stop();

  // The filter's surroundings changed: have the driver look again.
  void request_driver_sync();
  void reconfigure(const Config& config);

  // Fills in all but version, pid, started, state and driver.
  void describe(ControllerStatus& status) const;
  PolicyInForce policy() const;
  // As ControlBackend says.
  Result<SyncOutcome> sync(std::chrono::milliseconds timeout);
  Result<> tear_down();

  // The first complete sync is done.
  bool synced() const;

  // When the worker last gave a sign of life.
  Monotonic last_heartbeat() const;

 private:
  // Waits for one answer; shared with the loop, which may answer late.
  template <typename T>
  struct Pending {
    std::optional<Result<T>> result;
  };

  Worker(FilterHost& host, const Clock& clock, Events events);

  void run();
  void take_requests(std::unique_lock<std::mutex>& lock);
  void publish();

  FilterHost& host_;
  const Clock& clock_;
  const Events events_;
  std::stop_source stop_;
  std::unique_ptr<Sources> sources_;
  std::unique_ptr<SyncLoop> loop_;  // the worker's thread only, once started

  mutable std::mutex mutex_;
  std::condition_variable work_;      // the worker waits for requests
  std::condition_variable answered_;  // callers wait for the worker
  bool stopping_ = false;
  bool driver_sync_requested_ = false;
  std::optional<SyncLoopOptions> new_options_;
  std::vector<std::shared_ptr<Pending<SyncOutcome>>> sync_requests_;
  bool tearing_down_ = false;
  // What callers see; replaced after each step.
  ControllerStatus published_;
  PolicyInForce policy_;
  Monotonic stale_from_;
  Monotonic heartbeat_;
  bool told_synced_ = false;

  std::thread thread_;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_WORKER_H_
