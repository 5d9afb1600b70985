// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_TESTS_UNIT_CONTROLLER_APP_SYNC_LOOP_FIXTURE_H_
#define PXEGATE_TESTS_UNIT_CONTROLLER_APP_SYNC_LOOP_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "controller/app/sync_loop.h"
#include "tests/unit/controller/app/fake_sources.h"

namespace pxegate::testing {

using namespace std::chrono_literals;

// A sync loop between fakes, on a clock that the test moves. To begin with
// Ironic has n1 (ports ...:01 and ...:02) and n2 (...:03), both at rest.
class SyncLoopFixture {
 public:
  explicit SyncLoopFixture(bool with_inspector = false,
                           SyncLoopOptions options = {})
      : options_(std::move(options)), with_inspector_(with_inspector) {
    ironic_.truth.nodes = {make_node("n1", "available"),
                           make_node("n2", "active")};
    ironic_.truth.ports = {make_port("p1", "n1", mac(1)),
                           make_port("p2", "n1", mac(2)),
                           make_port("p3", "n2", mac(3))};
    EXPECT_TRUE(host_.initialize());
    start();
  }

  void start() {
    loop_ = std::make_unique<SyncLoop>(
        options_, ironic_, with_inspector_ ? &inspector_ : nullptr, host_,
        clock_, [] { return 0; }, with_neighbours_ ? &neighbours_ : nullptr,
        observer_);
  }

  // Runs what falls due until `duration` has passed.
  void run_for(std::chrono::nanoseconds duration) {
    const Monotonic end = clock_.now() + duration;
    int at_once = 0;
    while (loop_->next_due() <= end) {
      const bool waits = loop_->next_due() > clock_.now();
      at_once = waits ? 0 : at_once + 1;
      if (at_once > 10'000) FAIL() << "the loop does not come to rest";
      clock_.advance_to(loop_->next_due());
      loop_->step();
      if (clock_.now() > end) return;
    }
    clock_.advance_to(end);
  }
  // All that can be done without waiting.
  void settle() { run_for(0s); }

  ControllerStatus status() const {
    ControllerStatus status;
    loop_->describe(status);
    return status;
  }
  Verdict verdict(std::uint8_t last) const {
    return filter_.policy.verdict(mac(last));
  }
  bool allows(std::uint8_t last) const {
    return verdict(last) == Verdict::kAllow;
  }
  std::size_t syncs() const { return filter_.syncs.size(); }

  // From now on each call that starts with `start` fails.
  void fail_calls(std::string start,
                  Error error = Error("503 Service Unavailable",
                                      ErrorCode::kUnavailable)) {
    ironic_.before_call = [start = std::move(start),
                           error = std::move(error)](const std::string& call) {
      return call.starts_with(start) ? std::optional(error) : std::nullopt;
    };
  }
  void heal_calls() { ironic_.before_call = nullptr; }

  // Asks for a full list; the answer turns up in `answer_`.
  void request() {
    answer_.reset();
    loop_->request_full_sync(
        [this](Result<SyncOutcome> outcome) { answer_ = std::move(outcome); });
  }

  FakeClock clock_;
  FakeIronic ironic_{clock_};
  FakeInspector inspector_;
  Filter filter_;
  FilterHost host_{std::make_unique<EnforcingDriver>(filter_, clock_)};
  SyncLoopOptions options_;
  bool with_inspector_;
  FakeNeighbours neighbours_;
  bool with_neighbours_ = false;
  SyncObserver* observer_ = nullptr;  // as of the next start()
  std::unique_ptr<SyncLoop> loop_;
  std::optional<Result<SyncOutcome>> answer_;
};

}  // namespace pxegate::testing

#endif  // PXEGATE_TESTS_UNIT_CONTROLLER_APP_SYNC_LOOP_FIXTURE_H_
