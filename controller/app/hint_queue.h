// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_HINT_QUEUE_H_
#define PXEGATE_CONTROLLER_APP_HINT_QUEUE_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "controller/base/clock.h"

namespace pxegate {

// Nodes that a hint says to look at. Anybody may make hints up, so there is
// room for a few, and only so many are taken in a second: beyond that a poll,
// which tells of all nodes at once, is the cheaper answer.
class HintQueue {
 public:
  struct Look {
    std::string node;
    bool state = false;  // ask where the node is
    bool ports = false;  // ask for its ports
    Monotonic since;
  };

  static constexpr std::size_t kRoom = 32;
  static constexpr int kPerSecond = 20;

  explicit HintQueue(Monotonic now) : filled_at_(now) {}

  // False where there is no room for one more node now: look.state, or
  // look.ports, has to be found out in another way.
  bool add(Look look, Monotonic now);
  // The one that waits longest, removed.
  std::optional<Look> take();

  // Since when the first waits; Monotonic::max() where none does.
  Monotonic since() const;
  // A poll that began at `began` has told all states.
  void answered_by_poll(Monotonic began);

 private:
  std::vector<Look> looks_;  // in order of arrival
  double allowance_ = kRoom;
  Monotonic filled_at_;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_HINT_QUEUE_H_
