// SPDX-License-Identifier: Apache-2.0
#include <bpf/bpf.h>
#include <fmt/format.h>
#include <net/if.h>

#include <filesystem>

#include "tests/drivers/xdp/xdp_fixture.h"

namespace pxegate::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Somebody with root's privileges interferes; the next sync puts it right and
// says so.
class XdpSelfHealTest : public XdpTest {
 protected:
  // Unknown machines are allowed, so that every hole shows.
  void SetUp() override {
    XdpTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    driver_ = started(policy_);
  }

  // The next sync repairs exactly one thing, and what is enforced afterwards
  // is the policy again.
  void expect_healed(const std::string& what) {
    auto report = driver_->sync(policy_);
    ASSERT_THAT(report, Succeeds());
    EXPECT_THAT(report->repaired, ElementsAre(HasSubstr(what)));
    EXPECT_TRUE(report->changed());
    expect_policy();
  }

  void expect_policy() {
    EXPECT_FALSE(passes(kDenied));
    EXPECT_TRUE(passes(kAllowed));
    EXPECT_TRUE(passes(kUnknown));
    EXPECT_EQ(driver_->installed().value(), *policy_.policy);
    EXPECT_TRUE(driver_->status().healthy);
    EXPECT_FALSE(driver_->sync(policy_).value().changed());
    EXPECT_EQ(pins(), all_pins());
    // What is pinned is what the program uses: another process reads it.
    EXPECT_EQ(make()->installed().value(), *policy_.policy);
  }

  // Into more_rules.
  void set_more(const pxe_addr& key, std::uint8_t verdict) {
    const pxe_rule rule{.verdict = verdict, .pad = {}};
    ASSERT_EQ(::bpf_map_update_elem(open_pin(pin("more_rules")).get(), &key,
                                    &rule, BPF_ANY),
              0);
  }
  template <typename T>
  void set(T pxe_settings::*field, T value) {
    const UniqueFd map = open_pin(pin("settings"));
    const __u32 index = 0;
    pxe_settings settings{};
    ASSERT_EQ(::bpf_map_lookup_elem(map.get(), &index, &settings), 0);
    settings.*field = value;
    ASSERT_EQ(::bpf_map_update_elem(map.get(), &index, &settings, BPF_ANY), 0);
  }

  const Snapshot policy_ = usual(kAllow);
  std::unique_ptr<FilterDriver> driver_;
};

TEST_F(XdpSelfHealTest, ALinkThatWasDetachedIsAttachedAgain) {
  ASSERT_EQ(::bpf_link_detach(open_pin(link_pin()).get()), 0);
  ASSERT_TRUE(passes(kDenied));
  EXPECT_FALSE(target_of(*driver_).active);
  expect_healed("eth1 was no longer filtered");
}

TEST_F(XdpSelfHealTest, ALinkThatWasDetachedAndUnpinnedIsAttachedAgain) {
  ASSERT_EQ(::bpf_link_detach(open_pin(link_pin()).get()), 0);
  std::filesystem::remove(link_pin());
  expect_healed("eth1 was no longer filtered");
}

TEST_F(XdpSelfHealTest, ALinkPinThatWasRemovedIsPinnedAgain) {
  const std::uint32_t link = link_id();
  std::filesystem::remove(link_pin());
  EXPECT_FALSE(passes(kDenied));
  expect_healed("pin of interface eth1");
  EXPECT_EQ(link_id(), link);
}

TEST_F(XdpSelfHealTest, ALinkPinThatHoldsSomethingElseIsReplaced) {
  std::filesystem::remove(link_pin());
  ASSERT_EQ(::bpf_obj_pin(foreign_program().get(), link_pin().c_str()), 0);
  expect_healed("pin of interface eth1");
}

TEST_F(XdpSelfHealTest, MapPinsThatWereRemovedArePinnedAgain) {
  std::filesystem::remove(pin("rules"));
  std::filesystem::remove(pin("clients"));
  expect_healed("2 pinned maps were gone or replaced");
}

TEST_F(XdpSelfHealTest, AMapPinThatHoldsSomethingElseIsReplaced) {
  std::filesystem::remove(pin("rules"));
  ASSERT_EQ(::bpf_obj_pin(foreign_program().get(), pin("rules").c_str()), 0);
  expect_healed("1 pinned map was gone or replaced");
}

TEST_F(XdpSelfHealTest, AWholePinDirectoryThatWasRemovedIsMadeAgain) {
  const std::uint32_t link = link_id();
  std::filesystem::remove_all(pin_path_);
  EXPECT_FALSE(passes(kDenied));
  auto report = driver_->sync(policy_);
  ASSERT_THAT(report, Succeeds());
  EXPECT_THAT(report->repaired,
              ElementsAre(HasSubstr("pin of interface eth1"),
                          HasSubstr(fmt::format("{} pinned maps were gone",
                                                kMapCount))));
  expect_policy();
  EXPECT_EQ(link_id(), link);
  // The new directory is locked like the first.
  EXPECT_THAT(make()->initialize(), FailsWith(ErrorCode::kConflict, "process"));
}

TEST_F(XdpSelfHealTest, AProgramPutIntoTheLinkIsReplacedByOurs) {
  const std::uint32_t link = link_id();
  const std::uint32_t program = program_id();
  ASSERT_EQ(::bpf_link_update(open_pin(link_pin()).get(),
                              foreign_program().get(), nullptr),
            0);
  ASSERT_TRUE(passes(kDenied));
  expect_healed("interface eth1 ran another program");
  EXPECT_EQ(link_id(), link);
  EXPECT_EQ(program_id(), program);
}

TEST_F(XdpSelfHealTest, AnAddedRuleIsRemoved) {
  *raw_rules().empty_slot(kUnknown) = pxe_slot(kUnknown.data());
  ASSERT_FALSE(passes(kUnknown));
  expect_healed("1 rule had been changed");
}

TEST_F(XdpSelfHealTest, ARemovedRuleIsPutBack) {
  *raw_rules().find(kDenied) = 0;
  ASSERT_TRUE(passes(kDenied));
  expect_healed("1 rule had been changed");
}

TEST_F(XdpSelfHealTest, FlippedRulesAreFlippedBack) {
  *raw_rules().find(kDenied) |= PXE_SLOT_ALLOW;
  *raw_rules().find(kAllowed) &= ~__u64{PXE_SLOT_ALLOW};
  ASSERT_TRUE(passes(kDenied));
  expect_healed("2 rules had been changed");
}

TEST_F(XdpSelfHealTest, ARuleWithUnknownFlagsIsPutRight) {
  for (const __u64 flag : {0x4, 0x100, 0x4000}) {
    *raw_rules().find(kAllowed) |= flag;
    ASSERT_FALSE(passes(kAllowed));
    expect_healed("1 rule had been changed");
  }
}

TEST_F(XdpSelfHealTest, ARuleWithUnknownFlagsForNobodyIsRemoved) {
  *raw_rules().empty_slot(machine(3)) = pxe_slot(machine(3).data()) | 0x40;
  expect_healed("1 rule had been changed");
}

TEST_F(XdpSelfHealTest, AnAddressThatIsNoRuleIsRemoved) {
  *raw_rules().empty_slot(machine(3)) =
      pxe_slot(machine(3).data()) & ~__u64{PXE_SLOT_RULE};
  expect_healed("1 rule had been changed");
}

TEST_F(XdpSelfHealTest, ARuleInAnotherBucketThanItsOwnIsRemoved) {
  *raw_rules().empty_slot(machine(3)) = pxe_slot(kUnknown.data());
  ASSERT_TRUE(passes(kUnknown));
  expect_healed("1 rule had been changed");
}

TEST_F(XdpSelfHealTest, ASecondRuleOfAnAddressIsRemoved) {
  *raw_rules().empty_slot(kDenied) = pxe_slot(kDenied.data()) | PXE_SLOT_ALLOW;
  ASSERT_TRUE(passes(kDenied));
  expect_healed("1 rule had been changed");
}

TEST_F(XdpSelfHealTest, AnOverflowFlagThatNothingNeedsIsRemoved) {
  raw_rules().buckets[5].slots[0] |= PXE_SLOT_OVERFLOW;
  expect_healed("1 rule had been changed");
  EXPECT_EQ(raw_rules().buckets[5].slots[0] & PXE_SLOT_OVERFLOW, 0U);
}

TEST_F(XdpSelfHealTest, AnOverflowFlagInAnotherSlotIsRemoved) {
  raw_rules().buckets[5].slots[3] |= PXE_SLOT_OVERFLOW;
  *raw_rules().find(kDenied) |= PXE_SLOT_OVERFLOW;
  expect_healed("had been changed");
  EXPECT_EQ(raw_rules().buckets[5].slots[3], 0U);
}

TEST_F(XdpSelfHealTest, KeysThatNoAddressMakesAreRemoved) {
  for (std::uint8_t i = 0; i < 3; ++i) {
    pxe_addr key = key_of(kDenied);
    key.pad[0] = i == 0;
    key.hlen = i == 1 ? 7 : 6;
    key.octets[7] = i == 2;
    set_more(key, PXE_ALLOW);
  }
  EXPECT_FALSE(passes(kDenied));
  expect_healed("3 rules had been changed");
}

TEST_F(XdpSelfHealTest, RulesThatNobodyLooksUpBehindABucketAreRemoved) {
  set_more(key_of(kDenied), PXE_ALLOW);
  set_more(key_of(machine(3)), PXE_ALLOW);
  EXPECT_FALSE(passes(kDenied));
  expect_healed("2 rules had been changed");
}

TEST_F(XdpSelfHealTest, ARuleBehindABucketIsRemoved) {
  const auto mask = static_cast<__u32>(raw_rules().buckets.size() - 1);
  set_more(key_of(kUnknown), PXE_DENY);
  raw_rules()
      .buckets[pxe_bucket_index(pxe_slot(kUnknown.data()), mask)]
      .slots[0] |= PXE_SLOT_OVERFLOW;
  ASSERT_FALSE(passes(kUnknown));
  expect_healed("1 rule had been changed");
}

TEST_F(XdpSelfHealTest, GuidsThatWereAddedAreRemoved) {
  pxe_addr guid{.octets = {1, 2, 3, 4, 5, 6, 7, 8},
                .htype = PXE_HTYPE_INFINIBAND,
                .hlen = 8,
                .pad = {}};
  set_more(guid, PXE_ALLOW);
  guid.octets[0] = 2;
  set_more(guid, 200);
  expect_healed("2 rules had been changed");
}

TEST_F(XdpSelfHealTest, AnotherVerdictForUnknownMachinesIsPutBack) {
  set(&pxe_settings::unknown_verdict, __u8{PXE_DENY});
  ASSERT_FALSE(passes(kUnknown));
  expect_healed("the verdict for unknown machines had been changed");
}

TEST_F(XdpSelfHealTest, AVerdictForUnknownMachinesThatIsNoneIsPutRight) {
  set(&pxe_settings::unknown_verdict, __u8{9});
  ASSERT_FALSE(passes(kUnknown));
  expect_healed("the verdict for unknown machines had been changed");
}

TEST_F(XdpSelfHealTest, GarbageInTheSettingsIsPutRight) {
  set(&pxe_settings::abi_version, 0xdeadbeefU);
  expect_healed("the settings had been changed by somebody else: version");
}

TEST_F(XdpSelfHealTest, ChangesBehindTheBackAndOursAreToldApart) {
  *raw_rules().find(kDenied) |= PXE_SLOT_ALLOW;
  auto report = driver_->sync(snapshot(
      {{kDenied, kDeny}, {kAllowed, kAllow}, {machine(1), kDeny}}, kAllow));
  ASSERT_THAT(report, Succeeds());
  EXPECT_THAT(report->repaired, ElementsAre(HasSubstr("1 rule had been")));
  EXPECT_EQ(report->upserts, 2U);
}

// Pins lost while no controller ran to notice.
TEST_F(XdpSelfHealTest, RulesLostBetweenRunsDenyUntilTheFirstSync) {
  driver_.reset();
  std::filesystem::remove(pin("rules"));
  driver_ = make();
  ASSERT_THAT(driver_->initialize(), Succeeds());
  EXPECT_FALSE(passes(kDenied));
  EXPECT_FALSE(passes(kUnknown));
  ASSERT_THAT(driver_->sync(policy_), Succeeds());
  expect_policy();
}

TEST_F(XdpSelfHealTest, SettingsLostBetweenRunsDenyUntilTheFirstSync) {
  driver_.reset();
  std::filesystem::remove(pin("settings"));
  driver_ = make();
  ASSERT_THAT(driver_->initialize(), Succeeds());
  EXPECT_FALSE(passes(kDenied));
  EXPECT_FALSE(passes(kUnknown));
  ASSERT_THAT(driver_->sync(policy_), Succeeds());
  expect_policy();
}

TEST_F(XdpSelfHealTest, LinkPinsLostBetweenRunsAreMadeAgain) {
  driver_.reset();
  std::filesystem::remove(link_pin());
  // The kernel frees the link a little later.
  ASSERT_TRUE(eventually([this] { return program_id() == 0; }));
  driver_ = make();
  ASSERT_THAT(driver_->initialize(), Succeeds());
  EXPECT_FALSE(passes(kDenied));
  EXPECT_TRUE(passes(kUnknown));
  expect_policy();
}

}  // namespace
}  // namespace pxegate::testing
