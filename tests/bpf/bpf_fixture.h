// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_TESTS_BPF_BPF_FIXTURE_H_
#define PXEGATE_TESTS_BPF_BPF_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "tests/bpf/pxe_program.h"

namespace pxegate::testing {

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

 private:
  PxeProgram* program_ = nullptr;
};

}  // namespace pxegate::testing

#endif  // PXEGATE_TESTS_BPF_BPF_FIXTURE_H_
