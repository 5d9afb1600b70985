// SPDX-License-Identifier: Apache-2.0
#include "controller/driver/guarded_driver.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <utility>

#include "controller/base/log.h"

namespace pxegate {
namespace {

constexpr std::size_t kMaxMessage = 4096;

// What a plugin calls a descriptor, or -1.
Result<int> checked(int fd) {
  if (fd != -1 && ::fcntl(fd, F_GETFD) < 0) {
    return fail(fmt::format("{} is no open descriptor", fd));
  }
  return fd;
}

}  // namespace

Error foreign_error(const std::string& where, const std::string& what) {
  return Error(fmt::format("{}: {}", where,
                           std::string_view(what).substr(0, kMaxMessage)));
}

GuardedDriver::GuardedDriver(std::string name, std::string where,
                             std::unique_ptr<FilterDriver> driver)
    : name_(std::move(name)),
      where_(std::move(where)),
      driver_(std::move(driver)) {
  // The same for the driver's whole life.
  const auto fd = guarded(while_in("wake_fd"), [this]() -> Result<int> {
    return checked(driver_->wake_fd());
  });
  if (fd) {
    wake_fd_ = *fd;
  } else {
    log::warning("{}; it is not watched", fd.error().message());
  }
}

std::string GuardedDriver::while_in(const char* function) const {
  return fmt::format("{}: {}()", where_, function);
}

Result<> GuardedDriver::initialize() {
  return guarded(while_in("initialize"),
                 [this] { return driver_->initialize(); });
}

Result<SyncReport> GuardedDriver::sync(const Snapshot& desired) {
  return guarded(while_in("sync"), [&] { return driver_->sync(desired); });
}

Result<> GuardedDriver::renew_lease() {
  return guarded(while_in("renew_lease"),
                 [this] { return driver_->renew_lease(); });
}

Result<> GuardedDriver::tear_down() {
  return guarded(while_in("tear_down"),
                 [this] { return driver_->tear_down(); });
}

std::optional<std::chrono::seconds> GuardedDriver::sync_period(
    std::chrono::seconds configured) const {
  using Period = std::optional<std::chrono::seconds>;
  const auto period = guarded(while_in("sync_period"), [&]() -> Result<Period> {
    const Period wanted = driver_->sync_period(configured);
    if (wanted && *wanted <= std::chrono::seconds::zero()) {
      return fail(fmt::format("{} s is no period", wanted->count()));
    }
    return wanted;
  });
  if (period) return *period;
  log::warning("{}; taking {} s", period.error().message(), configured.count());
  return configured;
}

bool GuardedDriver::woken() {
  const auto due = guarded(
      while_in("woken"), [this]() -> Result<bool> { return driver_->woken(); });
  if (due) return *due;
  log::error("{}", due.error().message());
  return true;  // a sync() finds out what is wrong
}

DriverStatus GuardedDriver::status() const {
  auto told = guarded(while_in("status"), [this]() -> Result<DriverStatus> {
    return driver_->status();
  });
  DriverStatus status;
  if (told) {
    status = std::move(*told);
  } else {
    status.notices = {told.error().message()};
  }
  if (told && status.driver != name_) {
    status.notices.push_back(fmt::format(
        "{}: its driver calls itself \"{}\"; ask its vendor which it is",
        where_, status.driver));
    status.healthy = false;
  }
  status.driver = name_;
  for (const DriverTarget& target : status.targets) {
    if (!target.name.empty()) continue;
    status.notices.push_back(
        fmt::format("{}: it does not say where it filters", where_));
    status.healthy = false;
  }
  return status;
}

Result<Policy> GuardedDriver::installed() const {
  return guarded(while_in("installed"),
                 [this] { return driver_->installed(); });
}

Result<Observations> GuardedDriver::observe() const {
  return guarded(while_in("observe"), [this] { return driver_->observe(); });
}

Result<std::vector<EventRecord>> GuardedDriver::take_events(std::size_t limit) {
  using Events = std::vector<EventRecord>;
  return guarded(while_in("take_events"), [&]() -> Result<Events> {
    auto events = driver_->take_events(limit);
    if (events && events->size() > limit) {
      return fail(fmt::format("gave {} events, {} were asked for",
                              events->size(), limit));
    }
    return events;
  });
}

std::vector<Finding> GuardedDriver::examine() const {
  using Findings = std::vector<Finding>;
  auto findings = guarded(while_in("examine"), [this]() -> Result<Findings> {
    return driver_->examine();
  });
  if (findings) return *std::move(findings);
  return {
      problem("driver", findings.error().message(), "ask the plugin's vendor")};
}

int GuardedDriver::events_fd() const {
  const auto fd = guarded(while_in("events_fd"), [this]() -> Result<int> {
    return checked(driver_->events_fd());
  });
  if (fd) return *fd;
  log::warning("{}; its events are not shown", fd.error().message());
  return -1;
}

}  // namespace pxegate
