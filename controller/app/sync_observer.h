// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_SYNC_OBSERVER_H_
#define PXEGATE_CONTROLLER_APP_SYNC_OBSERVER_H_

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace pxegate {

enum class SyncWork : std::uint8_t {
  kFullSync,    // from its first request to the enforced list
  kPoll,        // its requests
  kDriverSync,  // one FilterDriver::sync()
};

// What the sync loop tells of its work to whoever counts it; nobody, unless
// overridden. Called by the thread that runs the loop, and by several at a
// time where there are several loops: an observer is thread-safe, and brief.
class SyncObserver {
 public:
  virtual ~SyncObserver() = default;

  virtual void succeeded(SyncWork /*work*/, std::chrono::nanoseconds /*took*/) {
  }
  virtual void failed(SyncWork /*work*/) {}

  // A node's change of state took effect, `delay` after Ironic made it: by
  // Ironic's clock and ours, so it may be negative. `opened`: into an open
  // state.
  virtual void enforced_change(bool /*opened*/,
                               std::chrono::nanoseconds /*delay*/) {}

  // Nodes that the message bus suggests to look at. `missed`: some of its
  // news may be lost.
  virtual void took_hints(std::size_t /*hints*/, bool /*missed*/) {}
  // Messages that came since the last call, and those of them that Ironic
  // would not send.
  virtual void received_messages(std::uint64_t /*messages*/,
                                 std::uint64_t /*malformed*/) {}
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_SYNC_OBSERVER_H_
