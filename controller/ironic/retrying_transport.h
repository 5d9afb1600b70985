// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_IRONIC_RETRYING_TRANSPORT_H_
#define PXEGATE_CONTROLLER_IRONIC_RETRYING_TRANSPORT_H_

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <vector>

#include "controller/base/clock.h"
#include "controller/base/result.h"
#include "controller/ironic/http_transport.h"

namespace pxegate {

// keystoneauth's options of these names.
struct RetryOptions {
  unsigned connect_retries = 0;
  // Unset: half a second, doubled each time.
  std::optional<std::chrono::milliseconds> connect_retry_delay{};
  unsigned status_code_retries = 0;
  std::optional<std::chrono::milliseconds> status_code_retry_delay{};
  // 401 is never retried here: it could lock the account.
  std::vector<int> retriable_status_codes = {503};
  // No new attempt begins later than this after the first one: the sync loop
  // waits meanwhile, and has delays of its own.
  std::chrono::milliseconds longest{10'000};

  bool operator==(const RetryOptions&) const = default;
};

// Sends again what failed on its way (kUnavailable), or was answered with one
// of the retriable codes: what keystoneauth's session does. An answer whose
// Retry-After asks for more than the delay is handed over at once. Not
// thread-safe.
class RetryingTransport final : public HttpTransport {
 public:
  // Waits that long; false where it was told to stop.
  using Pause = std::function<bool(std::chrono::milliseconds)>;

  // A stop requested on `stop` ends a delay at once, with kCancelled. The
  // references must outlive this.
  RetryingTransport(RetryOptions options, HttpTransport& transport,
                    const Clock& clock, std::stop_token stop = {});
  // For tests.
  RetryingTransport(RetryOptions options, HttpTransport& transport,
                    const Clock& clock, Pause pause);

  Result<HttpResponse> send(const HttpRequest& request) override;

 private:
  RetryOptions options_;
  HttpTransport& transport_;
  const Clock& clock_;
  Pause pause_;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_IRONIC_RETRYING_TRANSPORT_H_
