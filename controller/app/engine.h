// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_ENGINE_H_
#define PXEGATE_CONTROLLER_APP_ENGINE_H_

#include <memory>
#include <string>
#include <utility>

#include "controller/app/engine_feed.h"
#include "controller/config/config.h"
#include "controller/driver/filter_host.h"

namespace pxegate {

// One configuration at work: its driver, and what feeds it. Shared with the
// threads of the control API, which may hold on to one that is replaced.
struct Engine {
  explicit Engine(Config configured)
      : driver(configured.pxe_filter.driver), config(std::move(configured)) {}

  const std::string driver;
  Config config;  // belongs to the thread that reloads
  std::unique_ptr<FilterHost> host;
  std::unique_ptr<EngineFeed> feed;  // refers to the host, so it goes first
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_ENGINE_H_
