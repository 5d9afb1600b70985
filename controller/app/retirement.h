// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_RETIREMENT_H_
#define PXEGATE_CONTROLLER_APP_RETIREMENT_H_

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

#include "controller/app/engine.h"
#include "controller/core/backoff.h"

namespace pxegate {

// The end of an engine that another one has taken over from: its feed stops,
// and its filter is removed, however often that has to be tried. Both may take
// long, so they happen in a thread of their own.
class Retirement {
 public:
  // `done` (may be empty) is called once from that thread, after the filter is
  // removed: do little, and do not call back.
  Retirement(std::shared_ptr<Engine> engine, BackoffOptions backoff,
             std::function<void()> done);
  // Gives up, after the try that is under way; what is left stays.
  ~Retirement();
  Retirement(const Retirement&) = delete;
  Retirement& operator=(const Retirement&) = delete;

  const std::shared_ptr<Engine>& engine() const { return engine_; }

  // Thread-safe.
  bool done() const;
  // Why the latest try failed; empty: there was none, or it is removed.
  std::string problem() const;

 private:
  void run(const std::stop_token& stop);

  const std::shared_ptr<Engine> engine_;
  const std::function<void()> told_;
  Backoff backoff_;
  mutable std::mutex mutex_;
  std::condition_variable_any stopped_;
  bool done_ = false;
  std::string problem_;
  std::jthread thread_;  // last: it uses the others
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_RETIREMENT_H_
