// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/comparison.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/bpf.h>

#include <algorithm>
#include <utility>

namespace pxegate::testing {
namespace {

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
    case model::Why::kScope:
      return PXE_REASON_SCOPE;
    case model::Why::kStale:
      return PXE_REASON_STALE;
    case model::Why::kDiscovery:
      return PXE_REASON_DISCOVERY;
  }
  return PXE_REASONS;
}

// kCounters where none moves.
std::uint32_t counter_of(const model::Judgement& judgement) {
  if (!judgement.counted) return kCounters;
  return counter_index(judgement.pass ? PXE_ALLOW : PXE_DENY,
                       reason_of(*judgement.counted));
}

std::uint32_t action_of(const model::Judgement& judgement) {
  return judgement.pass ? XDP_PASS : XDP_DROP;
}

std::string say_counter(std::uint32_t counter) {
  if (counter == kCounters) return "none";
  return fmt::format("verdict {}, reason {}", counter / PXE_REASONS,
                     counter % PXE_REASONS);
}

std::string say(const model::Judgement& judgement) {
  return fmt::format("the model: {}, counted: {}",
                     judgement.pass ? "pass" : "drop",
                     say_counter(counter_of(judgement)));
}

std::string say(std::uint32_t action, const PxeProgram::Counters& counters) {
  std::string text =
      fmt::format("the program: {}, counted:", action == XDP_PASS   ? "pass"
                                               : action == XDP_DROP ? "drop"
                                                                    : "abort");
  for (std::uint32_t i = 0; i < kCounters; ++i) {
    if (counters[i] != 0)
      text += fmt::format(" {} ({} times)", say_counter(i), counters[i]);
  }
  return text;
}

}  // namespace

bool Comparison::differ(const Case& at, std::uint64_t packet,
                        std::string what) {
  difference_ = Difference{packet, at.frame, at.linear, std::move(what)};
  return false;
}

bool Comparison::start(const RandomPolicy& policy) {
  if (!finish()) return false;
  policy.install(program_);
  policy_ = policy.model;
  program_.clear_counters();
  return true;
}

bool Comparison::compare(const Bytes& frame,
                         std::optional<std::uint32_t> linear) {
  const model::Judgement want = model::judge(frame, policy_);
  Case& here = batch_[batched_++];
  here.frame.assign(frame.begin(), frame.end());
  here.linear = linear;
  const auto action = program_.verdict(frame, linear);
  if (!action) return differ(here, compared_, action.error().message());
  const std::uint32_t counter = counter_of(want);
  if (counter != kCounters) ++expected_[counter];
  ++seen_[counter];
  ++compared_;
  if (*action != action_of(want)) return look_closely(here, compared_ - 1);
  if (batched_ < kBatch) return true;
  return finish() && look_closely(here, compared_ - 1);
}

bool Comparison::finish() {
  const std::size_t size = std::exchange(batched_, 0);
  const PxeProgram::Counters expected = std::exchange(expected_, {});
  if (size == 0) return true;
  const PxeProgram::Counters counters = program_.counters();
  program_.clear_counters();
  if (counters == expected) return true;
  for (std::size_t i = 0; i < size; ++i)
    if (!look_closely(batch_[i], compared_ - size + i)) return false;
  return differ(batch_[0], compared_ - size,
                "counters, which did not when each packet was repeated");
}

bool Comparison::look_closely(const Case& closely, std::uint64_t packet) {
  const model::Judgement want = model::judge(closely.frame, policy_);
  // As if it were the first of its client, and of its relay.
  program_.clear_counters();
  if (want.request) {
    const model::FiledUnder& filed = want.request->filed_under;
    program_.forget(raw_addr(filed.htype, filed.hlen, filed.octets));
    pxe_ip relay{};
    std::ranges::copy(want.request->relay, relay.octets);
    program_.forget(relay);
  }
  const auto run = program_.run(closely.frame, closely.linear);
  if (!run) return differ(closely, packet, run.error().message());
  PxeProgram::Counters expected{};
  if (want.counted) expected[counter_of(want)] = 1;
  const PxeProgram::Counters counters = program_.counters();
  if (run->action != action_of(want) || counters != expected)
    return differ(closely, packet,
                  say(want) + "; " + say(run->action, counters));
  if (run->frame != closely.frame)
    return differ(closely, packet, "the program changed the frame");
  if (want.request) {
    if (std::string what = records_differ(want); !what.empty())
      return differ(closely, packet, what);
  }
  program_.clear_counters();
  return true;
}

// Empty where they do not.
std::string Comparison::records_differ(const model::Judgement& want) {
  const model::Request& request = *want.request;
  const model::FiledUnder& filed = request.filed_under;
  const std::uint8_t verdict = want.pass ? PXE_ALLOW : PXE_DENY;
  const auto client =
      program_.client(raw_addr(filed.htype, filed.hlen, filed.octets));
  if (!client) {
    return fmt::format("no client is filed under type {}, length {}, {:02x}",
                       filed.htype, filed.hlen, fmt::join(filed.octets, ":"));
  }
  pxe_seen expected{};
  std::ranges::copy(request.relay, expected.relay.octets);
  expected.ifindex = 1;
  std::ranges::copy(request.vlans, expected.vlan);
  expected.arch = request.arch.value_or(PXE_NO_ARCH);
  expected.vlans = static_cast<std::uint8_t>(request.vlans.size());
  expected.message_type = request.message_type.value_or(PXE_NO_MESSAGE_TYPE);
  expected.verdict = verdict;
  expected.reason = static_cast<std::uint8_t>(reason_of(*want.counted));
  expected.ip_version = request.ip_version;
  const auto bytes = [](const pxe_seen& seen) {
    const auto* first = reinterpret_cast<const std::uint8_t*>(&seen);
    return Bytes(first, first + sizeof(seen));
  };
  if (bytes(client->seen) != bytes(expected) || client->packets != 1) {
    return fmt::format(
        "of the client is recorded, {} times:\n{:02x}\nand should be:\n{:02x}",
        client->packets, fmt::join(bytes(client->seen), ""),
        fmt::join(bytes(expected), ""));
  }
  if (request.relay == model::Ip{}) return "";
  const auto relay = program_.relay(expected.relay);
  if (!relay || relay->packets[verdict] != 1 || relay->packets[!verdict] != 0)
    return "the relay's requests are not counted";
  return "";
}

}  // namespace pxegate::testing
