// SPDX-License-Identifier: Apache-2.0
//
// The program against the reference model, over packets that nobody thought
// of. In the environment:
//   PXEGATE_DIFFERENTIAL_SEED     repeats a run
//   PXEGATE_DIFFERENTIAL_ROUND    only this round of it
//   PXEGATE_DIFFERENTIAL_PACKETS  how many generated ones, however long it
//   takes PXEGATE_DIFFERENTIAL_PCAP     the frames of this file, and no others,
//   under
//                                 the policy of ROUND, or of the first thousand

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iostream>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "tests/bpf/bpf_fixture.h"
#include "tests/bpf/comparison.h"
#include "tests/bpf/random_policy.h"
#include "tests/support/packet_generator.h"
#include "tests/support/packet_shapes.h"
#include "tests/support/pcap.h"

namespace pxegate::testing {
namespace {

using std::chrono::steady_clock;

constexpr std::uint64_t kPacketsInRound = 8192;
// Rounds of the enumerated frames have numbers above those of generated ones.
constexpr std::uint64_t kEnumerated = 1'000'000'000;

std::optional<std::uint64_t> from_environment(const char* name) {
  const char* text = std::getenv(name);
  if (text == nullptr) return std::nullopt;
  return std::strtoull(text, nullptr, 10);
}

std::string hexdump(const Bytes& bytes) {
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += 16) {
    const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(at);
    const auto end = begin + static_cast<std::ptrdiff_t>(
                                 std::min<std::size_t>(16, bytes.size() - at));
    text += fmt::format("  {:04x}  {:02x}\n", at, fmt::join(begin, end, " "));
  }
  return text;
}

// splitmix64: rounds must not resemble each other.
std::uint64_t seed_of(std::uint64_t seed, std::uint64_t round) {
  std::uint64_t x = seed + (round + 1) * 0x9e3779b97f4a7c15ULL;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
  return x ^ x >> 31;
}

class Differential : public BpfTest {
 protected:
  using Seen = std::array<std::uint64_t, kCounters + 1>;

  void SetUp() override {
    BpfTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    seed_ = from_environment("PXEGATE_DIFFERENTIAL_SEED")
                .value_or(std::random_device{}());
    can_split_ = program().run(Bytes(200), 64).has_value();
  }

  RandomPolicy policy_of(std::uint64_t round) const {
    return random_policy(seed_of(seed_, round));
  }

  // Where a NIC might cut it, now and then.
  std::optional<std::uint32_t> cut(const Bytes& frame,
                                   std::mt19937_64& random) const {
    if (!can_split_ || random() % 8 != 0) return std::nullopt;
    // Mostly in the headers.
    const std::uint64_t size = frame.size() - 13;
    const std::uint64_t within =
        random() % 2 == 0 ? size : std::min<std::uint64_t>(size, 100);
    return static_cast<std::uint32_t>(14 + random() % within);
  }

  void report(const Difference& difference, std::uint64_t round) {
    const auto path =
        std::filesystem::temp_directory_path() /
        fmt::format("pxegate-differential-{}-{}.pcap", seed_, round);
    const auto written = write_pcap(path, {difference.frame});
    const std::lock_guard lock(mutex_);
    ADD_FAILURE() << "packet " << difference.packet << " of its thread, "
                  << difference.frame.size() << " bytes, "
                  << (difference.linear
                          ? fmt::format("{} of them linear", *difference.linear)
                          : "all linear")
                  << ":\n"
                  << hexdump(difference.frame) << difference.what
                  << "\nRepeat it with PXEGATE_DIFFERENTIAL_SEED=" << seed_
                  << " PXEGATE_DIFFERENTIAL_ROUND=" << round
                  << "; the frame is in "
                  << (written ? path.string() : written.error().message());
    failed_ = true;
  }

  // Calls `work` on every CPU at once, with a program and a comparison of its
  // own; it returns false, and the round it was in, where it found something.
  using Work =
      std::function<bool(Comparison&, unsigned thread, std::uint64_t& round)>;
  Seen on_every_cpu(const Work& work) {
    const unsigned threads = std::max(1U, std::thread::hardware_concurrency());
    Seen total{};
    std::vector<std::jthread> running;
    for (unsigned thread = 0; thread < threads; ++thread) {
      running.emplace_back([&, thread] {
        auto own = PxeProgram::load();
        ASSERT_TRUE(own) << own.error().message();
        Comparison comparison(*own);
        std::uint64_t round = 0;
        if (!work(comparison, thread, round) || !comparison.finish())
          report(*comparison.difference(), round);
        const std::lock_guard lock(mutex_);
        for (std::size_t i = 0; i < total.size(); ++i)
          total[i] += comparison.seen()[i];
      });
    }
    running.clear();  // joins
    return total;
  }

  bool generate(Comparison& comparison, std::uint64_t round) const {
    if (!comparison.start(policy_of(round))) return false;
    PacketGenerator generator(seed_of(seed_, round) + 1);
    std::mt19937_64 random(seed_of(seed_, round) + 2);
    for (std::uint64_t i = 0; i < kPacketsInRound; ++i) {
      const Bytes frame = generator.next();
      if (!comparison.compare(frame, cut(frame, random))) return false;
    }
    return comparison.finish();
  }

  std::uint64_t seed_ = 0;
  bool can_split_ = false;
  std::atomic<bool> failed_ = false;
  std::mutex mutex_;
};

std::uint64_t sum(const auto& counts) {
  std::uint64_t total = 0;
  for (const std::uint64_t count : counts) total += count;
  return total;
}

TEST_F(Differential, GeneratedPackets) {
  if (std::getenv("PXEGATE_DIFFERENTIAL_PCAP") != nullptr) return;
  const auto only = from_environment("PXEGATE_DIFFERENTIAL_ROUND");
  if (only && *only >= kEnumerated) return;
  const auto asked = from_environment("PXEGATE_DIFFERENTIAL_PACKETS");
  const std::uint64_t packets = asked.value_or(2'500'000);
  // A machine that is slower than expected compares fewer, not for ever.
  const auto deadline = asked ? steady_clock::time_point::max()
                              : steady_clock::now() + std::chrono::seconds(40);
  const std::uint64_t end =
      only ? *only + 1 : (packets + kPacketsInRound - 1) / kPacketsInRound;
  std::atomic<std::uint64_t> next = only.value_or(0);
  const Seen seen =
      on_every_cpu([&](Comparison& comparison, unsigned, std::uint64_t& round) {
        while (!failed_ && steady_clock::now() < deadline) {
          round = next++;
          if (round >= end) return true;
          if (!generate(comparison, round)) return false;
        }
        return true;
      });
  const std::uint64_t compared = sum(seen);
  std::cout << compared << " generated packets, seed " << seed_ << "\n";
  // A generator that misses a branch tests nothing there; but policies change
  // by the round, and of few rounds none may have one that a branch needs.
  if (failed_ || compared < 500'000) return;
  for (std::uint32_t counter = 0; counter <= kCounters; ++counter) {
    const std::uint32_t verdict = counter / PXE_REASONS;
    const std::uint32_t reason = counter % PXE_REASONS;
    // Of time, and told by rows.
    if (reason == PXE_REASON_RELAY_RATE || reason == PXE_REASON_UNKNOWN_RATE)
      continue;
    const bool reachable =
        counter == kCounters ||
        (verdict == PXE_ALLOW
             ? reason != PXE_REASON_MALFORMED && reason != PXE_REASON_DISCOVERY
             : reason != PXE_REASON_SCOPE);
    if (reachable)
      EXPECT_GT(seen[counter], compared / 1000) << counter;
    else
      EXPECT_EQ(seen[counter], 0U) << counter;
  }
}

// Every length of every message, and every header in front of one.
TEST_F(Differential, EnumeratedPackets) {
  if (std::getenv("PXEGATE_DIFFERENTIAL_PCAP") != nullptr) return;
  const auto only = from_environment("PXEGATE_DIFFERENTIAL_ROUND");
  if (only && *only < kEnumerated) return;
  const unsigned threads = std::max(1U, std::thread::hardware_concurrency());
  const Seen seen = on_every_cpu(
      [&](Comparison& comparison, unsigned thread, std::uint64_t& round) {
        std::mt19937_64 random(seed_ + thread);
        std::uint64_t number = 0;
        bool same = true;
        const auto use = [&](const Bytes& frame) {
          const std::uint64_t here = number++;
          if (here % threads != thread || !same || failed_) return;
          const std::uint64_t wanted = kEnumerated + here / 512;
          if (only && *only != wanted) return;
          if (round != wanted) {
            same = comparison.start(policy_of(wanted));
            if (!same) return;
            round = wanted;
          }
          same = comparison.compare(frame, std::nullopt);
          if (!same || !can_split_) return;
          if (const auto linear = cut(frame, random))
            same = comparison.compare(frame, linear);
        };
        for_each_length(valid_shapes(), use);
        for_each_header(use);
        return same;
      });
  std::cout << sum(seen) << " enumerated packets, seed " << seed_ << "\n";
}

TEST_F(Differential, CapturedPackets) {
  const char* path = std::getenv("PXEGATE_DIFFERENTIAL_PCAP");
  if (path == nullptr) return;
  const auto frames = read_pcap(path);
  ASSERT_TRUE(frames) << frames.error().message();
  const auto only = from_environment("PXEGATE_DIFFERENTIAL_ROUND");
  const std::uint64_t first = only.value_or(0);
  const std::uint64_t end = only ? first + 1 : 1000;
  Comparison comparison(program());
  for (std::uint64_t round = first; round < end && !failed_; ++round) {
    bool same = comparison.start(policy_of(round));
    for (const Bytes& frame : *frames) {
      same = same && comparison.compare(frame, std::nullopt);
      for (std::uint32_t linear = 14; can_split_ && linear < frame.size();
           ++linear)
        same = same && comparison.compare(frame, linear);
    }
    if (!same || !comparison.finish()) report(*comparison.difference(), round);
  }
  std::cout << comparison.compared() << " runs of " << frames->size()
            << " captured packets, seed " << seed_ << "\n";
}

}  // namespace
}  // namespace pxegate::testing
