// SPDX-License-Identifier: Apache-2.0
// An Ironic that changes and fails at random, at every request, and a message
// bus that tells of it, or not, or lies: the filter must never be more open
// than Ironic was since it was asked last, and come to agree with it once it is
// quiet.
#include <gtest/gtest.h>
// After gtest, as RapidCheck wants it.
#include <rapidcheck/gtest.h>

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "tests/unit/controller/app/sync_loop_fixture.h"

namespace pxegate {
namespace {

using namespace std::chrono_literals;
using testing::mac;
using testing::make_node;
using testing::make_port;

constexpr std::string_view kStates[] = {"available", "inspecting",
                                        "inspect wait", "active"};

// Consumes one number of the script per request and lets it decide what
// happens before the answer, and one of the bus's per step of the loop. At the
// end of them there is peace.
class Chaos {
 public:
  using Script = std::vector<std::uint32_t>;

  Chaos(testing::FakeIronic& ironic, testing::FakeClock& clock,
        testing::Filter& filter, Script script, Script bus)
      : ironic_(ironic),
        clock_(clock),
        filter_(filter),
        script_(std::move(script)),
        bus_(std::move(bus)) {
    record();
  }

  std::optional<Error> before(const std::string& call) {
    note(call);
    filter_.sync_error.reset();
    if (next_ >= script_.size()) {
      if (call.starts_with("node ")) {
        looked_at_[call.substr(5)] = versions_.size() - 1;
      }
      return std::nullopt;
    }
    std::uint32_t bits = script_[next_++];
    const auto take = [&bits](std::uint32_t n) {
      const std::uint32_t value = bits % n;
      bits /= n;
      return value;
    };
    const bool fails = take(5) == 0;
    for (std::uint32_t i = take(3); i > 0; --i) mutate(take);
    clock_.advance(std::chrono::milliseconds(take(4) * 20));
    if (take(10) == 0) filter_.sync_error = Error("breaks by chance");
    // What it says now is younger than the poll.
    if (!fails && call.starts_with("node ")) {
      looked_at_[call.substr(5)] = versions_.size() - 1;
    }
    if (!fails) return std::nullopt;
    if (call.starts_with("state ")) poll_failed_ = true;
    return Error("fails by chance",
                 take(3) == 0 ? ErrorCode::kNotFound : ErrorCode::kUnavailable);
  }

  // What comes from the bus before the loop's next step: some of what happened,
  // some that did not.
  void tell(SyncLoop& loop) {
    if (told_ >= bus_.size()) return;
    std::uint32_t bits = bus_[told_++];
    const auto take = [&bits](std::uint32_t n) {
      const std::uint32_t value = bits % n;
      bits /= n;
      return value;
    };
    Hints hints;
    hints.missed = take(16) == 0;
    for (const Hint& hint : std::exchange(happened_, {})) {
      if (take(3) != 0) hints.hints.push_back(hint);
    }
    for (std::uint32_t i = take(3); i > 0; --i) {
      Hint forged;
      forged.node_uuid =
          "n" + std::to_string(take(2) == 0 ? 1 + take(2) : 101 + take(6));
      if (take(5) != 0) forged.provision_state = kStates[take(4)];
      forged.ports = take(3) == 0;
      forged.gone = take(6) == 0;
      hints.hints.push_back(forged);
    }
    if (take(8) == 0) {
      BrokerStatus status;
      status.connected = take(3) != 0;
      status.last_message = now(clock_);
      loop.note_broker(status);
    }
    if (hints.missed || !hints.hints.empty()) loop.take_hints(hints);
  }

  // The loop waits: whatever was begun is complete.
  void rests() {
    confirm();
    last_call_.clear();
  }

  // Whether Ironic can be said to have allowed `address` lately.
  bool excuses(const MacAddress& address) const {
    for (std::size_t v = confirmed_from_; v < versions_.size(); ++v) {
      for (const std::string& node : open_in(v)) {
        if (owners_.contains({address, node})) return true;
      }
    }
    return false;
  }
  bool excuses_unknown() const {
    for (std::size_t v = confirmed_from_; v < versions_.size(); ++v) {
      if (!open_in(v).empty()) return true;
    }
    return false;
  }

 private:
  // Follows where the last poll that succeeded began.
  void note(const std::string& call) {
    // `inspecting` right after `inspect wait`: the same poll asks again.
    const bool again = last_call_ == "state inspect wait";
    if (call == "state inspecting" && !again) {
      confirm();
      poll_from_ = versions_.size() - 1;
      poll_failed_ = false;
    }
    last_call_ = call;
  }
  void confirm() {
    if (!poll_failed_) confirmed_from_ = poll_from_;
  }

  // But for what was asked for alone since then.
  std::set<std::string> open_in(std::size_t version) const {
    std::set<std::string> open;
    for (const Node& node : versions_[version].nodes) {
      const auto looked = looked_at_.find(node.uuid);
      if (looked != looked_at_.end() && looked->second > version) continue;
      if (node.provision_state.starts_with("inspect")) open.insert(node.uuid);
    }
    return open;
  }

  template <typename Take>
  void mutate(const Take& take) {
    testing::Truth& truth = ironic_.truth;
    switch (take(6)) {
      case 0:
        truth.nodes.push_back(
            make_node("n" + std::to_string(++serial_), "available"));
        break;
      case 1:
        if (truth.nodes.empty()) break;
        remove_node(truth.nodes[take(5) % truth.nodes.size()].uuid);
        break;
      case 2:
        if (truth.nodes.empty()) break;
        add_port(truth.nodes[take(5) % truth.nodes.size()].uuid,
                 mac(static_cast<std::uint8_t>(take(8))));
        break;
      case 3:
        if (truth.ports.empty()) break;
        truth.ports.erase(
            truth.ports.begin() +
            static_cast<std::ptrdiff_t>(take(7) % truth.ports.size()));
        break;
      default:
        if (truth.nodes.empty()) break;
        Node& node = truth.nodes[take(5) % truth.nodes.size()];
        node.provision_state = kStates[take(4)];
        Hint hint;
        hint.node_uuid = node.uuid;
        hint.provision_state = node.provision_state;
        happened_.push_back(hint);
    }
    record();
  }
  void remove_node(const std::string& uuid) {
    Hint hint;
    hint.node_uuid = uuid;
    hint.gone = true;
    happened_.push_back(hint);
    std::erase_if(ironic_.truth.ports,
                  [&](const Port& port) { return port.node_uuid == uuid; });
    std::erase_if(ironic_.truth.nodes,
                  [&](const Node& node) { return node.uuid == uuid; });
  }
  // Takes the address away from whoever has it.
  void add_port(const std::string& node, const MacAddress& address) {
    std::erase_if(ironic_.truth.ports,
                  [&](const Port& port) { return port.address == address; });
    ironic_.truth.ports.push_back(
        make_port("p" + std::to_string(++serial_), node, address));
    Hint hint;
    hint.node_uuid = node;
    hint.ports = true;
    happened_.push_back(hint);
  }
  void record() {
    versions_.push_back(ironic_.truth);
    for (const Port& port : ironic_.truth.ports) {
      owners_.emplace(port.address, port.node_uuid);
    }
  }

  testing::FakeIronic& ironic_;
  testing::FakeClock& clock_;
  testing::Filter& filter_;
  Script script_;
  Script bus_;
  std::size_t next_ = 0;
  std::size_t told_ = 0;
  std::vector<Hint> happened_;
  std::map<std::string, std::size_t> looked_at_;  // the version then
  int serial_ = 100;
  std::vector<testing::Truth> versions_;
  std::set<std::pair<MacAddress, std::string>> owners_;
  std::string last_call_;
  std::size_t poll_from_ = 0;  // the version when the latest poll began
  bool poll_failed_ = true;
  std::size_t confirmed_from_ = 0;  // and the last one that succeeded
};

class ModelFixture : public testing::SyncLoopFixture {
 public:
  ModelFixture(Chaos::Script script, Chaos::Script bus)
      : chaos_(ironic_, clock_, filter_, std::move(script), std::move(bus)) {
    ironic_.page_size = 2;
    start();
    ironic_.before_call = [this](const std::string& call) {
      return chaos_.before(call);
    };
    filter_.on_sync = [this] { check(); };
  }

  void check() {
    for (const auto& entry : filter_.policy.entries()) {
      if (entry.verdict == Verdict::kDeny) continue;
      MacAddress::Bytes bytes{};
      std::ranges::copy(entry.address.octets(), bytes.begin());
      RC_ASSERT(chaos_.excuses(MacAddress(bytes)));
    }
    if (filter_.policy.unknown() == Verdict::kAllow) {
      RC_ASSERT(chaos_.excuses_unknown());
    }
  }

  // As run_for(), and looks whenever the loop waits.
  void run_watched(std::chrono::seconds duration) {
    const Monotonic end = clock_.now() + duration;
    while (clock_.now() < end) {
      if (loop_->next_due() > clock_.now()) {
        chaos_.rests();
        if (status().driver_error.empty()) check();
        clock_.advance_to(loop_->next_due());
      }
      chaos_.tell(*loop_);
      loop_->step();
    }
  }

  Chaos chaos_;
};

RC_GTEST_PROP(SyncLoopModelTest,
              TheFilterIsNeverMoreOpenThanIronicWasAndComesToAgree,
              (const std::vector<std::uint32_t>& script,
               const std::vector<std::uint32_t>& bus)) {
  ModelFixture model(script, bus);
  model.run_watched(600s);
  const auto& truth = model.ironic_.truth;
  RC_ASSERT(model.filter_.policy ==
            compute_policy(truth.inventory(), model.options_.policy));
  RC_ASSERT(!model.status().stale);
}

}  // namespace
}  // namespace pxegate
