// SPDX-License-Identifier: Apache-2.0
#include "drivers/dnsmasq/dnsmasq_status.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "controller/base/text.h"

namespace pxegate {
namespace {

// Rewrites leave entries behind in dnsmasq; fewer than this cost nothing.
constexpr std::uint64_t kManyChanges = 1000;

DriverTarget target_of(const DnsmasqFacts& facts) {
  DriverTarget target;
  target.name = facts.directory;
  target.mode = "inotify";
  if (!facts.missing.empty()) {
    target.detail = facts.missing;
    return target;
  }
  if (facts.readers.empty()) {
    target.active = !facts.blind.empty() && facts.synced;
    target.detail =
        !facts.blind.empty()
            ? "cannot vouch that dnsmasq knows it: " + facts.blind
        : facts.commands && !facts.synced
            ? "dnsmasq is started when the first sync is complete"
            : "no dnsmasq reads this directory, so nobody is filtered: start "
              "it with --dhcp-hostsdir=" +
                  facts.directory;
    return target;
  }
  std::vector<std::string> details;
  target.active = true;
  for (const ReaderFacts& reader : facts.readers) {
    target.active = target.active && reader.vouched && reader.barred.empty();
    details.push_back(
        !reader.barred.empty() ? reader.barred
        : !reader.vouched
            ? fmt::format(
                  "cannot vouch for dnsmasq (pid {}): it has not proved to "
                  "know all that was written ({} bytes unread)",
                  reader.pid, reader.unread)
            : fmt::format(
                  "dnsmasq (pid {}) knows all that was written{}", reader.pid,
                  reader.unread > 0
                      ? fmt::format(" ({} bytes of news unread)", reader.unread)
                      : std::string()));
  }
  target.detail = fmt::format("{}", fmt::join(details, "; "));
  return target;
}

void add_foreign(const DnsmasqFacts& facts, std::vector<std::string>& notices) {
  std::vector<std::string> harmless;
  std::vector<std::string> opening;
  for (const ForeignFile& file : facts.foreign) {
    (file.lets_in ? opening : harmless).push_back(file.name);
  }
  if (!opening.empty()) {
    notices.push_back(fmt::format(
        "{} in {} may let machines in, whatever the policy says, and {} not "
        "pxegate's: {}",
        opening.size() == 1 ? "1 file"
                            : fmt::format("{} files", opening.size()),
        facts.directory, opening.size() == 1 ? "is" : "are",
        name_some(opening)));
  }
  if (!harmless.empty()) {
    notices.push_back(fmt::format("foreign files in {}, left alone: {}",
                                  facts.directory, name_some(harmless)));
  }
}

void add_costs(const DnsmasqFacts& facts, std::vector<std::string>& notices) {
  if (facts.rules >= kManyFiles) {
    notices.push_back(fmt::format(
        "with {} machines dnsmasq needs about {:.1f} ms for each DISCOVER of "
        "an unknown one, and minutes to start from 50,000 on; the cost of the "
        "drivers xdp and nftables does not grow",
        facts.rules, static_cast<double>(facts.rules) * 1.3 / 10'000));
  }
  for (const ReaderFacts& reader : facts.readers) {
    // The first time that it reads a file replaces nothing.
    const std::uint64_t first = facts.rules;
    if (reader.changes < first + std::max(first, kManyChanges)) continue;
    notices.push_back(fmt::format(
        "dnsmasq (pid {}) was made to read {} files since it started; it keeps "
        "what was replaced, which makes every DISCOVER dearer: restart it when "
        "that suits",
        reader.pid, reader.changes));
  }
  if (!facts.blind.empty() && facts.rules > facts.queue_limit / 4) {
    notices.push_back(fmt::format(
        "fs.inotify.max_queued_events = {} is little for {} machines while "
        "dnsmasq cannot be looked at: changes are given time instead",
        facts.queue_limit, facts.rules));
  }
}

}  // namespace

std::string name_some(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 3;
  std::vector<std::string> shown;
  for (const std::string& name : names) {
    if (shown.size() == kShown) break;
    shown.push_back(quoted(name));
  }
  const std::string text = fmt::format("{}", fmt::join(shown, ", "));
  if (names.size() <= kShown) return text;
  return fmt::format("{} and {} more", text, names.size() - kShown);
}

std::size_t count_infiniband(const Policy& policy) {
  return static_cast<std::size_t>(
      std::ranges::count_if(policy.entries(), [](const Policy::Entry& entry) {
        return entry.address.type() == HardwareAddress::Type::kInfiniband;
      }));
}

DriverStatus describe_dnsmasq(const DnsmasqFacts& facts) {
  DriverStatus status;
  status.driver = "dnsmasq";
  status.rules = facts.rules;
  DriverTarget target = target_of(facts);
  status.healthy = target.active && facts.synced;
  if (!facts.blind.empty()) {
    status.notices.push_back(facts.readers.empty()
                                 ? target.detail
                                 : "cannot vouch that every dnsmasq knows all "
                                   "that was written: " +
                                       facts.blind);
  }
  status.targets.push_back(std::move(target));
  add_foreign(facts, status.notices);
  if (facts.stray_allows > 0) {
    status.notices.push_back(fmt::format(
        "{} files of machines that this controller does not know allow them: "
        "others' (purge_dhcp_hostsdir = false), so they are left alone",
        facts.stray_allows));
  }
  if (facts.infiniband > 0) {
    status.notices.push_back(fmt::format(
        "{} InfiniBand addresses have no file: dnsmasq answers those machines "
        "whatever the policy says",
        facts.infiniband));
  }
  add_costs(facts, status.notices);
  return status;
}

}  // namespace pxegate
