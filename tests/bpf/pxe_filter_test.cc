// SPDX-License-Identifier: Apache-2.0
//
// Every row of the tables through the real program.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <ostream>
#include <set>

#include "tests/bpf/bpf_fixture.h"
#include "tests/bpf/rows.h"

namespace pxegate::testing {

void PrintTo(const Row& row, std::ostream* out) { *out << row.name; }

namespace {

class PxeFilterRow : public BpfTest, public ::testing::WithParamInterface<Row> {
 protected:
  void expect_client(const Row& row, std::uint64_t before) {
    const auto clients = program().clients();
    const auto& counter = row.expect.counter;
    if (!counter || counter->reason == PXE_REASON_MALFORMED) {
      EXPECT_TRUE(clients.empty()) << "remembered a client";
      return;
    }
    ASSERT_EQ(clients.size(), 1U);
    const pxe_client& client = clients[0].second;
    EXPECT_EQ(client.packets, 1U);
    EXPECT_EQ(client.seen.verdict, counter->verdict);
    EXPECT_EQ(client.seen.reason, counter->reason);
    EXPECT_EQ(client.seen.ifindex, 1U)
        << "test runs come from the loopback device";
    EXPECT_GE(client.last_seen_ns, before);
    EXPECT_LE(client.last_seen_ns, monotonic_ns());
    EXPECT_EQ(client.seen.pad, 0);
    if (!row.seen) return;
    EXPECT_TRUE(program().client(row.seen->addr)) << "filed under another key";
    EXPECT_TRUE(std::ranges::equal(client.seen.relay.octets,
                                   row.seen->relay.ip.octets));
    EXPECT_EQ(client.seen.ip_version, row.seen->ip_version);
    EXPECT_EQ(client.seen.vlans, row.seen->vlans.size());
    for (std::size_t i = 0; i < PXE_MAX_VLANS; ++i) {
      EXPECT_EQ(client.seen.vlan[i],
                i < row.seen->vlans.size() ? row.seen->vlans[i] : 0);
    }
    EXPECT_EQ(client.seen.message_type, row.seen->message_type);
    EXPECT_EQ(client.seen.arch, row.seen->arch);
  }

  // The same by interface, and by whether it came through a relay.
  void expect_traffic(const Row& row) {
    const auto traffic = program().traffic();
    const auto& counter = row.expect.counter;
    ASSERT_EQ(traffic.size(), counter ? 1U : 0U);
    if (!counter) return;
    pxe_traffic expected{};
    expected.ifindex = 1;
    expected.packets[row.relay ? 1 : 0][counter->verdict][counter->reason] = 1;
    EXPECT_EQ(std::memcmp(traffic.data(), &expected, sizeof(expected)), 0);
  }

  void expect_relay(const Row& row, std::uint64_t before) {
    EXPECT_EQ(program().relay_count(), row.relay ? 1U : 0U);
    if (!row.relay) return;
    const auto relay = program().relay(row.relay->ip);
    ASSERT_TRUE(relay);
    for (std::uint32_t verdict = 0; verdict < PXE_VERDICTS; ++verdict) {
      EXPECT_EQ(relay->packets[verdict],
                verdict == row.expect.counter->verdict ? 1U : 0U);
    }
    EXPECT_GE(relay->last_seen_ns, before);
  }
};

TEST_P(PxeFilterRow, VerdictCounterAndRecords) {
  const Row& row = GetParam();
  const Bytes frame = row.packet.bytes();
  install(row.policy, program());
  PxeProgram::Counters expected{};
  if (const auto& counter = row.expect.counter)
    expected[counter_index(counter->verdict, counter->reason)] = 1;

  const std::uint64_t before = monotonic_ns();
  const auto run = program().run(frame);

  ASSERT_TRUE(run) << run.error().message();
  EXPECT_EQ(run->action, row.expect.action);
  EXPECT_EQ(run->frame, frame) << "the packet was changed";
  EXPECT_EQ(program().counters(), expected);
  expect_traffic(row);
  expect_client(row, before);
  expect_relay(row, before);

  // Wherever a NIC cuts it, the verdict is that of the whole.
  for (std::uint32_t linear = 14; linear < frame.size(); ++linear) {
    program().clear_counters();
    const auto cut = program().verdict(frame, linear);
    if (!cut && cut.error().code() == ErrorCode::kUnavailable) return;
    ASSERT_TRUE(cut) << cut.error().message();
    ASSERT_EQ(*cut, row.expect.action) << "linear " << linear;
    ASSERT_EQ(program().counters(), expected) << "linear " << linear;
  }
}

INSTANTIATE_TEST_SUITE_P(Frames, PxeFilterRow, ::testing::ValuesIn(all_rows()),
                         [](const ::testing::TestParamInfo<Row>& row) {
                           return row.param.name;
                         });

// A reason that is added to the ABI needs its rows, and a row that is removed
// must not have been the last of its kind. Rates are no matter of one packet.
TEST(PxeFilterRows, CoverEveryReasonWithEveryVerdictItCanHave) {
  std::set<std::pair<std::uint32_t, std::uint32_t>> covered;
  for (const Row& row : all_rows()) {
    if (row.expect.counter)
      covered.emplace(row.expect.counter->verdict, row.expect.counter->reason);
  }
  for (std::uint32_t reason = 0; reason < PXE_REASONS; ++reason) {
    for (const std::uint32_t verdict : {PXE_DENY, PXE_ALLOW}) {
      const bool reachable =
          verdict == PXE_DENY
              ? reason != PXE_REASON_SCOPE && reason < PXE_REASON_RELAY_RATE
              : reason != PXE_REASON_MALFORMED && reason < PXE_REASON_DISCOVERY;
      EXPECT_EQ(covered.contains({verdict, reason}), reachable)
          << "verdict " << verdict << ", reason " << reason;
    }
  }
}

TEST(PxeFilterRows, AgreeWithTheirVerdicts) {
  for (const Row& row : all_rows()) {
    const bool allows =
        !row.expect.counter || row.expect.counter->verdict == PXE_ALLOW;
    EXPECT_EQ(row.expect.action == XDP_PASS, allows) << row.name;
  }
}

}  // namespace
}  // namespace pxegate::testing
