// SPDX-License-Identifier: Apache-2.0
#include "drivers/xdp/event_reader.h"

#include <bpf/libbpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "drivers/xdp/bpffs.h"
#include "drivers/xdp/observations.h"

namespace pxegate {
namespace {

// From the callback: enough for now. libbpf has let go of the event by then.
constexpr int kStop = -ECANCELED;

}  // namespace

void EventReader::FreeRing::operator()(ring_buffer* ring) const {
  ::ring_buffer__free(ring);
}

Result<EventReader> EventReader::open(int map) {
  EventReader reader;
  reader.batch_ = std::make_unique<Batch>();
  reader.ring_.reset(
      ::ring_buffer__new(map, take_one, reader.batch_.get(), nullptr));
  if (!reader.ring_) {
    return fail(privileged_error("opening the filter's events", errno));
  }
  return reader;
}

int EventReader::take_one(void* batch, void* data, std::size_t size) {
  auto& wanted = *static_cast<Batch*>(batch);
  pxe_event event{};
  // Anybody may have put something else there.
  if (size != sizeof(event)) return 0;
  std::memcpy(&event, data, sizeof(event));
  wanted.events.push_back(to_record(event));
  return wanted.events.size() < wanted.limit ? 0 : kStop;
}

Result<std::vector<EventRecord>> EventReader::take(std::size_t limit) {
  batch_->limit = limit;
  batch_->events.clear();
  if (limit > 0) {
    const int taken = ::ring_buffer__consume(ring_.get());
    if (taken < 0 && taken != kStop) {
      return fail_errno("taking the filter's events", -taken);
    }
  }
  // CPUs that reserve their places one after the other may look at the clock
  // in the other order.
  std::ranges::stable_sort(batch_->events, {}, &EventRecord::time);
  return std::exchange(batch_->events, {});
}

int EventReader::fd() const { return ::ring_buffer__epoll_fd(ring_.get()); }

}  // namespace pxegate
