// SPDX-License-Identifier: Apache-2.0
#include "drivers/xdp/program.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "controller/base/log.h"
#include "drivers/xdp/bpffs.h"
#include "pxe_filter.skel.h"

namespace pxegate {
namespace {

struct SkeletonDeleter {
  void operator()(pxe_filter* skeleton) const { pxe_filter__destroy(skeleton); }
};
using Skeleton = std::unique_ptr<pxe_filter, SkeletonDeleter>;

// libbpf explains failures in detail, but only by printing.
int log_libbpf(libbpf_print_level level, const char* format, va_list args) {
  if (level == LIBBPF_DEBUG) return 0;
  std::array<char, 1024> line{};
  const int size = std::vsnprintf(line.data(), line.size(), format, args);
  std::string_view text(line.data());
  while (text.ends_with('\n')) text.remove_suffix(1);
  if (size > 0 && !text.empty()) log::debug("{}", text);
  return 0;
}

// An upsert precedes the removals that make room for it, so that the maps must
// hold two policies at once. In the worst case all of it is in more_rules.
std::uint32_t more_rules(std::uint32_t max_clients) {
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(std::uint64_t{max_clients} * 2, UINT32_MAX));
}

Error load_error(int errnum) {
  return privileged_error(
      "cannot load the XDP program (debug = true shows more)", errnum);
}

Result<UniqueFd> duplicate(int fd) {
  UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (!copy) return fail_errno("dup", errno);
  return copy;
}

Result<bool> sized_for(const MapSet& maps, std::uint32_t max_clients) {
  auto buckets = maps.max_entries(MapId::kRules);
  if (!buckets) return fail(buckets.error());
  auto more = maps.max_entries(MapId::kMoreRules);
  if (!more) return fail(more.error());
  return *buckets == bucket_count(max_clients) &&
         *more == more_rules(max_clients);
}

// What has to be copied because its maps cannot be used; `pinned` is left
// with those that can.
Result<std::optional<Policy>> outgrown(std::uint32_t max_clients,
                                       PinnedMaps& pinned) {
  if (!pinned.has_rules()) {
    // A verdict for unknown machines means nothing without its rules: without
    // them the denied ones would be unknown.
    pinned.maps.set(MapId::kSettings, UniqueFd());
    return std::nullopt;
  }
  if (pinned.current()) {
    auto fits = sized_for(pinned.maps, max_clients);
    if (!fits) return fail(fits.error());
    if (*fits) return std::nullopt;
  }
  auto policy = pinned.layout->read(pinned.maps);
  if (!policy) return fail(policy.error());
  if (policy->entries().size() > more_rules(max_clients)) {
    return fail(fmt::format("the {} rules in force do not fit into maps for "
                            "the new [xdp] max_clients; raise it",
                            policy->entries().size()),
                ErrorCode::kCapacity);
  }
  if (pinned.current()) {
    pinned.maps.set(MapId::kRules, UniqueFd());
    pinned.maps.set(MapId::kMoreRules, UniqueFd());
  } else {
    log::info(
        "taking over from a pxegate whose maps are of version {}, here "
        "{}: its {} rules stay in force; its counters and the clients "
        "that it saw are not kept",
        pinned.layout->maps.abi_version, PXE_ABI_VERSION,
        policy->entries().size());
    pinned = {&known_layouts().back(), {}};
  }
  return policy;
}

Result<> reuse(const pxe_filter& skeleton, const MapSet& maps) {
  for (const MapSpec& spec : kMapSpecs) {
    bpf_map* map = ::bpf_object__find_map_by_name(
        skeleton.obj, std::string(spec.name).c_str());
    if (map == nullptr) {
      return fail(fmt::format("the XDP program has no map {}", spec.name));
    }
    if (!maps.has(spec.id)) continue;
    if (::bpf_map__reuse_fd(map, maps.fd(spec.id)) != 0) {
      return fail_errno(fmt::format("taking over the pinned map {}", spec.pin),
                        errno);
    }
  }
  return {};
}

Result<MapSet> maps_of(const pxe_filter& skeleton) {
  MapSet maps;
  for (const MapSpec& spec : kMapSpecs) {
    auto fd = duplicate(::bpf_object__find_map_fd_by_name(
        skeleton.obj, std::string(spec.name).c_str()));
    if (!fd) return fail(fd.error());
    maps.set(spec.id, std::move(*fd));
  }
  return maps;
}

// Into maps that no program on an interface uses yet. Fresh settings deny
// unknown machines; those that are kept say what they said.
Result<> copy(const Policy& policy, BpfRules& rules, Settings& settings) {
  if (auto done = rules.table().write(policy.entries()); !done) return done;
  settings.write(
      &pxe_settings::unknown_verdict,
      static_cast<__u8>(policy.unknown() == Verdict::kAllow ? PXE_ALLOW
                                                            : PXE_DENY));
  return {};
}

}  // namespace

Result<LoadedProgram> load_program(std::uint32_t max_clients,
                                   PinnedMaps pinned) {
  ::libbpf_set_print(log_libbpf);
  const Skeleton skeleton(pxe_filter__open());
  if (!skeleton) return fail(load_error(errno));

  auto policy = outgrown(max_clients, pinned);
  if (!policy) return fail(policy.error());
  const std::uint32_t buckets = bucket_count(max_clients);
  ::bpf_map__set_max_entries(skeleton->maps.rules, buckets);
  ::bpf_map__set_max_entries(skeleton->maps.more_rules,
                             more_rules(max_clients));
  skeleton->rodata->bucket_mask = buckets - 1;
  if (auto done = reuse(*skeleton, pinned.maps); !done) {
    return fail(done.error());
  }
  if (::bpf_object__load(skeleton->obj) != 0) return fail(load_error(errno));

  auto maps = maps_of(*skeleton);
  if (!maps) return fail(maps.error());
  auto rules = BpfRules::open(*maps, MappedArray::Access::kWrite);
  if (!rules) return fail(rules.error());
  auto settings = Settings::open(*maps, MappedArray::Access::kWrite);
  if (!settings) return fail(settings.error());
  if (*policy) {
    auto copied = copy(**policy, *rules, *settings);
    if (!copied) return fail(copied.error());
  }
  auto fd = duplicate(::bpf_program__fd(skeleton->progs.pxe_filter));
  if (!fd) return fail(fd.error());
  bpf_prog_info info{};
  __u32 size = sizeof(info);
  if (::bpf_obj_get_info_by_fd(fd->get(), &info, &size) != 0) {
    return fail_errno("reading the loaded program", errno);
  }
  return LoadedProgram{std::move(*fd), info.id, std::move(*maps),
                       std::move(*rules), std::move(*settings)};
}

}  // namespace pxegate
