// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_PORT_QUEUE_H_
#define PXEGATE_CONTROLLER_APP_PORT_QUEUE_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "controller/base/clock.h"
#include "controller/base/result.h"
#include "controller/core/backoff.h"

namespace pxegate {

// The nodes whose ports have to be asked for, each with its own backoff: a
// node whose ports Ironic cannot tell does not hold up the others.
class PortQueue {
 public:
  // `now` is when it may be asked for at the earliest.
  void add(const std::string& uuid, Monotonic now);
  // Before all others, unless Ironic could not tell them just now.
  void add_first(const std::string& uuid, Monotonic now);
  void remove(std::string_view uuid);
  void retry_later(const std::string& uuid, const Error& error, Monotonic now,
                   std::uint64_t random_bits);

  // When there is something to ask; Monotonic::max() while there is not.
  Monotonic due() const;
  // One that was put before all others waits.
  bool urgent() const { return due() == Monotonic::min(); }
  // The node that waits longest.
  std::optional<std::string> front() const;

  // A full list of ports begins to be read: once it is in force it answers
  // what is waiting now, but not what is added from here on.
  void mark_covered();
  void remove_covered();

 private:
  struct Entry {
    Monotonic due;
    Backoff backoff;
    bool covered = false;
    bool failed = false;
  };
  std::map<std::string, Entry, std::less<>> entries_;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_PORT_QUEUE_H_
