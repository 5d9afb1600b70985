// SPDX-License-Identifier: Apache-2.0
#include "controller/app/leftovers.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "controller/base/log.h"

namespace pxegate {
namespace {

std::string notice(const std::string& driver) {
  return fmt::format(
      "a filter of driver {} is in force from an earlier run: machines have to "
      "pass it as well, and it does not follow Ironic; to remove it: pxegate "
      "teardown --driver {}",
      driver, driver);
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

}  // namespace

Leftovers::Leftovers(std::vector<DriverEntry> entries,
                     std::function<std::vector<std::string>()> in_use,
                     std::chrono::milliseconds again)
    : entries_(std::move(entries)),
      in_use_(std::move(in_use)),
      again_(again),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

Leftovers::~Leftovers() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

std::vector<std::string> Leftovers::notices() const {
  // One that has come into use since takes over what it left.
  const std::vector<std::string> in_use = in_use_();
  const std::lock_guard lock(mutex_);
  std::vector<std::string> notices;
  for (const std::string& driver : found_) {
    if (!contains(in_use, driver)) notices.push_back(notice(driver));
  }
  return notices;
}

void Leftovers::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    std::vector<std::string> found = look(stop);
    std::unique_lock lock(mutex_);
    for (const std::string& driver : found) {
      if (!contains(found_, driver)) log::warning("{}", notice(driver));
    }
    found_ = std::move(found);
    if (found_.empty()) return;
    stopped_.wait_for(lock, stop, again_, [] { return false; });
  }
}

std::vector<std::string> Leftovers::look(const std::stop_token& stop) const {
  std::vector<std::string> found;
  for (const DriverEntry& entry : entries_) {
    if (stop.stop_requested()) break;
    if (contains(in_use_(), entry.name)) continue;
    const auto driver = entry.make();
    if (driver && (*driver)->installed()) found.push_back(entry.name);
  }
  return found;
}

}  // namespace pxegate
