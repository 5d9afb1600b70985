// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_HELD_BACK_H_
#define PXEGATE_CONTROLLER_APP_HELD_BACK_H_

#include <cstddef>
#include <string>

#include "controller/base/clock.h"

namespace pxegate {

// A full list that is not believed yet, since it is empty or drastically
// shorter than what is known: so answers an Ironic that lost its database, or
// an account that lost its role. The next one confirms it if it is about as
// long; one that is much longer or shorter says something else again.
struct HeldBackList {
  // What it is short of: "nodes", "ports", or "rules", which is what an earlier
  // run left in force.
  std::string what;
  std::size_t listed = 0;  // by the latest list
  std::size_t known = 0;
  int lists = 0;  // that said so, in a row; 0: Ironic contradicted the latest
  int lists_to_believe = 0;
  Instant since;

  bool operator==(const HeldBackList&) const = default;
};

// Two clauses: what is held back, and what to do about it.
std::string held_back_sentence(const HeldBackList& list);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_HELD_BACK_H_
