// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_RELIST_H_
#define PXEGATE_CONTROLLER_APP_RELIST_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "controller/base/clock.h"
#include "controller/base/result.h"
#include "controller/core/inventory.h"
#include "controller/ironic/ironic_api.h"

namespace pxegate {

// Reads one full list of Ironic, all nodes and then all ports, a page at a
// time. Nothing of it can be had before it is complete.
class Relist {
 public:
  enum class Phase { kIdle, kNodes, kPorts, kComplete, kMade };

  // Begins anew, whatever was under way. The list shares memory with `base`
  // (may be null), the one before.
  void begin(Monotonic now, std::shared_ptr<const Inventory> base);
  void drop() { *this = Relist(); }

  // Asks for one page; in kNodes and kPorts only. A marker that vanished
  // starts its half of the list again, and that is no error until it happened
  // too often. After an error the next call asks for the same page, unless
  // the list was given up: then the phase is kIdle.
  Result<> read_page(IronicApi& ironic);

  // Makes an inventory of the complete list, in kComplete only; kMade
  // afterwards. kInvalid where it contradicts itself: then kIdle.
  Result<> make();
  // In kMade only; take() leaves kIdle.
  const Inventory& made() const { return *made_; }
  Inventory take();

  Phase phase() const { return phase_; }
  // What is asked for from now on is newer than its nodes.
  bool has_nodes() const {
    return phase_ != Phase::kIdle && phase_ != Phase::kNodes;
  }
  Monotonic began() const { return began_; }
  // The last port of the list, after which new ones turn up; empty while
  // there is none.
  const std::string& last_port() const { return last_port_; }

 private:
  template <typename T>
  Result<> read_page_of(Result<Page<T>> page, Phase next);

  Phase phase_ = Phase::kIdle;
  Monotonic began_;
  std::string marker_;
  std::string last_port_;
  Inventory::Builder list_;
  std::optional<Inventory> made_;
  int page_failures_ = 0;
  int restarts_ = 0;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_RELIST_H_
