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
#include <string>
#include <utility>

#include "controller/base/log.h"
#include "drivers/xdp/bpffs.h"
#include "drivers/xdp/rules_map.h"
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

// An upsert precedes the removals that make room for it, so that the map must
// hold two policies at once.
std::uint32_t map_entries(std::uint32_t max_clients) {
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

Result<> copy_rules(int from, int to) {
  auto rules = read_rules(from);
  if (!rules) return fail(rules.error());
  // The program denies where the verdict is none.
  for (const HardwareAddress& address : rules->bad_values) {
    rules->entries.push_back({address, Verdict::kDeny});
  }
  auto written = write_rules(to, rules->entries);
  if (!written) {
    return fail(written.error().within(
        fmt::format("the {} rules in force do not fit into a map for the new "
                    "[xdp] max_clients; raise it",
                    rules->entries.size())));
  }
  return {};
}

}  // namespace

Result<LoadedProgram> load_program(std::uint32_t max_clients, MapSet reuse) {
  ::libbpf_set_print(log_libbpf);
  const Skeleton skeleton(pxe_filter__open());
  if (!skeleton) return fail(load_error(errno));

  bpf_map_info rules_info{};
  __u32 size = sizeof(rules_info);
  UniqueFd outgrown;
  if (reuse.fd(MapId::kRules) >= 0) {
    if (::bpf_obj_get_info_by_fd(reuse.fd(MapId::kRules), &rules_info, &size) !=
        0) {
      return fail_errno("reading the rules map", errno);
    }
    if (rules_info.max_entries != map_entries(max_clients)) {
      auto copy = duplicate(reuse.fd(MapId::kRules));
      if (!copy) return fail(copy.error());
      outgrown = std::move(*copy);
      reuse.set(MapId::kRules, UniqueFd());
    }
  }
  if (reuse.fd(MapId::kRules) < 0 && !outgrown) {
    // A verdict for unknown machines means nothing without its rules: without
    // them the denied ones would be unknown.
    reuse.set(MapId::kSettings, UniqueFd());
  }
  ::bpf_map__set_max_entries(skeleton->maps.rules, map_entries(max_clients));
  for (const MapSpec& spec : kMapSpecs) {
    bpf_map* map = ::bpf_object__find_map_by_name(
        skeleton->obj, std::string(spec.name).c_str());
    if (map == nullptr) {
      return fail(fmt::format("the XDP program has no map {}", spec.name));
    }
    if (reuse.fd(spec.id) < 0) continue;
    if (::bpf_map__reuse_fd(map, reuse.fd(spec.id)) != 0) {
      return fail_errno(fmt::format("taking over the pinned map {}", spec.pin),
                        errno);
    }
  }
  if (::bpf_object__load(skeleton->obj) != 0) return fail(load_error(errno));

  LoadedProgram program;
  for (const MapSpec& spec : kMapSpecs) {
    auto fd = duplicate(::bpf_object__find_map_fd_by_name(
        skeleton->obj, std::string(spec.name).c_str()));
    if (!fd) return fail(fd.error());
    program.maps.set(spec.id, std::move(*fd));
  }
  if (outgrown) {
    auto copied = copy_rules(outgrown.get(), program.maps.fd(MapId::kRules));
    if (!copied) return fail(copied.error());
  }
  auto fd = duplicate(::bpf_program__fd(skeleton->progs.pxe_filter));
  if (!fd) return fail(fd.error());
  bpf_prog_info info{};
  size = sizeof(info);
  if (::bpf_obj_get_info_by_fd(fd->get(), &info, &size) != 0) {
    return fail_errno("reading the loaded program", errno);
  }
  program.fd = std::move(*fd);
  program.id = info.id;
  return program;
}

}  // namespace pxegate
