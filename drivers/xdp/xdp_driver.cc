// SPDX-License-Identifier: Apache-2.0
#include "drivers/xdp/xdp_driver.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "controller/base/link_watch.h"
#include "controller/base/log.h"
#include "drivers/xdp/attachment.h"
#include "drivers/xdp/bpffs.h"
#include "drivers/xdp/event_reader.h"
#include "drivers/xdp/examine.h"
#include "drivers/xdp/layouts.h"
#include "drivers/xdp/networks.h"
#include "drivers/xdp/observations.h"
#include "drivers/xdp/program.h"

namespace pxegate {
namespace {

class XdpDriver final : public FilterDriver {
 public:
  explicit XdpDriver(XdpOptions options)
      : options_(std::move(options)), pins_(options_.pin_path) {
    for (const std::string& interface : options_.interfaces) {
      attachments_.emplace_back(interface, pins_, options_.attach);
    }
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
  Result<> renew_lease() override;
  void reset() noexcept override;
  void shut_down() noexcept override;
  Result<> tear_down() override;
  int wake_fd() const override { return watch_ ? watch_->fd() : -1; }
  bool woken() override;
  DriverStatus status() const override;
  std::vector<Finding> examine() const override {
    return examine_xdp(options_);
  }
  Result<Policy> installed() const override;
  Result<Observations> observe() const override;
  Result<std::vector<EventRecord>> take_events(std::size_t limit) override;
  int events_fd() const override { return events_ ? events_->fd() : -1; }

 private:
  // What the last sync() left in the maps.
  struct Enforced {
    std::shared_ptr<const Policy> policy;
    pxe_settings settings;
  };
  // What it found there.
  struct Found {
    RuleTable::Difference difference;  // from what is desired
    pxe_settings settings;
    std::vector<IpNetwork> networks;  // discovery_relays
  };

  void attach_all(SyncReport& report);
  void lease_what_was_taken_over();
  Result<> detach_unwanted();
  Result<> enforce(const std::shared_ptr<const Policy>& policy,
                   SyncReport& report);
  Result<Found> look(const Policy& desired, SyncReport& report);
  Result<> refuse_oversized(const Policy& desired);
  Result<> restrict_discovery(const Found& found);
  Result<> widen_discovery(const Found& found);
  Result<> apply_in_order(const RuleTable::Difference& changes,
                          Verdict unknown);
  void write_limits(const pxe_settings& settings);
  void write_unknown(Verdict verdict);
  void report_tampering(const Found& found, const RuleTable::Difference& rules,
                        SyncReport& report) const;
  std::optional<LeaseStatus> lease() const;
  Result<> open_events();

  const XdpOptions options_;
  PinDirectory pins_;
  std::vector<Attachment> attachments_;
  std::map<std::string, std::string> problems_;  // by interface
  std::optional<LinkWatch> watch_;
  std::optional<LoadedProgram> program_;
  std::optional<Enforced> enforced_;  // unset before the first sync()
  std::size_t rules_ = 0;
  bool initialized_once_ = false;
  SyncReport pending_;  // what was put right between two sync()s
  // Where no program is loaded, those of the pinned maps.
  std::optional<EventReader> events_;
  UniqueFd pinned_events_;
};

Error older_version(const PinnedMaps& pinned) {
  return Error(
      fmt::format("the filter in force was made by a pxegate whose maps are of "
                  "version {}, here {}: only its policy can be read until "
                  "`pxegate run` takes over from it",
                  pinned.layout->maps.abi_version, PXE_ABI_VERSION),
      ErrorCode::kConflict);
}

bool XdpDriver::woken() {
  if (!watch_ || !watch_->drain()) return false;
  if (program_) attach_all(pending_);
  return true;
}

Result<> XdpDriver::initialize() {
  if (auto ready = pins_.prepare(); !ready) return ready;
  if (auto locked = pins_.lock(); !locked) return locked;
  // First of all because this shows whether the privileges suffice.
  auto pinned = open_pinned(pins_);
  if (!pinned && !program_) return fail(pinned.error());
  if (!initialized_once_ &&
      std::ranges::none_of(attachments_, &Attachment::ours)) {
    // At the start an operator is watching: refuse before anything changed.
    // Where an earlier run's filter is in force it has to be kept up to date.
    for (const Attachment& attachment : attachments_) {
      if (auto free = attachment.check_free(); !free) return free;
    }
  }
  if (!program_) {
    auto loaded = load_program(options_.max_clients, std::move(*pinned));
    if (!loaded) return fail(loaded.error());
    program_.emplace(std::move(*loaded));
    events_.reset();  // perhaps of maps that are not used any more
    pinned_events_.reset();
  }
  // Maps, links, pins of an older version: a controller that is killed between
  // any two of them leaves maps that say the same as those that are in force,
  // and the older version's where not every link has the new program.
  if (auto done = program_->maps.ensure_pinned(pins_); !done) {
    return fail(done.error());
  }
  lease_what_was_taken_over();
  SyncReport ignored;
  attach_all(ignored);
  // The filter is in force by now: what cannot be cleaned up must not keep it
  // from being synced.
  for (const Result<>& cleaned :
       {remove_older_pins(pins_), detach_unwanted()}) {
    if (!cleaned) log::error("{}", cleaned.error().message());
  }
  // Somebody else may be taking them just now.
  if (auto opened = open_events(); !opened) {
    log::info("{}", opened.error().message());
  }
  initialized_once_ = true;
  return {};
}

// A policy that has no lease, from an earlier version or configuration, gets
// one: this controller may never come to its first sync.
void XdpDriver::lease_what_was_taken_over() {
  if (program_->settings.read().lease_until_ns != 0) return;
  const auto left = installed();
  if (left && left->entries().empty()) return;
  const pxe_settings wanted = to_settings(options_, Verdict::kDeny);
  program_->settings.write(&pxe_settings::stale_action, wanted.stale_action);
  program_->settings.write(&pxe_settings::lease_until_ns, lease_end(options_));
}

// Brings every interface under the program. What does not work is a problem
// of that interface only: the others must be filtered all the same.
void XdpDriver::attach_all(SyncReport& report) {
  // All links in hand before a pin moves: interfaces may have swapped names.
  for (Attachment& attachment : attachments_) attachment.adopt();
  for (Attachment& attachment : attachments_) {
    const std::string& interface = attachment.interface();
    std::string& problem = problems_[interface];
    auto done =
        attachment.ensure(program_->fd.get(), program_->id, options_.mode);
    if (!done) {
      if (problem != done.error().message()) {
        log::error("{}", done.error().message());
      }
      problem = done.error().message();
      continue;
    }
    if (!problem.empty() || !initialized_once_) {
      log::info("interface {} is filtered, in {} mode", interface,
                attachment.mode());
    }
    problem.clear();
    if (!done->empty()) report.repaired.push_back(std::move(*done));
  }
  if (auto done = forget_gone_interfaces(program_->maps); !done) {
    log::warning("{}", done.error().message());
  }
}

// Interfaces that an earlier configuration named are let go.
Result<> XdpDriver::detach_unwanted() {
  for (const std::string& interface : pins_.pinned_interfaces()) {
    if (std::ranges::find(options_.interfaces, interface) !=
        options_.interfaces.end()) {
      continue;
    }
    log::info("interface {} is no longer in [xdp] interfaces: detaching",
              interface);
    if (auto done = Attachment(interface, pins_).detach(); !done) return done;
  }
  return {};
}

Result<SyncReport> XdpDriver::sync(const Snapshot& desired) {
  if (!program_) {
    return fail("the XDP program is not loaded", ErrorCode::kInvalidState);
  }
  SyncReport report = std::exchange(pending_, {});
  if (auto ready = pins_.prepare(); !ready) return fail(ready.error());
  if (auto locked = pins_.lock(); !locked) return fail(locked.error());
  attach_all(report);
  auto pinned = program_->maps.ensure_pinned(pins_);
  if (!pinned) return fail(pinned.error());
  if (*pinned > 0) {
    report.repaired.push_back(
        *pinned == 1
            ? std::string("1 pinned map was gone or replaced")
            : fmt::format("{} pinned maps were gone or replaced", *pinned));
  }
  if (auto done = enforce(desired.policy, report); !done) {
    return fail(done.error());
  }
  rules_ = desired.policy->entries().size();
  // As at the start, where somebody else was taking them.
  static_cast<void>(open_events());
  return report;
}

// Whatever lets less in than before comes first, then the policy, and last
// whatever lets more in, so that nobody gets in who is denied before and
// after. The lease is the very last but for what happens when it runs out:
// until it is renewed, that may be in force.
Result<> XdpDriver::enforce(const std::shared_ptr<const Policy>& policy,
                            SyncReport& report) {
  const Policy& desired = *policy;
  auto found = look(desired, report);
  if (!found) return fail(found.error());
  if (desired.entries().size() > options_.max_clients) {
    return refuse_oversized(desired);
  }
  pxe_settings wanted = to_settings(options_, desired.unknown());
  Settings& settings = program_->settings;
  settings.write(&pxe_settings::abi_version, wanted.abi_version);
  if (auto done = restrict_discovery(*found); !done) return done;
  write_limits(stricter(found->settings, wanted));
  auto applied = apply_in_order(found->difference, desired.unknown());
  if (!applied) return applied;
  write_limits(wanted);
  if (auto done = widen_discovery(*found); !done) return done;
  wanted.lease_until_ns = lease_end(options_);
  settings.write(&pxe_settings::lease_until_ns, wanted.lease_until_ns);
  settings.write(&pxe_settings::stale_action, wanted.stale_action);
  enforced_ = {policy, wanted};
  report.upserts = found->difference.upserts.size();
  report.removals += found->difference.removals.size();
  report.unknown_changed =
      found->settings.unknown_verdict != wanted.unknown_verdict;
  return {};
}

// Reads everything back, reports what somebody else did, and removes what has
// no bearing on any verdict.
Result<XdpDriver::Found> XdpDriver::look(const Policy& desired,
                                         SyncReport& report) {
  Found found;
  RuleTable& rules = program_->rules.table();
  if (auto read = rules.read(); !read) return fail(read.error());
  found.settings = program_->settings.read();
  auto networks = read_networks(program_->maps.fd(MapId::kDiscoveryRelays));
  if (!networks) return fail(networks.error());
  found.networks = std::move(*networks);
  found.difference = rules.compare(desired);
  if (enforced_) {
    const bool same =
        enforced_->policy.get() == &desired || *enforced_->policy == desired;
    report_tampering(
        found, same ? found.difference : rules.compare(*enforced_->policy),
        report);
  }
  if (rules.waste() == 0) return found;
  report.removals = rules.waste();
  if (auto cleared = rules.clear_waste(); !cleared) {
    return fail(cleared.error());
  }
  found.difference = rules.compare(desired);
  return found;
}

// PolicyDiff's order. Where the rules do not fit beside the ones to remove,
// unknown machines are denied while room is made.
Result<> XdpDriver::apply_in_order(const RuleTable::Difference& changes,
                                   Verdict unknown) {
  RuleTable& rules = program_->rules.table();
  auto written = rules.write(changes.upserts);
  if (!written && written.error().code() != ErrorCode::kCapacity) {
    return written;
  }
  if (!written) {
    write_unknown(Verdict::kDeny);
    if (auto done = rules.remove(changes.removals); !done) return done;
    if (auto done = rules.write(changes.upserts); !done) {
      return fail(done.error().within(
          "the rules map is full ([xdp] max_clients); unknown machines are "
          "denied"));
    }
    write_unknown(unknown);
    return {};
  }
  write_unknown(unknown);
  return rules.remove(changes.removals);
}

void XdpDriver::write_unknown(Verdict verdict) {
  program_->settings.write(
      &pxe_settings::unknown_verdict,
      static_cast<__u8>(verdict == Verdict::kAllow ? PXE_ALLOW : PXE_DENY));
}

void XdpDriver::write_limits(const pxe_settings& limits) {
  Settings& settings = program_->settings;
  settings.write(&pxe_settings::scope, limits.scope);
  settings.write(&pxe_settings::unknown_interval_ns,
                 limits.unknown_interval_ns);
  settings.write(&pxe_settings::relay_interval_ns, limits.relay_interval_ns);
}

// Relays count for nothing while unknown machines need none.
Result<> XdpDriver::restrict_discovery(const Found& found) {
  if (options_.discovery_relays.empty()) return {};
  const int fd = program_->maps.fd(MapId::kDiscoveryRelays);
  const auto& wanted = options_.discovery_relays;
  auto removed = remove_networks(fd, found.networks, wanted);
  if (!removed) return removed;
  if (found.settings.discovery_restricted != 0) return {};
  if (auto done = add_networks(fd, found.networks, wanted); !done) return done;
  program_->settings.write(&pxe_settings::discovery_restricted, __u8{1});
  return {};
}

Result<> XdpDriver::widen_discovery(const Found& found) {
  const int fd = program_->maps.fd(MapId::kDiscoveryRelays);
  const auto& wanted = options_.discovery_relays;
  program_->settings.write(&pxe_settings::discovery_restricted,
                           static_cast<__u8>(wanted.empty() ? 0 : 1));
  if (wanted.empty()) return remove_networks(fd, found.networks, wanted);
  return add_networks(fd, found.networks, wanted);
}

// The policy does not fit. What it denies must stay denied: addresses that
// found no room are unknown to the program, so unknown ones are denied, and
// addresses that have a rule get it closed where it has to be.
Result<> XdpDriver::refuse_oversized(const Policy& desired) {
  RuleTable& rules = program_->rules.table();
  std::vector<Policy::Entry> closing;
  for (const Policy::Entry& entry : rules.entries()) {
    if (entry.verdict == Verdict::kAllow &&
        desired.verdict(entry.address) == Verdict::kDeny) {
      closing.push_back({entry.address, Verdict::kDeny});
    }
  }
  write_unknown(Verdict::kDeny);
  // Nobody renews the lease while syncs fail.
  program_->settings.write(&pxe_settings::stale_action, __u8{PXE_STALE_DENY});
  if (auto done = rules.write(closing); !done) return done;
  return fail(
      fmt::format("the policy has {} rules, [xdp] max_clients = {} allows "
                  "fewer: raise it. Until then no machine is newly allowed, "
                  "and unknown machines are denied",
                  desired.entries().size(), options_.max_clients),
      ErrorCode::kCapacity);
}

void XdpDriver::report_tampering(const Found& found,
                                 const RuleTable::Difference& rules,
                                 SyncReport& report) const {
  const std::size_t changed = program_->rules.table().count_foreign(rules);
  if (changed > 0) {
    report.repaired.push_back(
        fmt::format("{} had been changed by somebody else",
                    changed == 1 ? std::string("1 rule")
                                 : fmt::format("{} rules", changed)));
  }
  const pxe_settings& left = enforced_->settings;
  if (found.settings.unknown_verdict != left.unknown_verdict) {
    report.repaired.emplace_back(
        "the verdict for unknown machines had been changed by somebody else");
  }
  const auto fields = differing_fields(found.settings, left);
  if (!fields.empty()) {
    report.repaired.push_back(
        fmt::format("the settings had been changed by somebody else: {}",
                    fmt::join(fields, ", ")));
  }
  auto networks = options_.discovery_relays;
  std::ranges::sort(networks);
  if (found.networks != networks) {
    report.repaired.emplace_back(
        "the discovery relays had been changed by somebody else");
  }
}

// A lease that an earlier controller gave is for its policy, not for one that
// this controller has not brought yet.
Result<> XdpDriver::renew_lease() {
  if (!program_ || !enforced_ || options_.stale_after.count() <= 0) return {};
  Settings& settings = program_->settings;
  if (settings.read().lease_until_ns != enforced_->settings.lease_until_ns) {
    pending_.repaired.emplace_back(
        "the lease had been changed by somebody else");
  }
  enforced_->settings.lease_until_ns = lease_end(options_);
  settings.write(&pxe_settings::lease_until_ns,
                 enforced_->settings.lease_until_ns);
  return {};
}

std::optional<LeaseStatus> XdpDriver::lease() const {
  if (program_) return lease_status(program_->settings.read());
  auto pinned = open_pinned(pins_);
  if (!pinned || !pinned->current() || !pinned->maps.has(MapId::kSettings)) {
    return std::nullopt;
  }
  auto settings = Settings::open(pinned->maps, MappedArray::Access::kRead);
  return settings ? lease_status(settings->read()) : std::nullopt;
}

Result<> XdpDriver::open_events() {
  if (events_) return {};
  if (!program_) {
    auto pinned = open_complete(pins_);
    if (!pinned) return fail(pinned.error());
    if (!pinned->current()) return fail(older_version(*pinned));
    if (auto locked = pins_.lock_events(); !locked) return locked;
    pinned_events_ = pinned->maps.take(MapId::kEvents);
  } else if (auto locked = pins_.lock_events(); !locked) {
    return locked;
  }
  auto reader = EventReader::open(program_ ? program_->maps.fd(MapId::kEvents)
                                           : pinned_events_.get());
  if (!reader) return fail(reader.error());
  events_ = std::move(*reader);
  return {};
}

Result<std::vector<EventRecord>> XdpDriver::take_events(std::size_t limit) {
  if (auto opened = open_events(); !opened) return fail(opened.error());
  return events_->take(limit);
}

void XdpDriver::reset() noexcept {
  events_.reset();
  pinned_events_.reset();
  program_.reset();
  enforced_.reset();
  pins_.unlock();
}

void XdpDriver::shut_down() noexcept {
  if (options_.detach_on_exit) {
    if (auto done = tear_down(); !done) {
      log::error("{}", done.error().message());
    } else {
      log::info("the filter is removed ([xdp] on_exit = detach)");
    }
    return;
  }
  std::vector<std::string_view> active;
  for (const Attachment& attachment : attachments_) {
    if (attachment.active()) active.push_back(attachment.interface());
  }
  const bool is_private = pins_.is_private();
  const auto left = lease();
  reset();
  if (active.empty()) return;
  if (is_private) {
    log::warning(
        "the filter on {} ends with the mount namespace of this process: {} is "
        "on a BPF file system that is mounted only there",
        fmt::join(active, ", "), pins_.path());
    return;
  }
  log::info(
      "the filter stays in force on {} ([xdp] on_exit = keep){}; to remove it, "
      "run `pxegate teardown`",
      fmt::join(active, ", "),
      left ? fmt::format(
                 ", with its policy for {} s more ([xdp] stale_after) and "
                 "stale_action = {} from then on",
                 left->expired ? 0 : left->age.count(), left->action)
           : "");
}

Result<> XdpDriver::tear_down() {
  // Another controller may run, whose filter must not go under its feet. No
  // directory: what is left is not pinned.
  auto locked = pins_.lock();
  const bool any_pins = locked.has_value();
  if (!locked && locked.error().code() != ErrorCode::kNotFound) return locked;
  Result<> first_failure;
  const auto note = [&first_failure](Result<> done) {
    if (!done && first_failure) first_failure = std::move(done);
  };
  for (Attachment& attachment : attachments_) {
    if (attachment.held()) note(attachment.detach());
  }
  if (any_pins) {
    for (const std::string& interface : pins_.pinned_interfaces()) {
      note(Attachment(interface, pins_).detach());
    }
    note(remove_all_pins(pins_));
    note(pins_.remove());
  }
  reset();
  rules_ = 0;
  problems_.clear();
  initialized_once_ = false;
  return first_failure;
}

DriverStatus XdpDriver::status() const {
  DriverStatus status;
  status.driver = "xdp";
  status.healthy = !attachments_.empty();
  status.capacity = options_.max_clients;
  status.rules = rules_;
  for (const Attachment& attachment : attachments_) {
    DriverTarget target;
    target.name = attachment.interface();
    target.active = attachment.active();
    target.mode = attachment.mode();
    const auto problem = problems_.find(target.name);
    if (problem != problems_.end()) target.detail = problem->second;
    // Also where it filters, but by an earlier program and its maps.
    status.healthy = status.healthy && target.active && target.detail.empty();
    if (target.detail.empty()) target.detail = attachment.mode_refused();
    status.targets.push_back(std::move(target));
  }
  status.lease = lease();
  // Then it is not the policy that is enforced.
  if (status.lease && status.lease->expired && status.lease->action != "keep") {
    status.healthy = false;
  }
  return status;
}

Result<Policy> XdpDriver::installed() const {
  if (program_) return known_layouts().back().read(program_->maps);
  auto pinned = open_complete(pins_);
  if (!pinned) return fail(pinned.error());
  return pinned->layout->read(pinned->maps);
}

Result<Observations> XdpDriver::observe() const {
  if (program_) return pxegate::observe(program_->maps);
  auto pinned = open_complete(pins_);
  if (!pinned) return fail(pinned.error());
  if (!pinned->current()) return fail(older_version(*pinned));
  return pxegate::observe(pinned->maps);
}

}  // namespace

std::unique_ptr<FilterDriver> make_xdp_driver(XdpOptions options) {
  return std::make_unique<XdpDriver>(std::move(options));
}

}  // namespace pxegate
