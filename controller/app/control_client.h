// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_CONTROL_CLIENT_H_
#define PXEGATE_CONTROLLER_APP_CONTROL_CLIENT_H_

#include <chrono>
#include <stop_token>
#include <string>

#include "controller/base/result.h"

namespace pxegate {

// Asks a running controller over its Unix socket. Every call is a connection
// of its own. Not thread-safe.
class ControlClient {
 public:
  explicit ControlClient(std::string socket) : socket_(std::move(socket)) {}

  // Whether a controller can be asked: kNotFound where none runs (no socket,
  // or nobody answers at it), kPermission naming who may.
  Result<> probe() const;

  // The body of the answer, JSON text. What the API answers as an error comes
  // back as that error; kNotFound and kPermission also as of probe(), and
  // kUnavailable where the controller does not answer in time. A stop that is
  // requested while the answer is waited for makes it kCancelled.
  Result<std::string> get(
      const std::string& path_and_query,
      std::chrono::seconds timeout = std::chrono::seconds(10),
      std::stop_token stop = {}) const;
  Result<std::string> post(const std::string& path_and_query,
                           std::chrono::seconds timeout) const;

 private:
  Result<std::string> ask(const std::string& method,
                          const std::string& path_and_query,
                          std::chrono::seconds timeout,
                          const std::stop_token& stop) const;

  std::string socket_;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_CONTROL_CLIENT_H_
