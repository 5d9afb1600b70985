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
#include "drivers/xdp/map_set.h"
#include "drivers/xdp/program.h"
#include "drivers/xdp/rules_map.h"

namespace pxegate {
namespace {

class XdpDriver final : public FilterDriver {
 public:
  explicit XdpDriver(XdpOptions options)
      : options_(std::move(options)), pins_(options_.pin_path) {
    for (const std::string& interface : options_.interfaces) {
      attachments_.emplace_back(interface, pins_);
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
  void reset() noexcept override;
  void shut_down() noexcept override;
  Result<> tear_down() override;
  int wake_fd() const override { return watch_ ? watch_->fd() : -1; }
  bool woken() override;
  DriverStatus status() const override;
  Result<Policy> installed() const override;
  Result<Observations> observe() const override;

 private:
  void attach_all(SyncReport& report);
  Result<> detach_unwanted();
  Result<> enforce(const Policy& desired, SyncReport& report);
  Result<> refuse_oversized(const Policy& desired, const Policy& installed);
  Result<> apply_in_order(const PolicyDiff& changes,
                          const std::vector<pxe_addr>& removals);
  void report_tampering(const RulesContents& found,
                        const pxe_settings& settings, const Policy& installed,
                        SyncReport& report) const;

  const XdpOptions options_;
  PinDirectory pins_;
  std::vector<Attachment> attachments_;
  std::map<std::string, std::string> problems_;  // by interface
  std::optional<LinkWatch> watch_;
  std::optional<LoadedProgram> program_;
  // What the last sync() left in the maps; unset before the first.
  std::shared_ptr<const Policy> enforced_;
  std::size_t rules_ = 0;
  bool initialized_once_ = false;
  SyncReport pending_;  // what woken() put right, for the next sync()
};

bool XdpDriver::woken() {
  if (!watch_ || !watch_->drain()) return false;
  if (program_) attach_all(pending_);
  return true;
}

Result<> XdpDriver::initialize() {
  if (auto ready = pins_.prepare(); !ready) return ready;
  if (auto locked = pins_.lock(); !locked) return locked;
  // First of all because this shows whether the privileges suffice.
  auto pinned = MapSet::open_pinned(pins_, /*missing_ok=*/true);
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
    program_ = std::move(*loaded);
  }
  SyncReport ignored;
  attach_all(ignored);
  if (auto done = program_->maps.ensure_pinned(pins_); !done) {
    return fail(done.error());
  }
  if (auto detached = detach_unwanted(); !detached) return detached;
  initialized_once_ = true;
  return {};
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
  if (auto done = enforce(*desired.policy, report); !done) {
    return fail(done.error());
  }
  enforced_ = desired.policy;
  rules_ = desired.policy->entries().size();
  return report;
}

Result<> XdpDriver::enforce(const Policy& desired, SyncReport& report) {
  auto found = read_rules(program_->maps.fd(MapId::kRules));
  if (!found) return fail(found.error());
  auto settings = program_->maps.settings();
  if (!settings) return fail(settings.error());
  const Policy installed(found->entries, settings->unknown_verdict == PXE_ALLOW
                                             ? Verdict::kAllow
                                             : Verdict::kDeny);
  report_tampering(*found, *settings, installed, report);
  if (desired.entries().size() > options_.max_clients) {
    return refuse_oversized(desired, installed);
  }
  PolicyDiff changes = diff(installed, desired);
  if (settings->unknown_verdict > PXE_ALLOW ||
      settings->abi_version != PXE_ABI_VERSION) {
    changes.unknown = desired.unknown();
  }
  std::vector<pxe_addr> removals = found->bad_keys;
  for (const HardwareAddress& address : changes.removals) {
    removals.push_back(to_key(address));
  }
  for (const HardwareAddress& address : found->bad_values) {
    if (!desired.find(address)) removals.push_back(to_key(address));
  }
  if (auto done = apply_in_order(changes, removals); !done) return done;
  report.upserts = changes.upserts.size();
  report.removals = removals.size();
  report.unknown_changed = changes.unknown.has_value();
  return {};
}

// PolicyDiff's order. Where the rules do not fit beside the ones to remove,
// unknown machines are denied while room is made.
Result<> XdpDriver::apply_in_order(const PolicyDiff& changes,
                                   const std::vector<pxe_addr>& removals) {
  const MapSet& maps = program_->maps;
  const int rules = maps.fd(MapId::kRules);
  auto written = write_rules(rules, changes.upserts);
  if (!written && written.error().code() != ErrorCode::kCapacity) {
    return written;
  }
  if (!written) {
    const auto before = maps.settings();
    if (!before) return fail(before.error());
    if (auto done = maps.write_unknown_verdict(Verdict::kDeny); !done) {
      return done;
    }
    if (auto done = delete_rules(rules, removals); !done) return done;
    if (auto done = write_rules(rules, changes.upserts); !done) {
      return fail(done.error().within(
          "the rules map is full ([xdp] max_clients); unknown machines are "
          "denied"));
    }
    return maps.write_unknown_verdict(changes.unknown.value_or(
        before->unknown_verdict == PXE_ALLOW ? Verdict::kAllow
                                             : Verdict::kDeny));
  }
  if (changes.unknown) {
    if (auto done = maps.write_unknown_verdict(*changes.unknown); !done) {
      return done;
    }
  }
  return delete_rules(rules, removals);
}

// The policy does not fit. What it denies must stay denied: addresses that
// found no room are unknown to the program, so unknown ones are denied, and
// addresses that have a rule get it closed where it has to be.
Result<> XdpDriver::refuse_oversized(const Policy& desired,
                                     const Policy& installed) {
  std::vector<Policy::Entry> closing;
  for (const Policy::Entry& entry : installed.entries()) {
    if (entry.verdict == Verdict::kAllow &&
        desired.verdict(entry.address) == Verdict::kDeny) {
      closing.push_back({entry.address, Verdict::kDeny});
    }
  }
  if (auto done = program_->maps.write_unknown_verdict(Verdict::kDeny); !done) {
    return done;
  }
  auto done = write_rules(program_->maps.fd(MapId::kRules), closing);
  if (!done) return done;
  return fail(
      fmt::format("the policy has {} rules, [xdp] max_clients = {} allows "
                  "fewer: raise it. Until then no machine is newly allowed, "
                  "and unknown machines are denied",
                  desired.entries().size(), options_.max_clients),
      ErrorCode::kCapacity);
}

void XdpDriver::report_tampering(const RulesContents& found,
                                 const pxe_settings& settings,
                                 const Policy& installed,
                                 SyncReport& report) const {
  if (!enforced_) return;
  const PolicyDiff changes = diff(installed, *enforced_);
  std::size_t rules =
      changes.upserts.size() + changes.removals.size() + found.bad_keys.size();
  // The others count as upserts: `installed` does not have them.
  rules += static_cast<std::size_t>(std::ranges::count_if(
      found.bad_values, [this](const HardwareAddress& address) {
        return !enforced_->find(address);
      }));
  if (rules > 0) {
    report.repaired.push_back(fmt::format(
        "{} had been changed by somebody else",
        rules == 1 ? std::string("1 rule") : fmt::format("{} rules", rules)));
  }
  if (changes.unknown || settings.unknown_verdict > PXE_ALLOW) {
    report.repaired.emplace_back(
        "the verdict for unknown machines had been changed by somebody else");
  }
  if (settings.abi_version != PXE_ABI_VERSION) {
    report.repaired.emplace_back(
        "the settings had been changed by somebody else");
  }
}

void XdpDriver::reset() noexcept {
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
      "the filter stays in force on {} ([xdp] on_exit = keep); to remove it, "
      "run `pxegate teardown`",
      fmt::join(active, ", "));
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
    for (const MapSpec& spec : kMapSpecs) {
      note(MapSet::remove_pinned(pins_, spec));
    }
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
    if (target.detail.empty()) target.detail = attachment.mode_refused();
    status.healthy = status.healthy && target.active;
    status.targets.push_back(std::move(target));
  }
  return status;
}

Result<Policy> XdpDriver::installed() const {
  if (program_) return program_->maps.installed();
  auto maps = MapSet::open_pinned(pins_);
  if (!maps) return fail(maps.error());
  return maps->installed();
}

Result<Observations> XdpDriver::observe() const {
  if (program_) return program_->maps.observe();
  auto maps = MapSet::open_pinned(pins_);
  if (!maps) return fail(maps.error());
  return maps->observe();
}

}  // namespace

std::unique_ptr<FilterDriver> make_xdp_driver(XdpOptions options) {
  return std::make_unique<XdpDriver>(std::move(options));
}

}  // namespace pxegate
