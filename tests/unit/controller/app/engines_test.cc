// SPDX-License-Identifier: Apache-2.0
#include "controller/app/engines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/unit/controller/app/fake_sources.h"

namespace pxegate {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using testing::FakeClock;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::mac;
using testing::make_node;
using testing::make_port;
using ::testing::Not;

const HardwareAddress kDenied = mac(1);
const HardwareAddress kAllowed = mac(2);

Policy wanted_policy() {
  return Policy({{kDenied, Verdict::kDeny}, {kAllowed, Verdict::kAllow}},
                Verdict::kAllow);
}

// The filters that are in force on one host, by place, and what went wrong.
class Host {
 public:
  void install(const std::string& place, Policy policy) {
    const std::lock_guard lock(mutex_);
    filters_[place] = std::move(policy);
    check();
  }
  void remove(const std::string& place) {
    const std::lock_guard lock(mutex_);
    filters_.erase(place);
    check();
  }
  bool has(const std::string& place) const {
    const std::lock_guard lock(mutex_);
    return filters_.contains(place);
  }
  std::vector<std::string> places() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> names;
    for (const auto& [place, policy] : filters_) names.push_back(place);
    return names;
  }
  bool passes(const HardwareAddress& address) const {
    const std::lock_guard lock(mutex_);
    return passes_locked(address);
  }
  // From now on the denied node must be kept out at every instant.
  void guard() {
    const std::lock_guard lock(mutex_);
    guarded_ = true;
    check();
  }
  void unguard() {
    const std::lock_guard lock(mutex_);
    guarded_ = false;
  }
  bool leaked() const {
    const std::lock_guard lock(mutex_);
    return leaked_;
  }

 private:
  bool passes_locked(const HardwareAddress& address) const {
    for (const auto& [place, policy] : filters_) {
      if (policy.verdict(address) == Verdict::kDeny) return false;
    }
    return true;
  }
  void check() { leaked_ = leaked_ || (guarded_ && passes_locked(kDenied)); }

  mutable std::mutex mutex_;
  std::map<std::string, Policy> filters_;
  bool guarded_ = false;
  bool leaked_ = false;
};

// What the test wants of the driver of one name; belongs to the test.
struct Script {
  std::atomic<bool> initialize_fails = false;
  std::atomic<bool> conflicts = false;
  std::atomic<bool> sync_fails = false;
  std::atomic<bool> filters_nothing = false;  // as without its interface
  std::atomic<int> tear_downs_to_fail = 0;
  std::atomic<int> tear_downs = 0;
  std::atomic<int> alive = 0;  // instances that hold the lock
  std::atomic<int> shut_downs = 0;
  std::atomic<int> made = 0;
};

class ScriptedDriver final : public FilterDriver {
 public:
  ScriptedDriver(Host& host, Script& script, std::string place)
      : host_(host), script_(script), place_(std::move(place)) {
    ++script_.made;
  }
  ~ScriptedDriver() override { unlock(); }

  Result<> initialize() override {
    if (script_.conflicts || (!locked_ && script_.alive > 0)) {
      return fail("held by another controller", ErrorCode::kConflict);
    }
    if (!locked_) ++script_.alive;
    locked_ = true;
    if (!host_.has(place_)) host_.install(place_, Policy());
    if (script_.initialize_fails) return fail("no such tool");
    return {};
  }
  Result<SyncReport> sync(const Snapshot& desired) override {
    if (script_.sync_fails) return fail("kernel says no");
    host_.install(place_, script_.filters_nothing ? Policy({}, Verdict::kAllow)
                                                  : *desired.policy);
    return SyncReport{};
  }
  void reset() noexcept override { unlock(); }
  void shut_down() noexcept override {
    ++script_.shut_downs;
    unlock();
  }
  Result<> tear_down() override {
    ++script_.tear_downs;
    if (script_.tear_downs_to_fail > 0) {
      --script_.tear_downs_to_fail;
      return fail("a rule is in use");
    }
    host_.remove(place_);
    unlock();
    return {};
  }
  int wake_fd() const override { return script_.made; }
  bool woken() override { return true; }
  DriverStatus status() const override {
    DriverStatus status;
    status.healthy = !script_.filters_nothing;
    status.targets = {{"eth1", status.healthy, {}, "no such interface"}};
    return status;
  }

 private:
  void unlock() {
    if (std::exchange(locked_, false)) --script_.alive;
  }

  Host& host_;
  Script& script_;
  const std::string place_;
  bool locked_ = false;
};

class FakeFeed final : public EngineFeed {
 public:
  FakeFeed(FilterHost& host, std::shared_ptr<const Inventory> adopted,
           std::function<void()> told)
      : host_(host), adopted_(std::move(adopted)), told_(std::move(told)) {}
  ~FakeFeed() override { running = false; }

  // The first complete sync, or the next.
  Result<SyncReport> sync_once() {
    EXPECT_TRUE(running);
    if (host_.state() != FilterState::kInitialized) {
      if (auto ready = host_.initialize(); !ready) return fail(ready.error());
    }
    auto done =
        host_.sync({inventory_, std::make_shared<Policy>(wanted_policy())});
    if (!done) {
      error_ = done.error().message();
      return done;
    }
    error_.clear();
    synced_ = true;
    if (auto told = std::exchange(told_, nullptr)) told();
    return done;
  }

  void start() override { running = true; }
  void stop() override { running = false; }
  void request_driver_sync() override { ++driver_syncs; }
  void reconfigure(const Config&) override { ++reconfigured; }
  void describe(ControllerStatus& status) const override {
    status.synced = synced_;
    status.stale = stale;
    status.driver_error = error_;
    if (ironic_down) {
      status.sources = {{.name = "ironic",
                         .endpoint = {},
                         .last_success = {},
                         .last_error = "connection refused",
                         .last_error_at = {},
                         .consecutive_failures = 3}};
    }
  }
  PolicyInForce policy() const override {
    PolicyInForce policy;
    policy.inventory = inventory_;
    policy.policy = std::make_shared<Policy>(wanted_policy());
    if (synced_) policy.as_of = Instant{};
    return policy;
  }
  Result<SyncOutcome> sync(const SyncRequest&) override {
    return SyncOutcome{};
  }
  Result<> tear_down() override {
    auto done = host_.retire();
    if (done) running = false;
    return done;
  }
  bool synced() const override { return synced_; }
  Monotonic last_heartbeat() const override { return {}; }

  const std::shared_ptr<const Inventory>& adopted() const { return adopted_; }

  std::atomic<bool> running = false;
  bool stale = false;
  bool ironic_down = false;
  int driver_syncs = 0;
  int reconfigured = 0;

 private:
  FilterHost& host_;
  const std::shared_ptr<const Inventory> inventory_ =
      std::make_shared<const Inventory>(*Inventory::make(
          {make_node("n1", "active")}, {make_port("p1", "n1", mac(1))}));
  const std::shared_ptr<const Inventory> adopted_;
  std::function<void()> told_;
  bool synced_ = false;
  std::string error_;
};

class EnginesTest : public ::testing::Test {
 protected:
  EnginesTest() {
    Engines::Hooks hooks;
    hooks.make =
        [this](
            const Config& config, std::shared_ptr<const Inventory> adopted,
            std::function<void()> synced) -> Result<std::shared_ptr<Engine>> {
      if (config.pxe_filter.driver == "none") return fail("no such driver");
      if (!config.ironic.cafile.empty()) return fail("no such cafile");
      auto engine = std::make_shared<Engine>(config);
      std::string place = engine->driver;
      if (place == "nftables") place += " " + config.nftables.table;
      engine->host = std::make_unique<FilterHost>(
          std::make_unique<ScriptedDriver>(host_, scripts_[place], place));
      engine->feed = std::make_unique<FakeFeed>(
          *engine->host, std::move(adopted), std::move(synced));
      latest_[place] = engine;
      return engine;
    };
    hooks.post = [this](std::function<void()> f) {
      const std::lock_guard lock(mutex_);
      posted_.push_back(std::move(f));
      work_.notify_all();
    };
    hooks.watch = [this](int fd, std::function<void()> f) -> Result<> {
      watches_[fd] = std::move(f);
      return {};
    };
    hooks.ignore = [this](int fd) { watches_.erase(fd); };
    hooks.synced = [this] { ++synced_; };
    engines_ = std::make_unique<Engines>(
        std::move(hooks), BackoffOptions{.first = 1ms, .max = 1ms});
  }
  ~EnginesTest() override {
    if (engines_) {
      engines_->stop_feeds();
      host_.unguard();
      engines_->shut_down();
    }
  }

  static Config config(std::string driver) {
    Config config;
    config.pxe_filter.driver = std::move(driver);
    return config;
  }
  static Config nftables(std::string table) {
    Config made = config("nftables");
    made.nftables.table = std::move(table);
    return made;
  }

  // Runs what was posted so far.
  void run_posted() {
    for (;;) {
      std::function<void()> f;
      {
        const std::lock_guard lock(mutex_);
        if (posted_.empty()) return;
        f = std::move(posted_.front());
        posted_.pop_front();
      }
      f();
    }
  }
  // Runs what is posted until `condition` holds.
  template <typename Condition>
  void wait_until(const Condition& condition) {
    const auto patience = std::chrono::steady_clock::now() + 60s;
    for (;;) {
      run_posted();
      if (condition()) return;
      std::unique_lock lock(mutex_);
      // Not everything that changes is posted.
      work_.wait_for(lock, 1ms, [this] { return !posted_.empty(); });
      ASSERT_LT(std::chrono::steady_clock::now(), patience);
    }
  }

  // Of the engine in force.
  FakeFeed& feed() {
    return dynamic_cast<FakeFeed&>(*engines_->current()->feed);
  }
  // Of the engine that was made last for `place`.
  FakeFeed& feed(const std::string& place) {
    return dynamic_cast<FakeFeed&>(*latest_.at(place).lock()->feed);
  }
  // Reloads, which has to work.
  void reload(const Config& config) {
    const auto done = engines_->reload(config);
    ASSERT_TRUE(done) << done.error().message();
  }
  void wait_removed(const std::string& place) {
    wait_until([&] { return !host_.has(place); });
    wait_until([&] { return engines_->drivers().size() == 1; });
  }
  std::shared_ptr<Engine> start_in_force(const Config& config) {
    EXPECT_TRUE(engines_->make(config));
    EXPECT_TRUE(engines_->begin());
    EXPECT_TRUE(feed().sync_once());
    run_posted();
    host_.guard();
    return engines_->current();
  }

  Host host_;
  std::map<std::string, Script> scripts_;
  std::map<std::string, std::weak_ptr<Engine>> latest_;
  std::map<int, std::function<void()>> watches_;
  int synced_ = 0;
  std::mutex mutex_;
  std::condition_variable work_;
  std::deque<std::function<void()>> posted_;
  std::unique_ptr<Engines> engines_;
};

// ---- from each driver to each ----

TEST_F(EnginesTest, EachDriverTakesOverFromEachWithItsFirstSync) {
  const std::vector<std::string> names = {"xdp", "iptables", "dnsmasq", "acme"};
  start_in_force(config("xdp"));
  std::string last = "xdp";
  for (const std::string& from : names) {
    for (const std::string& to : names) {
      if (from == to) continue;
      SCOPED_TRACE(from + " to " + to);
      if (last != from) {
        reload(config(from));
        ASSERT_TRUE(feed(from).sync_once());
        wait_removed(last);
      }
      reload(config(to));
      EXPECT_EQ(engines_->current()->driver, from) << "not before its sync";
      EXPECT_TRUE(host_.has(from));
      EXPECT_TRUE(host_.has(to)) << "closed already";
      ASSERT_TRUE(feed(to).sync_once());
      EXPECT_TRUE(host_.has(from)) << "the sync comes first";
      wait_removed(from);
      EXPECT_EQ(engines_->current()->driver, to);
      EXPECT_THAT(host_.places(), ElementsAre(to));
      EXPECT_TRUE(host_.passes(kAllowed));
      EXPECT_THAT(engines_->notices(), IsEmpty());
      last = to;
    }
  }
  EXPECT_FALSE(host_.leaked());
  for (const std::string& name : names) {
    EXPECT_EQ(scripts_[name].shut_downs, 0) << "removed, not kept";
    EXPECT_EQ(scripts_[name].alive, name == last ? 1 : 0);
  }
}

TEST_F(EnginesTest, TheSameDriverMovesToAnotherPlaceAlike) {
  start_in_force(nftables("a"));
  reload(nftables("b"));
  EXPECT_THAT(host_.places(), ElementsAre("nftables a", "nftables b"));
  ASSERT_TRUE(feed("nftables b").sync_once());
  wait_removed("nftables a");
  EXPECT_FALSE(host_.leaked());
}

TEST_F(EnginesTest, AMoveInOnesOwnWayIsRefused) {
  Config here = config("xdp");
  here.xdp.pin_path = "/a";
  start_in_force(here);
  Config there = here;
  there.xdp.pin_path = "/b";
  const auto done = engines_->reload(there);
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message(), HasSubstr("pxegate teardown"));
  EXPECT_TRUE(feed().running);
  EXPECT_EQ(scripts_["xdp"].made, 1);
}

TEST_F(EnginesTest, WhoeverIsInForceAndHasSyncedIsTold) {
  start_in_force(config("xdp"));
  EXPECT_EQ(synced_, 1);
  reload(config("iptables"));
  ASSERT_TRUE(feed("iptables").sync_once());
  run_posted();
  EXPECT_EQ(synced_, 2);
}

// ---- what goes wrong ----

TEST_F(EnginesTest, ADriverThatCannotBeMadeChangesNothing) {
  start_in_force(config("xdp"));
  EXPECT_FALSE(engines_->reload(config("none")));
  EXPECT_TRUE(feed().running);
  EXPECT_EQ(scripts_["xdp"].alive, 1);
  EXPECT_THAT(host_.places(), ElementsAre("xdp"));
  EXPECT_THAT(engines_->notices(), IsEmpty());
}

TEST_F(EnginesTest, ADriverThatCannotBeMadeReadyLeavesNothingBehind) {
  start_in_force(config("xdp"));
  scripts_["iptables"].initialize_fails = true;
  const auto done = engines_->reload(config("iptables"));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().message(), "no such tool");
  EXPECT_THAT(host_.places(), ElementsAre("xdp"));
  EXPECT_TRUE(feed().running);
  EXPECT_EQ(scripts_["xdp"].alive, 1) << "never reset";
  EXPECT_EQ(scripts_["iptables"].alive, 0);
  EXPECT_TRUE(host_.passes(kAllowed));
  EXPECT_FALSE(host_.leaked());
}

TEST_F(EnginesTest, WhatAnotherControllerHoldsIsNotRemoved) {
  start_in_force(config("xdp"));
  host_.install("iptables", wanted_policy());  // that controller's
  scripts_["iptables"].conflicts = true;
  EXPECT_FALSE(engines_->reload(config("iptables")));
  EXPECT_EQ(scripts_["iptables"].tear_downs, 0);
  EXPECT_TRUE(host_.has("iptables"));
}

TEST_F(EnginesTest, WhileTheNewOneCannotSyncTheOldOneStaysAndItIsTold) {
  start_in_force(config("xdp"));
  reload(config("iptables"));
  scripts_["iptables"].sync_fails = true;
  EXPECT_FALSE(feed("iptables").sync_once());
  run_posted();
  EXPECT_EQ(engines_->current()->driver, "xdp");
  EXPECT_TRUE(feed().running);
  EXPECT_TRUE(host_.has("xdp"));
  EXPECT_THAT(engines_->notices(),
              ElementsAre("driver iptables takes over once it has synced and "
                          "is healthy: kernel says no"));
  EXPECT_THAT(engines_->drivers(), ElementsAre("xdp", "iptables"));
  scripts_["iptables"].sync_fails = false;
  EXPECT_TRUE(feed("iptables").sync_once());
  wait_removed("xdp");
  EXPECT_THAT(engines_->notices(), IsEmpty());
  EXPECT_FALSE(host_.leaked());
}

TEST_F(EnginesTest, ADriverThatFiltersNothingDoesNotTakeOver) {
  start_in_force(config("xdp"));
  reload(config("iptables"));
  scripts_["iptables"].filters_nothing = true;
  ASSERT_TRUE(feed("iptables").sync_once());
  run_posted();
  engines_->tick();
  EXPECT_EQ(engines_->current()->driver, "xdp");
  EXPECT_THAT(engines_->notices(),
              ElementsAre(HasSubstr("healthy: eth1: no such interface")));
  scripts_["iptables"].filters_nothing = false;
  ASSERT_TRUE(feed("iptables").sync_once());
  run_posted();
  EXPECT_EQ(engines_->current()->driver, "xdp") << "nobody has looked";
  EXPECT_EQ(synced_, 1);
  engines_->tick();
  EXPECT_EQ(synced_, 2);
  wait_removed("xdp");
  EXPECT_EQ(engines_->current()->driver, "iptables");
  EXPECT_FALSE(host_.leaked());
}

TEST_F(EnginesTest, AnIronicThatIsDownIsToldOfAsTheHindrance) {
  start_in_force(config("xdp"));
  reload(config("iptables"));
  feed("iptables").ironic_down = true;
  EXPECT_THAT(engines_->notices(),
              ElementsAre(HasSubstr("healthy: connection refused")));
}

TEST_F(EnginesTest, AnOldFilterThatCannotBeRemovedIsTriedAgainUntilItIs) {
  start_in_force(config("xdp"));
  scripts_["xdp"].tear_downs_to_fail = 1'000'000;
  reload(config("iptables"));
  ASSERT_TRUE(feed("iptables").sync_once());
  wait_until([&] { return scripts_["xdp"].tear_downs > 3; });
  EXPECT_EQ(engines_->current()->driver, "iptables");
  EXPECT_THAT(
      engines_->notices(),
      ElementsAre("what driver xdp left in force cannot be removed, which is "
                  "tried again: a rule is in use"));
  EXPECT_TRUE(host_.has("xdp"));
  scripts_["xdp"].tear_downs_to_fail = 0;
  wait_removed("xdp");
  EXPECT_THAT(engines_->notices(), IsEmpty());
}

// ---- another SIGHUP meanwhile ----

TEST_F(EnginesTest, BackToTheOldDriverGivesTheNewOneUp) {
  const auto old = start_in_force(config("xdp"));
  reload(config("iptables"));
  reload(config("xdp"));
  EXPECT_EQ(engines_->current(), old) << "it never stopped";
  EXPECT_TRUE(feed().running);
  EXPECT_EQ(feed().reconfigured, 1);
  wait_removed("iptables");
  EXPECT_THAT(host_.places(), ElementsAre("xdp"));
  EXPECT_THAT(engines_->notices(), IsEmpty());
  EXPECT_TRUE(host_.passes(kAllowed));
  EXPECT_FALSE(host_.leaked());
}

TEST_F(EnginesTest, OnToAThirdDriverGivesTheSecondUp) {
  start_in_force(config("xdp"));
  reload(config("iptables"));
  reload(config("dnsmasq"));
  EXPECT_EQ(engines_->current()->driver, "xdp");
  ASSERT_TRUE(feed("dnsmasq").sync_once());
  wait_removed("xdp");
  wait_removed("iptables");
  EXPECT_THAT(host_.places(), ElementsAre("dnsmasq"));
  EXPECT_FALSE(host_.leaked());
}

TEST_F(EnginesTest, AThirdThatCannotBeMadeReadyLeavesTheFirst) {
  start_in_force(config("xdp"));
  reload(config("iptables"));
  scripts_["dnsmasq"].initialize_fails = true;
  EXPECT_FALSE(engines_->reload(config("dnsmasq")));
  wait_removed("iptables");
  EXPECT_THAT(host_.places(), ElementsAre("xdp"));
  EXPECT_EQ(engines_->current()->driver, "xdp");
}

TEST_F(EnginesTest, TheFirstSyncOfOneThatWasGivenUpChangesNothing) {
  start_in_force(config("xdp"));
  reload(config("iptables"));
  const auto given_up = latest_["iptables"].lock();
  ASSERT_TRUE(feed("iptables").sync_once());  // told, and not yet heard
  reload(config("xdp"));
  wait_removed("iptables");
  EXPECT_EQ(engines_->current()->driver, "xdp");
  EXPECT_THAT(host_.places(), ElementsAre("xdp"));
  EXPECT_FALSE(host_.leaked());
}

TEST_F(EnginesTest, OtherChoicesReachTheOneThatWaits) {
  start_in_force(config("xdp"));
  reload(config("iptables"));
  const auto waiting = latest_["iptables"].lock();
  Config other = config("iptables");
  other.pxe_filter.deny_unknown_macs = true;
  reload(other);
  EXPECT_EQ(latest_["iptables"].lock(), waiting);
  EXPECT_EQ(feed("iptables").reconfigured, 1);
  EXPECT_EQ(feed().reconfigured, 0);
}

TEST_F(EnginesTest, OneThatWaitsIsRestartedForOtherOptions) {
  start_in_force(config("xdp"));
  reload(config("iptables"));
  Config other = config("iptables");
  other.ironic.endpoint_override = "http://elsewhere";
  reload(other);
  EXPECT_EQ(scripts_["iptables"].made, 2);
  EXPECT_EQ(scripts_["iptables"].tear_downs, 0) << "taken over, not removed";
  ASSERT_TRUE(feed("iptables").sync_once());
  wait_removed("xdp");
  EXPECT_THAT(host_.places(), ElementsAre("iptables"));
  EXPECT_FALSE(host_.leaked());
}

TEST_F(EnginesTest, OneThatWaitsAndCannotBeRestartedIsRemoved) {
  start_in_force(config("xdp"));
  reload(config("iptables"));
  scripts_["iptables"].initialize_fails = true;
  Config other = config("iptables");
  other.ironic.endpoint_override = "http://elsewhere";
  EXPECT_FALSE(engines_->reload(other));
  wait_removed("iptables");
  EXPECT_THAT(host_.places(), ElementsAre("xdp"));
  EXPECT_TRUE(host_.passes(kAllowed));
}

TEST_F(EnginesTest, OneThatWaitsAndCannotBeMadeAnewIsRemoved) {
  start_in_force(config("xdp"));
  reload(config("iptables"));
  Config other = config("iptables");
  other.ironic.cafile = "/missing";
  EXPECT_FALSE(engines_->reload(other));
  wait_removed("iptables");
  EXPECT_THAT(host_.places(), ElementsAre("xdp"));
  EXPECT_TRUE(feed().running);
}

TEST_F(EnginesTest, WhoeverLeavesIsFedNoMore) {
  const auto old = start_in_force(config("xdp"));
  reload(config("iptables"));
  ASSERT_TRUE(feed("iptables").sync_once());
  wait_removed("xdp");
  EXPECT_FALSE(dynamic_cast<FakeFeed&>(*old->feed).running);
  EXPECT_TRUE(feed().running);
}

TEST_F(EnginesTest, AReturningDriverTakesOverWhatItCouldNotRemove) {
  start_in_force(config("xdp"));
  scripts_["xdp"].tear_downs_to_fail = 1'000'000;
  reload(config("iptables"));
  ASSERT_TRUE(feed("iptables").sync_once());
  wait_until([&] { return scripts_["xdp"].tear_downs > 1; });
  reload(config("xdp"));
  scripts_["xdp"].tear_downs_to_fail = 0;
  ASSERT_TRUE(feed("xdp").sync_once());
  wait_removed("iptables");
  EXPECT_EQ(engines_->current()->driver, "xdp");
  EXPECT_THAT(host_.places(), ElementsAre("xdp"));
  EXPECT_THAT(engines_->notices(), IsEmpty());
  EXPECT_FALSE(host_.leaked());
}

// ---- the same driver ----

TEST_F(EnginesTest, OtherChoicesNeedNoNewEngine) {
  const auto before = start_in_force(config("xdp"));
  Config other = config("xdp");
  other.pxe_filter.deny_unknown_macs = true;
  reload(other);
  EXPECT_EQ(engines_->current(), before);
  EXPECT_EQ(feed().reconfigured, 1);
}

TEST_F(EnginesTest, ARestartedDriverTakesOverWhatIsInForce) {
  start_in_force(config("xdp"));
  Config other = config("xdp");
  other.xdp.max_clients = 5;
  reload(other);
  EXPECT_EQ(scripts_["xdp"].made, 2);
  EXPECT_EQ(scripts_["xdp"].alive, 1) << "one at a time";
  EXPECT_EQ(scripts_["xdp"].tear_downs, 0);
  EXPECT_TRUE(feed().running);
  EXPECT_TRUE(host_.passes(kAllowed));
  EXPECT_FALSE(host_.leaked());
}

TEST_F(EnginesTest, WhereARestartFailsTheOldConfigurationGoesOn) {
  start_in_force(config("xdp"));
  scripts_["xdp"].initialize_fails = true;
  Config other = config("xdp");
  other.xdp.max_clients = 5;
  EXPECT_FALSE(engines_->reload(other));
  EXPECT_EQ(engines_->current()->config.xdp.max_clients, 0U);
  EXPECT_TRUE(feed().running) << "it brings the driver back";
  scripts_["xdp"].initialize_fails = false;
  EXPECT_TRUE(feed().sync_once());
  EXPECT_FALSE(host_.leaked());
}

// ---- what the new one is given ----

TEST_F(EnginesTest, TheNewOneStartsWithWhatTheOldOneKnows) {
  start_in_force(config("xdp"));
  reload(config("iptables"));
  EXPECT_EQ(feed("iptables").adopted(), feed().policy().inventory);
}

TEST_F(EnginesTest, ButNotWithWhatIsOldOrFromElsewhere) {
  start_in_force(config("xdp"));
  Config elsewhere = config("iptables");
  elsewhere.ironic.endpoint_override = "http://elsewhere";
  reload(elsewhere);
  EXPECT_EQ(feed("iptables").adopted(), nullptr);

  Config states = config("dnsmasq");
  states.pxe_filter.open_provision_states = {"clean wait"};
  reload(states);
  EXPECT_EQ(feed("dnsmasq").adopted(), nullptr);

  feed().stale = true;
  reload(config("acme"));
  EXPECT_EQ(feed("acme").adopted(), nullptr);
}

TEST_F(EnginesTest, NothingIsHandedOnBeforeTheFirstSync) {
  ASSERT_TRUE(engines_->make(config("xdp")));
  ASSERT_TRUE(engines_->begin());
  reload(config("iptables"));
  EXPECT_EQ(feed("iptables").adopted(), nullptr);
}

// ---- the end ----

TEST_F(EnginesTest, AStopMeanwhileLeavesEachDriverToItsOwnRule) {
  start_in_force(config("xdp"));
  reload(config("iptables"));
  engines_->stop_feeds();
  engines_->shut_down();
  EXPECT_EQ(scripts_["xdp"].shut_downs, 1);
  EXPECT_EQ(scripts_["iptables"].shut_downs, 1);
  EXPECT_EQ(scripts_["xdp"].tear_downs, 0);
  EXPECT_EQ(scripts_["iptables"].tear_downs, 0);
  EXPECT_FALSE(host_.leaked());
  engines_.reset();
}

TEST_F(EnginesTest, AStopDoesNotWaitForWhatCannotBeRemoved) {
  start_in_force(config("xdp"));
  scripts_["xdp"].tear_downs_to_fail = 1'000'000;
  reload(config("iptables"));
  ASSERT_TRUE(feed("iptables").sync_once());
  wait_until([&] { return scripts_["xdp"].tear_downs > 1; });
  engines_->stop_feeds();
  engines_->shut_down();
  EXPECT_EQ(scripts_["iptables"].shut_downs, 1);
  EXPECT_EQ(scripts_["xdp"].shut_downs, 0);
  engines_.reset();
}

TEST_F(EnginesTest, ATeardownRemovesAllThereIs) {
  start_in_force(config("xdp"));
  reload(config("iptables"));
  host_.unguard();
  EXPECT_TRUE(engines_->tear_down());
  EXPECT_THAT(host_.places(), IsEmpty());
  EXPECT_FALSE(engines_->reload(config("dnsmasq"))) << "it is over";
}

TEST_F(EnginesTest, ATeardownMeanwhileStopsNoOneFromTakingOver) {
  start_in_force(config("xdp"));
  reload(config("iptables"));
  ASSERT_TRUE(feed("iptables").sync_once());  // told, and not yet heard
  host_.unguard();
  EXPECT_TRUE(engines_->tear_down());
  run_posted();
  EXPECT_THAT(host_.places(), IsEmpty());
  EXPECT_EQ(engines_->current()->driver, "xdp");
}

TEST_F(EnginesTest, WhereATeardownFailsTheOneInForceGoesOn) {
  start_in_force(config("xdp"));
  reload(config("iptables"));
  scripts_["iptables"].tear_downs_to_fail = 1;
  const auto done = engines_->tear_down();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().message(), "a rule is in use");
  EXPECT_TRUE(host_.has("xdp"));
  EXPECT_TRUE(feed().running);
  wait_removed("iptables");
  EXPECT_FALSE(host_.leaked());
  host_.unguard();
  EXPECT_TRUE(engines_->tear_down()) << "it may be tried again";
  EXPECT_THAT(host_.places(), IsEmpty());
}

// ---- the surroundings ----

TEST_F(EnginesTest, BothDriversAreWatchedUntilOneLeaves) {
  start_in_force(config("xdp"));
  ASSERT_EQ(watches_.size(), 1U);
  watches_.begin()->second();
  EXPECT_EQ(feed().driver_syncs, 1);
  // ScriptedDriver's descriptors are numbers of instances: make them differ.
  scripts_["iptables"].made = 7;
  reload(config("iptables"));
  EXPECT_EQ(watches_.size(), 2U);
  watches_.at(8)();
  EXPECT_EQ(feed("iptables").driver_syncs, 1);
  ASSERT_TRUE(feed("iptables").sync_once());
  wait_removed("xdp");
  EXPECT_EQ(watches_.size(), 1U);
  EXPECT_TRUE(watches_.contains(8));
}

}  // namespace
}  // namespace pxegate
