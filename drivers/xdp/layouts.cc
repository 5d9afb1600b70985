// SPDX-License-Identifier: Apache-2.0
#include "drivers/xdp/layouts.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "drivers/xdp/batch.h"
#include "drivers/xdp/bpf_rules.h"
#include "drivers/xdp/settings.h"

namespace pxegate {
namespace {

// Version 1: everything in pin_path itself, the rules in one hash map.
namespace version1 {

struct SettingsValue {
  __u32 abi_version;
  __u8 unknown_verdict;
  __u8 pad[3];
};
static_assert(sizeof(SettingsValue) == 8);

constexpr std::array<MapSpec, 5> kSpecs = {{
    {MapId::kRules, "rules", "rules", BPF_MAP_TYPE_HASH, 12, 4, 0, 0},
    {MapId::kSettings, "settings", ".data.settings", BPF_MAP_TYPE_ARRAY, 4,
     sizeof(SettingsValue), 1, 0},
    {MapId::kCounters, "counters", "counters", BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8,
     10, 0},
    {MapId::kClients, "clients", "clients", BPF_MAP_TYPE_LRU_HASH, 12, 40,
     16384, 0},
    {MapId::kRelays, "relays", "relays", BPF_MAP_TYPE_LRU_HASH, 4, 24, 4096, 0},
}};

// Keys and values of the rules are as today's more_rules has them.
Result<Policy> read(const MapSet& maps) {
  auto rules = read_batched<pxe_addr, pxe_rule>(maps.fd(MapId::kRules));
  if (!rules) return fail(rules.error().within("reading the rules"));
  std::vector<Policy::Entry> entries;
  for (std::size_t i = 0; i < rules->keys.size(); ++i) {
    const auto address = from_key(rules->keys[i]);
    if (!address) continue;
    const bool allow = rules->values[i].verdict == PXE_ALLOW;
    entries.push_back({*address, allow ? Verdict::kAllow : Verdict::kDeny});
  }
  SettingsValue settings{};
  const __u32 first = 0;
  const bool lost = !maps.has(MapId::kSettings);
  if (!lost && ::bpf_map_lookup_elem(maps.fd(MapId::kSettings), &first,
                                     &settings) != 0) {
    return fail_errno("reading the filter's settings", errno);
  }
  return Policy(std::move(entries), settings.unknown_verdict == PXE_ALLOW
                                        ? Verdict::kAllow
                                        : Verdict::kDeny);
}

}  // namespace version1

Result<Policy> read_current(const MapSet& maps) {
  auto rules = BpfRules::open(maps, MappedArray::Access::kRead);
  if (!rules) return fail(rules.error());
  if (auto read = rules->table().read(); !read) return fail(read.error());
  Verdict unknown = Verdict::kDeny;
  if (maps.has(MapId::kSettings)) {
    auto settings = Settings::open(maps, MappedArray::Access::kRead);
    if (!settings) return fail(settings.error());
    unknown = unknown_verdict(settings->read());
  }
  return Policy(rules->table().entries(), unknown);
}

const std::array<KnownLayout, 2> kKnownLayouts = {{
    {{1, "", version1::kSpecs}, version1::read},
    {{PXE_ABI_VERSION, kMapsDirectory, kMapSpecs}, read_current},
}};
static_assert(PXE_ABI_VERSION == 2, "give the layout before a row of its own");

// The version that settings pinned at `path` tell: every layout's begin with
// it. nullopt: nothing is pinned there. What is no such map has none.
Result<std::optional<__u32>> pinned_version(const std::string& path) {
  const UniqueFd fd(::bpf_obj_get(path.c_str()));
  if (!fd && errno == ENOENT) return std::nullopt;
  if (!fd) return fail(privileged_error("opening " + path, errno));
  bpf_map_info info{};
  __u32 size = sizeof(info);
  if (object_kind(fd.get()) != ObjectKind::kMap ||
      ::bpf_obj_get_info_by_fd(fd.get(), &info, &size) != 0 ||
      info.type != BPF_MAP_TYPE_ARRAY || info.key_size != sizeof(__u32)) {
    return fail(not_ours(path));
  }
  constexpr __u32 kMostBytes = 4096;
  std::vector<char> value(std::min(info.value_size, kMostBytes));
  const __u32 first = 0;
  __u32 version = 0;
  if (info.value_size < sizeof(version) || info.value_size > kMostBytes) {
    return fail(unknown_layout(path));
  }
  if (::bpf_map_lookup_elem(fd.get(), &first, value.data()) != 0) {
    return fail_errno("reading " + path, errno);
  }
  std::memcpy(&version, value.data(), sizeof(version));
  return version;
}

// By what the settings say; without any they pass for the latest version's.
const KnownLayout* find_layout(std::string_view directory,
                               std::optional<__u32> version) {
  const KnownLayout* found = nullptr;
  for (const KnownLayout& layout : kKnownLayouts) {
    if (layout.maps.directory != directory) continue;
    if (!version || layout.maps.abi_version == *version) found = &layout;
  }
  return found;
}

}  // namespace

std::span<const KnownLayout> known_layouts() { return kKnownLayouts; }

Result<PinnedMaps> open_pinned(const PinDirectory& pins) {
  PinnedMaps found{&kKnownLayouts.back(), {}};
  for (const KnownLayout& layout : known_layouts()) {
    const std::string path = pins.map_path(layout.maps.directory, "settings");
    auto version = pinned_version(path);
    if (!version) return fail(version.error());
    const KnownLayout* there = find_layout(layout.maps.directory, *version);
    if (there == nullptr) return fail(unknown_layout(path));
    if (there != &layout) continue;
    auto maps = MapSet::open(pins, layout.maps);
    if (!maps) return fail(maps.error());
    PinnedMaps opened{&layout, std::move(*maps)};
    if (opened.current() || opened.has_rules()) found = std::move(opened);
    if (!found.current()) return found;
  }
  // Half of the rules is worse than none: who is missing would be unknown.
  if (!found.has_rules() || !found.maps.has(MapId::kMoreRules)) {
    found.maps.set(MapId::kRules, UniqueFd());
    found.maps.set(MapId::kMoreRules, UniqueFd());
  }
  return found;
}

Result<PinnedMaps> open_complete(const PinDirectory& pins) {
  auto found = open_pinned(pins);
  if (!found) return found;
  for (const MapSpec& spec : found->layout->maps.specs) {
    if (found->maps.has(spec.id)) continue;
    return fail(privileged_error(
        "opening " + pins.map_path(found->layout->maps.directory, spec.pin),
        ENOENT));
  }
  return found;
}

Result<> remove_older_pins(const PinDirectory& pins) {
  for (const KnownLayout& layout : known_layouts()) {
    if (layout.maps.abi_version == kCurrentLayout.abi_version) continue;
    auto done = MapSet::remove_pins(pins.map_directory(layout.maps.directory),
                                    layout.maps.specs);
    if (!done) return done;
  }
  return {};
}

Result<> remove_all_pins(const PinDirectory& pins) {
  Result<> first_failure;
  const auto note = [&first_failure](Result<> done) {
    if (!done && first_failure) first_failure = std::move(done);
  };
  for (const KnownLayout& layout : known_layouts()) {
    note(MapSet::remove_pins(pins.map_directory(layout.maps.directory),
                             layout.maps.specs));
  }
  note(MapSet::remove_pins(pins.exchange_path(), kCurrentLayout.specs));
  return first_failure;
}

}  // namespace pxegate
