// SPDX-License-Identifier: Apache-2.0
#include "controller/base/link_stack.h"

#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "controller/base/fd.h"

namespace pxegate {
namespace {

constexpr timeval kAnswerTimeout{.tv_sec = 5, .tv_usec = 0};
// Others' IFLA_LINK is their peer.
constexpr std::array<std::string_view, 5> kStacked{"vlan", "macvlan", "macvtap",
                                                   "ipvlan", "ipvtap"};

struct Link {
  std::string name;
  int index = 0;
  int master = 0;
  int trunk = 0;  // IFLA_LINK
  bool trunk_elsewhere = false;
  std::string kind;
};

std::string text_of(const rtattr* attribute) {
  const auto* text = static_cast<const char*>(RTA_DATA(attribute));
  return {text, ::strnlen(text, RTA_PAYLOAD(attribute))};
}

int number_of(const rtattr* attribute) {
  int number = 0;
  if (RTA_PAYLOAD(attribute) >= sizeof(number)) {
    std::memcpy(&number, RTA_DATA(attribute), sizeof(number));
  }
  return number;
}

std::string kind_of(const rtattr* info) {
  auto left = static_cast<unsigned>(RTA_PAYLOAD(info));
  for (const auto* each = static_cast<const rtattr*>(RTA_DATA(info));
       RTA_OK(each, left); each = RTA_NEXT(each, left)) {
    if (each->rta_type == IFLA_INFO_KIND) return text_of(each);
  }
  return {};
}

Link read_link(const nlmsghdr& header) {
  Link link;
  const auto* message = static_cast<const ifinfomsg*>(NLMSG_DATA(&header));
  link.index = message->ifi_index;
  auto left = static_cast<unsigned>(IFLA_PAYLOAD(&header));
  for (const rtattr* each = IFLA_RTA(message); RTA_OK(each, left);
       each = RTA_NEXT(each, left)) {
    switch (each->rta_type) {
      case IFLA_IFNAME:
        link.name = text_of(each);
        break;
      case IFLA_MASTER:
        link.master = number_of(each);
        break;
      case IFLA_LINK:
        link.trunk = number_of(each);
        break;
      case IFLA_LINK_NETNSID:
        link.trunk_elsewhere = true;
        break;
      case IFLA_LINKINFO:
        link.kind = kind_of(each);
        break;
      default:
        break;
    }
  }
  return link;
}

Result<std::vector<Link>> read_links() {
  const UniqueFd socket(
      ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!socket) return fail_errno("netlink socket for interfaces", errno);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kAnswerTimeout,
               sizeof(kAnswerTimeout));
  struct {
    nlmsghdr header;
    ifinfomsg message;
  } request{};
  request.header.nlmsg_len = sizeof(request);
  request.header.nlmsg_type = RTM_GETLINK;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  if (::send(socket.get(), &request, sizeof(request), 0) < 0) {
    return fail_errno("asking for the interfaces", errno);
  }
  std::vector<Link> links;
  alignas(nlmsghdr) std::array<char, 65536> buffer{};
  while (true) {
    const ssize_t size = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
    if (size < 0) return fail_errno("asking for the interfaces", errno);
    auto left = static_cast<unsigned>(size);
    for (const auto* header = reinterpret_cast<nlmsghdr*>(buffer.data());
         NLMSG_OK(header, left); header = NLMSG_NEXT(header, left)) {
      if (header->nlmsg_type == NLMSG_DONE) return links;
      if (header->nlmsg_type == NLMSG_ERROR) {
        return fail("the kernel does not tell its interfaces");
      }
      if (header->nlmsg_type == RTM_NEWLINK) {
        links.push_back(read_link(*header));
      }
    }
  }
}

}  // namespace

Result<LinkStack> read_link_stack() {
  const auto links = read_links();
  if (!links) return fail(links.error());
  std::map<int, std::string> names;
  LinkStack stack;
  for (const Link& link : *links) {
    names[link.index] = link.name;
    stack[link.name];
  }
  for (const Link& link : *links) {
    if (const auto master = names.find(link.master); master != names.end()) {
      stack[master->second].push_back(link.name);
    }
    const bool stacked =
        !link.trunk_elsewhere &&
        std::ranges::find(kStacked, link.kind) != kStacked.end();
    const auto trunk = names.find(link.trunk);
    if (stacked && trunk != names.end()) {
      stack[link.name].push_back(trunk->second);
    }
  }
  return stack;
}

bool carries_others(const LinkStack& links, const std::string& interface) {
  return std::ranges::any_of(links, [&](const auto& each) {
    return std::ranges::find(each.second, interface) != each.second.end();
  });
}

}  // namespace pxegate
