// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_IPTABLES_CHAIN_LOCK_H_
#define PXEGATE_DRIVERS_IPTABLES_CHAIN_LOCK_H_

#include <string>
#include <utility>

#include "controller/base/fd.h"
#include "controller/base/result.h"

namespace pxegate {

// Keeps two controllers from one chain, where each would take the other's jump
// for a leftover: holds the abstract Unix socket
// "pxegate-iptables-<version>-<chain>", whose name is a network namespace's
// own, as the chain is. Free again when this object, or its process, is gone.
class ChainLock {
 public:
  // Holds nothing.
  ChainLock() = default;
  // kConflict, naming the process, where another one of root or of this user
  // holds it. Any user can take such a name, and must not stop the filter by
  // that: held by somebody else it is not waited for, and a warning says so.
  static Result<ChainLock> take(const std::string& chain, int ip_version);

 private:
  explicit ChainLock(UniqueFd socket) : socket_(std::move(socket)) {}
  UniqueFd socket_;
};

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_IPTABLES_CHAIN_LOCK_H_
