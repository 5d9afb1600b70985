// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_IRONIC_TCP_DIAL_H_
#define PXEGATE_CONTROLLER_IRONIC_TCP_DIAL_H_

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "controller/base/fd.h"
#include "controller/base/result.h"

namespace pxegate {

// Ends what a thread waits for. Thread-safe.
class Interrupter {
 public:
  static Result<Interrupter> make();
  Interrupter(Interrupter&& other) noexcept : event_(std::move(other.event_)) {}

  // For good.
  void interrupt();
  bool interrupted() const;
  // Waits until interrupted, and `timeout` at most. True if interrupted.
  bool wait(std::chrono::milliseconds timeout) const;
  // Readable once interrupted.
  int fd() const { return event_.get(); }

  // While it lives, an interrupt shuts `socket` down: what blocks in a library
  // on it returns. `socket` has to be open as long. One at a time.
  class Guard {
   public:
    Guard(Interrupter& interrupter, int socket);
    ~Guard();
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    Interrupter& interrupter_;
  };

 private:
  explicit Interrupter(UniqueFd event) : event_(std::move(event)) {}

  UniqueFd event_;
  std::mutex mutex_;
  int socket_ = -1;
};

struct DialedSocket {
  UniqueFd socket;      // connected, does not block
  std::string address;  // the one of the host's that answered, as numbers
};

// Resolves `host` and connects to its addresses in turn, in `timeout` for each
// of the two. kUnavailable where that fails or takes longer, naming host and
// port; kCancelled once interrupted, at once.
Result<DialedSocket> tcp_dial(const std::string& host, std::uint16_t port,
                              std::chrono::milliseconds timeout,
                              const Interrupter& interrupter);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_IRONIC_TCP_DIAL_H_
