// SPDX-License-Identifier: Apache-2.0
#include "controller/config/combinations.h"

#include <fmt/format.h>

#include <algorithm>

namespace pxegate {
namespace {

using std::chrono::seconds;

constexpr std::size_t kMaxDiscoveryRelays = 1024;  // as XdpOptions says
// Three times as long as the controller takes to renew it.
constexpr seconds kShortestLease{3};
// No pause before another try is longer (RetryOptions::longest).
constexpr seconds kLongestPause{10};

// How long it may be from the end of one request to that of the next, by which
// the policy is renewed; be it Keystone's or Ironic's.
seconds longest_wait(const ServiceConfig& service) {
  const bool again =
      service.connect_retries != 0 || service.status_code_retries != 0;
  return again ? service.timeout + kLongestPause : service.timeout;
}

void check_lease(const Config& config, std::vector<Misfit>& found) {
  const Config::Xdp& xdp = config.xdp;
  if (xdp.stale_after == seconds(0)) {
    if (xdp.stale_action == StaleAction::kDeny) return;
    found.push_back({"xdp", "stale_action", false,
                     "has no effect with stale_after = 0, by which the policy "
                     "never gets stale"});
    return;
  }
  if (xdp.stale_after < kShortestLease) {
    found.push_back(
        {"xdp", "stale_after", true,
         fmt::format("{} s is too short for a policy that is renewed every "
                     "second; expected 0, or {} and more",
                     xdp.stale_after.count(), kShortestLease.count())});
    return;
  }
  // The loop that renews it waits for one answer at a time.
  const seconds of_ironic = longest_wait(config.ironic);
  const seconds of_inspector =
      config.inspector_asked() ? longest_wait(config.inspector) : seconds(0);
  const bool ironic = of_ironic >= of_inspector;
  const seconds longest = ironic ? of_ironic : of_inspector;
  if (xdp.stale_after > longest) return;
  found.push_back(
      {"xdp", "stale_after", false,
       fmt::format(
           "{} s: the policy is not renewed while the controller waits "
           "for an answer of {}, up to {} s ([{}] timeout), so one that "
           "hangs makes the policy stale; expected more than that",
           xdp.stale_after.count(), ironic ? "Ironic" : "ironic-inspector",
           longest.count(), ironic ? "ironic" : "inspector")});
}

void check_unknown_machines(const Config& config, std::vector<Misfit>& found) {
  const Config::Xdp& xdp = config.xdp;
  if (xdp.discovery_relays.size() > kMaxDiscoveryRelays) {
    found.push_back(
        {"xdp", "discovery_relays", true,
         fmt::format("lists {} networks; expected {} at most",
                     xdp.discovery_relays.size(), kMaxDiscoveryRelays)});
  }
  if (!config.pxe_filter.deny_unknown_macs) return;
  const auto no_effect = [&](std::string_view name) {
    found.push_back({"xdp", name, false,
                     "has no effect with [pxe_filter] deny_unknown_macs, which "
                     "lets no unknown machine in"});
  };
  if (!xdp.discovery_relays.empty()) no_effect("discovery_relays");
  if (xdp.unknown_rate != 0) no_effect("unknown_rate");
  if (xdp.relay_rate != 0) no_effect("relay_rate");
}

}  // namespace

bool uses_keystone(const ServiceConfig& service) {
  return service.auth_type != AuthType::kNone &&
         service.auth_type != AuthType::kHttpBasic;
}

std::vector<Misfit> find_misfits(const Config& config) {
  std::vector<Misfit> found;
  if (config.pxe_filter.driver != "xdp") return found;
  check_lease(config, found);
  check_unknown_machines(config, found);
  return found;
}

}  // namespace pxegate
