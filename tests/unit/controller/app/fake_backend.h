// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_TESTS_UNIT_CONTROLLER_APP_FAKE_BACKEND_H_
#define PXEGATE_TESTS_UNIT_CONTROLLER_APP_FAKE_BACKEND_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/app/control_backend.h"
#include "controller/app/event_log.h"
#include "controller/app/metrics.h"
#include "controller/base/clock.h"
#include "controller/core/inventory.h"
#include "controller/core/policy.h"

namespace pxegate {

// 2026-11-21 20:00:00 UTC, an hour after boot.
class FakeClock final : public Clock {
 public:
  Monotonic now() const override { return Monotonic(std::chrono::hours(1)); }
  WallTime wall() const override {
    return WallTime(std::chrono::seconds(1'795'291'200));
  }
};

inline MacAddress mac(std::string_view text) {
  return MacAddress::parse(text).value();
}

inline Port make_port(std::string uuid, std::string node_uuid,
                      std::string_view address) {
  Port port;
  port.uuid = std::move(uuid);
  port.node_uuid = std::move(node_uuid);
  port.address = mac(address);
  return port;
}

// A healthy controller with three nodes: one inspected, one active, one
// whose name is hostile. Everything can be changed before it is asked.
class FakeBackend final : public ControlBackend {
 public:
  FakeBackend() {
    const FakeClock clock{};
    const Instant at = now(clock);
    using std::chrono::milliseconds;
    using std::chrono::seconds;
    status_.version = "0.1.0";
    status_.pid = 4711;
    status_.started = clock.now() - std::chrono::hours(3);
    status_.state = FilterState::kInitialized;
    status_.driver = {.driver = "xdp",
                      .healthy = true,
                      .targets = {{"eth1", true, "native", ""}},
                      .rules = 3,
                      .capacity = 262144,
                      .notices = {}};
    status_.synced = true;
    status_.last_full_sync = at - milliseconds(4100);
    status_.last_poll = at - seconds(1);
    status_.last_change = at - seconds(720);
    status_.full_sync_took = milliseconds(210);
    status_.full_sync_every = seconds(15);
    status_.poll_interval = seconds(2);
    status_.polls_every = seconds(2);
    status_.sources = {
        {"ironic", "http://192.0.2.1:6385", at - seconds(1), "", {}, 0}};
    status_.nodes = 3;
    status_.ports = 3;
    status_.being_inspected = 1;
    status_.allowed = 1;
    status_.denied = 2;
    status_.unknown = Verdict::kAllow;

    set_inventory(
        Inventory::make({{"0000-a", "rack1-n1", "inspect wait", "agent", {}},
                         {"0000-b", "rack1-n2", "active", "agent", {}},
                         {"0000-c",
                          "\x1b]0;owned\x07\x1b[2J\nfake",
                          "active",
                          "agent",
                          {}}},
                        {make_port("port-a", "0000-a", "52:54:00:00:00:0a"),
                         make_port("port-b", "0000-b", "52:54:00:00:00:0b"),
                         make_port("port-c", "0000-c", "52:54:00:00:00:0c")})
            .value());
    policy_.as_of = at - seconds(1);

    observations_.supported = true;
    ClientRecord relayed;
    relayed.address = "52:54:00:00:00:0b";
    relayed.htype = 1;
    relayed.verdict = Verdict::kDeny;
    relayed.reason = "rule";
    relayed.relay = "198.51.100.1";
    relayed.interface = "eth1";
    relayed.message_type = "DISCOVER";
    relayed.architecture = "x86-64 UEFI";
    relayed.count = 7;
    relayed.last_seen = std::chrono::hours(1) - seconds(3);
    ClientRecord flat = relayed;
    flat.address = "52:54:00:00:00:0a";
    flat.verdict = Verdict::kAllow;
    flat.relay.clear();
    flat.vlans = {100, 7};
    flat.count = 1;
    flat.last_seen = std::chrono::hours(1) - seconds(40);
    observations_.clients = {relayed, flat};
    observations_.relays = {
        {"198.51.100.1", 2, 7, std::chrono::hours(1) - seconds(3)}};
    observations_.counters = {{Verdict::kDeny, "rule", 7},
                              {Verdict::kAllow, "rule", 3},
                              {Verdict::kDeny, "malformed", 0}};
    observations_.requests = std::vector<RequestCount>{
        {"eth1", true, Verdict::kDeny, "rule", 7},
        {"eth1", true, Verdict::kAllow, "rule", 2},
        {"eth1", false, Verdict::kAllow, "rule", 1},
        {"eth1", false, Verdict::kDeny, "malformed", 0}};
  }

  void set_inventory(Inventory inventory) {
    policy_.inventory = std::make_shared<const Inventory>(std::move(inventory));
    policy_.policy = std::make_shared<const Policy>(
        compute_policy(*policy_.inventory, policy_.options));
  }

  // As the filter alone is read back: verdicts, nothing that explains them.
  void forget_reasons() {
    policy_.inventory = std::make_shared<const Inventory>();
    policy_.as_of.reset();
  }

  ControllerStatus status() const override { return status_; }
  PolicyInForce policy() const override { return policy_; }
  Result<Observations> observe() const override {
    if (observe_error_) return fail(*observe_error_);
    return observations_;
  }
  std::string metrics() const override {
    const FakeClock clock{};
    return Metrics(clock).page(status_, observe(), now(clock));
  }
  Result<EventPage> events(const EventQuery& query) override {
    if (events_error_) return fail(*events_error_);
    return events_.read(query);
  }
  Result<SyncOutcome> sync(const SyncRequest& request) override {
    return on_sync_(request);
  }
  Result<> tear_down() override { return on_tear_down_(); }

  ControllerStatus status_;
  PolicyInForce policy_;
  Observations observations_;
  std::optional<Error> observe_error_;
  EventLog events_{"run-1"};
  std::optional<Error> events_error_;
  std::function<Result<SyncOutcome>(const SyncRequest&)> on_sync_ =
      [](const SyncRequest& request) {
        SyncOutcome outcome;
        outcome.forced = request.force;
        outcome.report.upserts = 2;
        outcome.report.removals = 1;
        outcome.took = std::chrono::milliseconds(420);
        return outcome;
      };
  std::function<Result<>()> on_tear_down_ = [] { return Result<>(); };
};

}  // namespace pxegate

#endif  // PXEGATE_TESTS_UNIT_CONTROLLER_APP_FAKE_BACKEND_H_
