// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_EVENT_TAP_H_
#define PXEGATE_CONTROLLER_APP_EVENT_TAP_H_

#include <atomic>
#include <functional>
#include <memory>

#include "controller/app/engine.h"
#include "controller/app/event_log.h"
#include "controller/base/clock.h"
#include "controller/base/fd.h"
#include "controller/base/result.h"

namespace pxegate {

// Takes the verdicts of the driver in force as they fall and puts them into a
// log. The loop's thread makes all calls.
class EventTap {
 public:
  struct Hooks {
    // EventLoop's on_readable() and ignore().
    std::function<Result<>(int fd, std::function<void()>)> watch;
    std::function<void(int fd)> ignore;
  };

  // The references must outlive this.
  EventTap(EventLog& log, const Clock& clock, Hooks hooks);
  ~EventTap();
  EventTap(const EventTap&) = delete;
  EventTap& operator=(const EventTap&) = delete;

  // To be called now and then: watches that engine's driver from now on, if
  // it has events and is not watched already.
  void look(const std::shared_ptr<Engine>& engine);

  // Whether the driver has events, as far as is known. Thread-safe.
  bool supported() const { return supported_; }

 private:
  void ask_for_events(const std::shared_ptr<Engine>& engine);
  void take();
  void let_go();

  EventLog& log_;
  const Clock& clock_;
  const Hooks hooks_;
  std::weak_ptr<Engine> engine_;
  std::weak_ptr<Engine> without_;  // it has no events
  std::atomic<bool> supported_ = true;
  std::shared_ptr<const UniqueFd> fd_;  // watched; null: nothing is
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_EVENT_TAP_H_
