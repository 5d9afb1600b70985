// SPDX-License-Identifier: Apache-2.0
#include "drivers/iptables/iptables_driver.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <utility>

#include "controller/base/log.h"
#include "controller/base/text.h"
#include "drivers/iptables/examine.h"
#include "drivers/iptables/ipset.h"
#include "drivers/iptables/ruleset.h"
#include "drivers/iptables/xtables.h"

namespace pxegate {
namespace {

// What the table is like may change between reading and writing; a change
// that does not fit any more fails as a whole and is computed anew.
constexpr int kAttempts = 3;

// A chain is walked to its end for each request. Measured: 23 µs (legacy) to
// 48 µs (nft) at 1,000 addresses, about what dnsmasq then takes to answer, and
// ten times that at each further power of ten. So from here on it is the
// filter that limits how many requests a CPU gets through.
constexpr std::size_t kManyRules = 1000;

FilterPlace place_of(const IptablesOptions& options) {
  FilterPlace place{.interface = options.interface, .chain = options.chain};
  if (options.ip_version == 6) place.ports = {547};
  return place;
}

// What is installed.
struct State {
  FoundFilter filter;            // with the members of the set, if any
  std::size_t set_capacity = 0;  // of that set
};

class IptablesDriver final : public FilterDriver {
 public:
  IptablesDriver(IptablesOptions options, std::shared_ptr<CommandRunner> runner,
                 TakeChainLock take_lock)
      : take_lock_(std::move(take_lock)),
        options_(std::move(options)),
        place_(place_of(options_)),
        xtables_(options_.ip_version, runner),
        sets_(options_.chain, options_.ip_version, std::move(runner)) {}

  Result<> initialize() override;
  Result<SyncReport> sync(const Snapshot& desired) override;
  void reset() noexcept override;
  void shut_down() noexcept override;
  Result<> tear_down() override;
  DriverStatus status() const override;
  std::vector<Finding> examine() const override {
    return examine_iptables(options_, xtables_);
  }
  Result<Policy> installed() const override;

 private:
  Result<> lock();
  Result<State> read() const;
  bool equal(const ChainBody& found, const ChainBody& wanted) const;
  Result<State> enforce(const std::optional<ChainBody>& wanted);
  Result<std::string> write(const State& found, ChainBody wanted);
  Result<> change_set(const ChainBody& from, const ChainBody& to);
  bool fits_set(const State& found, const ChainBody& wanted) const;
  void tidy_sets();
  void report_tampering(const FoundFilter& found, const ChainBody& before,
                        SyncReport& report) const;
  bool many_rules() const;
  std::string size_notice() const;
  void warn_of_size();
  std::vector<std::string> notices() const;

  const TakeChainLock take_lock_;
  const IptablesOptions options_;
  const FilterPlace place_;
  const Xtables xtables_;
  IpsetStore sets_;
  std::optional<NamespaceLock> lock_;
  // What the chain was left with; set while initialized.
  std::optional<ChainBody> enforced_;
  std::string set_in_use_;
  // For status(), which starts no process.
  std::string backend_;
  bool in_force_ = false;
  bool warned_ = false;
  bool warned_of_size_ = false;
};

Result<> IptablesDriver::lock() {
  if (lock_) return {};
  auto lock = take_lock_(place_.chain, options_.ip_version);
  if (!lock) return fail(lock.error());
  lock_ = std::move(*lock);
  return {};
}

Result<State> IptablesDriver::read() const {
  auto table = xtables_.read();
  if (!table) return fail(table.error());
  State state{.filter = find_filter(*table, place_)};
  std::optional<ChainBody>& body = state.filter.body;
  if (!body || body->set.empty()) return state;
  auto set = sets_.owns(body->set) ? sets_.read(body->set)
                                   : fail("somebody else's set");
  if (set) {
    body->exceptions = std::move(set->members);
    state.set_capacity = set->capacity;
  } else {
    log::debug("chain {}: set {}: {}", place_.chain, body->set,
               set.error().message());
    body.reset();
  }
  return state;
}

// Whether the chain may stay as it is.
bool IptablesDriver::equal(const ChainBody& found,
                           const ChainBody& wanted) const {
  const bool wants_set = sets_.available() && !wanted.exceptions.empty();
  return found.unknown == wanted.unknown &&
         found.exceptions == wanted.exceptions && !found.rejects &&
         found.set.empty() != wants_set;
}

// Makes `wanted` what the chain does; without it, keeps what is in force, and
// closes where nothing is. Returns what was found at first.
Result<State> IptablesDriver::enforce(const std::optional<ChainBody>& wanted) {
  std::optional<State> first;
  for (int attempt = 1;; ++attempt) {
    auto found = read();
    if (!found) return fail(found.error());
    if (!first) first = *found;
    const FoundFilter& filter = found->filter;
    const bool keep = wanted ? filter.body && equal(*filter.body, *wanted)
                             : filter.in_force();
    const ChainBody target = keep ? *filter.body : wanted.value_or(ChainBody{});
    Result<std::string> set = target.set;
    if (!keep) {
      set = write(*found, target);
    } else if (!filter.tidy()) {
      auto done = xtables_.restore(render_change(filter, place_, std::nullopt));
      if (!done) set = fail(done.error());
    }
    if (set) {
      enforced_ = target;
      if (!set_in_use_.empty() && set_in_use_ != *set) sets_.abandon();
      set_in_use_ = *set;
      in_force_ = true;
      tidy_sets();
      return *std::move(first);
    }
    const Error& error = set.error();
    if (error.code() != ErrorCode::kFailed || attempt == kAttempts) {
      return fail(error.within(fmt::format("chain {}", place_.chain)));
    }
    // Programs and kernel may have sets, and no match for them.
    if (attempt == kAttempts - 1 && sets_.available()) {
      log::warning("chain {}: giving up ipset: {}", place_.chain,
                   error.message());
      sets_.give_up(error.message());
    }
  }
}

void IptablesDriver::tidy_sets() {
  if (sets_.clean()) return;
  if (auto done = sets_.destroy_unused(set_in_use_); !done) {
    log::debug("{}; trying again at the next sync", done.error().message());
  }
}

// Returns the set that the chain then uses; empty: none.
Result<std::string> IptablesDriver::write(const State& found,
                                          ChainBody wanted) {
  if (sets_.available() && !wanted.exceptions.empty()) {
    const std::optional<ChainBody>& body = found.filter.body;
    if (fits_set(found, wanted)) {
      auto done = change_set(*body, wanted);
      if (!done) return fail(done.error());
      return body->set;
    }
    auto name = sets_.make(wanted.exceptions, body ? body->set : "");
    if (!name) return name;
    wanted.set = std::move(*name);
  }
  auto done = xtables_.restore(render_change(found.filter, place_, wanted));
  if (!done) return fail(done.error());
  return wanted.set;
}

Result<> IptablesDriver::change_set(const ChainBody& from,
                                    const ChainBody& to) {
  std::vector<MacAddress> add;
  std::vector<MacAddress> remove;
  std::ranges::set_difference(to.exceptions, from.exceptions,
                              std::back_inserter(add));
  std::ranges::set_difference(from.exceptions, to.exceptions,
                              std::back_inserter(remove));
  // Who is to be denied first: if it fails half-way the filter is no more
  // open than it was meant to be.
  return sets_.change(from.set, add, remove,
                      to.unknown == Verdict::kAllow
                          ? IpsetStore::Step::kAddFirst
                          : IpsetStore::Step::kRemoveFirst);
}

// Whether the set in use can be changed as it stands.
bool IptablesDriver::fits_set(const State& found,
                              const ChainBody& wanted) const {
  const std::optional<ChainBody>& body = found.filter.body;
  return body && !body->set.empty() && !body->rejects && found.filter.tidy() &&
         body->unknown == wanted.unknown &&
         body->exceptions.size() + wanted.exceptions.size() <=
             found.set_capacity;
}

Result<> IptablesDriver::initialize() {
  if (auto locked = lock(); !locked) return locked;
  auto backend = xtables_.backend();
  if (!backend) return fail(backend.error());
  backend_ = std::move(*backend);
  sets_.probe();
  if (!sets_.available()) {
    log::debug("no ipset hash:mac, so that each address is a rule: {}",
               sets_.problem());
  }
  auto found = enforce(std::nullopt);
  if (!found) return fail(found.error());
  if (found->filter.in_force()) {
    log::info("chain {} is in force already, and stays so", place_.chain);
  } else if (found->filter.chain_exists) {
    log::warning("chain {} was half-made: DHCP is closed until the first sync",
                 place_.chain);
  }
  if (!std::exchange(warned_, true)) {
    for (const std::string& notice : notices()) log::warning("{}", notice);
  }
  return {};
}

Result<SyncReport> IptablesDriver::sync(const Snapshot& desired) {
  if (!enforced_) {
    return fail("the iptables driver is not initialized",
                ErrorCode::kInvalidState);
  }
  const ChainBody wanted = body_of(*desired.policy);
  const ChainBody before = *enforced_;
  auto found = enforce(wanted);
  if (!found) return fail(found.error());
  SyncReport report;
  report_tampering(found->filter, before, report);
  const std::optional<ChainBody>& body = found->filter.body;
  const PolicyDiff changes =
      diff(body ? policy_of(*body) : Policy(), policy_of(wanted));
  report.upserts = changes.upserts.size();
  report.removals = changes.removals.size();
  report.unknown_changed = changes.unknown.has_value();
  warn_of_size();
  return report;
}

void IptablesDriver::report_tampering(const FoundFilter& found,
                                      const ChainBody& before,
                                      SyncReport& report) const {
  const std::string& chain = place_.chain;
  const auto say = [&report](std::string sentence) {
    report.repaired.push_back(std::move(sentence));
  };
  if (!found.chain_exists) {
    say(fmt::format("the chain {} was gone", chain));
  } else if (!found.body) {
    say(fmt::format("the chain {} had been changed by somebody else", chain));
  } else {
    const PolicyDiff changes = diff(policy_of(*found.body), policy_of(before));
    const std::size_t rules = changes.upserts.size() + changes.removals.size();
    if (rules > 0) {
      say(fmt::format(
          "{} of the chain {} had been changed by somebody else",
          rules == 1 ? std::string("1 rule") : fmt::format("{} rules", rules),
          chain));
    }
    if (changes.unknown) {
      say("the verdict for unknown machines had been changed by somebody else");
    }
  }
  if (!found.jumped_to) {
    say(fmt::format("the jump from INPUT to {} was gone", chain));
  } else if (found.jumps.size() > 1) {
    say(fmt::format("INPUT jumped to {} {} times", chain, found.jumps.size()));
  } else if (!found.jump_in_place) {
    say(fmt::format("other rules stood before the jump from INPUT to {}",
                    chain));
  }
  if (found.temporary_chain || !found.temporary_jumps.empty()) {
    say(fmt::format("there was a half-made chain {}",
                    place_.temporary_chain()));
  }
}

std::string IptablesDriver::size_notice() const {
  return fmt::format(
      "each DHCP request is compared with {} rules, one after the other "
      "(measured with iptables-nft: 0.05 ms at 1,000, 0.6 ms at 10,000, 9 ms "
      "at 100,000); the drivers xdp and nftables take the same time for any "
      "number, and so does this one where the kernel has ipset's hash:mac",
      enforced_ ? enforced_->exceptions.size() : 0);
}

bool IptablesDriver::many_rules() const {
  return enforced_ && set_in_use_.empty() &&
         enforced_->exceptions.size() >= kManyRules;
}

void IptablesDriver::warn_of_size() {
  if (!many_rules()) {
    warned_of_size_ = false;
  } else if (!std::exchange(warned_of_size_, true)) {
    log::warning("{}", size_notice());
  }
}

void IptablesDriver::reset() noexcept {
  enforced_.reset();
  set_in_use_.clear();
  lock_.reset();
}

void IptablesDriver::shut_down() noexcept {
  if (enforced_) {
    log::info(
        "chain {} stays in force on {} with the last policy; to remove it, run "
        "`pxegate teardown`",
        place_.chain, place_.interface);
  }
  reset();
}

Result<> IptablesDriver::tear_down() {
  // Another controller may run, whose filter must not go under its feet.
  auto locked = lock();
  if (!locked) return locked;
  const std::optional<NamespaceLock> held = std::exchange(lock_, std::nullopt);
  reset();
  FoundFilter found;
  Result<> done = fail("not tried");
  for (int attempt = 1; !done && attempt <= kAttempts; ++attempt) {
    auto table = xtables_.read();
    if (!table) return fail(table.error());
    found = find_filter(*table, place_);
    done = found.nothing() ? Result<>()
                           : xtables_.restore(render_removal(found, place_));
    if (!done && done.error().code() != ErrorCode::kFailed) break;
  }
  if (!done) {
    return fail(done.error().within(
        fmt::format("chain {} is not removed", place_.chain)));
  }
  in_force_ = false;
  auto destroyed = sets_.destroy_unused("");
  if (!found.references.empty() && found.chain_exists) {
    return fail(
        fmt::format("chain {} is empty now but stays, since this rule leads to "
                    "it: {}; delete that rule and tear down again",
                    place_.chain, quoted(found.references.front(), 300)),
        ErrorCode::kConflict);
  }
  return destroyed;
}

DriverStatus IptablesDriver::status() const {
  DriverStatus status;
  status.driver = "iptables";
  status.healthy = enforced_.has_value() && in_force_;
  DriverTarget target;
  target.name = fmt::format("{} (chain {})", place_.interface, place_.chain);
  target.active = in_force_;
  if (in_force_) {
    target.mode = backend_ + (set_in_use_.empty() ? "" : "+ipset");
  } else {
    target.detail = "the chain is not in force";
  }
  status.targets.push_back(std::move(target));
  if (enforced_) status.rules = enforced_->exceptions.size();
  status.notices = notices();
  if (many_rules()) status.notices.push_back(size_notice());
  return status;
}

std::vector<std::string> IptablesDriver::notices() const {
  std::vector<std::string> notices = {
      "iptables cannot see behind a DHCP relay: a relayed request has the "
      "relay's source address, and is judged as the relay's; where there are "
      "relays use xdp or nftables"};
  notices.push_back(
      fmt::format("DHCPv{} is not filtered: [iptables] ip_version is {}",
                  options_.ip_version == 6 ? 4 : 6, options_.ip_version));
  // Servers for DHCPv6 have no clients without an address, and no need of
  // raw sockets.
  if (options_.ip_version != 6) {
    notices.emplace_back(
        "a DHCP server that reads raw sockets, as Kea and ISC dhcpd do unless "
        "told otherwise, answers whatever iptables drops: use xdp with those");
  }
  return notices;
}

Result<Policy> IptablesDriver::installed() const {
  auto state = read();
  if (!state) return fail(state.error());
  const FoundFilter& filter = state->filter;
  if (!filter.chain_exists || !filter.jumped_to) {
    return fail(fmt::format("INPUT does not jump to a chain {} for {}",
                            place_.chain, place_.interface),
                ErrorCode::kNotFound);
  }
  if (!filter.body) {
    return fail(fmt::format(
        "chain {} holds rules that are not pxegate's: look "
        "with `{} -S {}`",
        place_.chain, options_.ip_version == 6 ? "ip6tables" : "iptables",
        place_.chain));
  }
  return policy_of(*filter.body);
}

}  // namespace

Result<NamespaceLock> take_chain_lock(const std::string& chain,
                                      int ip_version) {
  return NamespaceLock::take(fmt::format("iptables-{}-{}", ip_version, chain),
                             fmt::format("chain {}", chain),
                             "choose another [iptables] firewall_chain");
}

std::unique_ptr<FilterDriver> make_iptables_driver(
    IptablesOptions options, std::shared_ptr<CommandRunner> runner,
    TakeChainLock take_lock) {
  return std::make_unique<IptablesDriver>(std::move(options), std::move(runner),
                                          std::move(take_lock));
}

}  // namespace pxegate
