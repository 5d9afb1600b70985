// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_NFTABLES_TABLE_LOCK_H_
#define PXEGATE_DRIVERS_NFTABLES_TABLE_LOCK_H_

#include <string>
#include <utility>

#include "controller/base/fd.h"
#include "controller/base/result.h"

namespace pxegate {

// Keeps two controllers from one table: holds the abstract Unix socket
// "pxegate-nftables-<table>", whose name is a network namespace's own, as the
// table is. Free again when this object, or its process, is gone.
class TableLock {
 public:
  // kConflict, naming the process, where another one of root or of this user
  // holds it. Any user can take such a name, and must not stop the filter by
  // that: held by somebody else it is not waited for, and a warning says so.
  static Result<TableLock> take(const std::string& table);

 private:
  explicit TableLock(UniqueFd socket) : socket_(std::move(socket)) {}
  UniqueFd socket_;
};

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_NFTABLES_TABLE_LOCK_H_
