// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/reference_model.h"

#include <algorithm>

#include "tests/bpf/reference_parts.h"

namespace pxegate::testing::model {
namespace {

bool contains(const Network& network, const Ip& ip) {
  for (unsigned bit = 0; bit < network.prefix_length; ++bit) {
    const unsigned mask = 128U >> bit % 8;
    if (((network.address[bit / 8] ^ ip[bit / 8]) & mask) != 0) return false;
  }
  return true;
}

bool may_discover(const Request& request, const Policy& policy) {
  if (!policy.discovery_relays) return true;
  if (request.relay == Ip{}) return false;
  return std::ranges::any_of(
      *policy.discovery_relays,
      [&](const Network& network) { return contains(network, request.relay); });
}

struct Verdict {
  bool pass;
  Why why;
};

Verdict decide(const Request& request, const Policy& policy) {
  const auto rule_for = [&](const Identity& identity) -> std::optional<bool> {
    const auto rule = policy.allowed.find(identity);
    if (rule == policy.allowed.end()) return std::nullopt;
    return rule->second;
  };
  if (policy.network_boot_only && !request.network_boot)
    return {true, Why::kScope};
  if (policy.stale) return {*policy.stale, Why::kStale};
  if (request.identity) {
    if (const auto rule = rule_for(*request.identity))
      return {*rule, Why::kRule};
  }
  const Why unnamed = request.identity ? Why::kUnknown : request.nameless;
  if (!policy.unknown_allowed) return {false, unnamed};
  for (const Identity& other : request.other_addresses)
    if (rule_for(other) == false) return {false, Why::kRule};
  if (!may_discover(request, policy)) return {false, Why::kDiscovery};
  return {true, unnamed};
}

}  // namespace

Judgement judge(View frame, const Policy& policy) {
  const Judgement malformed{false, Why::kMalformed, std::nullopt};
  const Opened opened = open_frame(frame);
  if (std::holds_alternative<Malformed>(opened)) return malformed;
  const auto* message = std::get_if<Message>(&opened);
  if (message == nullptr) return {};
  Read read =
      message->ip_version == 4 ? read_dhcpv4(*message) : read_dhcpv6(*message);
  if (std::holds_alternative<Malformed>(read)) return malformed;
  auto* request = std::get_if<Request>(&read);
  if (request == nullptr) return {};
  if (request->identity) {
    request->filed_under = {
        request->identity->hardware,
        static_cast<std::uint8_t>(request->identity->address.size()),
        request->identity->address};
  }
  const Verdict verdict = decide(*request, policy);
  return {verdict.pass, verdict.why, std::move(*request)};
}

}  // namespace pxegate::testing::model
