// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_IRONIC_INFLOW_WATCH_H_
#define PXEGATE_CONTROLLER_IRONIC_INFLOW_WATCH_H_

#include <cstdint>
#include <stop_token>
#include <thread>

#include "controller/base/result.h"

namespace pxegate {

// Looks on, in a thread, while a library reads from a TCP socket and keeps
// whatever comes: a peer that sends much more than `max` bytes on this
// connection has it shut down. The socket has to be open as long. One thread
// makes all calls.
class InflowWatch {
 public:
  InflowWatch(int socket, std::uint64_t max);

  // Ends it. An error where the connection was shut down, or could not be
  // looked at.
  Result<> end();

 private:
  void watch(int socket, std::uint64_t max, const std::stop_token& stop);

  Result<> found_;       // the thread's, until it has ended
  std::jthread thread_;  // ends before what it uses
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_IRONIC_INFLOW_WATCH_H_
