// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_BASE_NAMESPACE_LOCK_H_
#define PXEGATE_CONTROLLER_BASE_NAMESPACE_LOCK_H_

#include <string_view>
#include <utility>

#include "controller/base/fd.h"
#include "controller/base/result.h"

namespace pxegate {

// Keeps two controllers from what exists once per network namespace, such as a
// firewall's chain or table: holds the abstract Unix socket "pxegate-<name>",
// whose name is a network namespace's own too (unix(7)). Free again when this
// object, or its process, is gone.
class NamespaceLock {
 public:
  // Holds nothing.
  NamespaceLock() = default;

  // `what` is locked, in words; `otherwise` is what an operator can do besides
  // stopping the holder, a clause. kConflict, naming the process, where another
  // one of root or of this user holds it. Any user can take such a name, and
  // must not stop a filter by that: held by somebody else it is not waited
  // for, and a warning says so. kInvalid where `name` is too long for a socket.
  static Result<NamespaceLock> take(std::string_view name,
                                    std::string_view what,
                                    std::string_view otherwise);

 private:
  explicit NamespaceLock(UniqueFd socket) : socket_(std::move(socket)) {}
  UniqueFd socket_;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_BASE_NAMESPACE_LOCK_H_
