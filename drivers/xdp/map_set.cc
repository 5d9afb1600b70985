// SPDX-License-Identifier: Apache-2.0
#include "drivers/xdp/map_set.h"

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <linux/bpf.h>

#include <bit>
#include <cerrno>
#include <optional>

namespace pxegate {

const std::array<MapSpec, kMapCount> kMapSpecs = {{
    {MapId::kRules, "rules", "rules", BPF_MAP_TYPE_ARRAY, sizeof(__u32),
     sizeof(pxe_bucket), 0, BPF_F_MMAPABLE},
    {MapId::kMoreRules, "more_rules", "more_rules", BPF_MAP_TYPE_HASH,
     sizeof(pxe_addr), sizeof(pxe_rule), 0, 0},
    {MapId::kSettings, "settings", ".data.settings", BPF_MAP_TYPE_ARRAY,
     sizeof(__u32), sizeof(pxe_settings), 1, BPF_F_MMAPABLE},
    {MapId::kCounters, "counters", "counters", BPF_MAP_TYPE_PERCPU_ARRAY,
     sizeof(__u32), sizeof(pxe_counters), 1, 0},
    {MapId::kTraffic, "traffic", "traffic", BPF_MAP_TYPE_PERCPU_ARRAY,
     sizeof(__u32), sizeof(pxe_traffic), PXE_TRAFFIC_PLACES + 1, 0},
    {MapId::kClients, "clients", "clients", BPF_MAP_TYPE_LRU_HASH,
     sizeof(pxe_addr), sizeof(pxe_client), PXE_MAX_RECENT_CLIENTS, 0},
    {MapId::kRelays, "relays", "relays", BPF_MAP_TYPE_LRU_HASH, sizeof(pxe_ip),
     sizeof(pxe_relay), PXE_MAX_RELAYS, 0},
    {MapId::kDiscoveryRelays, "discovery_relays", "discovery_relays",
     BPF_MAP_TYPE_LPM_TRIE, sizeof(pxe_network), sizeof(__u8),
     PXE_MAX_DISCOVERY_RELAYS, 0},
    {MapId::kEvents, "events", "events", BPF_MAP_TYPE_RINGBUF, 0, 0,
     PXE_EVENTS_BYTES, 0},
}};

const MapLayout kCurrentLayout = {PXE_ABI_VERSION, kMapsDirectory, kMapSpecs};

namespace {

std::optional<bpf_map_info> map_info(int fd) {
  if (object_kind(fd) != ObjectKind::kMap) return std::nullopt;
  bpf_map_info info{};
  __u32 size = sizeof(info);
  if (::bpf_obj_get_info_by_fd(fd, &info, &size) != 0) return std::nullopt;
  return info;
}

// Of this version or another one, whose sizes may differ.
bool is_ours(const std::optional<bpf_map_info>& info, const MapSpec& spec) {
  // The kernel keeps as many letters as fit.
  return info && info->type == spec.type &&
         spec.name.substr(0, BPF_OBJ_NAME_LEN - 1) == info->name;
}

Result<> check_layout(int fd, const MapSpec& spec, const std::string& path) {
  const auto info = map_info(fd);
  if (!is_ours(info, spec)) return fail(not_ours(path));
  const bool same =
      info->key_size == spec.key_size && info->value_size == spec.value_size &&
      (spec.max_entries == 0 || info->max_entries == spec.max_entries) &&
      (info->map_flags & spec.flags) == spec.flags;
  // The program takes a bucket's number by a mask.
  const bool buckets = spec.value_size != sizeof(pxe_bucket) ||
                       spec.type != BPF_MAP_TYPE_ARRAY ||
                       std::has_single_bit(info->max_entries);
  if (!same || !buckets) return fail(unknown_layout(path));
  return {};
}

}  // namespace

Error unknown_layout(const std::string& path) {
  return Error(
      fmt::format("what is pinned at {} has a layout that this pxegate does "
                  "not know: another version made it. Start that one again, or "
                  "one that can take over from it. `pxegate teardown` removes "
                  "it, and with it the filter until the next start",
                  path),
      ErrorCode::kConflict);
}

Result<MapSet> MapSet::open(const PinDirectory& pins, const MapLayout& layout) {
  MapSet maps;
  for (const MapSpec& spec : layout.specs) {
    const std::string path = pins.map_path(layout.directory, spec.pin);
    UniqueFd fd(::bpf_obj_get(path.c_str()));
    if (!fd && errno == ENOENT) continue;
    if (!fd) return fail(privileged_error("opening " + path, errno));
    if (auto same = check_layout(fd.get(), spec, path); !same) {
      return fail(same.error());
    }
    maps.set(spec.id, std::move(fd));
  }
  return maps;
}

Result<> MapSet::remove_pins(const std::string& directory,
                             std::span<const MapSpec> specs) {
  Result<> first_failure;
  for (const MapSpec& spec : specs) {
    const std::string path = fmt::format("{}/{}", directory, spec.pin);
    const UniqueFd there(::bpf_obj_get(path.c_str()));
    if (!there && errno == ENOENT) continue;
    Result<> done;
    if (!there) {
      done = fail(privileged_error("opening " + path, errno));
    } else if (!is_ours(map_info(there.get()), spec)) {
      done = fail(not_ours(path));
    } else {
      done = remove_pin(path);
    }
    if (!done && first_failure) first_failure = std::move(done);
  }
  return first_failure;
}

Result<std::uint32_t> MapSet::max_entries(MapId id) const {
  const auto info = map_info(fd(id));
  if (!info) return fail_errno("asking for a map's size", errno);
  return info->max_entries;
}

Result<unsigned> MapSet::count_unpinned(const PinDirectory& pins) const {
  unsigned missing = 0;
  for (const MapSpec& spec : kMapSpecs) {
    const std::string path = pins.map_path(kMapsDirectory, spec.pin);
    const UniqueFd there(::bpf_obj_get(path.c_str()));
    const auto pinned = there ? map_info(there.get()) : std::nullopt;
    const auto own = map_info(fd(spec.id));
    if (!own) return fail_errno("asking for a map's id", errno);
    if (!pinned || pinned->id != own->id) ++missing;
  }
  return missing;
}

Result<unsigned> MapSet::ensure_pinned(const PinDirectory& pins) const {
  auto missing = count_unpinned(pins);
  if (!missing || *missing == 0) return missing;
  auto fresh = pins.begin_exchange();
  if (!fresh) return fail(fresh.error());
  for (const MapSpec& spec : kMapSpecs) {
    const std::string path = fmt::format("{}/{}", *fresh, spec.pin);
    if (::bpf_obj_pin(fd(spec.id), path.c_str()) != 0) {
      return fail_errno("cannot pin a map at " + path, errno);
    }
  }
  if (auto done = pins.finish_exchange(); !done) return fail(done.error());
  return missing;
}

}  // namespace pxegate
