// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_IRONIC_CURL_TRANSPORT_H_
#define PXEGATE_CONTROLLER_IRONIC_CURL_TRANSPORT_H_

#include <chrono>
#include <cstddef>
#include <memory>
#include <stop_token>
#include <string>

#include "controller/base/result.h"
#include "controller/ironic/http_transport.h"

namespace pxegate {

struct CurlOptions {
  std::string cafile{};    // PEM; empty: the system's certificates
  std::string certfile{};  // PEM, to show to the server
  std::string keyfile{};   // PEM; empty: the key is in certfile
  bool insecure = false;   // believe any certificate
  std::chrono::milliseconds connect_timeout{5'000};
  // From the first packet to the last byte of the answer.
  std::chrono::milliseconds timeout{30'000};
  // An answer that has begun must not crawl: less than 1 KiB/s over this long
  // ends it. Waiting for the first byte counts towards `timeout` only.
  std::chrono::milliseconds stall_timeout{10'000};
  std::size_t max_body = std::size_t{64} << 20;
  std::size_t max_headers = std::size_t{64} << 10;
};

// HTTP/1.1 over libcurl, one request at a time, connections kept alive. A
// kept connection that the server has closed meanwhile is replaced unnoticed.
//
// - Redirects are not followed: the 3xx answer is handed over as it is, and
//   credentials go to nobody but the host that was configured.
// - No compression is offered: an answer cannot grow after it was counted.
// - http_proxy, https_proxy, all_proxy and no_proxy are honoured as by other
//   OpenStack clients, except that localhost is never asked for by proxy.
// - Errors beyond HttpTransport's: kCapacity for an answer above the limits,
//   kInvalid for a request or certificate file that cannot be used, kFailed
//   for a server whose certificate does not convince.
//
// The process must ignore SIGPIPE (a TLS peer may be gone when written to).
// Not thread-safe.
class CurlTransport final : public HttpTransport {
 public:
  // A stop requested on `stop` ends a request under way at once, and every
  // later one, with kCancelled.
  static Result<std::unique_ptr<CurlTransport>> make(CurlOptions options,
                                                     std::stop_token stop = {});
  ~CurlTransport() override;

  Result<HttpResponse> send(const HttpRequest& request) override;

 private:
  struct Handles;
  CurlTransport(CurlOptions options, std::stop_token stop,
                std::unique_ptr<Handles> handles);

  CurlOptions options_;
  std::stop_token stop_;
  std::unique_ptr<Handles> handles_;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_IRONIC_CURL_TRANSPORT_H_
