// SPDX-License-Identifier: Apache-2.0
#include "controller/app/source_health.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "controller/base/log.h"

namespace pxegate {
namespace {

// Nobody is expected to try again; one who does must not spin.
constexpr std::chrono::milliseconds kAfterCancel{1000};

// Whether two messages tell the same but for numbers and UUIDs in them: how
// long a request waited before it failed is no news.
bool tell_the_same(std::string_view a, std::string_view b) {
  const auto words = [](std::string_view text) {
    std::string kept(text);
    std::erase_if(kept, [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == '-';
    });
    return kept;
  };
  return words(a) == words(b);
}

double seconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

SourceHealth::SourceHealth(std::string what, BackoffOptions backoff,
                           const Clock& clock, Random random)
    : what_(std::move(what)),
      backoff_(backoff),
      clock_(clock),
      random_(std::move(random)) {}

void SourceHealth::succeeded() {
  last_success_ = now(clock_);
  if (!failing_since_) return;
  log::info("{} works again after {} failure{}, {:.1f} s", what_, failures_,
            failures_ == 1 ? "" : "s",
            seconds(last_success_->monotonic - *failing_since_));
  failing_since_.reset();
  failures_ = 0;
  backoff_.reset();
}

std::chrono::milliseconds SourceHealth::failed(
    const Error& error, std::chrono::milliseconds at_least) {
  if (error.code() == ErrorCode::kCancelled) return kAfterCancel;
  const auto delay =
      std::max(backoff_.next(random_(), error.retry_after()), at_least);
  const bool news = !failing_since_ ||
                    !tell_the_same(last_error_->message(), error.message());
  if (news) {
    log::warning("{} failed: {}; trying again in {:.1f} s", what_,
                 error.message(), seconds(delay));
  }
  if (!failing_since_) failing_since_ = clock_.now();
  ++failures_;
  last_error_ = error;
  last_error_at_ = now(clock_);
  return delay;
}

}  // namespace pxegate
