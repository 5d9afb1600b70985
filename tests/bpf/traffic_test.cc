// SPDX-License-Identifier: Apache-2.0
//
// Where requests are counted by interface. Test runs come from the loopback
// device, whose index is 1.

#include <gtest/gtest.h>

#include <numeric>

#include "tests/bpf/bpf_fixture.h"
#include "tests/bpf/rows.h"

namespace pxegate::testing {
namespace {

constexpr std::uint32_t kLoopback = 1;

class Traffic : public BpfTest {
 protected:
  void ask() {
    EXPECT_FALSE(passes(
        (Ethernet{} / Ipv4{} / Udp{} / Bootp{} / DhcpOptions{}).bytes()));
  }

  // Of the elements that say that they are this interface's.
  std::uint64_t counted(std::uint32_t ifindex) {
    std::uint64_t sum = 0;
    for (const pxe_traffic& own : program().traffic()) {
      if (own.ifindex != ifindex) continue;
      const __u64* first = &own.packets[0][0][0];
      sum = std::accumulate(first, first + sizeof(own.packets) / sizeof(*first),
                            sum);
    }
    return sum;
  }
};

TEST_F(Traffic, SumsUpOverCpus) {
  const std::size_t cpus = program().counters_by_cpu().size();
  std::uint64_t asked = 0;
  for (std::size_t cpu = 0; cpu < cpus; ++cpu) {
    if (on_cpu(cpu, [this] { ask(); })) ++asked;
  }
  ASSERT_GT(asked, 0U);
  EXPECT_EQ(counted(kLoopback), asked);
}

TEST_F(Traffic, GoesOnWhereAnotherInterfaceHasThePlace) {
  for (std::uint32_t taken = 0; taken < PXE_TRAFFIC_PROBES - 1; ++taken) {
    const std::uint32_t other = kLoopback + (taken + 1) * PXE_TRAFFIC_PLACES;
    program().clear();
    for (std::uint32_t i = 0; i <= taken; ++i) {
      program().occupy_traffic(kLoopback + i, other);
    }
    ask();
    ask();
    EXPECT_EQ(counted(kLoopback), 2U) << taken + 1 << " places are taken";
    EXPECT_EQ(counted(other), 0U) << taken + 1 << " places are taken";
  }
}

TEST_F(Traffic, CountsWithoutAnInterfaceWhereEveryPlaceIsTaken) {
  constexpr std::uint32_t kOther = kLoopback + PXE_TRAFFIC_PLACES;
  for (std::uint32_t i = 0; i < PXE_TRAFFIC_PROBES; ++i) {
    program().occupy_traffic(kLoopback + i, kOther);
  }
  ask();
  EXPECT_EQ(counted(kOther), 0U);
  EXPECT_EQ(counted(kLoopback), 0U);
  EXPECT_EQ(counted(0), 1U);
  EXPECT_EQ(count(PXE_DENY, PXE_REASON_UNKNOWN), 1U)
      << "the counter of all interfaces";
}

}  // namespace
}  // namespace pxegate::testing
