// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_DNSMASQ_PLAN_H_
#define PXEGATE_DRIVERS_DNSMASQ_PLAN_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controller/core/policy.h"
#include "drivers/dnsmasq/hosts_dir.h"

namespace pxegate {

using Verdicts = std::map<MacAddress, Verdict>;

// What turns the directory as it was found into what it has to be; applied
// in this order: upserts, unknown, removals, purges.
struct HostsPlan {
  struct Write {
    MacAddress mac;
    Verdict verdict;
    bool operator==(const Write&) const = default;
  };
  std::vector<Write> upserts;  // what has to close comes first
  std::optional<Verdict> unknown;
  // Machines that left the policy. dnsmasq forgets no file that it has read,
  // so theirs say from now on what holds for unknown machines.
  std::vector<Write> removals;
  // Files that nobody has read: they just go.
  std::vector<MacAddress> purges;

  // Names of ours with a directory in the way, and others that are not ours
  // after all.
  std::vector<MacAddress> blocked;
  std::vector<std::string> strangers;
  // Others' files that allow a machine which is unknown, and would be denied.
  std::size_t stray_allows = 0;
  // Files that somebody else had changed and that the plan puts right.
  std::size_t repaired = 0;
  bool unknown_repaired = false;
  // What this controller answers for afterwards.
  Verdicts held;

  // Removals and purges do not count: what is left of a machine that is gone
  // is no rule.
  std::size_t rules = 0;
};

struct PlanInput {
  const HostsListing& found;
  const Policy& desired;
  // What this controller wrote last, of machines that are or were in its
  // policy.
  const Verdicts& held;
  std::optional<Verdict> held_unknown;
  // The directory is this controller's alone; else it leaves alone what it
  // never had in its policy, and what somebody else wrote after the machine
  // left it.
  bool exclusive = true;
  // No dnsmasq has read the directory.
  bool unread = false;
};

// Pure. InfiniBand addresses have no file.
HostsPlan make_plan(const PlanInput& input);

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_DNSMASQ_PLAN_H_
