// SPDX-License-Identifier: Apache-2.0
#include "controller/app/event_loop.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "controller/base/fd.h"

namespace pxegate {
namespace {

struct EventUnref {
  void operator()(sd_event* event) const { ::sd_event_unref(event); }
};
struct SourceUnref {
  void operator()(sd_event_source* source) const {
    ::sd_event_source_disable_unref(source);
  }
};
using EventPtr = std::unique_ptr<sd_event, EventUnref>;
using SourcePtr = std::unique_ptr<sd_event_source, SourceUnref>;
using Handler = std::function<void()>;

struct Watch {
  Handler handler;
  SourcePtr source;  // refers to the handler
};

struct Timer {
  Handler handler;
  std::uint64_t period_us = 0;
};

int call(void* handler) {
  (*static_cast<Handler*>(handler))();
  return 0;
}

int call_on_signal(sd_event_source*, const signalfd_siginfo*, void* handler) {
  return call(handler);
}

int call_on_io(sd_event_source*, int, std::uint32_t, void* handler) {
  // A copy: it may ignore() its own descriptor.
  Handler copy = *static_cast<Handler*>(handler);
  return call(&copy);
}

int call_on_time(sd_event_source* source, std::uint64_t, void* data) {
  auto* timer = static_cast<Timer*>(data);
  timer->handler();
  const int set = ::sd_event_source_set_time_relative(source, timer->period_us);
  if (set < 0) return set;
  return ::sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

}  // namespace

struct EventLoop::Parts {
  EventPtr event;
  // Handlers stay where they are: sd-event holds pointers to them.
  std::deque<Handler> handlers;
  std::deque<Timer> timers;
  Handler drain_posted;
  std::mutex mutex;
  std::vector<Handler> posted;
  UniqueFd wake;
  std::vector<SourcePtr> sources;
  std::map<int, Watch> watches;  // by descriptor

  Result<> keep(int status, sd_event_source* source, const char* what) {
    if (status < 0) return fail_errno(what, -status);
    sources.emplace_back(source);
    return {};
  }
};

Result<std::unique_ptr<EventLoop>> EventLoop::make() {
  auto parts = std::make_unique<Parts>();
  sd_event* event = nullptr;
  const int made = ::sd_event_new(&event);
  if (made < 0) return fail_errno("sd_event_new", -made);
  parts->event.reset(event);
  parts->wake.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!parts->wake) return fail_errno("eventfd", errno);
  parts->drain_posted = [raw = parts.get()] {
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t n =
        ::read(raw->wake.get(), &count, sizeof(count));
    std::vector<Handler> posted;
    {
      const std::lock_guard lock(raw->mutex);
      posted.swap(raw->posted);
    }
    for (const Handler& handler : posted) handler();
  };
  sd_event_source* source = nullptr;
  const int added =
      ::sd_event_add_io(event, &source, parts->wake.get(), EPOLLIN, call_on_io,
                        &parts->drain_posted);
  if (auto kept = parts->keep(added, source, "sd_event_add_io"); !kept) {
    return fail(kept.error());
  }
  return std::unique_ptr<EventLoop>(new EventLoop(std::move(parts)));
}

EventLoop::EventLoop(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
EventLoop::~EventLoop() = default;

Result<> EventLoop::on_signal(int signal, std::function<void()> handler) {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, signal);
  const int blocked = ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  if (blocked != 0) return fail_errno("pthread_sigmask", blocked);
  sd_event_source* source = nullptr;
  const int added = ::sd_event_add_signal(
      parts_->event.get(), &source, signal, call_on_signal,
      &parts_->handlers.emplace_back(std::move(handler)));
  return parts_->keep(added, source, "sd_event_add_signal");
}

Result<> EventLoop::on_readable(int fd, std::function<void()> handler) {
  Watch& watch = parts_->watches[fd];
  watch.source.reset();
  watch.handler = std::move(handler);
  sd_event_source* source = nullptr;
  const int added = ::sd_event_add_io(parts_->event.get(), &source, fd, EPOLLIN,
                                      call_on_io, &watch.handler);
  if (added < 0) {
    parts_->watches.erase(fd);
    return fail_errno("sd_event_add_io", -added);
  }
  watch.source.reset(source);
  return {};
}

void EventLoop::ignore(int fd) { parts_->watches.erase(fd); }

Result<> EventLoop::every(std::chrono::microseconds period,
                          std::function<void()> handler) {
  Timer& timer = parts_->timers.emplace_back(
      Timer{std::move(handler), static_cast<std::uint64_t>(period.count())});
  sd_event_source* source = nullptr;
  const int added = ::sd_event_add_time_relative(
      parts_->event.get(), &source, CLOCK_MONOTONIC, timer.period_us, 0,
      call_on_time, &timer);
  return parts_->keep(added, source, "sd_event_add_time_relative");
}

void EventLoop::post(std::function<void()> handler) {
  {
    const std::lock_guard lock(parts_->mutex);
    parts_->posted.push_back(std::move(handler));
  }
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t n =
      ::write(parts_->wake.get(), &one, sizeof(one));
}

Result<int> EventLoop::run() {
  const int status = ::sd_event_loop(parts_->event.get());
  if (status < 0) return fail_errno("sd_event_loop", -status);
  return status;
}

void EventLoop::quit(int exit_status) {
  ::sd_event_exit(parts_->event.get(), exit_status);
}

void notify_service_manager(const std::string& state) {
  ::sd_notify(0, state.c_str());
}

std::chrono::microseconds watchdog_period() {
  std::uint64_t microseconds = 0;
  if (::sd_watchdog_enabled(0, &microseconds) <= 0) return {};
  return std::chrono::microseconds(microseconds);
}

}  // namespace pxegate
