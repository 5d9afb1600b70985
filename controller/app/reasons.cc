// SPDX-License-Identifier: Apache-2.0
#include "controller/app/reasons.h"

#include <algorithm>
#include <array>
#include <utility>

namespace pxegate {

std::string_view explain_reason(std::string_view reason) {
  using Row = std::pair<std::string_view, std::string_view>;
  constexpr auto kReasons = std::to_array<Row>({
      {"rule", "Ironic has a port with this address"},
      {"unknown", "no port in Ironic has this address"},
      {"foreign_htype",
       "neither Ethernet nor InfiniBand, so taken for an unknown machine"},
      {"no_client_id",
       "the request does not say whose it is, so taken for an unknown machine"},
      {"malformed", "too short, or contradicts itself"},
      {"scope", "no network boot, and [xdp] scope = pxe judges nothing else"},
      {"stale",
       "no controller renewed the policy for [xdp] stale_after seconds"},
      {"discovery",
       "an unknown machine, and not behind one of [xdp] discovery_relays"},
      {"relay_rate",
       "unknown machines behind this relay exceed [xdp] relay_rate"},
      {"unknown_rate", "unknown machines exceed [xdp] unknown_rate"},
  });
  const auto found = std::ranges::find(kReasons, reason, &Row::first);
  return found == kReasons.end() ? std::string_view() : found->second;
}

}  // namespace pxegate
