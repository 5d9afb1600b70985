// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_EVENT_LOOP_H_
#define PXEGATE_CONTROLLER_APP_EVENT_LOOP_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "controller/base/result.h"

namespace pxegate {

// sd-event, as far as the controller needs it. Handlers run in the thread
// that calls run(). Make it before any other thread is started: it blocks
// the signals that it handles, and threads inherit that.
class EventLoop {
 public:
  static Result<std::unique_ptr<EventLoop>> make();
  ~EventLoop();

  Result<> on_signal(int signal, std::function<void()> handler);
  // While `fd` is readable, until ignore(fd). One handler for each.
  Result<> on_readable(int fd, std::function<void()> handler);
  void ignore(int fd);
  Result<> every(std::chrono::microseconds period,
                 std::function<void()> handler);

  // From any thread: run `handler` in the loop. Async-signal-unsafe.
  void post(std::function<void()> handler);

  // Until quit(); returns what quit() was given.
  Result<int> run();
  void quit(int exit_status);

 private:
  struct Parts;
  explicit EventLoop(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

// sd_notify(3): does nothing where no service manager listens.
void notify_service_manager(const std::string& state);

// How often the service manager wants to hear WATCHDOG=1; zero: never.
std::chrono::microseconds watchdog_period();

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_EVENT_LOOP_H_
