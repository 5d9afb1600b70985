// SPDX-License-Identifier: Apache-2.0
#include "drivers/iptables/examine.h"

#include <fmt/format.h>

#include "controller/driver/examine_link.h"

namespace pxegate {

std::vector<Finding> examine_iptables(const IptablesOptions& options,
                                      const Xtables& xtables) {
  std::vector<Finding> findings;
  if (!options.interface.ends_with('+')) {
    findings.push_back(
        examine_link(options.interface, "[iptables] dnsmasq_interface"));
  }
  const std::string check = "iptables";
  const auto backend = xtables.backend();
  if (!backend) {
    findings.push_back(problem(check, backend.error().message(),
                               "apt install iptables, or another [pxe_filter] "
                               "driver"));
    return findings;
  }
  const auto table = xtables.read();
  if (!table) {
    findings.push_back(
        problem(check, table.error().message(),
                table.error().code() == ErrorCode::kPermission
                    ? "run it as root, or with CAP_NET_ADMIN and CAP_NET_RAW"
                    : "see what `iptables-save -t filter` says"));
  } else {
    findings.push_back(good(check, fmt::format("backend {}", *backend)));
  }
  findings.push_back(warning(
      "relays",
      "iptables tells machines by the source address of their frames, which "
      "behind a DHCP relay is the relay's",
      "where there are relays: [pxe_filter] driver = xdp or nftables"));
  return findings;
}

}  // namespace pxegate
