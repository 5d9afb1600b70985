// SPDX-License-Identifier: Apache-2.0
#include "controller/app/stop_signals.h"

#include <pthread.h>

#include <csignal>

namespace pxegate {
namespace {

sigset_t stopping_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int each : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, each);
  return signals;
}

}  // namespace

StopSignals::~StopSignals() {
  if (!thread_.joinable()) return;
  // It takes this one for a signal that it waits for.
  if (stop_.request_stop()) pthread_kill(thread_.native_handle(), SIGTERM);
  thread_.join();
}

std::stop_token StopSignals::token() {
  if (!thread_.joinable()) {
    const sigset_t signals = stopping_signals();
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    thread_ = std::thread([this] { wait(); });
  }
  return stop_.get_token();
}

void StopSignals::wait() {
  const sigset_t signals = stopping_signals();
  int received = 0;
  sigwait(&signals, &received);
  stop_.request_stop();
}

}  // namespace pxegate
