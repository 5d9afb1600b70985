// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_XDP_MAP_SET_H_
#define PXEGATE_DRIVERS_XDP_MAP_SET_H_

#include <array>
#include <cstdint>
#include <string_view>

#include "bpf/pxe_filter_abi.h"
#include "controller/base/fd.h"
#include "controller/base/result.h"
#include "controller/driver/filter_driver.h"
#include "drivers/xdp/bpffs.h"

namespace pxegate {

// The maps of bpf/pxe_filter.bpf.c, by what they hold.
enum class MapId : std::uint8_t {
  kRules,
  kSettings,
  kCounters,
  kClients,
  kRelays
};
inline constexpr std::size_t kMapCount = 5;

struct MapSpec {
  MapId id;
  std::string_view pin;   // file name below pin_path
  std::string_view name;  // in the object; libbpf's for global data
  std::uint32_t type;     // BPF_MAP_TYPE_*
  std::uint32_t key_size;
  std::uint32_t value_size;
  std::uint32_t max_entries;  // 0: as configured
};
extern const std::array<MapSpec, kMapCount> kMapSpecs;

// Descriptors of the five maps, -1 where absent.
class MapSet {
 public:
  // Opens what is pinned. kNotFound where any is missing (`missing_ok`:
  // leaves those at -1), kConflict with advice where one has another layout,
  // kPermission naming the capabilities.
  static Result<MapSet> open_pinned(const PinDirectory& pins,
                                    bool missing_ok = false);

  // Unlinks one pin; a missing one is no error. What is no map of this
  // program's, in any version of it, stays: kConflict, naming it.
  static Result<> remove_pinned(const PinDirectory& pins, const MapSpec& spec);

  int fd(MapId id) const { return fds_[static_cast<std::size_t>(id)].get(); }
  void set(MapId id, UniqueFd fd) {
    fds_[static_cast<std::size_t>(id)] = std::move(fd);
  }

  // Pins each map in its place; returns how many had to be.
  Result<unsigned> ensure_pinned(const PinDirectory& pins) const;

  Result<pxe_settings> settings() const;
  Result<> write_unknown_verdict(Verdict verdict) const;
  // The policy that the kernel enforces from these maps.
  Result<Policy> installed() const;
  Result<Observations> observe() const;

 private:
  std::array<UniqueFd, kMapCount> fds_;
};

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_XDP_MAP_SET_H_
