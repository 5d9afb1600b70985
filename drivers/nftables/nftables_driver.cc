// SPDX-License-Identifier: Apache-2.0
#include "drivers/nftables/nftables_driver.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <net/if.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "controller/base/link_watch.h"
#include "controller/base/log.h"
#include "controller/base/namespace_lock.h"
#include "drivers/nftables/examine.h"
#include "drivers/nftables/nft_context.h"
#include "drivers/nftables/table.h"

namespace pxegate {
namespace {

constexpr std::string_view kRawSockets =
    "a DHCP server that reads raw sockets is not protected, as frames reach it "
    "before nftables: dnsmasq is protected, Kea only with "
    "`\"dhcp-socket-type\": \"udp\"` (and then it serves relayed clients "
    "only), ISC dhcpd not at all; for those use driver = xdp";
constexpr std::string_view kNoIpv6 =
    "DHCPv6 is not filtered: the driver looks at IPv4 only";

class NftablesDriver final : public FilterDriver {
 public:
  explicit NftablesDriver(NftablesOptions options)
      : options_(std::move(options)), table_(options_.table) {
    auto watch = LinkWatch::make(options_.interfaces);
    if (watch) {
      watch_ = std::move(*watch);
    } else {
      log::warning("{}; a new interface is noticed at the next sync only",
                   watch.error().message());
    }
  }

  Result<> initialize() override;
  Result<SyncReport> sync(const Snapshot& desired) override;
  void reset() noexcept override;
  void shut_down() noexcept override;
  Result<> tear_down() override;
  int wake_fd() const override { return watch_ ? watch_->fd() : -1; }
  bool woken() override;
  DriverStatus status() const override;
  std::vector<Finding> examine() const override {
    return examine_nftables(options_);
  }
  Result<Policy> installed() const override;
  Result<Observations> observe() const override;

 private:
  // What an earlier run left in force; else nothing is allowed.
  Result<FilterContents> inherited(const Structure& found) const;
  // Whether the table looks as it was left, besides interfaces that are no
  // longer filtered, which add_interfaces() puts right.
  bool is_whole(const Structure& found, SyncReport& report) const;
  // Filters what is not filtered yet. What does not work is a problem of that
  // interface only.
  void add_interfaces(const Structure& found, SyncReport& report);
  Result<> lock();
  Result<> rebuild(const FilterContents& contents);
  void report_tampering(const FilterContents& found, SyncReport& report) const;

  const NftablesOptions options_;
  Table table_;
  std::optional<LinkWatch> watch_;
  std::optional<NamespaceLock> lock_;
  std::map<std::string, bool> filtered_;  // by interface: there is a chain
  std::map<std::string, std::string> problems_;  // by interface
  std::size_t rules_ = 0;
  std::size_t infiniband_ = 0;  // addresses of the policy that have no rule
  bool warned_ = false;
  SyncReport pending_;  // what woken() put right, for the next sync()
};

bool exists(const std::string& interface) {
  return ::if_nametoindex(interface.c_str()) != 0;
}

Result<> NftablesDriver::lock() {
  if (lock_) return {};
  auto lock =
      NamespaceLock::take(fmt::format("nftables-{}", options_.table),
                          fmt::format("nftables table {}", options_.table),
                          "choose another [nftables] table");
  if (!lock) return fail(lock.error());
  lock_ = std::move(*lock);
  return {};
}

Result<> NftablesDriver::initialize() {
  if (auto right = check_names(options_.table, options_.interfaces); !right) {
    return right;
  }
  if (auto locked = lock(); !locked) return locked;
  if (!warned_) {
    log::warning("nftables: {}", kRawSockets);
    warned_ = true;
  }
  auto found = table_.look();
  if (!found) return fail(found.error());
  SyncReport ignored;
  if (*found && table_.learned() && is_whole(**found, ignored)) {
    add_interfaces(**found, ignored);
    return {};
  }
  FilterContents contents;
  if (*found) {
    auto kept = inherited(**found);
    if (!kept) return fail(kept.error());
    contents = std::move(*kept);
  }
  // Also where it seems whole: another version may have made it otherwise.
  return rebuild(contents);
}

Result<FilterContents> NftablesDriver::inherited(const Structure& found) const {
  auto contents = table_.contents(found);
  if (!contents && contents.error().code() == ErrorCode::kInvalid) {
    log::warning(
        "nftables table netdev {} of an earlier run is damaged ({}): all DHCP "
        "requests are dropped until the first sync",
        options_.table, contents.error().message());
    return FilterContents{};
  }
  return contents;
}

Result<SyncReport> NftablesDriver::sync(const Snapshot& desired) {
  if (!lock_) {
    return fail("the nftables driver is not initialized",
                ErrorCode::kInvalidState);
  }
  SyncReport report = std::exchange(pending_, {});
  const FilterContents wanted = contents_of(*desired.policy);
  auto found = table_.look();
  if (!found) return fail(found.error());
  if (!*found && table_.learned()) {
    report.repaired.push_back(
        fmt::format("nftables table netdev {} had been removed by somebody "
                    "else",
                    options_.table));
  }
  if (!*found || !table_.learned() || !is_whole(**found, report)) {
    if (auto done = rebuild(wanted); !done) return fail(done.error());
  } else {
    auto contents = table_.read(**found);
    if (!contents && contents.error().code() != ErrorCode::kInvalid) {
      return fail(contents.error());
    }
    if (!contents) {
      report.repaired.push_back(contents.error().message());
      if (auto done = rebuild(wanted); !done) return fail(done.error());
    } else {
      report_tampering(*contents, report);
      auto changes = table_.apply(wanted);
      if (!changes) return fail(changes.error());
      report.upserts = changes->upserts;
      report.removals = changes->removals;
      report.unknown_changed = changes->unknown_changed;
    }
    add_interfaces(**found, report);
  }
  // Somebody wrote at the same time, so that nothing is known for certain.
  if (!table_.learned()) {
    if (auto done = rebuild(wanted); !done) return fail(done.error());
  }
  rules_ = wanted.denied.size() + wanted.allowed.size();
  infiniband_ = desired.policy->entries().size() - rules_;
  return report;
}

bool NftablesDriver::is_whole(const Structure& found,
                              SyncReport& report) const {
  Structure expected = *table_.learned();
  for (const std::string& interface : options_.interfaces) {
    if (!filters(found, interface)) {
      expected.erase("chain " + chain_name(interface));
    }
  }
  auto changed = differences(expected, found);
  for (std::string& sentence : changed) {
    report.repaired.push_back("nftables: " + std::move(sentence));
  }
  return changed.empty();
}

Result<> NftablesDriver::rebuild(const FilterContents& contents) {
  if (auto done = table_.build(options_.interfaces, contents); !done) {
    return done;
  }
  SyncReport ignored;
  if (table_.learned()) add_interfaces(Structure(*table_.learned()), ignored);
  return {};
}

void NftablesDriver::add_interfaces(const Structure& found,
                                    SyncReport& report) {
  for (const std::string& interface : options_.interfaces) {
    std::string& problem = problems_[interface];
    bool& filtered = filtered_[interface];
    const bool had = std::exchange(filtered, filters(found, interface));
    std::string trouble;
    if (!filtered) {
      auto done = table_.add_interface(interface);
      filtered = done.has_value();
      if (done && had) {
        report.repaired.push_back(
            fmt::format("interface {} was no longer filtered", interface));
      }
      if (!done) trouble = done.error().message();
    }
    if (!exists(interface)) {
      problem = fmt::format(
          "interface {} does not exist; it is filtered when it appears",
          interface);
      continue;
    }
    if (!trouble.empty() && trouble != problem) {
      log::error("interface {} is not filtered: {}", interface, trouble);
    }
    problem = std::move(trouble);
  }
}

void NftablesDriver::report_tampering(const FilterContents& found,
                                      SyncReport& report) const {
  if (!table_.written()) return;
  const FilterChange changes = change(options_.table, found, *table_.written());
  const std::size_t rules = changes.upserts + changes.removals;
  if (rules > 0) {
    report.repaired.push_back(fmt::format(
        "{} had been changed by somebody else",
        rules == 1 ? std::string("1 rule") : fmt::format("{} rules", rules)));
  }
}

bool NftablesDriver::woken() {
  if (!watch_ || !watch_->drain()) return false;
  if (!lock_ || !table_.learned()) return true;
  auto found = table_.look();
  if (!found) {
    log::error("{}", found.error().message());
  } else if (*found) {
    add_interfaces(**found, pending_);
  }
  return true;
}

void NftablesDriver::reset() noexcept {
  table_.forget();
  lock_.reset();
}

void NftablesDriver::shut_down() noexcept {
  const bool in_force = lock_ && table_.learned();
  reset();
  if (!in_force) return;
  log::info(
      "the filter stays in force on {} (nftables table netdev {}); to remove "
      "it, run `pxegate teardown`",
      fmt::join(options_.interfaces, ", "), options_.table);
}

Result<> NftablesDriver::tear_down() {
  if (auto right = check_names(options_.table, {}); !right) return right;
  // Another controller may run, whose filter must not go under its feet.
  if (auto locked = lock(); !locked) return locked;
  auto found = table_.structure();
  if (!found && found.error().code() != ErrorCode::kConflict) {
    return fail(found.error());
  }
  if (!found) {
    log::warning("{}; it is left alone", found.error().message());
  } else if (*found) {
    if (auto done = table_.remove(); !done) return done;
  }
  reset();
  rules_ = 0;
  infiniband_ = 0;
  filtered_.clear();
  problems_.clear();
  pending_ = {};
  return {};
}

DriverStatus NftablesDriver::status() const {
  DriverStatus status;
  status.driver = "nftables";
  // After an error it is not known what is in force.
  status.healthy = table_.learned() && !options_.interfaces.empty();
  status.rules = rules_;
  for (const std::string& interface : options_.interfaces) {
    DriverTarget target;
    target.name = interface;
    const auto filtered = filtered_.find(interface);
    target.active =
        filtered != filtered_.end() && filtered->second && exists(interface);
    if (target.active) target.mode = "ingress";
    const auto problem = problems_.find(interface);
    if (problem != problems_.end()) target.detail = problem->second;
    status.healthy = status.healthy && target.active;
    status.targets.push_back(std::move(target));
  }
  status.notices = {std::string(kRawSockets), std::string(kNoIpv6)};
  if (infiniband_ > 0) {
    status.notices.push_back(fmt::format(
        "{} not enforced: nftables cannot read such addresses "
        "from a request, so InfiniBand machines count as unknown",
        infiniband_ == 1
            ? std::string("1 InfiniBand address is")
            : fmt::format("{} InfiniBand addresses are", infiniband_)));
  }
  return status;
}

Result<Policy> NftablesDriver::installed() const {
  if (auto right = check_names(options_.table, {}); !right) {
    return fail(right.error());
  }
  auto found = table_.structure();
  if (!found) return fail(found.error());
  if (!*found) {
    return fail(fmt::format("there is no nftables table netdev {}: nothing is "
                            "filtered",
                            options_.table),
                ErrorCode::kNotFound);
  }
  auto contents = table_.contents(**found);
  if (!contents) return fail(contents.error());
  return policy_of(*contents);
}

Result<Observations> NftablesDriver::observe() const {
  auto listing = list_nft(std::string(kListCommand), NftOutput::kCounters);
  if (!listing) return fail(listing.error());
  Observations seen;
  seen.supported = true;
  seen.counters = counters_in(*listing, options_.table);
  return seen;
}

}  // namespace

std::unique_ptr<FilterDriver> make_nftables_driver(NftablesOptions options) {
  return std::make_unique<NftablesDriver>(std::move(options));
}

}  // namespace pxegate
