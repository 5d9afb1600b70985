// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_TESTS_BPF_RANDOM_POLICY_H_
#define PXEGATE_TESTS_BPF_RANDOM_POLICY_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "bpf/pxe_filter_abi.h"
#include "tests/bpf/pxe_program.h"
#include "tests/bpf/reference_model.h"

namespace pxegate::testing {

// One policy, told twice: to the model and to the program.
struct RandomPolicy {
  model::Policy model;
  // In this order: some fill the buckets of others, which overflow.
  std::vector<std::pair<pxe_addr, std::uint8_t>> rules;
  std::vector<pxe_network> discovery_relays;
  pxe_settings settings{};

  void install(PxeProgram& program) const;
};

// Names about half of what known_macs() and its likes name. The same seed
// makes the same policy.
RandomPolicy random_policy(std::uint64_t seed);

}  // namespace pxegate::testing

#endif  // PXEGATE_TESTS_BPF_RANDOM_POLICY_H_
