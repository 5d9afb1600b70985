// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_TESTS_BPF_BPF_FIXTURE_H_
#define PXEGATE_TESTS_BPF_BPF_FIXTURE_H_

#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <sched.h>
#include <time.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "tests/bpf/pxe_program.h"

namespace pxegate::testing {

// Runs `body` on one CPU; false where this process may not.
template <typename Body>
bool on_cpu(std::size_t cpu, Body body) {
  bool pinned = false;
  std::thread([&] {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    pinned = sched_setaffinity(0, sizeof(set), &set) == 0;
    if (pinned) body();
  }).join();
  return pinned;
}

// The program's clock, which stands still between ticks.
inline std::uint64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * PXE_SECOND_NS +
         static_cast<std::uint64_t>(now.tv_nsec);
}

// A test with the program at hand, as fresh as when it was loaded. Where BPF
// cannot be had it is skipped and says why; where only our program cannot, it
// fails.
class BpfTest : public ::testing::Test {
 protected:
  void SetUp() override {
    static const std::optional<std::string> reason = why_no_bpf();
    if (reason) GTEST_SKIP() << *reason;
    // Verified once a process.
    static Result<PxeProgram> loaded = PxeProgram::load();
    ASSERT_TRUE(loaded) << loaded.error().message();
    program_ = &*loaded;
    program_->clear();
  }

  PxeProgram& program() { return *program_; }

  // Whether the program lets it pass.
  bool passes(const Bytes& frame) {
    const auto action = program().verdict(frame, std::nullopt);
    EXPECT_TRUE(action) << action.error().message();
    return action && *action == XDP_PASS;
  }

  std::uint64_t count(std::uint32_t verdict, std::uint32_t reason) {
    return program().counters()[counter_index(verdict, reason)];
  }

 private:
  PxeProgram* program_ = nullptr;
};

}  // namespace pxegate::testing

#endif  // PXEGATE_TESTS_BPF_BPF_FIXTURE_H_
