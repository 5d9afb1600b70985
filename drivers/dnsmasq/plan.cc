// SPDX-License-Identifier: Apache-2.0
#include "drivers/dnsmasq/plan.h"

#include <algorithm>

namespace pxegate {
namespace {

const HostsEntry* entry_of(const HostsListing& listing, const MacAddress& mac) {
  const auto it = listing.machines.find(mac);
  return it == listing.machines.end() ? nullptr : &it->second;
}

std::optional<Verdict> verdict_of(const HostsEntry* entry) {
  return entry == nullptr ? std::nullopt : entry->verdict;
}

MacAddress mac_of(const HardwareAddress& address) {
  MacAddress::Bytes bytes{};
  std::ranges::copy(address.octets(), bytes.begin());
  return MacAddress(bytes);
}

class Planner {
 public:
  explicit Planner(const PlanInput& input) : in_(input) {}

  HostsPlan plan() {
    for (const Policy::Entry& entry : in_.desired.entries()) {
      if (entry.address.type() == HardwareAddress::Type::kEthernet) {
        want(mac_of(entry.address), entry.verdict);
      }
    }
    plan_.rules = plan_.held.size();
    std::ranges::stable_partition(plan_.upserts,
                                  [](const HostsPlan::Write& write) {
                                    return write.verdict == Verdict::kDeny;
                                  });
    plan_unknown();
    const Verdicts wanted = plan_.held;
    for (const auto& [mac, verdict] : in_.held) {
      if (!wanted.contains(mac)) retire(mac, verdict);
    }
    for (const auto& [mac, entry] : in_.found.machines) {
      if (!wanted.contains(mac) && !in_.held.contains(mac)) adopt(mac, entry);
    }
    return std::move(plan_);
  }

 private:
  void want(const MacAddress& mac, Verdict verdict) {
    const HostsEntry* found = entry_of(in_.found, mac);
    plan_.held.emplace(mac, verdict);
    note_repair(mac, verdict_of(found), verdict);
    if (verdict_of(found) == verdict) return;
    if (found != nullptr && found->directory) {
      plan_.blocked.push_back(mac);
    } else {
      plan_.upserts.push_back({mac, verdict});
    }
  }

  void plan_unknown() {
    const auto& found = in_.found.unknown;
    const std::optional<Verdict> verdict =
        found ? found->verdict : std::nullopt;
    if (verdict == in_.desired.unknown()) return;
    plan_.unknown = in_.desired.unknown();
    plan_.unknown_repaired = in_.held_unknown && in_.held_unknown != verdict;
  }

  // A machine that was in the policy of this controller and no longer is.
  void retire(const MacAddress& mac, Verdict written) {
    const HostsEntry* found = entry_of(in_.found, mac);
    // Somebody else has taken over.
    if (!in_.exclusive && verdict_of(found) != written) return;
    note_repair(mac, verdict_of(found), in_.desired.unknown());
    follow_unknown(mac, found);
  }

  // A file of a machine that never was in the policy of this controller.
  void adopt(const MacAddress& mac, const HostsEntry& found) {
    if (found.odd || found.directory) {
      plan_.strangers.push_back(mac.to_string());
    } else if (in_.exclusive) {
      follow_unknown(mac, &found);
    } else if (found.verdict == Verdict::kAllow &&
               in_.desired.unknown() == Verdict::kDeny) {
      ++plan_.stray_allows;
    }
  }

  void follow_unknown(const MacAddress& mac, const HostsEntry* found) {
    if (in_.exclusive && in_.unread) {
      if (found != nullptr && !found->directory) plan_.purges.push_back(mac);
      return;
    }
    plan_.held.emplace(mac, in_.desired.unknown());
    if (verdict_of(found) == in_.desired.unknown()) return;
    if (found != nullptr && found->directory) {
      plan_.blocked.push_back(mac);
    } else {
      plan_.removals.push_back({mac, in_.desired.unknown()});
    }
  }

  void note_repair(const MacAddress& mac, std::optional<Verdict> found,
                   Verdict wanted) {
    const auto written = in_.held.find(mac);
    if (written == in_.held.end() || found == written->second) return;
    if (found != wanted) ++plan_.repaired;
  }

  const PlanInput& in_;
  HostsPlan plan_;
};

}  // namespace

HostsPlan make_plan(const PlanInput& input) { return Planner(input).plan(); }

}  // namespace pxegate
