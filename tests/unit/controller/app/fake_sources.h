// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_TESTS_UNIT_CONTROLLER_APP_FAKE_SOURCES_H_
#define PXEGATE_TESTS_UNIT_CONTROLLER_APP_FAKE_SOURCES_H_

#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/app/neighbour_source.h"
#include "controller/base/clock.h"
#include "controller/driver/filter_driver.h"
#include "controller/ironic/ironic_api.h"

namespace pxegate::testing {

using std::chrono::milliseconds;

// Stands still until it is told.
class FakeClock final : public Clock {
 public:
  Monotonic now() const override {
    return Monotonic(std::chrono::hours(1)) + t_;
  }
  WallTime wall() const override {
    return WallTime(std::chrono::hours(500'000)) + t_;
  }
  void advance(std::chrono::nanoseconds by) { t_ += by; }
  void advance_to(Monotonic when) {
    if (when > now()) advance(when - now());
  }

 private:
  std::chrono::nanoseconds t_{0};
};

inline MacAddress mac(std::uint8_t last) {
  return MacAddress({0x52, 0x54, 0, 0, 0, last});
}

inline Node make_node(std::string uuid, std::string state) {
  Node node;
  node.name = "name-" + uuid;
  node.uuid = std::move(uuid);
  node.provision_state = std::move(state);
  node.inspect_interface = "agent";
  return node;
}

inline Port make_port(std::string uuid, std::string node, MacAddress address) {
  Port port;
  port.uuid = std::move(uuid);
  port.node_uuid = std::move(node);
  port.address = address;
  return port;
}

// What is true in Ironic; in the order of creation, as it lists them.
struct Truth {
  std::vector<Node> nodes;
  std::vector<Port> ports;

  Node& node(std::string_view uuid) {
    return *std::ranges::find(nodes, uuid, &Node::uuid);
  }
  void set_state(std::string_view uuid, std::string state) {
    node(uuid).provision_state = std::move(state);
  }
  Inventory inventory() const { return *Inventory::make(nodes, ports); }
};

// An Ironic and an ironic-inspector that tell the truth, take time and fail
// as the test says. `before_call` sees each call before it is answered, may
// change the truth, and fails the call by returning an error.
class FakeIronic final : public IronicApi {
 public:
  struct Call {
    std::string what;
    Monotonic at;
  };

  explicit FakeIronic(FakeClock& clock) : clock_(clock) {}

  Result<std::vector<Node>> nodes_in_state(std::string_view state) override {
    if (auto error = begin("state " + std::string(state), state_cost)) {
      return fail(*error);
    }
    std::vector<Node> found;
    for (const Node& node : truth.nodes) {
      if (node.provision_state == state) found.push_back(node);
    }
    return found;
  }
  Result<std::optional<Node>> node(std::string_view uuid) override {
    if (auto error = begin("node " + std::string(uuid), node_ports_cost)) {
      return fail(*error);
    }
    const auto found = std::ranges::find(truth.nodes, uuid, &Node::uuid);
    if (found == truth.nodes.end()) return std::nullopt;
    return *found;
  }
  Result<Page<Node>> nodes_page(std::string_view marker) override {
    if (auto error = begin("nodes " + std::string(marker), page_cost)) {
      return fail(*error);
    }
    return page_of(truth.nodes, marker);
  }
  Result<Page<Port>> ports_page(std::string_view marker) override {
    if (auto error = begin("ports " + std::string(marker), page_cost)) {
      return fail(*error);
    }
    return page_of(truth.ports, marker);
  }
  Result<std::vector<Port>> ports_of_node(std::string_view uuid) override {
    if (auto error = begin("of " + std::string(uuid), node_ports_cost)) {
      return fail(*error);
    }
    std::vector<Port> found;
    for (const Port& port : truth.ports) {
      if (port.node_uuid == uuid) found.push_back(port);
    }
    return found;
  }
  std::string endpoint() const override { return "http://ironic"; }
  std::optional<SourceLogin> login_in_use() const override { return login; }
  void retry_login() override { ++login_retries; }

  // How often a call that starts so was made.
  long count(std::string_view start) const {
    return std::ranges::count_if(
        calls, [&](const Call& call) { return call.what.starts_with(start); });
  }

  std::optional<Error> begin(std::string what, milliseconds cost) {
    calls.push_back({what, clock_.now()});
    auto error = before_call ? before_call(what) : std::nullopt;
    clock_.advance(cost);
    return error;
  }

  Truth truth;
  std::function<std::optional<Error>(const std::string&)> before_call;
  std::vector<Call> calls;
  std::optional<SourceLogin> login;
  int login_retries = 0;
  std::size_t page_size = 1000;
  milliseconds state_cost{0};
  milliseconds page_cost{0};
  milliseconds node_ports_cost{0};

 private:
  template <typename T>
  Result<Page<T>> page_of(const std::vector<T>& all, std::string_view marker) {
    auto from = all.begin();
    if (!marker.empty()) {
      from = std::ranges::find(all, marker, &T::uuid);
      if (from == all.end()) {
        return fail("marker " + std::string(marker) + " not found",
                    ErrorCode::kNotFound);
      }
      ++from;
    }
    const auto rest = static_cast<std::size_t>(all.end() - from);
    const auto size = static_cast<std::ptrdiff_t>(std::min(rest, page_size));
    return Page<T>{{from, from + size}, rest <= page_size};
  }

  FakeClock& clock_;
};

class FakeInspector final : public InspectorApi {
 public:
  Result<std::set<std::string, std::less<>>> unfinished() override {
    ++calls;
    if (before_call) before_call();
    if (error) return fail(*error);
    return uuids;
  }
  std::string endpoint() const override { return "http://inspector"; }
  void retry_login() override { ++login_retries; }

  int login_retries = 0;

  std::set<std::string, std::less<>> uuids;
  std::optional<Error> error;
  std::function<void()> before_call;
  int calls = 0;
};

class FakeNeighbours final : public NeighbourSource {
 public:
  EthernetNeighbours read() override {
    ++reads;
    return found;
  }
  std::vector<std::string> problems() const override { return troubles; }

  EthernetNeighbours found;
  std::vector<std::string> troubles;
  int reads = 0;
};

// What an EnforcingDriver holds; belongs to the test.
struct Filter {
  Policy policy;
  Snapshot snapshot;
  std::vector<std::string> calls;
  std::vector<Monotonic> syncs;
  std::vector<Monotonic> renewals;
  std::optional<Error> renew_error;
  std::optional<Error> initialize_error;
  std::optional<Error> sync_error;
  bool opts_out = false;
  std::vector<std::string> repaired;
  std::function<void()> on_sync;  // after the policy was taken over
};

class EnforcingDriver final : public FilterDriver {
 public:
  EnforcingDriver(Filter& filter, const FakeClock& clock)
      : filter_(filter), clock_(clock) {}

  Result<> initialize() override {
    filter_.calls.emplace_back("initialize");
    if (filter_.initialize_error) return fail(*filter_.initialize_error);
    return {};
  }
  Result<SyncReport> sync(const Snapshot& desired) override {
    filter_.calls.emplace_back("sync");
    if (filter_.sync_error) return fail(*filter_.sync_error);
    filter_.syncs.push_back(clock_.now());
    const PolicyDiff change = diff(filter_.policy, *desired.policy);
    filter_.policy = *desired.policy;
    filter_.snapshot = desired;
    if (filter_.on_sync) filter_.on_sync();
    SyncReport report;
    report.upserts = change.upserts.size();
    report.removals = change.removals.size();
    report.unknown_changed = change.unknown.has_value();
    report.repaired = std::exchange(filter_.repaired, {});
    return report;
  }
  Result<> renew_lease() override {
    filter_.renewals.push_back(clock_.now());
    if (filter_.renew_error) return fail(*filter_.renew_error);
    return {};
  }
  void reset() noexcept override { filter_.calls.emplace_back("reset"); }
  Result<> tear_down() override { return {}; }
  std::optional<std::chrono::seconds> sync_period(
      std::chrono::seconds configured) const override {
    if (filter_.opts_out) return std::nullopt;
    return configured;
  }
  DriverStatus status() const override { return {}; }
  Result<Policy> installed() const override { return filter_.policy; }

 private:
  Filter& filter_;
  const FakeClock& clock_;
};

}  // namespace pxegate::testing

#endif  // PXEGATE_TESTS_UNIT_CONTROLLER_APP_FAKE_SOURCES_H_
