// SPDX-License-Identifier: Apache-2.0
#include "drivers/dnsmasq/dnsmasq_driver.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <thread>
#include <utility>

#include "controller/base/log.h"
#include "drivers/dnsmasq/audience.h"
#include "drivers/dnsmasq/dnsmasq_status.h"
#include "drivers/dnsmasq/examine.h"
#include "drivers/dnsmasq/feed.h"
#include "drivers/dnsmasq/foreign_files.h"
#include "drivers/dnsmasq/forget.h"
#include "drivers/dnsmasq/hosts_dir.h"
#include "drivers/dnsmasq/hosts_file.h"
#include "drivers/dnsmasq/plan.h"
#include "drivers/dnsmasq/readers.h"
#include "drivers/dnsmasq/service.h"

namespace pxegate {
namespace {

using std::chrono::steady_clock;
using namespace std::chrono_literals;

FileTime file_clock() {
  return std::chrono::system_clock::now().time_since_epoch();
}

class DnsmasqDriver final : public FilterDriver {
 public:
  DnsmasqDriver(DnsmasqOptions options, std::shared_ptr<CommandRunner> runner)
      : options_(std::move(options)),
        service_({"dnsmasq_start_command", options_.start_command,
                  options_.limits.start_command},
                 {"dnsmasq_stop_command", options_.stop_command,
                  options_.limits.stop_command},
                 std::move(runner)),
        blind_pace_(inotify_queue_limit()) {}

  Result<> initialize() override;
  Result<SyncReport> sync(const Snapshot& desired) override;
  void reset() noexcept override;
  void shut_down() noexcept override;
  Result<> tear_down() override;
  DriverStatus status() const override;
  std::vector<Finding> examine() const override {
    return examine_dnsmasq(options_);
  }
  Result<Policy> installed() const override;

 private:
  HostsDir::Lock lock_kind() const {
    return options_.purge ? HostsDir::Lock::kExclusive
                          : HostsDir::Lock::kShared;
  }
  Feed feed_for(const HostsDir& directory, const std::string& identity) {
    return {directory,
            identity,
            {steady_clock::now() + options_.limits.sync, options_.limits.stuck},
            blind_pace_};
  }
  Result<> open_directory();
  Result<> deny_everybody(const Feed& feed);
  Result<> enforce(Feed& feed, const Policy& desired, SyncReport& report);
  Result<> apply(Feed& feed, const HostsPlan& plan);
  Result<> write_all(Feed& feed, const std::vector<HostsPlan::Write>& writes);
  Result<> purge(Feed& feed, const HostsPlan& plan);
  Result<> start_service(Feed& feed);
  void let_go() noexcept;

  const DnsmasqOptions options_;
  DnsmasqService service_;
  BlindPace blind_pace_;

  std::optional<HostsDir> directory_;
  std::string identity_;  // of the directory, as watches name it
  Audience audience_;
  bool torn_down_ = false;

  // What this controller wrote, of machines that are or were in its policy.
  // Outlives reset(): a machine that left the policy follows the verdict for
  // unknown ones as long as this controller runs.
  Verdicts held_;
  std::optional<Verdict> held_unknown_;
  std::shared_ptr<const Policy> enforced_;  // unset before the first sync
  FileTime complete_at_{0};  // when the last sync had written everything

  ForeignFiles foreign_;
  std::size_t stray_allows_ = 0;
};

Result<> DnsmasqDriver::open_directory() {
  auto opened = HostsDir::open(options_.hostsdir);
  if (!opened && opened.error().code() == ErrorCode::kNotFound) {
    if (auto made = HostsDir::make(options_.hostsdir); !made) return made;
    log::warning(
        "the hosts directory {} was made: a dnsmasq that runs already does not "
        "watch it",
        options_.hostsdir);
    opened = HostsDir::open(options_.hostsdir);
  }
  if (!opened) return fail(opened.error());
  if (auto locked = opened->lock(lock_kind()); !locked) return locked;
  auto identity = opened->watch_identity();
  if (!identity) return fail(identity.error());
  opened->remove_litter(lock_kind());
  identity_ = std::move(*identity);
  directory_.emplace(std::move(*opened));
  audience_ = Audience::remembered(*directory_);
  return {};
}

Result<> DnsmasqDriver::initialize() {
  torn_down_ = false;
  if (!directory_ || !directory_->is_current()) {
    directory_.reset();
    if (auto opened = open_directory(); !opened) return opened;
  }
  if (enforced_) return {};
  const Feed feed = feed_for(*directory_, identity_);
  for (const Reader& reader : feed.readers().readers) {
    if (auto barred = reader.barred_from(options_.hostsdir)) {
      log::warning("{}", *barred);
    }
  }
  return deny_everybody(feed);
}

// Unless a policy is in force: then somebody reads the directory, or may.
Result<> DnsmasqDriver::deny_everybody(const Feed& feed) {
  auto found = directory_->list();
  if (!found) return fail(found.error());
  const bool has_unknown = found->unknown && found->unknown->verdict;
  if (has_unknown && !feed.unread()) return {};
  if (!has_unknown || found->unknown->verdict != Verdict::kDeny) {
    auto done = directory_->write(
        hosts::kUnknownName,
        hosts::contents_for(hosts::kUnknownPattern, Verdict::kDeny));
    if (!done) return done;
  }
  if (!options_.purge || !feed.unread()) return {};
  for (const auto& [mac, entry] : found->machines) {
    if (entry.verdict != Verdict::kAllow) continue;
    const std::string name = mac.to_string();
    auto done =
        directory_->write(name, hosts::contents_for(name, Verdict::kDeny));
    if (!done) return done;
  }
  return {};
}

Result<SyncReport> DnsmasqDriver::sync(const Snapshot& desired) {
  if (!directory_) {
    return fail("the hosts directory is not open", ErrorCode::kInvalidState);
  }
  SyncReport report;
  if (!directory_->is_current()) {
    let_go();
    if (auto opened = open_directory(); !opened) return fail(opened.error());
    report.repaired.push_back(options_.hostsdir + " had been replaced");
  }
  Feed feed = feed_for(*directory_, identity_);
  auto done = enforce(feed, *desired.policy, report);
  audience_.count(feed);
  if (!done) return fail(done.error());
  enforced_ = desired.policy;
  held_unknown_ = desired.policy->unknown();
  if (feed.changes() > 0 || complete_at_ == FileTime{0}) {
    complete_at_ = file_clock();
  }
  if (auto started = start_service(feed); !started) {
    return fail(started.error());
  }
  audience_.remember(*directory_, feed);
  return report;
}

Result<> DnsmasqDriver::enforce(Feed& feed, const Policy& desired,
                                SyncReport& report) {
  auto found = directory_->list();
  if (!found) return fail(found.error());
  if (auto done = audience_.greet(feed, *directory_, *found); !done) {
    return done;
  }
  HostsPlan plan = make_plan({.found = *found,
                              .desired = desired,
                              .held = held_,
                              .held_unknown = held_unknown_,
                              .exclusive = options_.purge,
                              .unread = feed.unread()});
  foreign_.note(options_.hostsdir, *found, plan.strangers);
  stray_allows_ = plan.stray_allows;
  if (enforced_ && plan.repaired > 0) {
    report.repaired.push_back(
        fmt::format("{} in {} had been changed by somebody else",
                    plan.repaired == 1 ? std::string("1 file")
                                       : fmt::format("{} files", plan.repaired),
                    options_.hostsdir));
  }
  if (enforced_ && plan.unknown_repaired) {
    report.repaired.emplace_back(
        "the verdict for unknown machines had been changed by somebody else");
  }
  if (auto done = apply(feed, plan); !done) return done;
  if (auto done = audience_.convince(feed, *directory_); !done) return done;
  report.upserts = plan.upserts.size();
  report.removals = plan.removals.size() + plan.purges.size();
  report.unknown_changed = plan.unknown.has_value();
  return {};
}

Result<> DnsmasqDriver::apply(Feed& feed, const HostsPlan& plan) {
  const auto write_unknown = [&](Verdict verdict) {
    return feed.write(hosts::kUnknownName,
                      hosts::contents_for(hosts::kUnknownPattern, verdict));
  };
  auto written = write_all(feed, plan.upserts);
  const bool incomplete =
      !plan.blocked.empty() ||
      (!written && written.error().code() != ErrorCode::kUnavailable);
  if (incomplete) {
    // A machine without its file counts as unknown.
    const auto denied = write_unknown(Verdict::kDeny);
    const std::string then = denied ? "unknown machines are denied until then"
                                    : "nor could unknown machines be denied";
    if (!written) return fail(written.error().within(then));
    return fail(
        fmt::format("{}/{} is a directory, where a file has to be: "
                    "remove it; {}",
                    options_.hostsdir, plan.blocked.front().to_string(), then),
        ErrorCode::kConflict);
  }
  if (!written) return written;
  if (plan.unknown) {
    if (*plan.unknown == Verdict::kAllow) {
      // Every machine that stays denied is known to dnsmasq before.
      if (auto done = feed.confirm(); !done) return fail(done.error());
    }
    if (auto done = write_unknown(*plan.unknown); !done) return done;
  }
  if (auto done = write_all(feed, plan.removals); !done) return done;
  if (auto done = purge(feed, plan); !done) return done;
  held_ = plan.held;
  return {};
}

Result<> DnsmasqDriver::write_all(Feed& feed,
                                  const std::vector<HostsPlan::Write>& writes) {
  for (const HostsPlan::Write& write : writes) {
    const std::string name = write.mac.to_string();
    auto done = feed.write(name, hosts::contents_for(name, write.verdict));
    if (!done) return done;
    held_[write.mac] = write.verdict;
    if (auto kept = audience_.checkpoint(feed, *directory_); !kept) {
      return kept;
    }
  }
  return {};
}

// Removes files that nobody has read. A dnsmasq that started meanwhile may
// have read them; then the next sync writes them again, to follow the verdict
// for unknown machines.
Result<> DnsmasqDriver::purge(Feed& feed, const HostsPlan& plan) {
  if (plan.purges.empty()) return {};
  for (const MacAddress& mac : plan.purges) {
    if (auto done = feed.remove(mac.to_string()); !done) return done;
  }
  feed.look();
  if (feed.unread()) return {};
  for (const MacAddress& mac : plan.purges) held_[mac] = Verdict::kDeny;
  return fail("dnsmasq started while the directory was purged",
              ErrorCode::kUnavailable);
}

Result<> DnsmasqDriver::start_service(Feed& feed) {
  if (service_.started() || !service_.is_ours()) return {};
  feed.look();
  if (!feed.readers().readers.empty()) {
    log::info("dnsmasq reads {} already: dnsmasq_start_command is not run",
              options_.hostsdir);
    service_.take_as_started();
    return {};
  }
  // So that its start is later than the files' time, in whole clock ticks.
  std::this_thread::sleep_for(50ms);
  if (auto done = service_.start(); !done) return done;
  if (feed.blind()) return {};
  const auto deadline = steady_clock::now() + options_.limits.start;
  while (feed.unread() && steady_clock::now() < deadline) {
    std::this_thread::sleep_for(10ms);
    feed.look();
  }
  if (feed.unread()) {
    log::warning(
        "dnsmasq_start_command was run, and no dnsmasq watches {}: has it "
        "--dhcp-hostsdir?",
        options_.hostsdir);
  }
  return {};
}

void DnsmasqDriver::let_go() noexcept {
  directory_.reset();
  audience_ = Audience();
  enforced_.reset();
  complete_at_ = FileTime{0};
}

void DnsmasqDriver::reset() noexcept {
  if (!torn_down_) service_.stop();
  let_go();
}

void DnsmasqDriver::shut_down() noexcept {
  const bool enforcing = enforced_ != nullptr;
  reset();
  if (!enforcing || service_.can_stop()) return;
  log::info(
      "dnsmasq goes on with the last policy; to remove it, run `pxegate "
      "teardown`");
}

Result<> DnsmasqDriver::tear_down() {
  torn_down_ = true;
  std::optional<HostsDir> opened;
  if (!directory_ || !directory_->is_current()) {
    auto found = HostsDir::open(options_.hostsdir);
    if (!found && found.error().code() == ErrorCode::kNotFound) {
      let_go();
      return {};
    }
    if (!found) return fail(found.error());
    opened.emplace(std::move(*found));
    directory_.reset();
  }
  const HostsDir& directory = opened ? *opened : *directory_;
  // What another controller wrote cannot be told from what this one did.
  if (auto locked = directory.lock(HostsDir::Lock::kExclusive); !locked) {
    return locked;
  }
  auto identity = directory.watch_identity();
  if (!identity) return fail(identity.error());
  Feed feed = feed_for(directory, *identity);
  if (auto done = forget_everything(feed, directory, held_); !done) {
    return fail(done.error().within("removing the filter"));
  }
  let_go();
  held_.clear();
  held_unknown_.reset();
  foreign_ = ForeignFiles();
  return {};
}

DriverStatus DnsmasqDriver::status() const {
  DnsmasqFacts facts;
  facts.directory = options_.hostsdir;
  facts.synced = enforced_ != nullptr;
  facts.commands = service_.is_ours();
  facts.rules = enforced_ ? enforced_->entries().size() : 0;
  facts.infiniband = enforced_ ? count_infiniband(*enforced_) : 0;
  facts.foreign = foreign_.files();
  facts.stray_allows = stray_allows_;
  facts.queue_limit = inotify_queue_limit();
  const auto directory = HostsDir::open(options_.hostsdir);
  const auto identity = directory
                            ? directory->watch_identity()
                            : Result<std::string>(fail(directory.error()));
  if (!identity) {
    facts.missing = identity.error().message();
    return describe_dnsmasq(facts);
  }
  const ReaderScan scan = find_readers(*identity);
  facts.blind = scan.blind;
  for (const Reader& reader : scan.readers) {
    facts.readers.push_back(
        {.pid = reader.id().pid,
         .vouched = facts.synced && (audience_.knows(reader.id()) ||
                                     reader.started() >= complete_at_),
         .unread = reader.unread(),
         .changes = audience_.changes(reader.id()),
         .barred = reader.barred_from(options_.hostsdir).value_or("")});
  }
  return describe_dnsmasq(facts);
}

Result<Policy> DnsmasqDriver::installed() const {
  auto directory = HostsDir::open(options_.hostsdir);
  if (!directory) return fail(directory.error());
  auto found = directory->list();
  if (!found) return fail(found.error());
  if (!found->unknown) {
    return fail(fmt::format("there is no {} in {}", hosts::kUnknownName,
                            options_.hostsdir),
                ErrorCode::kNotFound);
  }
  if (!found->unknown->verdict) {
    return fail(fmt::format("{}/{} does not hold what it has to",
                            options_.hostsdir, hosts::kUnknownName));
  }
  std::vector<Policy::Entry> entries;
  for (const auto& [mac, entry] : found->machines) {
    const bool left = enforced_ && held_.contains(mac) && !enforced_->find(mac);
    if (entry.verdict && !left) entries.push_back({mac, *entry.verdict});
  }
  return Policy(std::move(entries), *found->unknown->verdict);
}

}  // namespace

std::unique_ptr<FilterDriver> make_dnsmasq_driver(
    DnsmasqOptions options, std::shared_ptr<CommandRunner> runner) {
  return std::make_unique<DnsmasqDriver>(std::move(options), std::move(runner));
}

}  // namespace pxegate
