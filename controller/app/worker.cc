// SPDX-License-Identifier: Apache-2.0
#include "controller/app/worker.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <utility>

#include "controller/app/sysfs_neighbours.h"
#include "controller/config/policy_options.h"

namespace pxegate {
namespace {

// A sign of life at least this often, also when nothing is due.
constexpr std::chrono::seconds kIdle{1};

std::vector<std::string> narrowing(const Config::PxeFilter& filter) {
  std::vector<std::string> by;
  for (const auto& [option, value] :
       {std::pair("conductor_group", &filter.conductor_group),
        std::pair("shard", &filter.shard), std::pair("owner", &filter.owner),
        std::pair("physical_network", &filter.physical_network)}) {
    if (!value->empty()) by.push_back(fmt::format("{} = {}", option, *value));
  }
  return by;
}

SyncLoopOptions loop_options(const Config& config) {
  SyncLoopOptions options;
  options.policy = policy_options(config);
  options.sync_period = config.pxe_filter.sync_period;
  options.poll_interval = config.pxe_filter.poll_interval;
  options.min_list_percent = config.pxe_filter.min_list_percent;
  options.narrowed_to = narrowing(config.pxe_filter);
  return options;
}

}  // namespace

Result<std::unique_ptr<Worker>> Worker::make(
    const Config& config, FilterHost& host, const Clock& clock, Events events,
    std::shared_ptr<const Inventory> adopted, const ListenToBroker& listen) {
  std::unique_ptr<Worker> worker(new Worker(host, clock, std::move(events)));
  // All requests are the loop's.
  auto sources = Sources::make(config, clock, worker->stop_.get_token(),
                               {.ended =
                                    [worker = worker.get()] {
                                      if (worker->loop_)
                                        worker->loop_->request_ended();
                                    },
                                .observer = worker->events_.requests});
  if (!sources) return fail(sources.error());
  worker->sources_ = std::move(*sources);
  const auto& ethoib = config.iptables.ethoib_interfaces;
  if (!ethoib.empty()) {
    worker->neighbours_ = std::make_unique<SysfsNeighbours>(ethoib);
  }
  worker->loop_ = std::make_unique<SyncLoop>(
      loop_options(config), worker->sources_->ironic(),
      worker->sources_->inspector(), host, clock,
      [engine = std::mt19937_64(std::random_device{}())]() mutable {
        return engine();
      },
      worker->neighbours_.get(), worker->events_.syncs);
  if (adopted) worker->loop_->adopt(std::move(adopted));
  auto notifications = listen(config, clock, [worker = worker.get()] {
    {
      const std::lock_guard lock(worker->mutex_);
      worker->notified_ = true;
    }
    worker->work_.notify_all();
  });
  if (!notifications) return fail(notifications.error());
  worker->notifications_ = std::move(*notifications);
  worker->notified_ = worker->notifications_ != nullptr;
  worker->publish();
  return worker;
}

Worker::Worker(FilterHost& host, const Clock& clock, Events events)
    : host_(host),
      clock_(clock),
      events_(std::move(events)),
      heartbeat_(clock.now()) {}

Worker::~Worker() { stop(); }

void Worker::start() {
  thread_ = std::thread([this] { run(); });
}

void Worker::stop() {
  stop_.request_stop();
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_all();
  answered_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Worker::request_driver_sync() {
  {
    const std::lock_guard lock(mutex_);
    driver_sync_requested_ = true;
  }
  work_.notify_all();
}

void Worker::reconfigure(const Config& config) {
  {
    const std::lock_guard lock(mutex_);
    new_options_ = loop_options(config);
  }
  work_.notify_all();
}

void Worker::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    heartbeat_ = clock_.now();
    const bool unlocked = take_requests(lock);
    const auto due = loop_->next_due();
    if (due > clock_.now()) {
      // What came while it was unlocked does not notify again.
      if (!unlocked)
        work_.wait_until(lock, std::min(due, clock_.now() + kIdle));
      continue;
    }
    lock.unlock();
    loop_->step();
    count_messages();
    publish();
    lock.lock();
  }
}

// Hands what callers asked for to the loop; it may answer at once. False, and
// never unlocked, where there was nothing.
bool Worker::take_requests(std::unique_lock<std::mutex>& lock) {
  const auto requests = std::exchange(sync_requests_, {});
  const auto options = std::exchange(new_options_, std::nullopt);
  const bool driver_sync = std::exchange(driver_sync_requested_, false);
  const bool notified = std::exchange(notified_, false);
  if (requests.empty() && !options && !driver_sync && !notified) {
    return false;
  }
  lock.unlock();
  if (notified) {
    // In this order: what is lost with a connection is told with the next.
    loop_->note_broker(notifications_->status());
    loop_->take_hints(notifications_->take());
  }
  if (options) loop_->reconfigure(*options);
  if (driver_sync) loop_->request_driver_sync();
  for (const auto& pending : requests) {
    auto answer = [this, pending](Result<SyncOutcome> outcome) {
      // What the outcome tells of must be visible to whoever waits for it.
      publish();
      {
        const std::lock_guard answer_lock(mutex_);
        pending->result = std::move(outcome);
      }
      answered_.notify_all();
    };
    loop_->request_full_sync(std::move(answer), pending->force);
  }
  publish();
  lock.lock();
  return true;
}

void Worker::count_messages() {
  if (!notifications_ || events_.syncs == nullptr) return;
  const BrokerStatus broker = notifications_->status();
  events_.syncs->received_messages(
      broker.received - std::exchange(messages_counted_, broker.received),
      broker.malformed - std::exchange(malformed_counted_, broker.malformed));
}

void Worker::publish() {
  ControllerStatus status;
  loop_->describe(status);
  PolicyInForce policy = loop_->policy_in_force();
  const Monotonic stale_from = loop_->stale_from();
  bool first_sync = false;
  {
    const std::lock_guard lock(mutex_);
    published_ = std::move(status);
    policy_ = std::move(policy);
    stale_from_ = stale_from;
    first_sync = loop_->synced() && !told_synced_;
    told_synced_ = told_synced_ || first_sync;
  }
  if (first_sync && events_.synced) events_.synced();
}

void Worker::describe(ControllerStatus& status) const {
  const std::lock_guard lock(mutex_);
  status = published_;
  status.stale = status.stale || clock_.now() >= stale_from_;
  if (notifications_) status.broker = notifications_->status();
}

PolicyInForce Worker::policy() const {
  const std::lock_guard lock(mutex_);
  return policy_;
}

bool Worker::synced() const {
  const std::lock_guard lock(mutex_);
  return told_synced_;
}

Monotonic Worker::last_heartbeat() const {
  const std::lock_guard lock(mutex_);
  return heartbeat_;
}

Result<SyncOutcome> Worker::sync(const SyncRequest& request) {
  const auto pending = std::make_shared<PendingSync>();
  pending->force = request.force;
  std::unique_lock lock(mutex_);
  sync_requests_.push_back(pending);
  work_.notify_all();
  answered_.wait_for(lock, request.timeout,
                     [&] { return pending->result || stopping_; });
  if (pending->result) return *pending->result;
  if (stopping_) {
    return fail("the controller is stopping", ErrorCode::kCancelled);
  }
  return fail("the sync takes longer than asked for; it goes on",
              ErrorCode::kUnavailable);
}

Result<> Worker::tear_down() {
  std::unique_lock lock(mutex_);
  if (tearing_down_ || stopping_) {
    return fail("the controller is already ending", ErrorCode::kConflict);
  }
  tearing_down_ = true;
  lock.unlock();
  // Here, not in the worker's thread: that one may be waiting for Ironic.
  const auto done = host_.retire();
  lock.lock();
  tearing_down_ = false;
  if (done) {
    stopping_ = true;
  } else {
    driver_sync_requested_ = true;  // what is left goes on being enforced
  }
  lock.unlock();
  if (done) stop_.request_stop();
  work_.notify_all();
  answered_.notify_all();
  if (done && events_.torn_down) events_.torn_down();
  return done;
}

}  // namespace pxegate
