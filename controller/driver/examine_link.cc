// SPDX-License-Identifier: Apache-2.0
#include "controller/driver/examine_link.h"

#include <fmt/format.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>

#include "controller/base/fd.h"

namespace pxegate {
namespace {

UniqueFd any_socket() {
  return UniqueFd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

// False where the name is none that an interface can have.
bool name_it(ifreq& request, const std::string& interface) {
  if (interface.empty() || interface.size() >= IFNAMSIZ) return false;
  std::memcpy(request.ifr_name, interface.c_str(), interface.size() + 1);
  return true;
}

}  // namespace

Finding examine_link(const std::string& interface, const std::string& option) {
  const std::string check = "interface " + interface;
  ifreq request{};
  const UniqueFd socket = any_socket();
  if (!socket) return not_known(check, "there is no socket to ask with", "");
  if (!name_it(request, interface) ||
      ::ioctl(socket.get(), SIOCGIFFLAGS, &request) != 0) {
    return problem(
        check, fmt::format("there is no such interface ({})", option),
        fmt::format("set {} to the NIC that the provisioning network is on: "
                    "`ip -br link` lists them. In another network namespace "
                    "pxegate has to run there too",
                    option));
  }
  if ((request.ifr_flags & IFF_UP) == 0) {
    return problem(check, "is down",
                   fmt::format("ip link set dev {} up", interface));
  }
  if ((request.ifr_flags & IFF_RUNNING) == 0) {
    return warning(check, "is up, but has no carrier",
                   "see to the cable, or to the switch's port");
  }
  return good(check, "is up and has a carrier");
}

std::optional<bool> hides_vlan_tags(const std::string& interface) {
  ifreq request{};
  const UniqueFd socket = any_socket();
  if (!socket || !name_it(request, interface)) return std::nullopt;
  ethtool_value flags{.cmd = ETHTOOL_GFLAGS, .data = 0};
  request.ifr_data = reinterpret_cast<char*>(&flags);
  if (::ioctl(socket.get(), SIOCETHTOOL, &request) != 0) return std::nullopt;
  return (flags.data & ETH_FLAG_RXVLAN) != 0;
}

}  // namespace pxegate
