// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_TESTS_BENCH_PACKET_PROGRAMS_H_
#define PXEGATE_TESTS_BENCH_PACKET_PROGRAMS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "controller/base/fd.h"
#include "controller/base/result.h"
#include "tests/support/packet.h"

struct bpf_object;
struct packet_bench;

namespace pxegate::bench {

// The programs of packet_bench.bpf.c.
class BenchPrograms {
 public:
  static Result<BenchPrograms> load();

  int bare_pass() const;
  int bare_drop() const;
  int prototype_ready() const;  // preallocated hash elements
  int prototype_lazy() const;   // elements allocated one by one
  int flood() const;

  // Both prototypes deny these from now on.
  Result<> deny(const std::vector<testing::Mac>& machines);
  // Frames that the prototypes dropped so far.
  Result<std::uint64_t> denied() const;

  // The program that runs `program` on a frame of another of the machines
  // `first` to `first` + `count` each time. Slots are below BENCH_TARGETS.
  Result<> aim(std::uint32_t slot, int program);
  int shuffle(std::uint32_t slot, std::uint32_t first, std::uint32_t count);

  // Where flood() sends its frames.
  void set_flood_interface(unsigned ifindex);

 private:
  struct Destroy {
    void operator()(packet_bench* skeleton) const;
  };
  explicit BenchPrograms(packet_bench* skeleton) : skeleton_(skeleton) {}
  std::unique_ptr<packet_bench, Destroy> skeleton_;
};

// xdp-filter's program for Ethernet addresses, from the package xdp-tools,
// with the given machines denied as `xdp-filter ether --mode src` does it. Not
// in libxdp's dispatcher, which costs some more.
class XdpFilter {
 public:
  static constexpr std::uint32_t kMostMachines = 10'000;

  // kNotFound where the package is not installed.
  static Result<XdpFilter> load(const std::vector<testing::Mac>& denied);
  int program() const { return program_; }

 private:
  struct Close {
    void operator()(bpf_object* object) const;
  };
  XdpFilter(bpf_object* object, int program)
      : object_(object), program_(program) {}
  std::unique_ptr<bpf_object, Close> object_;
  int program_;
};

// Attached to `interface` until the descriptor is closed.
Result<UniqueFd> attach(int program, const std::string& interface, bool native);

// Of the XDP program that `interface` runs.
Result<UniqueFd> program_of(const std::string& interface);

struct TestRun {
  double cpu_ns = 0;          // of all runs
  std::uint32_t verdict = 0;  // XDP_..., of the last
};
// Runs the program on `frame` as often as `repeat` says, a frame that it
// changed staying so for the next time.
Result<TestRun> test_run(int program, const testing::Bytes& frame,
                         std::uint32_t repeat);

// Machines numbered from here on are the allowed ones.
inline constexpr std::uint32_t kFirstAllowed = 900'000;
// The `number`th of many machines, as shuffle() numbers them.
testing::Mac machine(std::uint32_t number);
std::vector<testing::Mac> machines(std::uint32_t count);

}  // namespace pxegate::bench

#endif  // PXEGATE_TESTS_BENCH_PACKET_PROGRAMS_H_
