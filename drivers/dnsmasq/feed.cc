// SPDX-License-Identifier: Apache-2.0
#include "drivers/dnsmasq/feed.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <thread>
#include <utility>

#include "controller/base/fd.h"

namespace pxegate {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using namespace std::chrono_literals;

// A change is two events: that of the temporary file, and the move.
constexpr std::size_t kEventsPerChange = 2;
constexpr std::size_t kLargestBatch = 128;

// An event with a short name; our own have longer ones.
constexpr std::size_t kSmallestEvent = 32;

// dnsmasq reads 250 files a second when it holds 100,000 of them.
constexpr double kBlindRate = 200;

// Tells whether a reader still does anything.
class Pulse {
 public:
  explicit Pulse(const Reader& reader)
      : reader_(reader), unread_(reader.unread()), ticks_(reader.cpu_ticks()) {}

  // The bytes that are unread.
  std::size_t take(steady_clock::time_point now) {
    const std::size_t unread = reader_.unread();
    if (unread < unread_) alive_at_ = now;
    unread_ = unread;
    if (now >= next_look_) {
      const std::uint64_t ticks = reader_.cpu_ticks();
      if (ticks != ticks_) alive_at_ = now;
      ticks_ = ticks;
      next_look_ = now + 100ms;
    }
    return unread;
  }
  steady_clock::time_point alive_at() const { return alive_at_; }

 private:
  const Reader& reader_;
  std::size_t unread_;
  std::uint64_t ticks_;
  steady_clock::time_point alive_at_ = steady_clock::now();
  steady_clock::time_point next_look_ = steady_clock::now();
};

Failure not_read(const Reader& reader, std::size_t unread,
                 std::string_view why) {
  return fail(fmt::format("dnsmasq (pid {}) has not read {} bytes of changes "
                          "to its hosts directory: {}",
                          reader.id().pid, unread, why),
              ErrorCode::kUnavailable);
}

Result<> until_read(const Reader& reader, const FeedLimits& limits) {
  Pulse pulse(reader);
  for (;;) {
    const auto now = steady_clock::now();
    const std::size_t unread = pulse.take(now);
    if (unread == 0 || !reader.alive()) return {};
    if (now - pulse.alive_at() > limits.stuck) {
      return not_read(reader, unread, "it does not run; restart it");
    }
    if (now > limits.deadline) {
      return not_read(reader, unread,
                      "it is slow with this many files; the next sync goes on "
                      "from here");
    }
    std::this_thread::sleep_for(500us);
  }
}

}  // namespace

std::size_t inotify_queue_limit() {
  constexpr std::size_t kKernelDefault = 16384;
  const auto text = read_file("/proc/sys/fs/inotify/max_queued_events", 64);
  std::size_t limit = 0;
  if (!text || !(std::istringstream(*text) >> limit)) return kKernelDefault;
  return std::min(limit, kKernelDefault);
}

void BlindPace::settle(Time now) {
  const std::chrono::duration<double> passed = now - then_;
  behind_ = std::max(0.0, behind_ - passed.count() * kBlindRate);
  then_ = now;
}

milliseconds BlindPace::wait(Time now) {
  settle(now);
  const double excess = behind_ + 1 - burst_;
  if (excess <= 0) return 0ms;
  return milliseconds(static_cast<int>(std::ceil(excess / kBlindRate * 1000)));
}

milliseconds BlindPace::rest(Time now) {
  settle(now);
  return milliseconds(static_cast<int>(std::ceil(behind_ / kBlindRate * 1000)));
}

Feed::Feed(const HostsDir& directory, std::string watch_identity,
           FeedLimits limits, BlindPace& blind_pace)
    : directory_(directory),
      watch_identity_(std::move(watch_identity)),
      limits_(limits),
      blind_pace_(blind_pace) {
  const std::size_t queue = inotify_queue_limit();
  batch_ =
      std::clamp<std::size_t>(queue / (8 * kEventsPerChange), 1, kLargestBatch);
  // Never reached by a batch of ours.
  crowded_ =
      std::max(queue / 2, 4 * kEventsPerChange * batch_) * kSmallestEvent;
  look_again_ = std::max<std::size_t>(queue / (4 * kEventsPerChange), 1);
  look();
}

void Feed::look() { scan_ = find_readers(watch_identity_); }

Result<> Feed::until_read() {
  const auto began = steady_clock::now();
  for (const Reader& reader : scan_.readers) {
    if (given_up_.contains(reader.id())) continue;
    if (in_batch_ > 0 && reader.unread() >= crowded_) {
      doubt_ = Error(
          fmt::format("dnsmasq (pid {}) may have lost changes to its hosts "
                      "directory: something else fills its queue; it is told "
                      "of them again",
                      reader.id().pid),
          ErrorCode::kUnavailable);
    }
    auto done = pxegate::until_read(reader, limits_);
    if (done) continue;
    if (steady_clock::now() > limits_.deadline) return done;
    given_up_.insert(reader.id());
    if (!doubt_) doubt_ = done.error();
  }
  // It is at its last few events. Were there more at once, it would take them
  // before it looks at its clients.
  const auto took = duration_cast<milliseconds>(steady_clock::now() - began);
  if (!scan_.readers.empty() && in_batch_ > 0) {
    std::this_thread::sleep_for(std::clamp(took / 4, 1ms, 50ms));
  }
  in_batch_ = 0;
  return {};
}

Result<> Feed::before_change() {
  if (scan_.readers.empty() && changes_ > 0 && changes_ % look_again_ == 0) {
    look();
  }
  if (blind()) {
    const auto wait = blind_pace_.wait(steady_clock::now());
    if (steady_clock::now() + wait > limits_.deadline) {
      return fail(
          "dnsmasq cannot be looked at, so it is given time to read; the next "
          "sync goes on from here",
          ErrorCode::kUnavailable);
    }
    std::this_thread::sleep_for(wait);
    blind_pace_.count();
  }
  if (in_batch_ == 0 || in_batch_ >= batch_) {
    if (auto done = until_read(); !done) return done;
  }
  ++in_batch_;
  ++changes_;
  return {};
}

Result<> Feed::write(std::string_view name, std::string_view contents) {
  if (auto ready = before_change(); !ready) return ready;
  return directory_.write(name, contents);
}

Result<> Feed::announce(std::string_view name) {
  if (auto ready = before_change(); !ready) return ready;
  return directory_.announce(name);
}

Result<> Feed::remove(std::string_view name) {
  if (auto ready = before_change(); !ready) return ready;
  return directory_.remove(name);
}

Result<FileTime> Feed::confirm() {
  if (auto read = until_read(); !read) return fail(read.error());
  if (blind()) {
    const auto rest = blind_pace_.rest(steady_clock::now());
    std::this_thread::sleep_until(
        std::min(steady_clock::now() + rest, limits_.deadline));
  }
  auto marked = directory_.mark();
  if (!marked) return marked;
  if (auto read = until_read(); !read) return fail(read.error());
  if (doubt_) return fail(*doubt_);
  return marked;
}

}  // namespace pxegate
