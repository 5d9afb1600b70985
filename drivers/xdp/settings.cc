// SPDX-License-Identifier: Apache-2.0
#include "drivers/xdp/settings.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>

namespace pxegate {
namespace {

static_assert(std::chrono::steady_clock::period::den == PXE_SECOND_NS,
              "a lease is in the clock's own unit");

__u64 monotonic_ns() {
  // steady_clock is CLOCK_MONOTONIC, as bpf_ktime_get_ns() is.
  return static_cast<__u64>(
      std::chrono::steady_clock::now().time_since_epoch().count());
}

__u64 interval(std::uint32_t rate) {
  return rate == 0 ? 0 : std::max<__u64>(PXE_SECOND_NS / rate, 1);
}

// 0 is no limit.
__u64 longer_interval(__u64 a, __u64 b) { return std::max(a, b); }

__u8 to_stale_action(XdpStaleAction action) {
  switch (action) {
    case XdpStaleAction::kAllow:
      return PXE_STALE_ALLOW;
    case XdpStaleAction::kKeep:
      return PXE_STALE_KEEP;
    case XdpStaleAction::kDeny:
      break;
  }
  return PXE_STALE_DENY;
}

std::string stale_action_name(__u8 action) {
  switch (action) {
    case PXE_STALE_ALLOW:
      return "allow";
    case PXE_STALE_KEEP:
      return "keep";
    default:
      return "deny";
  }
}

}  // namespace

Result<Settings> Settings::open(const MapSet& maps,
                                MappedArray::Access access) {
  auto memory =
      MappedArray::map(maps.fd(MapId::kSettings), sizeof(pxe_settings), access);
  if (!memory) return fail(memory.error().within("the filter's settings"));
  return Settings(std::move(*memory));
}

pxe_settings Settings::read() const {
  const pxe_settings& from = shared();
  pxe_settings settings{};
  settings.abi_version = load_shared(from.abi_version);
  settings.unknown_verdict = load_shared(from.unknown_verdict);
  settings.scope = load_shared(from.scope);
  settings.stale_action = load_shared(from.stale_action);
  settings.discovery_restricted = load_shared(from.discovery_restricted);
  settings.lease_until_ns = load_shared(from.lease_until_ns);
  settings.unknown_interval_ns = load_shared(from.unknown_interval_ns);
  settings.relay_interval_ns = load_shared(from.relay_interval_ns);
  return settings;
}

pxe_settings to_settings(const XdpOptions& options, Verdict unknown) {
  pxe_settings settings{};
  settings.abi_version = PXE_ABI_VERSION;
  settings.unknown_verdict = unknown == Verdict::kAllow ? PXE_ALLOW : PXE_DENY;
  settings.scope =
      options.scope == XdpScope::kPxe ? PXE_SCOPE_PXE : PXE_SCOPE_DHCP;
  settings.stale_action = to_stale_action(options.stale_action);
  settings.discovery_restricted = !options.discovery_relays.empty();
  settings.unknown_interval_ns = interval(options.unknown_rate);
  settings.relay_interval_ns = interval(options.relay_rate);
  return settings;
}

pxe_settings stricter(const pxe_settings& from, const pxe_settings& to) {
  pxe_settings settings = from;
  const bool pxe = from.scope == PXE_SCOPE_PXE && to.scope == PXE_SCOPE_PXE;
  settings.scope = pxe ? PXE_SCOPE_PXE : PXE_SCOPE_DHCP;
  settings.discovery_restricted =
      from.discovery_restricted != 0 || to.discovery_restricted != 0;
  settings.unknown_interval_ns =
      longer_interval(from.unknown_interval_ns, to.unknown_interval_ns);
  settings.relay_interval_ns =
      longer_interval(from.relay_interval_ns, to.relay_interval_ns);
  return settings;
}

__u64 lease_end(const XdpOptions& options) {
  if (options.stale_after.count() <= 0) return 0;
  return monotonic_ns() +
         static_cast<__u64>(options.stale_after.count()) * PXE_SECOND_NS;
}

Verdict unknown_verdict(const pxe_settings& settings) {
  return settings.unknown_verdict == PXE_ALLOW ? Verdict::kAllow
                                               : Verdict::kDeny;
}

std::optional<LeaseStatus> lease_status(const pxe_settings& settings) {
  if (settings.lease_until_ns == 0) return std::nullopt;
  const __u64 now = monotonic_ns();
  LeaseStatus lease;
  lease.expired = now >= settings.lease_until_ns;
  const __u64 distance = lease.expired ? now - settings.lease_until_ns
                                       : settings.lease_until_ns - now;
  lease.age = std::chrono::seconds(distance / PXE_SECOND_NS);
  lease.action = stale_action_name(settings.stale_action);
  return lease;
}

std::vector<std::string> differing_fields(const pxe_settings& found,
                                          const pxe_settings& wanted) {
  std::vector<std::string> fields;
  const auto note = [&fields](bool same, const char* name) {
    if (!same) fields.emplace_back(name);
  };
  note(found.abi_version == wanted.abi_version, "version");
  note(found.scope == wanted.scope, "scope");
  note(found.stale_action == wanted.stale_action, "stale_action");
  note(found.discovery_restricted == wanted.discovery_restricted,
       "discovery_restricted");
  note(found.lease_until_ns == wanted.lease_until_ns, "lease");
  note(found.unknown_interval_ns == wanted.unknown_interval_ns, "unknown_rate");
  note(found.relay_interval_ns == wanted.relay_interval_ns, "relay_rate");
  return fields;
}

}  // namespace pxegate
