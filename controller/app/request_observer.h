// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_REQUEST_OBSERVER_H_
#define PXEGATE_CONTROLLER_APP_REQUEST_OBSERVER_H_

#include <chrono>
#include <string_view>

#include "controller/ironic/http_transport.h"

namespace pxegate {

// One request to Ironic, ironic-inspector or Keystone that has ended; each
// attempt is one.
struct RequestReport {
  std::string_view section;  // whose options it follows: "ironic", "inspector"
  bool keystone = false;     // to Keystone, for that section
  const HttpRequest& request;
  const Result<HttpResponse>& response;
  std::chrono::nanoseconds took;
};

// Called by the thread that asked, and by several at a time where several ask:
// an observer is thread-safe, and brief.
class RequestObserver {
 public:
  virtual ~RequestObserver() = default;
  virtual void request_ended(const RequestReport& report) = 0;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_REQUEST_OBSERVER_H_
