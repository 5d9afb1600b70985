// SPDX-License-Identifier: Apache-2.0
#include "controller/app/held_back.h"

#include <fmt/format.h>

namespace pxegate {

std::string held_back_sentence(const HeldBackList& list) {
  const std::string compared =
      list.what == "rules"
          ? fmt::format(
                "Ironic's list makes {} rules, {} are in force from "
                "before the start",
                list.listed, list.known)
          : fmt::format("Ironic listed {} {}, {} were known", list.listed,
                        list.what, list.known);
  return fmt::format(
      "{}: held back until {} lists in a row say so (this is number {}); if it "
      "is right, `pxegate sync --force` believes it now, else see to Ironic's "
      "database, and to what its account may read",
      compared, list.lists_to_believe, list.lists);
}

}  // namespace pxegate
