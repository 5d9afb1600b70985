// SPDX-License-Identifier: Apache-2.0
#include "controller/ironic/retrying_transport.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "controller/base/log.h"
#include "controller/ironic/http_answer.h"

namespace pxegate {
namespace {

using std::chrono::milliseconds;

// keystoneauth1's session: delays of its own start here and end there.
constexpr milliseconds kFirstDelay{500};
constexpr milliseconds kLongestDelay{60'000};

// The delays of one of the two kinds of retries.
class Delays {
 public:
  Delays(unsigned retries, std::optional<milliseconds> fixed)
      : left_(retries),
        // To keystoneauth, 0 means "not set" too.
        fixed_(fixed && fixed->count() > 0 ? fixed : std::nullopt) {}

  std::optional<milliseconds> next() {
    if (left_ == 0) return std::nullopt;
    --left_;
    if (fixed_) return fixed_;
    return std::exchange(current_, std::min(current_ * 2, kLongestDelay));
  }
  void restart() { current_ = kFirstDelay; }

 private:
  unsigned left_;
  std::optional<milliseconds> fixed_;
  milliseconds current_ = kFirstDelay;
};

RetryingTransport::Pause pause_until(std::stop_token stop) {
  return [stop = std::move(stop)](milliseconds delay) {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, stop, delay, [] { return false; });
    return !stop.stop_requested();
  };
}

}  // namespace

RetryingTransport::RetryingTransport(RetryOptions options,
                                     HttpTransport& transport,
                                     const Clock& clock, std::stop_token stop)
    : RetryingTransport(std::move(options), transport, clock,
                        pause_until(std::move(stop))) {}

RetryingTransport::RetryingTransport(RetryOptions options,
                                     HttpTransport& transport,
                                     const Clock& clock, Pause pause)
    : options_(std::move(options)),
      transport_(transport),
      clock_(clock),
      pause_(std::move(pause)) {}

Result<HttpResponse> RetryingTransport::send(const HttpRequest& request) {
  const Monotonic began = clock_.now();
  Delays connects(options_.connect_retries, options_.connect_retry_delay);
  Delays codes(options_.status_code_retries, options_.status_code_retry_delay);
  const auto retriable = [this](int status) {
    return status != 401 &&
           std::ranges::find(options_.retriable_status_codes, status) !=
               options_.retriable_status_codes.end();
  };
  for (;;) {
    auto response = transport_.send(request);
    std::optional<milliseconds> delay;
    std::string problem;
    if (!response) {
      if (response.error().code() != ErrorCode::kUnavailable) return response;
      problem = response.error().message();
      delay = connects.next();
    } else if (retriable(response->status)) {
      problem = status_text(response->status);
      const auto asked = retry_after_of(*response, clock_.wall());
      delay = codes.next();
      if (asked && delay && *asked > *delay) return response;
      connects.restart();
    }
    if (!delay || clock_.now() + *delay - began > options_.longest) {
      return response;
    }
    log::debug("{} {}: {}; again in {} ms", request.method, request.url,
               problem, delay->count());
    if (!pause_(*delay)) {
      return fail(request.method + " " + request.url + ": stopped",
                  ErrorCode::kCancelled);
    }
  }
}

}  // namespace pxegate
