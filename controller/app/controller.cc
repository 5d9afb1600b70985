// SPDX-License-Identifier: Apache-2.0
#include "controller/app/controller.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <memory>
#include <mutex>
#include <utility>

#include "controller/app/builtin_drivers.h"
#include "controller/app/cli.h"
#include "controller/app/control_api.h"
#include "controller/app/driver_needs.h"
#include "controller/app/drivers.h"
#include "controller/app/engines.h"
#include "controller/app/event_log.h"
#include "controller/app/event_loop.h"
#include "controller/app/event_tap.h"
#include "controller/app/leftovers.h"
#include "controller/app/metrics.h"
#include "controller/app/worker.h"
#include "controller/base/log.h"

namespace pxegate {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;

class Controller final : public ControlBackend {
 public:
  Controller(Config config, ConfigSources sources, EventLoop& loop)
      : config_(std::move(config)),
        sources_(std::move(sources)),
        loop_(loop),
        engines_(hooks()) {}

  Result<> start();
  void stop();

  ControllerStatus status() const override;
  PolicyInForce policy() const override {
    return engines_.current()->feed->policy();
  }
  Result<Observations> observe() const override {
    return engines_.current()->host->observe();
  }
  std::string metrics() const override {
    return metrics_.page(status(), observe(), now(clock_));
  }
  Result<EventPage> events(const EventQuery& query) override;
  Result<SyncOutcome> sync(const SyncRequest& request) override {
    return engines_.current()->feed->sync(request);
  }
  Result<> tear_down() override { return engines_.tear_down(); }

 private:
  Engines::Hooks hooks();
  EventTap::Hooks tap_hooks();
  Result<std::shared_ptr<Engine>> make_engine(
      const Config& config, std::shared_ptr<const Inventory> adopted,
      std::function<void()> synced);
  Result<> install_handlers();
  void reload();
  void take_over(const LoadedConfig& loaded);
  void feed_watchdog();
  void look_for_leftovers(const Config& config);

  Config config_;  // as it was read last
  const ConfigSources sources_;
  EventLoop& loop_;
  const SystemClock clock_;
  const Monotonic started_ = clock_.now();
  bool torn_down_ = false;
  Metrics metrics_{clock_};  // of all engines, so it outlives them
  EventLog events_{fmt::format("{}-{}", ::getpid(),
                               clock_.wall().time_since_epoch().count())};
  Engines engines_;
  EventTap tap_{events_, clock_, tap_hooks()};
  std::unique_ptr<ControlApi> api_;
  mutable std::mutex mutex_;
  std::unique_ptr<Leftovers> leftovers_;
};

Result<> configure_log(const Config& config) {
  return log::configure(config.debug ? log::Level::kDebug : log::Level::kInfo,
                        config.log_file);
}

Engines::Hooks Controller::hooks() {
  return {
      .make =
          [this](const Config& config, std::shared_ptr<const Inventory> adopted,
                 std::function<void()> synced) {
            return make_engine(config, std::move(adopted), std::move(synced));
          },
      .post = [this](std::function<void()> f) { loop_.post(std::move(f)); },
      .watch =
          [this](int fd, std::function<void()> handler) {
            return loop_.on_readable(fd, std::move(handler));
          },
      .ignore = [this](int fd) { loop_.ignore(fd); },
      .synced =
          [] {
            notify_service_manager("READY=1\nSTATUS=in step with Ironic");
          }};
}

EventTap::Hooks Controller::tap_hooks() {
  return {.watch =
              [this](int fd, std::function<void()> handler) {
                return loop_.on_readable(fd, std::move(handler));
              },
          .ignore = [this](int fd) { loop_.ignore(fd); }};
}

Result<std::shared_ptr<Engine>> Controller::make_engine(
    const Config& config, std::shared_ptr<const Inventory> adopted,
    std::function<void()> synced) {
  auto registry = available_drivers(config);
  if (!registry) return fail(registry.error());
  auto driver = registry->create(config.pxe_filter.driver);
  if (!driver) return fail(driver.error());
  auto engine = std::make_shared<Engine>(config);
  engine->host = std::make_unique<FilterHost>(std::move(*driver));
  Worker::Events events;
  events.synced = std::move(synced);
  events.torn_down = [this] {
    loop_.post([this] {
      log::warning(
          "the filter was removed (pxegate teardown): every machine may "
          "network-boot now; ending");
      torn_down_ = true;
      loop_.quit(kExitSuccess);
    });
  };
  events.syncs = &metrics_;
  events.requests = &metrics_;
  auto worker = Worker::make(config, *engine->host, clock_, std::move(events),
                             std::move(adopted));
  if (!worker) return fail(worker.error());
  engine->feed = std::move(*worker);
  return engine;
}

Result<> Controller::start() {
  if (auto made = engines_.make(config_); !made) return made;
  if (auto ready = install_handlers(); !ready) return ready;
  // Before anything is changed: a second controller ends here.
  api_ = std::make_unique<ControlApi>(
      *this, clock_, ControlApiOptions{config_.api.socket, config_.api.listen});
  if (auto listening = api_->start(); !listening) return listening;
  if (auto begun = engines_.begin(); !begun) return begun;
  look_for_leftovers(config_);
  log::info("pxegate {} runs: driver {}, Ironic at {}", PXEGATE_VERSION,
            config_.pxe_filter.driver, config_.ironic.endpoint_override);
  return {};
}

void Controller::look_for_leftovers(const Config& config) {
  auto leftovers = std::make_unique<Leftovers>(
      builtin_drivers(config), [this] { return engines_.drivers(); });
  const std::lock_guard lock(mutex_);
  leftovers_.swap(leftovers);
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
  constexpr std::chrono::milliseconds kTick{500};
  const auto tick = [this] {
    engines_.tick();
    tap_.look(engines_.current());
  };
  if (auto added = loop_.every(kTick, tick); !added) return added;
  const microseconds watchdog = watchdog_period();
  if (watchdog.count() == 0) return {};
  return loop_.every(watchdog / 3, [this] { feed_watchdog(); });
}

// A step of the loop is a request or two, each of which ends at its timeout,
// and perhaps a sync of the driver, which may be slow (dnsmasq with many
// ports). A worker that shows no life for much longer hangs.
void Controller::feed_watchdog() {
  const auto engine = engines_.current();
  const seconds patience =
      4 * (engine->config.ironic.timeout + engine->config.inspector.timeout) +
      seconds(30);
  constexpr seconds kDriverPatience{600};
  const auto silent = clock_.now() - engine->feed->last_heartbeat();
  if (silent < patience ||
      (silent < kDriverPatience && engine->host->status().busy)) {
    notify_service_manager("WATCHDOG=1");
  }
}

void Controller::reload() {
  notify_service_manager(fmt::format(
      "RELOADING=1\nMONOTONIC_USEC={}",
      std::chrono::duration_cast<microseconds>(clock_.now().time_since_epoch())
          .count()));
  if (auto loaded = load_config(sources_); !loaded) {
    log::error("SIGHUP: {}; the configuration in force stays",
               loaded.error().message());
  } else {
    take_over(*loaded);
  }
  // A feed that has not synced yet tells it when it has.
  if (engines_.current()->feed->synced()) notify_service_manager("READY=1");
}

void Controller::take_over(const LoadedConfig& loaded) {
  for (const std::string& warning : loaded.warnings) {
    log::warning("{}", warning);
  }
  if (auto done = configure_log(loaded.config); !done) {
    log::error("SIGHUP: {}", done.error().message());
  }
  if (loaded.config.api != config_.api) {
    log::warning("SIGHUP: [api] changed; that takes a restart");
  }
  const bool other =
      loaded.config.pxe_filter.driver != config_.pxe_filter.driver;
  if (const auto needs = driver_needs(loaded.config); other && needs) {
    std::string missing;
    for (const std::string_view name :
         missing_capabilities(needs->capabilities)) {
      missing += fmt::format("{}{}", missing.empty() ? "" : " and ", name);
    }
    if (!missing.empty()) {
      log::error(
          "SIGHUP: driver {} needs {}, which this process does not have; the "
          "configuration in force stays. `systemctl daemon-reload && systemctl "
          "restart pxegate` starts it with them",
          loaded.config.pxe_filter.driver, missing);
      return;
    }
  }
  const auto done = engines_.reload(loaded.config);
  if (!done) {
    log::error("SIGHUP: {}; the configuration in force stays",
               done.error().message());
    return;
  }
  config_ = loaded.config;
  look_for_leftovers(config_);
  log::info("SIGHUP: configuration read again, {}", *done);
}

void Controller::stop() {
  if (!engines_.current()) return;
  {
    const std::lock_guard lock(mutex_);
    leftovers_.reset();
  }
  tap_.look(nullptr);
  engines_.stop_feeds();
  events_.close();
  if (api_) api_->stop();
  // Last, because its last line tells the operator how to remove the filter.
  if (!torn_down_) engines_.shut_down();
}

Result<EventPage> Controller::events(const EventQuery& query) {
  EventPage page = events_.read(query);
  page.supported = tap_.supported();
  return page;
}

ControllerStatus Controller::status() const {
  ControllerStatus status;
  const auto engine = engines_.current();
  engine->feed->describe(status);
  status.version = PXEGATE_VERSION;
  status.pid = ::getpid();
  status.started = started_;
  status.state = engine->host->state();
  status.driver = engine->host->status();
  status.drivers = engines_.drivers();
  std::ranges::move(engines_.notices(), std::back_inserter(status.notices));
  const std::lock_guard lock(mutex_);
  if (leftovers_) {
    std::ranges::move(leftovers_->notices(),
                      std::back_inserter(status.notices));
  }
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
