// SPDX-License-Identifier: Apache-2.0
#include "drivers/nftables/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "drivers/nftables/nft_context.h"
#include "tests/drivers/nftables/nftables_fixture.h"

namespace pxegate::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Somebody writes between two steps of ours.
class NftablesTableTest : public NftablesTest {
 protected:
  void SetUp() override {
    NftablesTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    ASSERT_THAT(table_.build({"eth1"}, {.denied = {1}}), Succeeds());
    ASSERT_TRUE(table_.learned());
  }

  Structure look() { return table_.look().value().value_or(Structure{}); }

  Table table_{"pxegate"};
};

TEST_F(NftablesTableTest, WhatWasBuiltIsKnown) {
  EXPECT_EQ(look(), *table_.learned());
  EXPECT_EQ(table_.read(look()).value(), (FilterContents{.denied = {1}}));
}

TEST_F(NftablesTableTest, WhatSomebodyWroteSinceTheLookIsNotLearned) {
  look();
  nft("insert rule netdev pxegate dhcp accept");
  ASSERT_THAT(
      table_.apply({.denied = {1}, .allowed = {}, .unknown = Verdict::kAllow}),
      Succeeds());
  EXPECT_FALSE(table_.learned());
}

TEST_F(NftablesTableTest, NorWhileAnInterfaceIsAdded) {
  look();
  nft("insert rule netdev pxegate dhcp accept");
  ASSERT_THAT(table_.add_interface("eth1-peer"), Succeeds());
  EXPECT_FALSE(table_.learned());
}

TEST_F(NftablesTableTest, WhatWeWroteSinceTheLookIs) {
  look();
  ASSERT_THAT(table_.add_interface("eth1-peer"), Succeeds());
  ASSERT_THAT(table_.apply({.denied = {2}, .allowed = {3}}), Succeeds());
  ASSERT_THAT(
      table_.apply({.denied = {}, .allowed = {}, .unknown = Verdict::kAllow}),
      Succeeds());
  ASSERT_TRUE(table_.learned());
  EXPECT_EQ(look(), *table_.learned());
  EXPECT_TRUE(filters(look(), "eth1-peer"));
}

TEST_F(NftablesTableTest, ElementsWrittenSinceTheReadAreReadAgain) {
  const Structure structure = look();
  ASSERT_THAT(table_.read(structure), Succeeds());
  nft("add element netdev pxegate allowed { 0x9 }");
  ASSERT_THAT(table_.apply({.denied = {2}}), Succeeds());
  EXPECT_EQ(table_.read(structure).value(),
            (FilterContents{.denied = {2}, .allowed = {9}}));
}

TEST_F(NftablesTableTest, ATransactionThatFailsChangesNothing) {
  const Structure structure = look();
  ASSERT_THAT(table_.read(structure), Succeeds());
  nft("delete element netdev pxegate denied { 0x1 }");
  EXPECT_FALSE(table_.apply({.denied = {2}, .allowed = {3}}));
  EXPECT_EQ(table_.read(structure).value(), FilterContents{});
}

TEST_F(NftablesTableTest, TheGenerationCountsTransactions) {
  const std::uint32_t before = generation();
  ASSERT_THAT(run_nft("add table ip a\nadd table ip b\nadd chain ip b c\n"),
              Succeeds());
  EXPECT_EQ(generation(), before + 1);
  ASSERT_THAT(list_nft("list ruleset", NftOutput::kTerse), Succeeds());
  EXPECT_EQ(generation(), before + 1);
}

TEST_F(NftablesTableTest, ErrorsSayWhatNftSays) {
  EXPECT_THAT(
      run_nft("add nonsense"),
      FailsWith(ErrorCode::kFailed, "changing nftables: Error: syntax"));
  EXPECT_THAT(list_nft("list set netdev pxegate none", NftOutput::kTerse),
              FailsWith(ErrorCode::kNotFound, "list set netdev pxegate none"));
}

// libnftables would begin anew at each write of theirs, without end.
TEST_F(NftablesTableTest, ALargeSetIsReadWhileOthersWrite) {
  FilterContents large{.unknown = Verdict::kAllow};
  for (std::uint64_t i = 1; i <= 100'000; ++i) large.denied.push_back(i);
  ASSERT_THAT(table_.build({"eth1"}, large), Succeeds());
  std::jthread noise([](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      nft("add table ip noise; delete table ip noise");
    }
  });
  EXPECT_EQ(table_.contents(look()).value(), large);
}

// Whether that is told, or a moment without a change is caught, is chance.
TEST_F(NftablesTableTest, ASetThatChangesAllTheTimeIsReadWholeOrNotAtAll) {
  FilterContents large;
  for (std::uint64_t i = 1; i <= 100'000; ++i) large.denied.push_back(i);
  ASSERT_THAT(table_.build({"eth1"}, large), Succeeds());
  const Structure structure = look();
  std::jthread noise([](const std::stop_token& stop) {
    for (int i = 0; !stop.stop_requested(); ++i) {
      nft(fmt::format("add element netdev pxegate denied {{ {:#x} }}",
                      0x100000000 + i));
    }
  });
  const auto read = table_.contents(structure);
  if (read) {
    EXPECT_TRUE(std::ranges::includes(read->denied, large.denied));
  } else {
    EXPECT_THAT(read, FailsWith(ErrorCode::kUnavailable, "keeps changing it"));
  }
}

// As container and cloud software does all the time.
TEST_F(NftablesTest, OthersThatWriteAllTheTimeAreNoTrouble) {
  auto driver = started(usual(kAllow));
  std::atomic<int> written = 0;
  std::jthread noise([&written](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      nft("add table ip noise; delete table ip noise");
      ++written;
      written.notify_all();
    }
  });
  for (int i = 0; i < 20; ++i) {
    written.wait(written.load());
    const Snapshot desired = usual(i % 2 == 0 ? kDeny : kAllow);
    auto report = driver->sync(desired);
    ASSERT_THAT(report, Succeeds());
    EXPECT_THAT(report->repaired, ElementsAre());
    EXPECT_EQ(driver->installed().value(), *desired.policy);
  }
  noise.request_stop();
  noise.join();
  nft("insert rule netdev pxegate dhcp accept");
  EXPECT_THAT(driver->sync(usual(kAllow))->repaired,
              ElementsAre(HasSubstr("chain dhcp had been changed")));
  EXPECT_FALSE(passes(kDenied));
}

}  // namespace
}  // namespace pxegate::testing
