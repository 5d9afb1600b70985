// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_XDP_EVENT_READER_H_
#define PXEGATE_DRIVERS_XDP_EVENT_READER_H_

#include <cstddef>
#include <memory>
#include <vector>

#include "controller/base/result.h"
#include "controller/driver/filter_driver.h"

struct ring_buffer;

namespace pxegate {

// Takes events out of the program's ring buffer. One at a time for one map:
// two would take each other's.
class EventReader {
 public:
  // `map` is the ring buffer, and must outlive this.
  static Result<EventReader> open(int map);

  // At most `limit`, oldest first; they are gone from the ring buffer then.
  Result<std::vector<EventRecord>> take(std::size_t limit);
  // Readable while there are events to take.
  int fd() const;

 private:
  struct FreeRing {
    void operator()(ring_buffer* ring) const;
  };
  // What the callback of libbpf fills.
  struct Batch {
    std::size_t limit = 0;
    std::vector<EventRecord> events;
  };

  static int take_one(void* batch, void* data, std::size_t size);

  EventReader() = default;

  std::unique_ptr<Batch> batch_;  // libbpf holds its address
  std::unique_ptr<ring_buffer, FreeRing> ring_;
};

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_XDP_EVENT_READER_H_
