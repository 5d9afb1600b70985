// SPDX-License-Identifier: Apache-2.0
#include "controller/doctor/dhcp_servers.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ifaddrs.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <sstream>
#include <string_view>
#include <system_error>
#include <utility>

#include "controller/base/fd.h"
#include "controller/base/text.h"

namespace pxegate {
namespace {

namespace fs = std::filesystem;

// RFC 2131, RFC 8415, and PXE's own (4011).
constexpr std::array<std::uint16_t, 3> kServerPorts{67, 547, 4011};
// Those that read raw sockets unless told otherwise: of other programs a
// packet socket means nothing, tcpdump has one too.
constexpr std::array<std::string_view, 3> kRawReaders{"kea-dhcp4", "kea-dhcp6",
                                                      "dhcpd"};
// They hand requests on.
constexpr std::array<std::string_view, 2> kRelays{"dhcrelay", "dhcp-helper"};
constexpr timeval kAnswerTimeout{.tv_sec = 5, .tv_usec = 0};

using Inode = std::uint64_t;
// Interface that a socket is bound to; empty: none.
using BoundSockets = std::map<Inode, std::string>;

std::string interface_name(unsigned index) {
  std::array<char, IF_NAMESIZE> name{};
  if (index == 0 || ::if_indextoname(index, name.data()) == nullptr) return {};
  return name.data();
}

bool is_server_port(std::uint16_t port) {
  return std::ranges::find(kServerPorts, port) != kServerPorts.end();
}

// Lines of /proc/net/udp and udp6 (proc_pid_net(5)): "sl local_address
// rem_address st tx:rx tr:tm retrnsmt uid timeout inode …".
void read_udp(const std::string& text, BoundSockets& sockets) {
  std::istringstream lines(text);
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::vector<std::string> word;
    for (std::string each; words >> each;) word.push_back(each);
    if (word.size() < 10) continue;
    const std::size_t colon = word[1].find(':');
    if (colon == std::string::npos) continue;
    unsigned port = 0;
    const char* end = word[1].data() + word[1].size();
    std::from_chars(word[1].data() + colon + 1, end, port, 16);
    Inode inode = 0;
    std::from_chars(word[9].data(), word[9].data() + word[9].size(), inode);
    if (is_server_port(static_cast<std::uint16_t>(port)) && inode != 0) {
      sockets.emplace(inode, "");
    }
  }
}

// Lines of /proc/net/packet: "sk RefCnt Type Proto Iface R Rmem User Inode".
void read_packet(const std::string& text, BoundSockets& sockets) {
  std::istringstream lines(text);
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string sk, references, type, protocol, running, memory, user;
    unsigned index = 0;
    Inode inode = 0;
    words >> sk >> references >> type >> protocol >> index >> running >>
        memory >> user >> inode;
    if (words) sockets.emplace(inode, interface_name(index));
  }
}

// Which interfaces the UDP sockets are bound to (sock_diag(7)). Without
// udp_diag in the kernel nothing is added.
void read_bound(sa_family_t family, BoundSockets& sockets) {
  const UniqueFd fd(
      ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!fd) return;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &kAnswerTimeout,
               sizeof(kAnswerTimeout));
  struct {
    nlmsghdr header;
    inet_diag_req_v2 request;
  } message{};
  message.header.nlmsg_len = sizeof(message);
  message.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  message.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  message.request.sdiag_family = static_cast<__u8>(family);
  message.request.sdiag_protocol = IPPROTO_UDP;
  message.request.idiag_states = ~0U;
  if (::send(fd.get(), &message, sizeof(message), 0) < 0) return;
  alignas(nlmsghdr) std::array<char, 32768> buffer{};
  while (true) {
    const ssize_t size = ::recv(fd.get(), buffer.data(), buffer.size(), 0);
    if (size <= 0) return;
    auto left = static_cast<unsigned>(size);
    for (auto* header = reinterpret_cast<nlmsghdr*>(buffer.data());
         NLMSG_OK(header, left); header = NLMSG_NEXT(header, left)) {
      if (header->nlmsg_type == NLMSG_DONE ||
          header->nlmsg_type == NLMSG_ERROR) {
        return;
      }
      if (header->nlmsg_len < NLMSG_LENGTH(sizeof(inet_diag_msg))) continue;
      inet_diag_msg socket{};
      std::memcpy(&socket, NLMSG_DATA(header), sizeof(socket));
      const auto known = sockets.find(socket.idiag_inode);
      if (known != sockets.end()) {
        known->second = interface_name(socket.id.idiag_if);
      }
    }
  }
}

// Sockets of a network namespace: ours as "/proc/net", others' as seen by a
// process in it.
struct NamespaceSockets {
  BoundSockets udp;
  BoundSockets packet;
};

NamespaceSockets sockets_in(const std::string& proc_net) {
  NamespaceSockets sockets;
  for (const char* file : {"/udp", "/udp6"}) {
    if (const auto text = read_file(proc_net + file)) {
      read_udp(*text, sockets.udp);
    }
  }
  if (const auto text = read_file(proc_net + "/packet")) {
    read_packet(*text, sockets.packet);
  }
  return sockets;
}

std::string link_target(const fs::path& path) {
  std::error_code error;
  return fs::read_symlink(path, error).string();
}

// The inodes of a process's sockets; nullopt where they may not be seen. None
// of one that has ended meanwhile.
std::optional<std::vector<Inode>> inodes_of(const fs::path& process) {
  std::vector<Inode> inodes;
  std::error_code error;
  fs::directory_iterator it(process / "fd", error);
  if (error == std::errc::permission_denied) return std::nullopt;
  if (error) return inodes;
  for (; it != fs::directory_iterator(); it.increment(error)) {
    if (error) break;
    const std::string target = link_target(it->path());
    constexpr std::string_view kPrefix = "socket:[";
    if (!target.starts_with(kPrefix)) continue;
    Inode inode = 0;
    std::from_chars(target.data() + kPrefix.size(),
                    target.data() + target.size(), inode);
    inodes.push_back(inode);
  }
  return inodes;
}

// What dnsmasq was told on its command line and in the files it names.
std::set<std::string> told_interfaces(const fs::path& process) {
  const auto line = read_file((process / "cmdline").string());
  if (!line) return {};
  std::vector<std::string> arguments;
  std::istringstream words(*line);
  for (std::string each; std::getline(words, each, '\0');) {
    arguments.push_back(each);
  }
  std::string text;
  std::vector<std::string> files;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    std::string argument = arguments[i];
    const auto short_option = [&](std::string_view option,
                                  std::string_view name) {
      if (!argument.starts_with(option) || argument.starts_with("--")) return;
      std::string value = argument.substr(option.size());
      if (value.empty() && i + 1 < arguments.size()) value = arguments[++i];
      argument = fmt::format("--{}={}", name, value);
    };
    short_option("-i", "interface");
    short_option("-2", "no-dhcp-interface");
    short_option("-C", "conf-file");
    short_option("-7", "conf-dir");
    if (!argument.starts_with("--")) continue;
    argument.erase(0, 2);
    text += argument + "\n";
    const std::size_t equals = argument.find('=');
    const std::string name = argument.substr(0, equals);
    std::string value =
        equals == std::string::npos ? "" : argument.substr(equals + 1);
    if (name == "conf-file" && !value.empty()) files.push_back(value);
    if (name == "conf-dir") {
      value = value.substr(0, value.find(','));
      std::error_code error;
      for (fs::directory_iterator
               it((process / "root").string() + value, error),
           end;
           !error && it != end; it.increment(error)) {
        files.push_back(value + "/" + it->path().filename().string());
      }
    }
  }
  if (files.empty()) files.emplace_back("/etc/dnsmasq.conf");
  for (const std::string& file : files) {
    const auto read =
        read_file((process / "root").string() + file, std::size_t{1} << 20);
    if (read) text += *read + "\n";
  }
  return dnsmasq_interfaces(text);
}

std::optional<pid_t> pid_of(const fs::path& path) {
  const std::string name = path.filename().string();
  pid_t pid = 0;
  const auto parsed =
      std::from_chars(name.data(), name.data() + name.size(), pid);
  if (parsed.ec != std::errc() || parsed.ptr != name.data() + name.size()) {
    return std::nullopt;
  }
  return pid;
}

std::optional<DhcpServer> look_at(const fs::path& process, pid_t pid,
                                  const std::vector<Inode>& inodes,
                                  const NamespaceSockets& sockets) {
  DhcpServer server;
  server.pid = pid;
  if (auto name = read_file((process / "comm").string(), 64)) {
    server.name = name->substr(0, name->find('\n'));
  }
  if (std::ranges::find(kRelays, server.name) != kRelays.end()) {
    return std::nullopt;
  }
  const bool reads_raw =
      std::ranges::find(kRawReaders, server.name) != kRawReaders.end();
  bool found = false;
  bool everywhere = false;
  for (const Inode inode : inodes) {
    auto bound = sockets.udp.find(inode);
    if (reads_raw && bound == sockets.udp.end()) {
      bound = sockets.packet.find(inode);
      if (bound == sockets.packet.end()) continue;
      server.raw = true;
    } else if (bound == sockets.udp.end()) {
      continue;
    }
    found = true;
    if (bound->second.empty()) {
      everywhere = true;
    } else {
      server.interfaces.insert(bound->second);
    }
  }
  if (!found) return std::nullopt;
  // Kea and dhcpd have a UDP socket too, to send with.
  if (everywhere && !server.raw) {
    server.interfaces = server.name == "dnsmasq" ? told_interfaces(process)
                                                 : std::set<std::string>{};
  }
  return server;
}

// The interfaces through which frames reach `interface` without the filter.
std::vector<std::string> open_ways(const std::string& interface,
                                   const LinkStack& links,
                                   const std::set<std::string>& filtered,
                                   int depth = 0) {
  if (filtered.contains(interface)) return {};
  const auto known = links.find(interface);
  constexpr int kDeepest = 8;
  if (known == links.end() || known->second.empty() || depth > kDeepest) {
    return {interface};
  }
  std::vector<std::string> open;
  for (const std::string& lower : known->second) {
    std::ranges::copy(open_ways(lower, links, filtered, depth + 1),
                      std::back_inserter(open));
  }
  return open;
}

std::string describe(const DhcpServer& server) {
  return fmt::format("{} (process {})", pxegate::quoted(server.name),
                     server.pid);
}

}  // namespace

std::set<std::string> dnsmasq_interfaces(const std::string& text) {
  std::set<std::string> wanted;
  std::set<std::string> refused;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    line.resize(std::min(line.find('#'), line.size()));
    std::erase_if(line, [](char c) { return c == ' ' || c == '\t'; });
    const std::size_t equals = line.find('=');
    if (equals == std::string::npos) continue;
    const std::string name = line.substr(0, equals);
    if (name != "interface" && name != "no-dhcp-interface") continue;
    std::istringstream values(line.substr(equals + 1));
    for (std::string value; std::getline(values, value, ',');) {
      if (!value.empty())
        (name == "interface" ? wanted : refused).insert(value);
    }
  }
  for (const std::string& name : refused) wanted.erase(name);
  return wanted;
}

Result<std::set<std::string>> addressed_interfaces() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return fail_errno("getifaddrs", errno);
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owned(
      list, &::freeifaddrs);
  std::set<std::string> interfaces;
  for (const ifaddrs* each = list; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr || each->ifa_addr->sa_family != AF_INET ||
        (each->ifa_flags & IFF_LOOPBACK) != 0 ||
        (each->ifa_flags & IFF_UP) == 0) {
      continue;
    }
    interfaces.insert(each->ifa_name);
  }
  return interfaces;
}

Result<DhcpServerScan> find_dhcp_servers() {
  DhcpServerScan scan;
  NamespaceSockets ours = sockets_in("/proc/net");
  read_bound(AF_INET, ours.udp);
  read_bound(AF_INET6, ours.udp);
  const std::string our_namespace = link_target("/proc/self/ns/net");
  std::map<std::string, NamespaceSockets> others;
  std::error_code error;
  fs::directory_iterator it("/proc", error);
  if (error) return fail("cannot read /proc: " + error.message());
  for (; it != fs::directory_iterator(); it.increment(error)) {
    if (error) break;
    const fs::path& process = it->path();
    const auto pid = pid_of(process);
    if (!pid) continue;
    const auto inodes = inodes_of(process);
    if (!inodes) {
      ++scan.hidden;
      continue;
    }
    const std::string netns = link_target(process / "ns/net");
    if (inodes->empty() || netns.empty()) continue;
    const bool same = netns == our_namespace;
    if (!same && !others.contains(netns)) {
      others.emplace(netns, sockets_in((process / "net").string()));
    }
    auto server =
        look_at(process, *pid, *inodes, same ? ours : others.at(netns));
    if (!server) continue;
    server->same_netns = same;
    if (!same) server->interfaces.clear();
    scan.servers.push_back(*std::move(server));
  }
  std::ranges::sort(scan.servers, {}, &DhcpServer::pid);
  return scan;
}

std::vector<Finding> judge_dhcp_servers(const DhcpServerScan& scan,
                                        const std::set<std::string>& addressed,
                                        const LinkStack& links,
                                        const Gate& gate) {
  const std::string check = "DHCP server";
  std::vector<Finding> findings;
  std::vector<std::string> elsewhere;
  for (const DhcpServer& server : scan.servers) {
    if (!server.same_netns) {
      elsewhere.push_back(describe(server));
      continue;
    }
    if (server.raw && gate.driver != "xdp") {
      findings.push_back(problem(
          check,
          fmt::format("{} reads raw sockets: it sees requests before driver "
                      "{} does, and answers denied machines",
                      describe(server), gate.driver),
          "[pxe_filter] driver = xdp, or have the server use UDP sockets "
          "(Kea: \"dhcp-socket-type\": \"udp\")"));
      continue;
    }
    std::set<std::string> heard = server.interfaces;
    if (heard.empty()) heard = addressed;
    if (heard.empty()) {
      findings.push_back(not_known(
          check,
          fmt::format("{} hears requests everywhere, and no interface that is "
                      "up has an IPv4 address: of IPv6 this does not tell",
                      describe(server)),
          "have it listen where the filter is only (dnsmasq: --interface=… "
          "--bind-interfaces)"));
      continue;
    }
    std::set<std::string> open;
    bool behind = false;
    for (const std::string& name : heard) {
      const auto ways = open_ways(name, links, gate.filtered);
      if (ways.empty()) behind = true;
      open.insert(ways.begin(), ways.end());
    }
    if (open.empty()) {
      findings.push_back(
          good(check, fmt::format("{} is behind the filter on {}",
                                  describe(server), fmt::join(heard, ", "))));
      continue;
    }
    const std::string seen = fmt::format(
        "{} hears requests on {}, which {} not filtered", describe(server),
        fmt::join(open, ", "), open.size() == 1 ? "is" : "are");
    const std::string remedy = fmt::format(
        "have it listen where the filter is only (dnsmasq: --interface=… "
        "--bind-interfaces), or add {} to {}",
        fmt::join(open, ", "), gate.option);
    findings.push_back(behind && server.interfaces.empty()
                           ? warning(check, seen, remedy)
                           : problem(check, seen, remedy));
  }
  if (findings.empty()) {
    std::string seen = "none runs in this network namespace";
    if (!elsewhere.empty()) {
      seen += fmt::format("; in others: {}", fmt::join(elsewhere, ", "));
    }
    if (scan.hidden > 0) {
      return {
          not_known(check,
                    fmt::format("{}, but {} may not be looked into", seen,
                                scan.hidden == 1
                                    ? std::string("one process")
                                    : fmt::format("{} processes", scan.hidden)),
                    "run it as root")};
    }
    findings.push_back(warning(
        check, seen,
        "the filter belongs where the inspection DHCP server's requests come "
        "in: on its host, and in its network namespace. Start the server, or "
        "see that frames for it really pass " +
            gate.option));
  }
  return findings;
}

}  // namespace pxegate
