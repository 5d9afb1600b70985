// SPDX-License-Identifier: Apache-2.0
#include "drivers/xdp/map_set.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <net/if.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "drivers/xdp/batch.h"
#include "drivers/xdp/rules_map.h"

namespace pxegate {

const std::array<MapSpec, kMapCount> kMapSpecs = {{
    {MapId::kRules, "rules", "rules", BPF_MAP_TYPE_HASH, sizeof(pxe_addr),
     sizeof(pxe_rule), 0},
    {MapId::kSettings, "settings", ".data.settings", BPF_MAP_TYPE_ARRAY,
     sizeof(__u32), sizeof(pxe_settings), 1},
    {MapId::kCounters, "counters", "counters", BPF_MAP_TYPE_PERCPU_ARRAY,
     sizeof(__u32), sizeof(__u64), PXE_COUNTERS},
    {MapId::kClients, "clients", "clients", BPF_MAP_TYPE_LRU_HASH,
     sizeof(pxe_addr), sizeof(pxe_client), PXE_MAX_RECENT_CLIENTS},
    {MapId::kRelays, "relays", "relays", BPF_MAP_TYPE_LRU_HASH, sizeof(__u32),
     sizeof(pxe_relay), PXE_MAX_RELAYS},
}};

namespace {

constexpr std::array<std::string_view, PXE_REASONS> kReasonNames = {
    "rule", "unknown", "foreign_htype", "no_client_id", "malformed"};

// RFC 2132 section 9.6 and RFC 4388, 6926 message types.
std::string message_type_name(std::uint8_t type) {
  constexpr std::array<std::string_view, 9> kNames = {
      "",    "DISCOVER", "OFFER",   "REQUEST", "DECLINE",
      "ACK", "NAK",      "RELEASE", "INFORM"};
  if (type < kNames.size()) return std::string(kNames[type]);
  return fmt::format("#{}", type);
}

// IANA "Processor Architecture Types" of RFC 4578 and 5970.
std::string architecture_name(std::uint16_t arch) {
  constexpr std::pair<std::uint16_t, std::string_view> kNames[] = {
      {0, "x86 BIOS"},       {6, "x86 UEFI"},         {7, "x64 UEFI"},
      {9, "EBC UEFI"},       {10, "arm32 UEFI"},      {11, "arm64 UEFI"},
      {12, "POWER OF"},      {14, "POWER OPAL"},      {15, "x86 UEFI HTTP"},
      {16, "x64 UEFI HTTP"}, {18, "arm32 UEFI HTTP"}, {19, "arm64 UEFI HTTP"},
      {20, "x86 BIOS HTTP"}, {27, "riscv64 UEFI"},    {31, "s390"}};
  if (arch == PXE_NO_ARCH) return {};
  const auto* known = std::ranges::find(
      kNames, arch, &std::pair<std::uint16_t, std::string_view>::first);
  if (known != std::end(kNames)) return std::string(known->second);
  return fmt::format("#{}", arch);
}

std::string relay_name(__u32 giaddr) {
  if (giaddr == 0) return {};
  std::array<char, INET_ADDRSTRLEN> text{};
  ::inet_ntop(AF_INET, &giaddr, text.data(), text.size());
  return text.data();
}

std::string interface_name(__u32 ifindex) {
  std::array<char, IF_NAMESIZE> name{};
  if (::if_indextoname(ifindex, name.data()) != nullptr) return name.data();
  return fmt::format("#{}", ifindex);
}

std::string reason_name(__u8 reason) {
  return reason < kReasonNames.size() ? std::string(kReasonNames[reason])
                                      : fmt::format("#{}", reason);
}

ClientRecord to_record(const pxe_addr& key, const pxe_client& client) {
  ClientRecord record;
  const std::size_t length = std::clamp<std::size_t>(key.hlen, 1, 8);
  record.address = fmt::format(
      "{:02x}", fmt::join(std::span(key.octets).first(length), ":"));
  record.htype = key.htype;
  record.verdict =
      client.verdict == PXE_ALLOW ? Verdict::kAllow : Verdict::kDeny;
  record.reason = reason_name(client.reason);
  record.relay = relay_name(client.giaddr);
  record.interface = interface_name(client.ifindex);
  for (unsigned i = 0; i < std::min<unsigned>(client.vlans, PXE_MAX_VLANS);
       ++i) {
    record.vlans.push_back(client.vlan[i]);
  }
  record.message_type = message_type_name(client.message_type);
  record.architecture = architecture_name(client.arch);
  record.count = client.packets;
  record.last_seen = std::chrono::nanoseconds(client.last_seen_ns);
  return record;
}

Result<std::vector<CounterRecord>> read_counters(int fd) {
  const int cpus = ::libbpf_num_possible_cpus();
  if (cpus < 0) return fail_errno("counting CPUs", -cpus);
  std::vector<CounterRecord> records;
  std::vector<__u64> values(static_cast<std::size_t>(cpus));
  for (__u32 verdict = 0; verdict < PXE_VERDICTS; ++verdict) {
    for (__u32 reason = 0; reason < PXE_REASONS; ++reason) {
      const __u32 index = pxe_counter(verdict, reason);
      if (::bpf_map_lookup_elem(fd, &index, values.data()) != 0) {
        return fail_errno("reading the counters", errno);
      }
      CounterRecord record;
      record.verdict = verdict == PXE_ALLOW ? Verdict::kAllow : Verdict::kDeny;
      record.reason = kReasonNames[reason];
      for (const __u64 value : values) record.packets += value;
      records.push_back(std::move(record));
    }
  }
  return records;
}

Error other_layout(const std::string& path) {
  return Error(
      fmt::format("what is pinned at {} has another layout: another version of "
                  "pxegate made it. `pxegate teardown` "
                  "removes it, and with it the filter until the next start",
                  path),
      ErrorCode::kConflict);
}

// Of this version or another one, whose sizes may differ.
bool is_ours(int fd, const MapSpec& spec) {
  bpf_map_info info{};
  __u32 size = sizeof(info);
  if (object_kind(fd) != ObjectKind::kMap ||
      ::bpf_obj_get_info_by_fd(fd, &info, &size) != 0 ||
      info.type != spec.type) {
    return false;
  }
  return spec.name == info.name;
}

Result<> check_layout(int fd, const MapSpec& spec, const std::string& path) {
  if (!is_ours(fd, spec)) return fail(not_ours(path));
  bpf_map_info info{};
  __u32 size = sizeof(info);
  if (::bpf_obj_get_info_by_fd(fd, &info, &size) != 0) {
    return fail_errno(path, errno);
  }
  const bool same =
      info.type == spec.type && info.key_size == spec.key_size &&
      info.value_size == spec.value_size &&
      (spec.max_entries == 0 || info.max_entries == spec.max_entries);
  if (!same) return fail(other_layout(path));
  return {};
}

std::optional<__u32> map_id(int fd) {
  if (object_kind(fd) != ObjectKind::kMap) return std::nullopt;
  bpf_map_info info{};
  __u32 size = sizeof(info);
  if (::bpf_obj_get_info_by_fd(fd, &info, &size) != 0) return std::nullopt;
  return info.id;
}

}  // namespace

Result<MapSet> MapSet::open_pinned(const PinDirectory& pins, bool missing_ok) {
  MapSet maps;
  for (const MapSpec& spec : kMapSpecs) {
    const std::string path = pins.map_path(spec.pin);
    UniqueFd fd(::bpf_obj_get(path.c_str()));
    if (!fd && errno == ENOENT && missing_ok) continue;
    if (!fd) return fail(privileged_error("opening " + path, errno));
    if (auto same = check_layout(fd.get(), spec, path); !same) {
      return fail(same.error());
    }
    maps.set(spec.id, std::move(fd));
  }
  if (maps.fd(MapId::kSettings) >= 0) {
    auto settings = maps.settings();
    if (!settings) return fail(settings.error());
    if (settings->abi_version != PXE_ABI_VERSION) {
      return fail(other_layout(pins.map_path("settings")));
    }
  }
  return maps;
}

Result<> MapSet::remove_pinned(const PinDirectory& pins, const MapSpec& spec) {
  const std::string path = pins.map_path(spec.pin);
  const UniqueFd there(::bpf_obj_get(path.c_str()));
  if (!there && errno == ENOENT) return {};
  if (!there) return fail(privileged_error("opening " + path, errno));
  if (!is_ours(there.get(), spec)) return fail(not_ours(path));
  return remove_pin(path);
}

Result<unsigned> MapSet::ensure_pinned(const PinDirectory& pins) const {
  unsigned pinned = 0;
  for (const MapSpec& spec : kMapSpecs) {
    const std::string path = pins.map_path(spec.pin);
    const UniqueFd there(::bpf_obj_get(path.c_str()));
    if (there && map_id(there.get()) == map_id(fd(spec.id))) continue;
    if (auto removed = remove_pin(path); !removed) {
      return fail(removed.error());
    }
    if (::bpf_obj_pin(fd(spec.id), path.c_str()) != 0) {
      return fail_errno("cannot pin a map at " + path, errno);
    }
    ++pinned;
  }
  return pinned;
}

Result<pxe_settings> MapSet::settings() const {
  pxe_settings settings{};
  const __u32 index = 0;
  if (::bpf_map_lookup_elem(fd(MapId::kSettings), &index, &settings) != 0) {
    return fail_errno("reading the filter's settings", errno);
  }
  return settings;
}

Result<> MapSet::write_unknown_verdict(Verdict verdict) const {
  pxe_settings settings{};
  settings.abi_version = PXE_ABI_VERSION;
  settings.unknown_verdict = verdict == Verdict::kAllow ? PXE_ALLOW : PXE_DENY;
  const __u32 index = 0;
  if (::bpf_map_update_elem(fd(MapId::kSettings), &index, &settings, BPF_ANY) !=
      0) {
    return fail_errno("writing the filter's settings", errno);
  }
  return {};
}

Result<Policy> MapSet::installed() const {
  auto rules = read_rules(fd(MapId::kRules));
  if (!rules) return fail(rules.error());
  auto set = settings();
  if (!set) return fail(set.error());
  for (const HardwareAddress& address : rules->bad_values) {
    rules->entries.push_back({address, Verdict::kDeny});
  }
  return Policy(std::move(rules->entries), set->unknown_verdict == PXE_ALLOW
                                               ? Verdict::kAllow
                                               : Verdict::kDeny);
}

Result<Observations> MapSet::observe() const {
  Observations seen;
  seen.supported = true;
  auto clients = read_batched<pxe_addr, pxe_client>(fd(MapId::kClients));
  if (!clients) return fail(clients.error().within("reading recent clients"));
  for (std::size_t i = 0; i < clients->keys.size(); ++i) {
    seen.clients.push_back(to_record(clients->keys[i], clients->values[i]));
  }
  std::ranges::sort(seen.clients, [](const auto& a, const auto& b) {
    return a.last_seen > b.last_seen;
  });
  auto relays = read_batched<__u32, pxe_relay>(fd(MapId::kRelays));
  if (!relays) return fail(relays.error().within("reading relays"));
  for (std::size_t i = 0; i < relays->keys.size(); ++i) {
    const pxe_relay& relay = relays->values[i];
    seen.relays.push_back({relay_name(relays->keys[i]),
                           relay.packets[PXE_ALLOW], relay.packets[PXE_DENY],
                           std::chrono::nanoseconds(relay.last_seen_ns)});
  }
  auto counters = read_counters(fd(MapId::kCounters));
  if (!counters) return fail(counters.error());
  seen.counters = std::move(*counters);
  return seen;
}

}  // namespace pxegate
