// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_XDP_MAP_SET_H_
#define PXEGATE_DRIVERS_XDP_MAP_SET_H_

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "bpf/pxe_filter_abi.h"
#include "controller/base/fd.h"
#include "controller/base/result.h"
#include "drivers/xdp/bpffs.h"

namespace pxegate {

// The maps of bpf/pxe_filter.bpf.c, by what they hold.
enum class MapId : std::uint8_t {
  kRules,
  kMoreRules,
  kSettings,
  kCounters,
  kTraffic,
  kClients,
  kRelays,
  kDiscoveryRelays,
  kEvents,
};
inline constexpr std::size_t kMapCount = 9;

struct MapSpec {
  MapId id;
  std::string_view pin;   // file name
  std::string_view name;  // in the object; libbpf's for global data
  std::uint32_t type;     // BPF_MAP_TYPE_*
  std::uint32_t key_size;
  std::uint32_t value_size;
  std::uint32_t max_entries;  // 0: as configured
  std::uint32_t flags;        // those of BPF_F_* that matter
};

// How one version of pxegate laid out what it pinned.
struct MapLayout {
  std::uint32_t abi_version;
  std::string_view directory;      // below pin_path; empty: itself
  std::span<const MapSpec> specs;  // rules first
};

// This version's.
extern const std::array<MapSpec, kMapCount> kMapSpecs;
extern const MapLayout kCurrentLayout;

// Descriptors of one version's maps, -1 where absent.
class MapSet {
 public:
  // Opens what is pinned, leaving out what is not. kConflict with advice where
  // something has another layout, kPermission naming the capabilities.
  static Result<MapSet> open(const PinDirectory& pins, const MapLayout& layout);

  // Unlinks the pins, `specs` in their order; a missing one is no error. What
  // is no map of this program's, in any version of it, stays: kConflict,
  // naming it.
  static Result<> remove_pins(const std::string& directory,
                              std::span<const MapSpec> specs);

  int fd(MapId id) const { return fds_[static_cast<std::size_t>(id)].get(); }
  bool has(MapId id) const { return fd(id) >= 0; }
  void set(MapId id, UniqueFd fd) {
    fds_[static_cast<std::size_t>(id)] = std::move(fd);
  }
  UniqueFd take(MapId id) {
    return std::move(fds_[static_cast<std::size_t>(id)]);
  }
  Result<std::uint32_t> max_entries(MapId id) const;

  // Makes these maps, which are of this version and complete, the ones that
  // are pinned; returns how many were not. They take the place of what is
  // there all at once: whoever reads, or is killed in between, finds one set
  // or the other.
  Result<unsigned> ensure_pinned(const PinDirectory& pins) const;

 private:
  Result<unsigned> count_unpinned(const PinDirectory& pins) const;

  std::array<UniqueFd, kMapCount> fds_;
};

// kConflict: what is pinned at `path` was made by a version of pxegate that
// this one knows nothing of.
Error unknown_layout(const std::string& path);

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_XDP_MAP_SET_H_
