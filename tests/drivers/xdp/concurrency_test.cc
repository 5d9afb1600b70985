// SPDX-License-Identifier: Apache-2.0
//
// Policies change under traffic on every CPU. More rounds:
// PXEGATE_POLICY_CHANGES=1000 xdp_concurrency_test
#include <bpf/bpf.h>
#include <sched.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "drivers/xdp/rule_table.h"
#include "tests/drivers/xdp/xdp_fixture.h"

namespace pxegate::testing {
namespace {

// A machine whose verdict is the same in all policies.
struct Constant {
  Mac mac;
  Verdict verdict;
};

// Sends requests of all of them through the program, over and over, on one
// CPU, and counts the wrong verdicts.
class Traffic {
 public:
  Traffic(int program, unsigned cpu, const std::vector<Constant>& machines)
      : thread_([this, program, cpu, machines](const std::stop_token& stop) {
          cpu_set_t set;
          CPU_ZERO(&set);
          CPU_SET(cpu, &set);
          ::sched_setaffinity(0, sizeof(set), &set);
          std::vector<Bytes> frames;
          for (const Constant& machine : machines) {
            frames.push_back(discover(machine.mac));
          }
          while (!stop.stop_requested()) {
            for (std::size_t i = 0; i < frames.size(); ++i) {
              send(program, frames[i], machines[i]);
            }
            turns_.fetch_add(1);
            turns_.notify_all();
          }
        }) {}

  // Until every machine was heard of once more.
  void wait_for_turn() const {
    const std::uint64_t target = turns_.load() + 2;
    for (std::uint64_t now = 0; (now = turns_.load()) < target;) {
      turns_.wait(now);
    }
  }
  void stop() {
    thread_.request_stop();
    thread_.join();
  }
  std::uint64_t sent() const { return sent_; }
  std::uint64_t wrong() const { return wrong_; }

 private:
  void send(int program, const Bytes& frame, const Constant& machine) {
    bpf_test_run_opts run{};
    run.sz = sizeof(run);
    run.data_in = frame.data();
    run.data_size_in = static_cast<__u32>(frame.size());
    run.repeat = 1;
    if (::bpf_prog_test_run_opts(program, &run) != 0) {
      if (errno != EINTR) ++wrong_;
      return;
    }
    ++sent_;
    const __u32 right = machine.verdict == kAllow ? XDP_PASS : XDP_DROP;
    if (run.retval != right) ++wrong_;
  }

  std::atomic<std::uint64_t> turns_{0};
  std::atomic<std::uint64_t> sent_{0};
  std::atomic<std::uint64_t> wrong_{0};
  std::jthread thread_;
};

struct Size {
  const char* name;
  std::uint32_t max_clients;
  std::uint32_t churning;  // machines of each policy that come and go
  int rounds;
};

class XdpConcurrencyTest : public XdpTest,
                           public ::testing::WithParamInterface<Size> {
 protected:
  void SetUp() override {
    XdpTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    choose_machines();
  }

  // Each of the constant machines shares its bucket with so many that come
  // and go in both policies that it overflows.
  void choose_machines() {
    const std::uint32_t buckets = bucket_count(GetParam().max_clients);
    for (std::uint32_t i = 0; i < 4; ++i) {
      const Mac anchor = machine(5'000'000 + i);
      const auto sharing = sharing_bucket(anchor, 28, buckets);
      for (std::size_t j = 0; j < sharing.size(); ++j) {
        if (j % 7 < 4) {
          // By rule in both, by rule in one of them, and both ways round.
          constant_.push_back({sharing[j], j % 2 == 0 ? kAllow : kDeny});
          in_open_.push_back(j % 7 < 2 || j % 2 == 1);
          in_closed_.push_back(j % 7 < 2 || j % 2 == 0);
        } else {
          crowd_.push_back(sharing[j]);
        }
      }
    }
  }

  // The same constant machines, hardly anybody else in common, and the other
  // verdict for unknown ones.
  Snapshot policy(bool open) const {
    const std::uint32_t count = GetParam().churning;
    const Verdict verdict = open ? kDeny : kAllow;
    auto rules = many(open ? 0 : count / 2, count, verdict);
    for (std::size_t i = 0; i < crowd_.size(); ++i) {
      const bool wanted = i % 3 == 0 || (i % 2 == 0) == open;
      if (wanted) rules.push_back({crowd_[i], verdict});
    }
    for (std::size_t i = 0; i < constant_.size(); ++i) {
      if (open ? in_open_[i] : in_closed_[i]) {
        rules.push_back({constant_[i].mac, constant_[i].verdict});
      }
    }
    return snapshot(rules, open ? kAllow : kDeny);
  }

  static int rounds() {
    const char* asked = std::getenv("PXEGATE_POLICY_CHANGES");
    return asked != nullptr ? std::atoi(asked) : GetParam().rounds;
  }

  std::vector<Constant> constant_;
  std::vector<bool> in_open_;    // constant_[i] has a rule while unknown
  std::vector<bool> in_closed_;  // machines are allowed, or denied
  std::vector<Mac> crowd_;
};

TEST_P(XdpConcurrencyTest, NoVerdictIsWrongWhilePoliciesReplaceEachOther) {
  XdpOptions sized = options();
  sized.max_clients = GetParam().max_clients;
  const Snapshot open = policy(true);
  const Snapshot closed = policy(false);
  auto driver = started(open, sized);
  const UniqueFd program(::bpf_prog_get_fd_by_id(program_id()));
  ASSERT_TRUE(program);
  const UniqueFd more = open_pin(pin("more_rules"));
  pxe_addr key{};
  ASSERT_EQ(::bpf_map_get_next_key(more.get(), nullptr, &key), 0)
      << "nothing overflows: this would prove little";

  cpu_set_t before;
  ASSERT_EQ(::sched_getaffinity(0, sizeof(before), &before), 0);
  std::vector<std::unique_ptr<Traffic>> traffic;
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &before)) continue;
    traffic.push_back(std::make_unique<Traffic>(program.get(), cpu, constant_));
  }
  for (int i = 0; i < rounds(); ++i) {
    ASSERT_THAT(driver->sync(i % 2 == 0 ? closed : open), Succeeds());
    if (i % 16 == 0) traffic[0]->wait_for_turn();
  }
  for (const auto& one : traffic) {
    one->wait_for_turn();
    one->stop();
    EXPECT_EQ(one->wrong(), 0U) << "of " << one->sent();
    EXPECT_GT(one->sent(), 0U);
  }
}

INSTANTIATE_TEST_SUITE_P(
    AllSizes, XdpConcurrencyTest,
    ::testing::Values(Size{"AHundredThousand", 100'200, 100'000, 8},
                      Size{"Crowded", 256, 100, 1000}),
    [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace pxegate::testing
