// SPDX-License-Identifier: Apache-2.0
//
// Frames of real clients, relays and servers, through the real program.

#include "tests/captures/capture.h"

#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tests/bpf/bpf_fixture.h"

namespace pxegate::testing {
namespace {

namespace fs = std::filesystem;

struct Counter {
  std::uint8_t verdict;
  std::uint32_t reason;
};

// What the operator says: of the machine that sent the frame, of all others.
struct SitePolicy {
  const char* name;
  std::optional<std::uint8_t> rule;
  std::uint8_t unknown;
};

constexpr SitePolicy kClientDenied{
    "the client is denied, unknown machines are not", PXE_DENY, PXE_ALLOW};
constexpr SitePolicy kSitePolicies[] = {
    kClientDenied,
    {"the client is allowed, unknown machines are not", PXE_ALLOW, PXE_DENY},
    {"the client is unknown, which is denied", std::nullopt, PXE_DENY},
    {"the client is unknown, which is allowed", std::nullopt, PXE_ALLOW},
};

// Rules besides the one that a policy has for the machine.
enum class OtherRules {
  kNone,
  // One for the address that a relayed frame comes from, the relay's, which
  // must not be taken for the machine's: the opposite of what is expected.
  kOppositeForRelay,
  // One that denies another address in the request.
  kDenyAlso,
};

const char* to_string(OtherRules others) {
  switch (others) {
    case OtherRules::kNone:
      return "no other rule";
    case OtherRules::kOppositeForRelay:
      return "a rule for the relay says the opposite";
    case OtherRules::kDenyAlso:
      return "another address in the request is denied";
  }
  return "?";
}

bool applies(OtherRules others, const CapturedFrame& frame) {
  switch (others) {
    case OtherRules::kNone:
      return true;
    case OtherRules::kOppositeForRelay:
      return frame.request && frame.request->relay;
    case OtherRules::kDenyAlso:
      return frame.request && frame.request->also;
  }
  return false;
}

// No counter moves for what is no request.
std::optional<Counter> expected(const CapturedFrame& frame,
                                const SitePolicy& policy, OtherRules others) {
  if (!frame.request) return std::nullopt;
  if (frame.request->client && policy.rule)
    return Counter{*policy.rule, PXE_REASON_RULE};
  if (others == OtherRules::kDenyAlso && policy.unknown == PXE_ALLOW)
    return Counter{PXE_DENY, PXE_REASON_RULE};
  return Counter{policy.unknown, frame.request->client
                                     ? PXE_REASON_UNKNOWN
                                     : PXE_REASON_NO_CLIENT_ID};
}

Mac ethernet_source(const Bytes& frame) {
  Mac mac{};
  std::copy_n(frame.begin() + 6, mac.size(), mac.begin());
  return mac;
}

std::vector<fs::path> captures() {
  std::vector<fs::path> pcaps;
  for (const auto& entry : fs::directory_iterator(PXEGATE_CAPTURES)) {
    if (entry.path().extension() == ".pcap") pcaps.push_back(entry.path());
  }
  std::ranges::sort(pcaps);
  return pcaps;
}

class CaptureTest : public BpfTest,
                    public ::testing::WithParamInterface<fs::path> {
 protected:
  void SetUp() override {
    BpfTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    auto frames = read_capture(GetParam());
    ASSERT_TRUE(frames) << frames.error().message();
    ASSERT_FALSE(frames->empty());
    frames_ = std::move(*frames);
  }

  void set_rule(const Mac& mac, std::uint8_t verdict) {
    program().set_rule(ethernet_addr(mac), verdict);
  }

  void set_policy(const CapturedFrame& frame, const SitePolicy& policy) {
    program().set_unknown_verdict(policy.unknown);
    if (!policy.rule) return;
    // What is no request passes also from a machine that has a rule.
    if (!frame.request) set_rule(ethernet_source(frame.bytes), *policy.rule);
    if (frame.request && frame.request->client)
      set_rule(*frame.request->client, *policy.rule);
  }

  void expect_verdict(const CapturedFrame& frame,
                      const std::optional<Counter>& expect) {
    const auto run = program().run(frame.bytes);
    ASSERT_TRUE(run) << run.error().message();
    const bool pass = !expect || expect->verdict == PXE_ALLOW;
    EXPECT_EQ(run->action,
              static_cast<std::uint32_t>(pass ? XDP_PASS : XDP_DROP));
    EXPECT_EQ(run->frame, frame.bytes) << "the frame was changed";
    PxeProgram::Counters counters{};
    if (expect) counters[counter_index(expect->verdict, expect->reason)] = 1;
    EXPECT_EQ(program().counters(), counters);
    EXPECT_EQ(program().clients().size(), expect ? 1U : 0U);
  }

  void expect_record(const CapturedRequest& request, const Counter& counter) {
    const auto clients = program().clients();
    ASSERT_EQ(clients.size(), 1U);
    const pxe_seen& seen = clients[0].second.seen;
    if (request.client) {
      EXPECT_TRUE(program().client(ethernet_addr(*request.client)))
          << "taken for another machine";
    }
    EXPECT_EQ(seen.verdict, counter.verdict);
    EXPECT_EQ(seen.reason, counter.reason);
    EXPECT_EQ(seen.ip_version, request.ip_version);
    EXPECT_EQ(seen.message_type, request.message_type);
    EXPECT_EQ(seen.arch, request.arch);
    EXPECT_EQ(seen.vlans, request.vlan ? 1 : 0);
    EXPECT_EQ(seen.vlan[0], request.vlan.value_or(0));
    const pxe_ip relay = request.relay.value_or(pxe_ip{});
    EXPECT_TRUE(std::ranges::equal(seen.relay.octets, relay.octets))
        << "came through another relay, or none";
    EXPECT_EQ(program().relay_count(), request.relay ? 1U : 0U);
    EXPECT_EQ(program().relay(relay).has_value(), request.relay.has_value());
  }

  std::vector<CapturedFrame> frames_;
};

TEST_P(CaptureTest, EachFrameMeetsItsRow) {
  for (const CapturedFrame& frame : frames_) {
    for (const SitePolicy& policy : kSitePolicies) {
      for (const auto others :
           {OtherRules::kNone, OtherRules::kOppositeForRelay,
            OtherRules::kDenyAlso}) {
        if (!applies(others, frame)) continue;
        SCOPED_TRACE(frame.row + "; " + policy.name + "; " + to_string(others));
        const auto expect = expected(frame, policy, others);
        program().clear();
        set_policy(frame, policy);
        if (others == OtherRules::kOppositeForRelay)
          set_rule(ethernet_source(frame.bytes), !expect->verdict);
        if (others == OtherRules::kDenyAlso)
          set_rule(*frame.request->also, PXE_DENY);
        expect_verdict(frame, expect);
        if (expect) expect_record(*frame.request, *expect);
      }
    }
  }
}

// Of all that was recorded only firmware tells its architecture, and does so in
// whatever it sends to boot from the network.
TEST_P(CaptureTest, ScopePxeAsksThePolicyOnlyAboutNetworkBoot) {
  for (const CapturedFrame& frame : frames_) {
    if (!frame.request) continue;
    SCOPED_TRACE(frame.row);
    program().clear();
    program().settings().scope = PXE_SCOPE_PXE;
    set_policy(frame, kClientDenied);
    const bool netboot = frame.request->arch != PXE_NO_ARCH;
    expect_verdict(frame,
                   netboot ? expected(frame, kClientDenied, OtherRules::kNone)
                           : Counter{PXE_ALLOW, PXE_REASON_SCOPE});
  }
}

INSTANTIATE_TEST_SUITE_P(Of, CaptureTest, ::testing::ValuesIn(captures()),
                         [](const auto& capture) {
                           std::string name = capture.param.stem().string();
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

// Each kind of software that a capture is there for.
TEST(Captures, HaveEveryClientRelayAndServer) {
  std::vector<std::string> names;
  for (const auto& pcap : captures()) names.push_back(pcap.stem().string());
  for (const char* name :
       {"dhclient-4", "dhclient-6", "dhcpcd-4", "dhcpcd-6", "dhcrelay-4",
        "dhcrelay-6", "dhcrelay-6-nested", "dnsmasq-relay-6-private",
        "ipxe-rom", "ipxe-proxy", "networkd-4-6", "perfdhcp-4",
        "perfdhcp-6-relayed", "udhcpc-4", "uefi-pxe", "uefi-pxe-6-relayed",
        "vlan"}) {
    EXPECT_TRUE(std::ranges::find(names, name) != names.end()) << name;
  }
}

TEST(CaptureRows, AreRefusedWhereTheyMakeNoSense) {
  for (const char* row :
       {"", "x other", "1 nonsense", "1 request", "1 request DHCPv5 SOLICIT",
        "1 request DHCPv4 SOLICIT 52:54:00:aa:00:01",
        "1 request DHCPv4 OFFER 52:54:00:aa:00:01",
        "1 request DHCPv4 DISCOVER 52:54:00:aa:00",
        "1 request DHCPv4 DISCOVER 52:54:00:aa:00:01 arch",
        "1 request DHCPv4 DISCOVER 52:54:00:aa:00:01 arch bios",
        "1 request DHCPv4 DISCOVER 52:54:00:aa:00:01 relay here",
        "1 request DHCPv4 DISCOVER 52:54:00:aa:00:01 also nobody",
        "1 request DHCPv4 DISCOVER 52:54:00:aa:00:01 relais 192.0.2.1"}) {
    EXPECT_FALSE(parse_row(row)) << row;
  }
}

}  // namespace
}  // namespace pxegate::testing
