// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_XDP_LAYOUTS_H_
#define PXEGATE_DRIVERS_XDP_LAYOUTS_H_

#include <span>

#include "controller/base/result.h"
#include "controller/core/policy.h"
#include "drivers/xdp/bpffs.h"
#include "drivers/xdp/map_set.h"

namespace pxegate {

// A layout, of an earlier version or of this one, that can be read.
struct KnownLayout {
  MapLayout maps;
  // What the program enforces from a set that has rules.
  Result<Policy> (*read)(const MapSet& maps);
};

// Oldest first. A later version adds itself, and its predecessor stays.
std::span<const KnownLayout> known_layouts();

// A set of maps that is pinned.
struct PinnedMaps {
  const KnownLayout* layout = nullptr;
  MapSet maps;

  bool current() const {
    return layout->maps.abi_version == kCurrentLayout.abi_version;
  }
  bool has_rules() const { return maps.has(MapId::kRules); }
};

// What is pinned and in force. Where an earlier version's rules are there,
// it is that set, whatever else is: the earlier version's pins go last when
// it is replaced. Without any: this version's set, which may be incomplete
// (more_rules without rules, or the other way round, counts as neither).
// kConflict with advice where something has an unknown layout.
Result<PinnedMaps> open_pinned(const PinDirectory& pins);

// As open_pinned(); kNotFound where there are no rules, or a map of the set is
// missing.
Result<PinnedMaps> open_complete(const PinDirectory& pins);

// Removes the pins of all layouts but this version's.
Result<> remove_older_pins(const PinDirectory& pins);
// Removes the pins of all layouts. kConflict, naming it, for what is no map of
// pxegate's, which stays.
Result<> remove_all_pins(const PinDirectory& pins);

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_XDP_LAYOUTS_H_
