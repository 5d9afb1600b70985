// SPDX-License-Identifier: Apache-2.0
#include "controller/base/link_watch.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

namespace pxegate {
namespace {

// IFLA_IFNAME of a link message; empty where it has none.
std::string_view interface_name(const nlmsghdr* message) {
  const auto* info = static_cast<const ifinfomsg*>(NLMSG_DATA(message));
  auto left = static_cast<int>(message->nlmsg_len) -
              static_cast<int>(NLMSG_LENGTH(sizeof(*info)));
  for (const rtattr* attribute = IFLA_RTA(info); RTA_OK(attribute, left);
       attribute = RTA_NEXT(attribute, left)) {
    if (attribute->rta_type != IFLA_IFNAME) continue;
    const auto* name = static_cast<const char*>(RTA_DATA(attribute));
    return {name, ::strnlen(name, RTA_PAYLOAD(attribute))};
  }
  return {};
}

}  // namespace

Result<LinkWatch> LinkWatch::make(std::vector<std::string> interfaces) {
  UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
                           NETLINK_ROUTE));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK;
  if (!socket ||
      ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address),
             sizeof(address)) != 0) {
    return fail_errno("cannot watch network interfaces (rtnetlink)", errno);
  }
  return LinkWatch(std::move(socket), std::move(interfaces));
}

bool LinkWatch::drain() const {
  alignas(nlmsghdr) std::array<char, 32768> buffer{};
  bool relevant = false;
  for (;;) {
    const ssize_t n = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == ENOBUFS) {
      relevant = true;
      continue;
    }
    if (n <= 0) return relevant;
    auto left = static_cast<unsigned>(n);
    for (const auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data());
         NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
      const bool link = message->nlmsg_type == RTM_NEWLINK ||
                        message->nlmsg_type == RTM_DELLINK;
      if (link && std::ranges::find(interfaces_, interface_name(message)) !=
                      interfaces_.end()) {
        relevant = true;
      }
    }
  }
}

}  // namespace pxegate
