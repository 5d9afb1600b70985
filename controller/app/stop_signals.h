// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_STOP_SIGNALS_H_
#define PXEGATE_CONTROLLER_APP_STOP_SIGNALS_H_

#include <stop_token>
#include <thread>

namespace pxegate {

// Turns the signals that end a command into a stop request, so that one that
// waits for an answer can let go of it and end well. Call token() before any
// other thread is started: threads inherit what is blocked.
class StopSignals {
 public:
  StopSignals() = default;
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // Blocks SIGINT, SIGTERM and SIGHUP, once, and waits for them in a thread.
  std::stop_token token();

 private:
  void wait();

  std::stop_source stop_;
  std::thread thread_;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_STOP_SIGNALS_H_
