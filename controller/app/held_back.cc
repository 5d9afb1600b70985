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
  const std::string so_far =
      list.lists == 0 ? std::string(
                            "ports that it lacks are there when asked "
                            "for, so it does not count")
                      : fmt::format("this is number {}", list.lists);
  return fmt::format(
      "{}: held back until {} lists in a row say so ({}); if it is right, "
      "`pxegate sync --force` believes it now, else see to Ironic's database, "
      "and to what its account may read",
      compared, list.lists_to_believe, so_far);
}

}  // namespace pxegate
