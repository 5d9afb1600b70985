// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_TESTS_BPF_PXE_PROGRAM_H_
#define PXEGATE_TESTS_BPF_PXE_PROGRAM_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bpf/pxe_filter_abi.h"
#include "controller/base/result.h"
#include "tests/support/packet.h"

struct bpf_test_run_opts;
struct pxe_filter;  // the skeleton

namespace pxegate::testing {

// Why this machine cannot load and run BPF programs, if it cannot. Not a
// reason to skip: that it loads others but refuses ours.
std::optional<std::string> why_no_bpf();

// Which of PxeProgram::Counters tells how often `verdict` fell for `reason`.
inline constexpr std::uint32_t kCounters = PXE_VERDICTS * PXE_REASONS;
constexpr std::uint32_t counter_index(std::uint32_t verdict,
                                      std::uint32_t reason) {
  return verdict * PXE_REASONS + reason;
}

// An IPv4 address, in host order, as relays are kept.
pxe_ip mapped_ip(std::uint32_t ip);

// A key of the rules, and of the clients seen.
pxe_addr ethernet_addr(const Mac& mac);
pxe_addr infiniband_addr(const std::array<std::uint8_t, 8>& guid);
// As it is filed where no rule can name it.
pxe_addr raw_addr(std::uint8_t htype, std::uint8_t hlen, const Bytes& chaddr);

// The program as the controller loads it, with maps of its own, attached to
// nothing: frames are put through it by hand. Failures of the machinery around
// it fail the running test.
class PxeProgram {
 public:
  struct Run {
    std::uint32_t action;  // XDP_PASS, ...
    Bytes frame;           // as the program left it
  };
  // Of rules; so few that a test can fill one.
  static constexpr std::uint32_t kBuckets = 256;
  // Sums over all CPUs, indexed by counter_index().
  using Counters = std::array<std::uint64_t, kCounters>;

  static Result<PxeProgram> load();
  PxeProgram(PxeProgram&&) noexcept;
  PxeProgram& operator=(PxeProgram&&) noexcept;
  ~PxeProgram();

  // Back to what it was when loaded.
  void clear();
  void clear_policy();    // rules, settings
  void clear_counters();  // and what the rates of records and events count
  // `verdict` is any byte, for what the program makes of a wrong one. An
  // Ethernet address goes to its bucket, to more_rules where that is full.
  void set_rule(const pxe_addr& addr, std::uint8_t verdict);
  void set_slot(std::uint32_t bucket, std::size_t slot, std::uint64_t value);
  void set_unknown_verdict(std::uint8_t verdict);
  // Whatever of the settings the caller wants to be otherwise.
  volatile pxe_settings& settings();
  void add_discovery_relay(const pxe_network& network);

  // Puts `frame` through once. `linear`: how many of its first bytes packet
  // pointers reach, the rest being fragments as a NIC makes them of long
  // frames; kUnavailable where the kernel cannot be told so.
  Result<Run> run(const Bytes& frame,
                  std::optional<std::uint32_t> linear = std::nullopt);

  // The same, and the verdict is all that comes back.
  Result<std::uint32_t> verdict(const Bytes& frame,
                                std::optional<std::uint32_t> linear);

  Counters counters() const;
  // The elements that are in use, of all CPUs. clear() empties them.
  std::vector<pxe_traffic> traffic() const;
  // Has an element say that it is another interface's.
  void occupy_traffic(std::uint32_t place, std::uint32_t ifindex);
  std::vector<pxe_counters> counters_by_cpu() const;
  // Takes what is in the ring buffer, oldest first.
  std::vector<pxe_event> events();
  std::optional<pxe_client> client(const pxe_addr& addr) const;
  void forget(const pxe_addr& addr);
  void forget(const pxe_ip& relay);
  std::optional<pxe_relay> relay(const pxe_ip& ip) const;
  std::vector<std::pair<pxe_addr, pxe_client>> clients() const;
  std::size_t relay_count() const;

  const pxe_filter& skeleton() const { return *skeleton_; }

 private:
  explicit PxeProgram(pxe_filter* skeleton);
  Result<void> run(const Bytes& frame, std::optional<std::uint32_t> linear,
                   bpf_test_run_opts& opts);

  struct Destroy {
    void operator()(pxe_filter* skeleton) const;
  };
  std::unique_ptr<pxe_filter, Destroy> skeleton_;
  std::vector<std::uint32_t> used_buckets_;
};

}  // namespace pxegate::testing

#endif  // PXEGATE_TESTS_BPF_PXE_PROGRAM_H_
