// SPDX-License-Identifier: Apache-2.0
#include "drivers/xdp/observations.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/base/ip_network.h"
#include "drivers/xdp/batch.h"
#include "drivers/xdp/settings.h"

namespace pxegate {
namespace {

constexpr auto kReasonNames = std::to_array<std::string_view>(
    {"rule", "unknown", "foreign_htype", "no_client_id", "malformed", "scope",
     "stale", "discovery", "relay_rate", "unknown_rate"});
static_assert(kReasonNames.size() == PXE_REASONS, "each reason has a name");

std::string reason_name(__u8 reason) {
  return reason < kReasonNames.size() ? std::string(kReasonNames.at(reason))
                                      : fmt::format("#{}", reason);
}

// RFC 2132 section 9.6.
constexpr auto kMessageTypes4 = std::to_array<std::string_view>(
    {"", "DISCOVER", "OFFER", "REQUEST", "DECLINE", "ACK", "NAK", "RELEASE",
     "INFORM"});
// RFC 8415 section 7.3, RFC 5007, 5460, 6977, 7341 and 7653.
constexpr auto kMessageTypes6 =
    std::to_array<std::string_view>({"",
                                     "SOLICIT",
                                     "ADVERTISE",
                                     "REQUEST",
                                     "CONFIRM",
                                     "RENEW",
                                     "REBIND",
                                     "REPLY",
                                     "RELEASE",
                                     "DECLINE",
                                     "RECONFIGURE",
                                     "INFORMATION-REQUEST",
                                     "RELAY-FORW",
                                     "RELAY-REPL",
                                     "LEASEQUERY",
                                     "LEASEQUERY-REPLY",
                                     "LEASEQUERY-DONE",
                                     "LEASEQUERY-DATA",
                                     "RECONFIGURE-REQUEST",
                                     "RECONFIGURE-REPLY",
                                     "DHCPV4-QUERY",
                                     "DHCPV4-RESPONSE",
                                     "ACTIVELEASEQUERY",
                                     "STARTTLS"});

std::string message_type_name(std::uint8_t type, int ip_version) {
  const std::span<const std::string_view> names =
      ip_version == 6 ? std::span<const std::string_view>(kMessageTypes6)
                      : std::span<const std::string_view>(kMessageTypes4);
  if (type < names.size()) return std::string(names[type]);
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

std::string relay_name(const pxe_ip& relay) {
  std::array<std::uint8_t, 16> octets{};
  std::ranges::copy(relay.octets, octets.begin());
  const bool none = std::ranges::all_of(
      octets, [](std::uint8_t octet) { return octet == 0; });
  return none ? std::string() : ip_to_string(octets);
}

std::string interface_name(__u32 ifindex) {
  std::array<char, IF_NAMESIZE> name{};
  if (::if_indextoname(ifindex, name.data()) != nullptr) return name.data();
  return fmt::format("#{}", ifindex);
}

void fill(RequestRecord& record, const pxe_addr& addr, const pxe_seen& seen) {
  const std::size_t length =
      std::clamp<std::size_t>(addr.hlen, 1, sizeof(addr.octets));
  record.address = fmt::format(
      "{:02x}", fmt::join(std::span(addr.octets).first(length), ":"));
  record.htype = addr.htype;
  record.verdict = seen.verdict == PXE_ALLOW ? Verdict::kAllow : Verdict::kDeny;
  record.reason = reason_name(seen.reason);
  record.relay = relay_name(seen.relay);
  record.interface = interface_name(seen.ifindex);
  const auto vlans = std::min<unsigned>(seen.vlans, PXE_MAX_VLANS);
  record.vlans.assign(seen.vlan, seen.vlan + vlans);
  record.ip_version = seen.ip_version == 6 ? 6 : 4;
  record.message_type = message_type_name(seen.message_type, record.ip_version);
  record.architecture = architecture_name(seen.arch);
}

Result<std::vector<ClientRecord>> read_clients(int fd) {
  auto clients = read_batched<pxe_addr, pxe_client>(fd);
  if (!clients) return fail(clients.error().within("reading recent clients"));
  std::vector<ClientRecord> records;
  for (std::size_t i = 0; i < clients->keys.size(); ++i) {
    const pxe_client& client = clients->values[i];
    ClientRecord& record = records.emplace_back();
    fill(record, clients->keys[i], client.seen);
    record.count = client.packets;
    record.last_seen = std::chrono::nanoseconds(client.last_seen_ns);
  }
  std::ranges::sort(records, [](const auto& a, const auto& b) {
    return a.last_seen > b.last_seen;
  });
  return records;
}

Result<std::vector<RelayRecord>> read_relays(int fd) {
  auto relays = read_batched<pxe_ip, pxe_relay>(fd);
  if (!relays) return fail(relays.error().within("reading relays"));
  std::vector<RelayRecord> records;
  for (std::size_t i = 0; i < relays->keys.size(); ++i) {
    const pxe_relay& relay = relays->values[i];
    records.push_back({relay_name(relays->keys[i]), relay.packets[PXE_ALLOW],
                       relay.packets[PXE_DENY],
                       std::chrono::nanoseconds(relay.last_seen_ns)});
  }
  return records;
}

Result<> read_counters(int fd, Observations& seen) {
  const int cpus = ::libbpf_num_possible_cpus();
  if (cpus < 0) return fail_errno("counting CPUs", -cpus);
  // The kernel hands out each CPU's in a multiple of eight bytes.
  static_assert(sizeof(pxe_counters) % 8 == 0);
  std::vector<pxe_counters> all(static_cast<std::size_t>(cpus));
  const __u32 first = 0;
  if (::bpf_map_lookup_elem(fd, &first, all.data()) != 0) {
    return fail_errno("reading the counters", errno);
  }
  for (__u32 verdict = 0; verdict < PXE_VERDICTS; ++verdict) {
    for (__u32 reason = 0; reason < PXE_REASONS; ++reason) {
      CounterRecord record;
      record.verdict = verdict == PXE_ALLOW ? Verdict::kAllow : Verdict::kDeny;
      record.reason = kReasonNames.at(reason);
      for (const pxe_counters& own : all) {
        record.packets += own.packets[verdict][reason];
      }
      seen.counters.push_back(std::move(record));
    }
  }
  for (const pxe_counters& own : all) {
    seen.events_lost += own.events_lost + own.events_limited;
    seen.clients_unrecorded += own.clients_unrecorded;
  }
  return {};
}

// One element, of each CPU.
Result<std::vector<pxe_traffic>> read_traffic(int fd, __u32 place) {
  const int cpus = ::libbpf_num_possible_cpus();
  if (cpus < 0) return fail_errno("counting CPUs", -cpus);
  static_assert(sizeof(pxe_traffic) % 8 == 0);
  std::vector<pxe_traffic> own(static_cast<std::size_t>(cpus));
  if (::bpf_map_lookup_elem(fd, &place, own.data()) != 0) {
    return fail_errno("reading the requests of an interface", errno);
  }
  return own;
}

using RequestSums =
    std::array<std::array<std::array<__u64, PXE_REASONS>, PXE_VERDICTS>, 2>;

void add_to(RequestSums& sums, const RequestSums& more) {
  for (std::size_t relayed = 0; relayed < sums.size(); ++relayed) {
    for (std::size_t verdict = 0; verdict < PXE_VERDICTS; ++verdict) {
      for (std::size_t reason = 0; reason < PXE_REASONS; ++reason) {
        sums.at(relayed).at(verdict).at(reason) +=
            more.at(relayed).at(verdict).at(reason);
      }
    }
  }
}

RequestSums sums_of(const pxe_traffic& traffic) {
  static_assert(sizeof(traffic.packets) == sizeof(RequestSums));
  RequestSums sums;
  std::memcpy(&sums, traffic.packets, sizeof(sums));
  return sums;
}

void add_counts(Observations& seen, const std::string& interface,
                const RequestSums& sums) {
  for (std::size_t relayed = 0; relayed < sums.size(); ++relayed) {
    for (std::size_t verdict = 0; verdict < PXE_VERDICTS; ++verdict) {
      for (std::size_t reason = 0; reason < PXE_REASONS; ++reason) {
        seen.requests->push_back(
            {interface, relayed == 1,
             verdict == PXE_ALLOW ? Verdict::kAllow : Verdict::kDeny,
             std::string(kReasonNames.at(reason)),
             sums.at(relayed).at(verdict).at(reason)});
      }
    }
  }
}

Result<> read_requests(int fd, Observations& seen) {
  seen.requests.emplace();
  std::map<__u32, RequestSums> by_interface;
  for (__u32 place = 0; place <= PXE_TRAFFIC_PLACES; ++place) {
    const auto all = read_traffic(fd, place);
    if (!all) return fail(all.error());
    for (const pxe_traffic& own : *all) {
      const bool used = own.ifindex != 0 || place == PXE_TRAFFIC_PLACES;
      if (used) add_to(by_interface[own.ifindex], sums_of(own));
    }
  }
  // By name once more: two interfaces may swap theirs in between.
  std::map<std::string, RequestSums> by_name;
  for (const auto& [ifindex, sums] : by_interface) {
    std::array<char, IF_NAMESIZE> name{};
    if (ifindex == 0) {
      if (sums != RequestSums{}) add_to(by_name[""], sums);
    } else if (::if_indextoname(ifindex, name.data()) != nullptr) {
      add_to(by_name[name.data()], sums);
    }
  }
  for (const auto& [name, sums] : by_name) add_counts(seen, name, sums);
  return {};
}

}  // namespace

Result<> forget_gone_interfaces(const MapSet& maps) {
  const int fd = maps.fd(MapId::kTraffic);
  for (__u32 place = 0; place < PXE_TRAFFIC_PLACES; ++place) {
    const auto all = read_traffic(fd, place);
    if (!all) return fail(all.error());
    std::set<__u32> indexes;
    for (const pxe_traffic& own : *all) {
      if (own.ifindex != 0) indexes.insert(own.ifindex);
    }
    // Nothing is counted there any more where all of them are gone.
    const bool gone = std::ranges::none_of(indexes, [](__u32 ifindex) {
      std::array<char, IF_NAMESIZE> name{};
      return ::if_indextoname(ifindex, name.data()) != nullptr;
    });
    if (indexes.empty() || !gone) continue;
    const std::vector<pxe_traffic> none(all->size());
    if (::bpf_map_update_elem(fd, &place, none.data(), BPF_ANY) != 0) {
      return fail_errno("clearing the requests of an interface", errno);
    }
  }
  return {};
}

EventRecord to_record(const pxe_event& event) {
  EventRecord record;
  fill(record, event.addr, event.seen);
  record.time = std::chrono::nanoseconds(event.time_ns);
  record.missed = event.missed;
  return record;
}

Result<Observations> observe(const MapSet& maps) {
  Observations seen;
  seen.supported = true;
  auto clients = read_clients(maps.fd(MapId::kClients));
  if (!clients) return fail(clients.error());
  seen.clients = std::move(*clients);
  auto relays = read_relays(maps.fd(MapId::kRelays));
  if (!relays) return fail(relays.error());
  seen.relays = std::move(*relays);
  if (auto read = read_counters(maps.fd(MapId::kCounters), seen); !read) {
    return fail(read.error());
  }
  if (auto read = read_requests(maps.fd(MapId::kTraffic), seen); !read) {
    return fail(read.error());
  }
  auto settings = Settings::open(maps, MappedArray::Access::kRead);
  if (!settings) return fail(settings.error());
  seen.lease = lease_status(settings->read());
  return seen;
}

}  // namespace pxegate
