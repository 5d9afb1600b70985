// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_TESTS_BPF_COMPARISON_H_
#define PXEGATE_TESTS_BPF_COMPARISON_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/bpf/pxe_program.h"
#include "tests/bpf/random_policy.h"
#include "tests/bpf/reference_model.h"
#include "tests/support/packet.h"

namespace pxegate::testing {

// One frame on which program and model differ.
struct Difference {
  std::uint64_t packet;  // how many were compared before
  Bytes frame;
  std::optional<std::uint32_t> linear;
  std::string what;
};

// Puts frames through the program and before the model, policy by policy.
// Verdicts are compared at once, counters every kBatch packets; then one
// packet is looked at closely, with what the program records of it.
class Comparison {
 public:
  static constexpr std::size_t kBatch = 64;

  explicit Comparison(PxeProgram& program) : program_(program) {}

  // Each of these returns false where a difference was found, which is then in
  // difference().
  bool start(const RandomPolicy& policy);
  bool compare(const Bytes& frame, std::optional<std::uint32_t> linear);
  bool finish();

  const std::optional<Difference>& difference() const { return difference_; }
  std::uint64_t compared() const { return compared_; }
  // How often each counter should have moved; the last: none of them.
  const std::array<std::uint64_t, kCounters + 1>& seen() const { return seen_; }

 private:
  struct Case {
    Bytes frame;
    std::optional<std::uint32_t> linear;
  };

  bool look_closely(const Case& closely, std::uint64_t packet);
  std::string records_differ(const model::Judgement& want);
  bool differ(const Case& at, std::uint64_t packet, std::string what);

  PxeProgram& program_;
  model::Policy policy_;
  std::array<Case, kBatch> batch_;
  std::size_t batched_ = 0;
  PxeProgram::Counters expected_{};
  std::array<std::uint64_t, kCounters + 1> seen_{};
  std::uint64_t compared_ = 0;
  std::optional<Difference> difference_;
};

}  // namespace pxegate::testing

#endif  // PXEGATE_TESTS_BPF_COMPARISON_H_
