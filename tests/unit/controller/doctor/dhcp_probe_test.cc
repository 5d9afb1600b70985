// SPDX-License-Identifier: Apache-2.0
#include "controller/doctor/dhcp_probe.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace pxegate {
namespace {

using Frame = std::vector<std::uint8_t>;
using Outcome = Finding::Outcome;

constexpr MacAddress kClient({0x52, 0x54, 0, 0, 0, 1});
constexpr std::uint32_t kXid = 0x01020304;
constexpr std::size_t kUdp = 14 + 20;
constexpr std::size_t kBootp = kUdp + 8;
constexpr std::size_t kOptions = kBootp + 240;

// The server's answer to the DISCOVER.
Frame offer() {
  Frame frame = discover_frame(kClient, kXid);
  frame.resize(kOptions);
  const std::uint8_t server_mac[] = {2, 0, 0, 0, 0, 9};
  std::copy(std::begin(server_mac), std::end(server_mac), frame.begin() + 6);
  const std::uint8_t from[] = {192, 0, 2, 9};
  std::copy(std::begin(from), std::end(from), frame.begin() + 14 + 12);
  frame[kUdp + 1] = 67;
  frame[kUdp + 3] = 68;
  frame[kBootp] = 2;
  for (const std::uint8_t byte : {53, 1, 2, 54, 4, 192, 0, 2, 1, 255}) {
    frame.push_back(byte);
  }
  return frame;
}

TEST(Discover, IsWhatThePacketFilterTakesForAPxeClient) {
  const Frame frame = discover_frame(kClient, kXid);
  EXPECT_EQ(frame[12], 0x08);
  EXPECT_EQ(frame[14], 0x45);
  // The checksum over a header with it is all ones (RFC 1071).
  std::uint32_t sum = 0;
  for (std::size_t i = 14; i < kUdp; i += 2) {
    sum += static_cast<std::uint32_t>(frame[i] << 8 | frame[i + 1]);
  }
  EXPECT_EQ((sum & 0xffff) + (sum >> 16), 0xffffU);
  EXPECT_EQ(frame[14 + 2] << 8 | frame[14 + 3],
            static_cast<int>(frame.size() - 14));
  EXPECT_EQ(frame[kBootp], 1);  // BOOTREQUEST
  EXPECT_EQ(frame[kBootp + 28], 0x52);
  const std::string text(frame.begin(), frame.end());
  EXPECT_NE(text.find("PXEClient:Arch:00000"), std::string::npos);
}

TEST(OfferIn, NamesTheServer) {
  const auto found = offer_in(offer(), kClient, kXid);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->server, "192.0.2.1");
  EXPECT_EQ(found->sender_mac, "02:00:00:00:00:09");

  Frame anonymous = offer();
  anonymous.resize(kOptions + 3);  // no option 54
  const auto unnamed = offer_in(anonymous, kClient, kXid);
  ASSERT_TRUE(unnamed);
  EXPECT_EQ(unnamed->server, "192.0.2.9");
}

TEST(OfferIn, IsNotForOthers) {
  const MacAddress other({0x52, 0x54, 0, 0, 0, 2});
  EXPECT_FALSE(offer_in(offer(), other, kXid));
  EXPECT_FALSE(offer_in(offer(), kClient, kXid + 1));
  for (const auto& [at, byte] : {std::pair<std::size_t, int>{12, 0x86},
                                 {14, 0x65},
                                 {14, 0x44},
                                 {14 + 9, 6},
                                 {kUdp + 3, 67},
                                 {kBootp, 1},
                                 {kBootp + 236, 0},
                                 {kOptions + 2, 5}}) {
    Frame frame = offer();
    frame[at] = static_cast<std::uint8_t>(byte);
    EXPECT_FALSE(offer_in(frame, kClient, kXid)) << "byte " << at;
  }
}

TEST(OfferIn, IsSafeForEveryLength) {
  const Frame whole = offer();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Frame cut(whole.begin(),
                    whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_EQ(offer_in(cut, kClient, kXid).has_value(), size >= kOptions + 3)
        << size;
  }
}

RC_GTEST_PROP(OfferIn, IsSafeForAnyOptions, (const Frame& options)) {
  Frame frame = offer();
  frame.resize(kOptions);
  frame.insert(frame.end(), options.begin(), options.end());
  offer_in(frame, kClient, kXid);
}

TEST(Offers, OfThisHostAreNoStrangers) {
  const std::set<std::string> own{"192.0.2.1"};
  const std::set<std::string> interfaces{"eth1"};
  const Offer ours{"eth1", "192.0.2.1", "02:00:00:00:00:01"};
  const Offer stranger{"eth1", "192.0.2.9", "02:00:00:00:00:09"};
  EXPECT_EQ(
      judge_offers(DhcpAnswers{interfaces, {ours}}, own, interfaces).outcome,
      Outcome::kGood);
  const Finding found =
      judge_offers(DhcpAnswers{interfaces, {ours, stranger}}, own, interfaces);
  EXPECT_EQ(found.outcome, Outcome::kProblem);
  EXPECT_EQ(found.seen,
            "a PXE client was answered by 192.0.2.9 on eth1 (frame from "
            "02:00:00:00:00:09)");
  EXPECT_EQ(judge_offers(fail("no"), own, interfaces).outcome,
            Outcome::kUnknown);
}

TEST(Offers, AreNotMissedWhereNobodyWasAsked) {
  const std::set<std::string> interfaces{"eth1", "eth2"};
  const Finding half = judge_offers(DhcpAnswers{{"eth1"}, {}}, {}, interfaces);
  EXPECT_EQ(half.outcome, Outcome::kUnknown);
  EXPECT_EQ(half.seen, "no request could be sent on eth2");
  const Offer stranger{"eth1", "192.0.2.9", "02:00:00:00:00:09"};
  EXPECT_EQ(
      judge_offers(DhcpAnswers{{"eth1"}, {stranger}}, {}, interfaces).outcome,
      Outcome::kProblem);
}

TEST(Probe, TellsWhereItCouldAsk) {
  using std::chrono::milliseconds;
  const auto answers = probe_dhcp({"lo", "nosuch0"}, milliseconds(1), {});
  ASSERT_TRUE(answers) << answers.error().message();
  EXPECT_EQ(answers->asked, std::set<std::string>{});
}

}  // namespace
}  // namespace pxegate
