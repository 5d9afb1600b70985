// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_STATE_POLL_H_
#define PXEGATE_CONTROLLER_APP_STATE_POLL_H_

#include <cstddef>
#include <string>
#include <vector>

#include "controller/base/result.h"
#include "controller/core/inventory.h"
#include "controller/ironic/ironic_api.h"

namespace pxegate {

// One round of questions to Ironic: which nodes are in an open provision
// state? One request per state, in the configured order, so that a node which
// moves forward between two of them is seen in at least one. All or nothing.
class StatePoll {
 public:
  enum class Phase { kIdle, kAsking, kComplete };

  void begin(std::vector<std::string> states);
  void drop() { *this = StatePoll(); }

  // Asks for the next state; in kAsking only. An error ends the poll: kIdle.
  //
  // A node that went backwards (from `inspect wait` to `inspecting`, as its
  // ramdisk reports) may be seen in no state. So, where a node of `before`
  // is missing at the end, all states but the last are asked for again.
  Result<> ask(IronicApi& ironic, const Inventory::NodesByUuid& before);

  // Every open node, as seen last; kIdle afterwards.
  Inventory::NodesByUuid take();

  Phase phase() const { return phase_; }

 private:
  bool misses_any_of(const Inventory::NodesByUuid& before) const;

  Phase phase_ = Phase::kIdle;
  std::vector<std::string> states_;
  std::size_t next_ = 0;
  bool asked_again_ = false;
  Inventory::NodesByUuid found_;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_STATE_POLL_H_
