// SPDX-License-Identifier: Apache-2.0
//
// The program against the reference model, over packets that nobody thought
// of. PXEGATE_SEED repeats a run, PXEGATE_PACKETS makes it longer.

#include <arpa/inet.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <map>
#include <random>

#include "tests/bpf/bpf_fixture.h"
#include "tests/bpf/reference_model.h"
#include "tests/support/packet_generator.h"

namespace pxegate::testing {
namespace {

using std::chrono::steady_clock;

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

pxe_reason reason_of(model::Why why) {
  switch (why) {
    case model::Why::kRule:
      return PXE_REASON_RULE;
    case model::Why::kUnknown:
      return PXE_REASON_UNKNOWN;
    case model::Why::kForeignHardware:
      return PXE_REASON_FOREIGN_HTYPE;
    case model::Why::kNoClientId:
      return PXE_REASON_NO_CLIENT_ID;
    case model::Why::kMalformed:
      return PXE_REASON_MALFORMED;
  }
  return PXE_REASONS;
}

// The key that a request is filed under.
pxe_addr addr_of(const model::Request& request) {
  if (!request.identity)
    return raw_addr(request.htype, request.hlen, request.chaddr);
  return raw_addr(request.identity->hardware,
                  static_cast<std::uint8_t>(request.identity->address.size()),
                  request.identity->address);
}

class Differential : public BpfTest {
 protected:
  // Every other address has a rule that allows, a rule that denies, or none.
  void install(bool unknown_allowed) {
    policy_ = {.allowed = {}, .unknown_allowed = unknown_allowed};
    std::size_t i = 0;
    const auto add = [&](std::uint8_t hardware, const auto& octets) {
      const std::size_t kind = i++ % 3;
      if (kind == 2) return;
      const Bytes bytes(octets.begin(), octets.end());
      const bool allow = kind == 0;
      policy_.allowed.insert({{hardware, bytes}, allow});
      program().set_rule(
          raw_addr(hardware, static_cast<std::uint8_t>(bytes.size()), bytes),
          allow ? PXE_ALLOW : PXE_DENY);
    };
    for (const Mac& mac : PacketGenerator::macs()) add(1, mac);
    for (const auto& guid : PacketGenerator::guids()) add(32, guid);
    program().set_unknown_verdict(unknown_allowed ? PXE_ALLOW : PXE_DENY);
  }

  void compare(const Bytes& frame, std::optional<std::uint32_t> linear) {
    const model::Judgement want = model::judge(frame, policy_);
    const auto run = program().run(frame, linear);
    ASSERT_TRUE(run) << run.error().message();
    EXPECT_EQ(run->action,
              static_cast<std::uint32_t>(want.pass ? XDP_PASS : XDP_DROP));
    EXPECT_EQ(run->frame, frame);
    std::optional<std::uint32_t> counter;
    if (want.counted) {
      counter = counter_index(want.pass ? PXE_ALLOW : PXE_DENY,
                              reason_of(*want.counted));
      ++expected_[*counter];
    }
    ++seen_[counter];
    EXPECT_EQ(program().counters(), expected_);
    if (want.request) expect_filed(*want.request);
  }

  void expect_filed(const model::Request& request) {
    const auto client = program().client(addr_of(request));
    ASSERT_TRUE(client);
    EXPECT_EQ(ntohl(client->giaddr), request.giaddr);
    ASSERT_EQ(client->vlans, request.vlans.size());
    for (std::size_t i = 0; i < request.vlans.size(); ++i)
      EXPECT_EQ(client->vlan[i], request.vlans[i]);
    EXPECT_EQ(client->message_type,
              request.message_type.value_or(PXE_NO_MESSAGE_TYPE));
    EXPECT_EQ(client->arch, request.arch.value_or(PXE_NO_ARCH));
  }

  model::Policy policy_;
  PxeProgram::Counters expected_{};
  std::map<std::optional<std::uint32_t>, std::uint64_t> seen_;
};

TEST_F(Differential, ProgramAndModelAgree) {
  const std::uint64_t seed =
      from_environment("PXEGATE_SEED", std::random_device{}());
  const std::uint64_t packets = from_environment("PXEGATE_PACKETS", 200'000);
  // A machine that is slower than expected compares fewer, not for ever.
  const auto deadline = steady_clock::now() + std::chrono::seconds(18);
  const bool fragments = [&] {
    const auto probe = program().run(Bytes(200), 64);
    return probe.has_value();
  }();
  PacketGenerator generator(seed);
  std::mt19937_64 random(seed);
  std::uint64_t compared = 0;
  for (; compared < packets && steady_clock::now() < deadline; ++compared) {
    if (compared % 1000 == 0) install(compared / 1000 % 2 == 1);
    const Bytes frame = generator.next();
    std::optional<std::uint32_t> linear;
    if (fragments && random() % 8 == 0)
      linear = static_cast<std::uint32_t>(14 + random() % (frame.size() - 13));
    compare(frame, linear);
    if (HasFailure()) {
      FAIL() << "packet " << compared << " of PXEGATE_SEED=" << seed
             << ", linear " << linear.value_or(0) << ": "
             << fmt::format("{:02x}", fmt::join(frame, ""));
    }
  }
  std::cout << compared << " packets compared, seed " << seed << "\n";
  // A generator that misses a branch tests nothing there.
  for (std::uint32_t counter = 0; counter < kCounters; ++counter) {
    if (counter == counter_index(PXE_ALLOW, PXE_REASON_MALFORMED)) continue;
    EXPECT_GT(seen_[counter], compared / 1000) << counter;
  }
  EXPECT_GT(seen_[std::nullopt], compared / 1000);
}

}  // namespace
}  // namespace pxegate::testing
