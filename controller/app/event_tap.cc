// SPDX-License-Identifier: Apache-2.0
#include "controller/app/event_tap.h"

#include <utility>

#include "controller/base/log.h"

namespace pxegate {
namespace {

// Taken at a time: the loop has other things to do.
constexpr std::size_t kBatch = 256;

}  // namespace

EventTap::EventTap(EventLog& log, const Clock& clock, Hooks hooks)
    : log_(log), clock_(clock), hooks_(std::move(hooks)) {}

EventTap::~EventTap() { let_go(); }

void EventTap::look(const std::shared_ptr<Engine>& engine) {
  auto fd = engine ? engine->host->events_fd() : nullptr;
  if (fd && fd == fd_ && engine == engine_.lock()) return;
  let_go();
  if (!fd) {
    if (engine) ask_for_events(engine);
    return;
  }
  supported_ = true;
  const auto watched = hooks_.watch(fd->get(), [this] { take(); });
  if (!watched) {
    log::error("the filter's verdicts are not shown: {}",
               watched.error().message());
    return;
  }
  engine_ = engine;
  fd_ = std::move(fd);
}

// One that could not open its events before may do so now.
void EventTap::ask_for_events(const std::shared_ptr<Engine>& engine) {
  if (engine == without_.lock() ||
      engine->host->state() != FilterState::kInitialized) {
    return;
  }
  auto events = engine->host->take_events(kBatch);
  supported_ = events || events.error().code() != ErrorCode::kNotFound;
  if (!supported_) without_ = engine;
  if (events) log_.add(*std::move(events), clock_.now(), clock_.wall());
}

void EventTap::take() {
  const auto engine = engine_.lock();
  auto events = engine ? engine->host->take_events(kBatch)
                       : Result<std::vector<EventRecord>>{};
  // Where nothing came the descriptor would stay readable, and the loop would
  // do nothing else: the driver is at work, or was reset. look() comes back.
  if (!events || events->empty()) return let_go();
  log_.add(*std::move(events), clock_.now(), clock_.wall());
}

void EventTap::let_go() {
  if (fd_) hooks_.ignore(fd_->get());
  fd_ = nullptr;
  engine_.reset();
}

}  // namespace pxegate
