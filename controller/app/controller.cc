// SPDX-License-Identifier: Apache-2.0
#include "controller/app/controller.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "controller/app/builtin_drivers.h"
#include "controller/app/cli.h"
#include "controller/app/control_api.h"
#include "controller/app/event_loop.h"
#include "controller/app/worker.h"
#include "controller/base/log.h"

namespace pxegate {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;

// One configuration at work: its driver and the worker that feeds it.
struct Engine {
  std::unique_ptr<FilterHost> host;
  std::unique_ptr<Worker> worker;
};

class Controller final : public ControlBackend {
 public:
  Controller(Config config, ConfigSources sources, EventLoop& loop)
      : config_(std::move(config)), sources_(std::move(sources)), loop_(loop) {}

  Result<> start();
  void stop();

  ControllerStatus status() const override;
  PolicyInForce policy() const override { return worker()->policy(); }
  Result<Observations> observe() const override { return host()->observe(); }
  Result<SyncOutcome> sync(std::chrono::milliseconds timeout) override {
    return worker()->sync(timeout);
  }
  Result<> tear_down() override { return worker()->tear_down(); }

 private:
  Result<Engine> make_engine(const Config& config);
  void adopt(Engine engine);
  Result<> begin();
  Result<> install_handlers();
  void reload();
  void tell_reloaded();
  Result<> replace_engine(const Config& config);
  void feed_watchdog();

  // API threads may hold on to the old ones while reload() replaces them.
  std::shared_ptr<Worker> worker() const {
    const std::lock_guard lock(mutex_);
    return worker_;
  }
  std::shared_ptr<FilterHost> host() const {
    const std::lock_guard lock(mutex_);
    return host_;
  }

  Config config_;
  const ConfigSources sources_;
  EventLoop& loop_;
  const SystemClock clock_;
  const WallTime started_ = clock_.wall();
  bool torn_down_ = false;
  mutable std::mutex mutex_;  // the two pointers below, not what they point to
  std::shared_ptr<FilterHost> host_;
  std::shared_ptr<Worker> worker_;
  std::unique_ptr<ControlApi> api_;
};

Result<> configure_log(const Config& config) {
  return log::configure(config.debug ? log::Level::kDebug : log::Level::kInfo,
                        config.log_file);
}

Result<Engine> Controller::make_engine(const Config& config) {
  auto registry = builtin_drivers(config);
  if (!registry) return fail(registry.error());
  auto driver = registry->create(config.pxe_filter.driver);
  if (!driver) return fail(driver.error());
  Engine engine;
  engine.host = std::make_unique<FilterHost>(std::move(*driver));
  Worker::Events events;
  events.synced = [this] {
    loop_.post(
        [] { notify_service_manager("READY=1\nSTATUS=in step with Ironic"); });
  };
  events.torn_down = [this] {
    loop_.post([this] {
      log::warning(
          "the filter was removed (pxegate teardown): every machine may "
          "network-boot now; ending");
      torn_down_ = true;
      loop_.quit(kExitSuccess);
    });
  };
  auto worker = Worker::make(config, *engine.host, clock_, std::move(events));
  if (!worker) return fail(worker.error());
  engine.worker = std::move(*worker);
  return engine;
}

void Controller::adopt(Engine engine) {
  const std::lock_guard lock(mutex_);
  // The worker refers to its host: it goes first.
  worker_ = std::move(engine.worker);
  host_ = std::move(engine.host);
}

// The worker brings back a driver that is not initialized.
Result<> Controller::begin() {
  worker_->start();
  return loop_.on_readable(host_->wake_fd(), [this] {
    if (host_->woken()) worker_->request_driver_sync();
  });
}

Result<> Controller::start() {
  auto engine = make_engine(config_);
  if (!engine) return fail(engine.error());
  if (auto ready = install_handlers(); !ready) return ready;
  adopt(std::move(*engine));
  // Before anything is changed: a second controller ends here.
  api_ = std::make_unique<ControlApi>(
      *this, clock_, ControlApiOptions{config_.api.socket, config_.api.listen});
  if (auto listening = api_->start(); !listening) return listening;
  if (auto ready = host_->initialize(); !ready) return ready;
  if (auto begun = begin(); !begun) return begun;
  log::info("pxegate {} runs: driver {}, Ironic at {}", PXEGATE_VERSION,
            config_.pxe_filter.driver, config_.ironic.endpoint_override);
  return {};
}

Result<> Controller::install_handlers() {
  for (const int signal : {SIGTERM, SIGINT}) {
    auto added = loop_.on_signal(signal, [this] {
      notify_service_manager("STOPPING=1");
      loop_.quit(kExitSuccess);
    });
    if (!added) return added;
  }
  if (auto added = loop_.on_signal(SIGHUP, [this] { reload(); }); !added) {
    return added;
  }
  const microseconds watchdog = watchdog_period();
  if (watchdog.count() == 0) return {};
  return loop_.every(watchdog / 3, [this] { feed_watchdog(); });
}

// A step of the loop is a request or two, each of which ends at its timeout.
// A worker that shows no life for much longer hangs.
void Controller::feed_watchdog() {
  const seconds patience =
      4 * (config_.ironic.timeout + config_.inspector.timeout) + seconds(30);
  if (clock_.now() - worker_->last_heartbeat() < patience) {
    notify_service_manager("WATCHDOG=1");
  }
}

void Controller::reload() {
  notify_service_manager(fmt::format(
      "RELOADING=1\nMONOTONIC_USEC={}",
      std::chrono::duration_cast<microseconds>(clock_.now().time_since_epoch())
          .count()));
  auto loaded = load_config(sources_);
  if (!loaded) {
    log::error("SIGHUP: {}; the configuration in force stays",
               loaded.error().message());
    tell_reloaded();
    return;
  }
  const Config& config = loaded->config;
  for (const std::string& warning : loaded->warnings) {
    log::warning("{}", warning);
  }
  if (auto done = configure_log(config); !done) {
    log::error("SIGHUP: {}", done.error().message());
  }
  if (config.api != config_.api) {
    log::warning("SIGHUP: [api] changed; that takes a restart");
  }
  const bool same_engine =
      config.pxe_filter.driver == config_.pxe_filter.driver &&
      config.pxe_filter.plugin_dir == config_.pxe_filter.plugin_dir &&
      config.plugin_options == config_.plugin_options &&
      config.xdp == config_.xdp && config.iptables == config_.iptables &&
      config.dnsmasq == config_.dnsmasq &&
      config.nftables == config_.nftables && config.ironic == config_.ironic &&
      config.inspector == config_.inspector;
  if (same_engine) {
    worker_->reconfigure(config);
    config_ = config;
    log::info("SIGHUP: configuration read again");
  } else if (auto replaced = replace_engine(config); !replaced) {
    log::error("SIGHUP: {}; the configuration in force stays",
               replaced.error().message());
  } else {
    config_ = config;
    log::info("SIGHUP: configuration read again, driver {} restarted",
              config.pxe_filter.driver);
  }
  tell_reloaded();
}

// A worker that has not synced yet tells it when it has.
void Controller::tell_reloaded() {
  if (worker_->synced()) notify_service_manager("READY=1");
}

// The old driver lets go of its locks before the new one takes them; what it
// enforced stays. Where the new one cannot begin, the old one goes on. Either
// way a worker runs afterwards.
Result<> Controller::replace_engine(const Config& config) {
  const bool same_driver =
      config.pxe_filter.driver == config_.pxe_filter.driver;
  if (same_driver && config.xdp.pin_path != config_.xdp.pin_path) {
    return fail(
        "[xdp] pin_path cannot change while the filter is in force: stop the "
        "controller, run `pxegate teardown` with the old configuration, start "
        "it with the new one");
  }
  auto engine = make_engine(config);
  if (!engine) return fail(engine.error());
  const auto old_host = host();
  const auto old_worker = worker();
  if (auto unwatched = loop_.on_readable(-1, {}); !unwatched) return unwatched;
  old_worker->stop();
  old_host->reset();
  adopt(std::move(*engine));
  const auto ready = host_->initialize();
  bool restored = false;
  if (!ready) {
    host_->reset();
    if (auto old = make_engine(config_)) {
      adopt(std::move(*old));
      restored = true;
      if (auto again = host_->initialize(); !again) {
        log::error("{}; trying again", again.error().message());
      }
    } else {
      log::error("{}; the old configuration cannot be used any more: {}",
                 ready.error().message(), old.error().message());
    }
  }
  if (auto begun = begin(); !begun) {
    log::error("{}", begun.error().message());
  }
  if (restored) return ready;
  if (!same_driver) {
    if (auto removed = old_host->tear_down(); !removed) {
      log::error("{}", removed.error().message());
    }
  }
  return {};
}

void Controller::stop() {
  if (worker_) worker_->stop();
  if (api_) api_->stop();
  // Last, because its last line tells the operator how to remove the filter.
  if (host_ && !torn_down_) host_->shut_down();
}

ControllerStatus Controller::status() const {
  ControllerStatus status;
  worker()->describe(status);
  const auto filter = host();
  status.version = PXEGATE_VERSION;
  status.pid = ::getpid();
  status.started = started_;
  status.state = filter->state();
  status.driver = filter->status();
  return status;
}

}  // namespace

int run_controller(const LoadedConfig& loaded, const ConfigSources& sources) {
  // Credentials must not end up in a core file.
  ::prctl(PR_SET_DUMPABLE, 0);
  if (auto done = configure_log(loaded.config); !done) {
    log::error("{}", done.error().message());
    return kExitUsage;
  }
  for (const std::string& warning : loaded.warnings) {
    log::warning("{}", warning);
  }
  auto loop = EventLoop::make();
  if (!loop) {
    log::error("{}", loop.error().message());
    return kExitFailure;
  }
  Controller controller(loaded.config, sources, **loop);
  if (auto started = controller.start(); !started) {
    log::error("{}", started.error().message());
    return started.error().code() == ErrorCode::kInvalid ? kExitUsage
                                                         : kExitFailure;
  }
  auto ended = (*loop)->run();
  if (!ended) log::error("{}", ended.error().message());
  controller.stop();
  return ended ? *ended : kExitFailure;
}

}  // namespace pxegate
