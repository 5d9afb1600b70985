// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_RELOAD_PLAN_H_
#define PXEGATE_CONTROLLER_APP_RELOAD_PLAN_H_

#include <string>

#include "controller/config/config.h"

namespace pxegate {

// What a new configuration asks of an engine that runs by another one.
enum class ReloadKind {
  kReconfigure,  // the same driver and sources, with other choices
  // The driver, or its connection to Ironic, is made anew. It takes over what
  // is in force, so the old one has to let go first.
  kRestart,
  // Another filter: another driver, or the same in another place. Both can be
  // in force at once.
  kSwap,
  // The same driver in another place, where the two would be in each other's
  // way.
  kRefuse,
};

struct ReloadPlan {
  ReloadKind kind = ReloadKind::kReconfigure;
  std::string reason;  // of kRefuse, with what to do instead
};

// Pure. [api] and [DEFAULT] do not matter.
ReloadPlan plan_reload(const Config& from, const Config& to);

// Whether what one engine learned from its sources holds for the other.
bool same_sources(const Config& one, const Config& other);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_RELOAD_PLAN_H_
