// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_IRONIC_HTTP_TRANSPORT_H_
#define PXEGATE_CONTROLLER_IRONIC_HTTP_TRANSPORT_H_

#include <map>
#include <string>

#include "controller/base/result.h"

namespace pxegate {

// Header names are lower case in both directions.
using HttpHeaders = std::map<std::string, std::string>;

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  HttpHeaders headers;
  std::string body;
};

struct HttpResponse {
  int status = 0;
  HttpHeaders headers;  // of the final response; a repeated name: the last
  std::string body;
};

// Carries one request. An answer of any status is a success here; what never
// became an answer (DNS, refused, TLS, timeout, cut off before
// Content-Length, longer than the cap) is an Error, kUnavailable where a
// retry may help, kCancelled when told to stop.
class HttpTransport {
 public:
  virtual ~HttpTransport() = default;
  virtual Result<HttpResponse> send(const HttpRequest& request) = 0;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_IRONIC_HTTP_TRANSPORT_H_
