// SPDX-License-Identifier: Apache-2.0
#include "controller/app/events_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "controller/app/json_path.h"

namespace pxegate {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// How long the controller may wait for an event before it answers.
constexpr seconds kLongPoll{5};
constexpr seconds kGrace{5};
// How often the filter itself is read, and a controller looked for.
constexpr milliseconds kOfflinePause{200};
// More than a full ring buffer holds.
constexpr int kOfflinePages = 4;
constexpr milliseconds kRetryPause{500};
// Who follows sees what came of the last few as well.
constexpr std::size_t kBefore = 10;

}  // namespace

bool EventsCommand::run() {
  while (!means_.stop.stop_requested()) {
    const auto reachable = means_.client.probe();
    Next next = Next::kGoOn;
    if (reachable) {
      next = ask_controller();
    } else if (reachable.error().code() == ErrorCode::kNotFound) {
      next = ask_filter(reachable.error());
    } else {
      next = failed(reachable.error());
    }
    if (next != Next::kGoOn) return next == Next::kDone;
    if (means_.reader_left()) return true;
  }
  return true;
}

EventsCommand::Next EventsCommand::ask_controller() {
  // It can have the filter's events only once this lets go of them.
  filter_ = nullptr;
  const bool waits = wishes_.follow && teller_ == Teller::kController;
  const auto body =
      means_.client.get(fmt::format("/v1/events?after={}&run={}&wait={}", last_,
                                    run_, waits ? kLongPoll.count() : 0),
                        kLongPoll + kGrace, means_.stop);
  if (!body) {
    if (body.error().code() == ErrorCode::kCancelled) return Next::kDone;
    const bool gone = body.error().code() == ErrorCode::kNotFound ||
                      body.error().code() == ErrorCode::kUnavailable;
    if (gone && wishes_.follow) return wait_for_a_controller(body.error());
    return failed(body.error());
  }
  const auto page = parse_json(*body);
  if (!page) return failed(page.error());
  if (!json_path::flag(*page, {"supported"})) {
    return failed(
        Error("the driver in use sees no requests, so it cannot tell of "
              "verdicts (the xdp driver can)"));
  }
  told_by(Teller::kController);
  const std::string run = json_path::text(*page, {"run"});
  if (!run_.empty() && run != run_) {
    means_.complain("the controller was restarted");
  }
  const Next next = show(*page);
  run_ = run;
  last_ = json_path::count(*page, {"last"});
  if (next != Next::kGoOn || !wishes_.follow) {
    return next == Next::kGoOn ? Next::kDone : next;
  }
  const auto rest = json_path::number(*page, {"try_after"}).value_or(0);
  if (rest > 0 && !pause(milliseconds(static_cast<int>(rest * 1000)))) {
    return Next::kDone;
  }
  return Next::kGoOn;
}

EventsCommand::Next EventsCommand::ask_filter(const Error& no_controller) {
  if (!filter_) {
    auto backend = means_.offline();
    if (!backend) {
      const Error both(
          fmt::format("{}; nor can the filter itself be read: {}",
                      no_controller.message(), backend.error().message()),
          backend.error().code());
      // One that was there may come back.
      const bool seen = teller_ != Teller::kNobody;
      return wishes_.follow && seen ? wait_for_a_controller(both)
                                    : failed(both);
    }
    filter_ = *std::move(backend);
  }
  const auto page = filter_->events({});
  if (!page) {
    filter_ = nullptr;
    // A controller that is about to listen has them.
    if (page.error().code() == ErrorCode::kConflict && wishes_.follow) {
      return wait_for_a_controller(page.error());
    }
    return failed(page.error());
  }
  told_by(Teller::kFilter);
  // Without an end in a flood, it stops where a full ring would have.
  const bool more = !page->events.empty() &&
                    (wishes_.follow || ++offline_pages_ < kOfflinePages);
  const Next next =
      show(events_json(*page, *filter_->policy().inventory, Origin::kFilter));
  if (next != Next::kGoOn || more) return next;
  if (!wishes_.follow) return Next::kDone;
  return pause(kOfflinePause) ? Next::kGoOn : Next::kDone;
}

EventsCommand::Next EventsCommand::wait_for_a_controller(const Error& why) {
  if (!waiting_) means_.complain(why.message() + "; waiting for a controller");
  waiting_ = true;
  return pause(kRetryPause) ? Next::kGoOn : Next::kDone;
}

void EventsCommand::told_by(Teller teller) {
  waiting_ = false;
  const Teller before = std::exchange(teller_, teller);
  if (before == teller) return;
  if (teller == Teller::kFilter) {
    means_.complain("no controller runs: reading the filter itself");
  } else if (before == Teller::kFilter) {
    means_.complain("a controller runs: asking it from now on");
  }
}

EventsCommand::Next EventsCommand::show(const Json& page) {
  std::vector<Json> shown;
  for (const Json& event : json_path::list(page, {"events"})) {
    if (wishes_.filter.matches(event)) shown.push_back(event);
  }
  // The first page is what there was before.
  if (wishes_.follow && !headed_ && shown.size() > kBefore) {
    shown.erase(shown.begin(),
                shown.end() - static_cast<std::ptrdiff_t>(kBefore));
  }
  std::string out;
  const auto put_missed = [&](std::uint64_t count) {
    if (count == 0) return;
    out += wishes_.json ? dump({{"missed", count}}) + "\n"
                        : EventLines::missed(count);
  };
  if (!headed_ && !wishes_.json) {
    lines_.make_room(shown);
    out += lines_.header();
  }
  headed_ = true;
  put_missed(json_path::count(page, {"missed"}));
  for (const Json& event : shown) {
    if (wishes_.json) {
      out += dump(event) + "\n";
      continue;
    }
    put_missed(json_path::count(event, {"missed"}));
    out += lines_.line(event);
  }
  if (out.empty()) return Next::kGoOn;
  if (!means_.emit(out)) return Next::kFailed;
  return means_.reader_left() ? Next::kDone : Next::kGoOn;
}

EventsCommand::Next EventsCommand::failed(const Error& error) {
  means_.complain(error.message());
  return Next::kFailed;
}

bool EventsCommand::pause(milliseconds duration) const {
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable_any stopped;
  stopped.wait_for(lock, means_.stop, duration, [] { return false; });
  return !means_.stop.stop_requested();
}

}  // namespace pxegate
