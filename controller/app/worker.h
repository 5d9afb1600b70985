// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_WORKER_H_
#define PXEGATE_CONTROLLER_APP_WORKER_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include "controller/app/broker_listener.h"
#include "controller/app/engine_feed.h"
#include "controller/app/neighbour_source.h"
#include "controller/app/request_observer.h"
#include "controller/app/sources.h"
#include "controller/app/sync_loop.h"
#include "controller/app/sync_observer.h"
#include "controller/base/clock.h"
#include "controller/config/config.h"
#include "controller/driver/filter_host.h"

namespace pxegate {

// The thread that runs the sync loop. Its requests to Ironic block, so it is
// apart from the thread that serves signals and the watchdog.
class Worker final : public EngineFeed {
 public:
  // What happened, told from any thread: do little, and do not call
  // back. The observers may be null, and outlive this.
  struct Events {
    std::function<void()> synced;  // first complete sync done
    std::function<void()> torn_down;
    SyncObserver* syncs = nullptr;
    RequestObserver* requests = nullptr;
  };

  // `host` is initialized by the caller. The references must outlive this.
  // `listen` makes what brings hints.
  // `adopted` may be null: what another feed of the same sources enforced just
  // now (SyncLoop::adopt). An error where the sources cannot be used
  // (Sources::make).
  static Result<std::unique_ptr<Worker>> make(
      const Config& config, FilterHost& host, const Clock& clock, Events events,
      std::shared_ptr<const Inventory> adopted = nullptr,
      const ListenToBroker& listen = listen_to_broker);
  ~Worker() override;
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void start() override;
  void stop() override;
  void request_driver_sync() override;
  void reconfigure(const Config& config) override;
  void describe(ControllerStatus& status) const override;
  PolicyInForce policy() const override;
  Result<SyncOutcome> sync(const SyncRequest& request) override;
  Result<> tear_down() override;
  bool synced() const override;
  Monotonic last_heartbeat() const override;

 private:
  // A sync that was asked for; shared with the loop, which may answer late.
  struct PendingSync {
    bool force = false;
    std::optional<Result<SyncOutcome>> result;
  };

  Worker(FilterHost& host, const Clock& clock, Events events);

  void run();
  bool take_requests(std::unique_lock<std::mutex>& lock);
  void publish();
  void count_messages();

  FilterHost& host_;
  const Clock& clock_;
  const Events events_;
  std::stop_source stop_;
  std::unique_ptr<Sources> sources_;
  std::unique_ptr<NeighbourSource> neighbours_;  // null: none configured
  // The worker's thread only, once started:
  std::unique_ptr<SyncLoop> loop_;
  std::uint64_t messages_counted_ = 0;
  std::uint64_t malformed_counted_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable work_;      // the worker waits for requests
  std::condition_variable answered_;  // callers wait for the worker
  bool stopping_ = false;
  bool driver_sync_requested_ = false;
  bool notified_ = false;  // notifications_ has something to say
  std::optional<SyncLoopOptions> new_options_;
  std::vector<std::shared_ptr<PendingSync>> sync_requests_;
  bool tearing_down_ = false;
  // What callers see; replaced after each step.
  ControllerStatus published_;
  PolicyInForce policy_;
  Monotonic stale_from_;
  Monotonic heartbeat_;
  bool told_synced_ = false;

  // Null: no broker. Ends before what it wakes.
  std::unique_ptr<Notifications> notifications_;
  std::thread thread_;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_WORKER_H_
