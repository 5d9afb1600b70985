// SPDX-License-Identifier: Apache-2.0
#include "controller/doctor/dhcp_probe.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ifaddrs.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <memory>
#include <utility>

#include "controller/base/fd.h"

namespace pxegate {
namespace {

using std::chrono::milliseconds;
using Bytes = std::span<const std::uint8_t>;

// RFC 791, RFC 768, RFC 951 and RFC 2131, section 2.
constexpr std::size_t kIpHeader = 20;
constexpr std::size_t kUdpHeader = 8;
constexpr std::size_t kBootpHeader = 236;
constexpr std::uint16_t kServerPort = 67;
constexpr std::uint16_t kClientPort = 68;
constexpr std::array<std::uint8_t, 4> kCookie{99, 130, 83, 99};
constexpr std::uint8_t kOptionPad = 0;
constexpr std::uint8_t kOptionMessageType = 53;
constexpr std::uint8_t kOptionServer = 54;
constexpr std::uint8_t kOptionEnd = 255;
constexpr std::uint8_t kDiscover = 1;
constexpr std::uint8_t kOffer = 2;
constexpr std::size_t kMaxFrame = 2048;
constexpr milliseconds kPollStep{100};

class Writer {
 public:
  Writer& u8(std::uint8_t value) {
    bytes_.push_back(value);
    return *this;
  }
  Writer& u16(std::uint16_t value) {
    return u8(static_cast<std::uint8_t>(value >> 8))
        .u8(static_cast<std::uint8_t>(value));
  }
  Writer& u32(std::uint32_t value) {
    return u16(static_cast<std::uint16_t>(value >> 16))
        .u16(static_cast<std::uint16_t>(value));
  }
  Writer& raw(Bytes bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  Writer& text(std::string_view text) {
    bytes_.insert(bytes_.end(), text.begin(), text.end());
    return *this;
  }
  Writer& zeros(std::size_t count) {
    bytes_.resize(bytes_.size() + count);
    return *this;
  }
  std::vector<std::uint8_t>& bytes() { return bytes_; }

 private:
  std::vector<std::uint8_t> bytes_;
};

// RFC 1071.
std::uint16_t checksum(Bytes bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    sum += static_cast<std::uint32_t>(bytes[i]) << (i % 2 == 0 ? 8 : 0);
  }
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

std::vector<std::uint8_t> discover(const MacAddress& client,
                                   std::uint32_t xid) {
  Writer out;
  out.u8(1).u8(1).u8(6).u8(0).u32(xid).u16(0).u16(0x8000);  // broadcast
  out.zeros(16).raw(client.bytes()).zeros(10 + 64 + 128);
  out.raw(kCookie).u8(kOptionMessageType).u8(1).u8(kDiscover);
  // Mask, router, server name and file, as a boot ROM asks for them.
  out.u8(55).u8(6).u8(1).u8(3).u8(43).u8(60).u8(66).u8(67);
  constexpr std::string_view kPxe = "PXEClient:Arch:00000:UNDI:002001";
  out.u8(60).u8(static_cast<std::uint8_t>(kPxe.size())).text(kPxe);
  out.u8(93).u8(2).u16(0);             // RFC 4578: x86 BIOS
  out.u8(94).u8(3).u8(1).u8(2).u8(1);  // UNDI 2.1
  out.u8(97).u8(17).u8(0).zeros(10).raw(client.bytes());
  out.u8(kOptionEnd);
  return std::move(out.bytes());
}

std::uint16_t u16_at(Bytes bytes, std::size_t at) {
  return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

std::string ipv4_text(Bytes bytes) {
  return fmt::format("{}.{}.{}.{}", bytes[0], bytes[1], bytes[2], bytes[3]);
}

// The value of a DHCP option (RFC 2132); nullopt: it is not there, or what is
// before it is malformed.
std::optional<Bytes> option(Bytes options, std::uint8_t wanted) {
  std::size_t at = 0;
  while (at < options.size() && options[at] != kOptionEnd) {
    if (options[at] == kOptionPad) {
      ++at;
      continue;
    }
    if (at + 1 >= options.size()) return std::nullopt;
    const std::size_t size = options[at + 1];
    if (at + 2 + size > options.size()) return std::nullopt;
    if (options[at] == wanted) return options.subspan(at + 2, size);
    at += 2 + size;
  }
  return std::nullopt;
}

struct Prober {
  std::string interface;
  UniqueFd socket;
  MacAddress client;
  std::uint32_t xid = 0;
};

// nullopt: this one cannot be asked on.
Result<std::optional<Prober>> make_prober(const std::string& interface) {
  const unsigned index = ::if_nametoindex(interface.c_str());
  if (index == 0) return std::nullopt;
  Prober prober;
  prober.interface = interface;
  prober.socket.reset(
      ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!prober.socket) return fail_errno("a packet socket", errno);
  ifreq request{};
  std::memcpy(request.ifr_name, interface.c_str(),
              std::min<std::size_t>(interface.size() + 1, IFNAMSIZ - 1));
  if (::ioctl(prober.socket.get(), SIOCGIFHWADDR, &request) != 0 ||
      request.ifr_hwaddr.sa_family != ARPHRD_ETHER) {
    return std::nullopt;
  }
  std::array<std::uint8_t, 6> mac{};
  std::memcpy(mac.data(), request.ifr_hwaddr.sa_data, mac.size());
  prober.client = MacAddress(mac);
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETHERTYPE_IP);
  address.sll_ifindex = static_cast<int>(index);
  if (::bind(prober.socket.get(), reinterpret_cast<const sockaddr*>(&address),
             sizeof(address)) != 0) {
    return fail_errno("a packet socket on " + interface, errno);
  }
  if (::getrandom(&prober.xid, sizeof(prober.xid), 0) < 0) {
    return fail_errno("getrandom", errno);
  }
  return prober;
}

void listen(const std::vector<Prober>& probers,
            std::chrono::steady_clock::time_point deadline,
            const std::stop_token& stop, std::set<Offer>& offers) {
  std::vector<pollfd> fds;
  for (const Prober& prober : probers) {
    fds.push_back({prober.socket.get(), POLLIN, 0});
  }
  std::array<std::uint8_t, kMaxFrame> buffer{};
  while (!stop.stop_requested() &&
         std::chrono::steady_clock::now() < deadline) {
    if (::poll(fds.data(), fds.size(), static_cast<int>(kPollStep.count())) <=
        0) {
      continue;
    }
    for (const Prober& prober : probers) {
      const ssize_t size =
          ::recv(prober.socket.get(), buffer.data(), buffer.size(), 0);
      if (size <= 0) continue;
      auto offer = offer_in(Bytes(buffer).first(static_cast<std::size_t>(size)),
                            prober.client, prober.xid);
      if (!offer) continue;
      offer->interface = prober.interface;
      // A server that answers endlessly shall not fill the memory.
      constexpr std::size_t kMaxOffers = 64;
      if (offers.size() < kMaxOffers) offers.insert(*std::move(offer));
    }
  }
}

}  // namespace

std::vector<std::uint8_t> discover_frame(const MacAddress& client,
                                         std::uint32_t xid) {
  const std::vector<std::uint8_t> message = discover(client, xid);
  const std::size_t udp_size = kUdpHeader + message.size();
  Writer ip;
  ip.u8(0x45).u8(0).u16(static_cast<std::uint16_t>(kIpHeader + udp_size));
  ip.u16(0).u16(0).u8(64).u8(IPPROTO_UDP).u16(0).u32(0).u32(0xffffffff);
  const std::uint16_t sum = checksum(ip.bytes());
  ip.bytes()[10] = static_cast<std::uint8_t>(sum >> 8);
  ip.bytes()[11] = static_cast<std::uint8_t>(sum);
  constexpr std::array<std::uint8_t, 6> kBroadcast{0xff, 0xff, 0xff,
                                                   0xff, 0xff, 0xff};
  Writer frame;
  frame.raw(kBroadcast).raw(client.bytes()).u16(ETHERTYPE_IP).raw(ip.bytes());
  // No UDP checksum, which IPv4 allows.
  frame.u16(kClientPort).u16(kServerPort);
  frame.u16(static_cast<std::uint16_t>(udp_size)).u16(0).raw(message);
  return std::move(frame.bytes());
}

std::optional<Offer> offer_in(std::span<const std::uint8_t> frame,
                              const MacAddress& client, std::uint32_t xid) {
  if (frame.size() < ETHER_HDR_LEN + kIpHeader ||
      u16_at(frame, 12) != ETHERTYPE_IP) {
    return std::nullopt;
  }
  const Bytes sender = frame.subspan(ETHER_ADDR_LEN, ETHER_ADDR_LEN);
  const Bytes ip = frame.subspan(ETHER_HDR_LEN);
  const std::size_t header = static_cast<std::size_t>(ip[0] & 0x0f) * 4;
  if (ip[0] >> 4 != 4 || header < kIpHeader || ip[9] != IPPROTO_UDP ||
      ip.size() < header + kUdpHeader + kBootpHeader + kCookie.size()) {
    return std::nullopt;
  }
  const Bytes udp = ip.subspan(header);
  if (u16_at(udp, 2) != kClientPort) return std::nullopt;
  const Bytes bootp = udp.subspan(kUdpHeader);
  const auto xid_at = [&](std::size_t at) {
    return static_cast<std::uint32_t>(u16_at(bootp, at)) << 16 |
           u16_at(bootp, at + 2);
  };
  constexpr std::uint8_t kReply = 2;
  if (bootp[0] != kReply || xid_at(4) != xid ||
      !std::ranges::equal(bootp.subspan(28, ETHER_ADDR_LEN), client.bytes()) ||
      !std::ranges::equal(bootp.subspan(kBootpHeader, kCookie.size()),
                          kCookie)) {
    return std::nullopt;
  }
  const Bytes options = bootp.subspan(kBootpHeader + kCookie.size());
  const auto type = option(options, kOptionMessageType);
  if (!type || type->size() != 1 || (*type)[0] != kOffer) return std::nullopt;
  const auto server = option(options, kOptionServer);
  std::array<std::uint8_t, 6> mac{};
  std::ranges::copy(sender, mac.begin());
  return Offer{.interface = {},
               .server = ipv4_text(
                   server && server->size() == 4 ? *server : ip.subspan(12, 4)),
               .sender_mac = MacAddress(mac).to_string()};
}

Result<DhcpAnswers> probe_dhcp(const std::set<std::string>& interfaces,
                               milliseconds patience,
                               const std::stop_token& stop) {
  std::vector<Prober> probers;
  for (const std::string& interface : interfaces) {
    auto prober = make_prober(interface);
    if (!prober) return fail(prober.error());
    if (*prober) probers.push_back(**std::move(prober));
  }
  DhcpAnswers answers;
  std::set<Offer> offers;
  const auto start = std::chrono::steady_clock::now();
  // Twice, since a request may be lost.
  for (const int round : {1, 2}) {
    for (const Prober& prober : probers) {
      const auto frame = discover_frame(prober.client, prober.xid);
      if (::send(prober.socket.get(), frame.data(), frame.size(), 0) >= 0) {
        answers.asked.insert(prober.interface);
      }
    }
    if (answers.asked.empty()) break;
    listen(probers, start + patience * round / 2, stop, offers);
  }
  answers.offers.assign(offers.begin(), offers.end());
  return answers;
}

Result<std::set<std::string>> own_addresses() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return fail_errno("getifaddrs", errno);
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owned(
      list, &::freeifaddrs);
  std::set<std::string> addresses;
  for (const ifaddrs* each = list; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr || each->ifa_addr->sa_family != AF_INET) {
      continue;
    }
    std::array<char, INET_ADDRSTRLEN> text{};
    sockaddr_in address{};
    std::memcpy(&address, each->ifa_addr, sizeof(address));
    if (::inet_ntop(AF_INET, &address.sin_addr, text.data(), text.size()) !=
        nullptr) {
      addresses.insert(text.data());
    }
  }
  return addresses;
}

Finding judge_offers(const Result<DhcpAnswers>& answers,
                     const std::set<std::string>& own,
                     const std::set<std::string>& interfaces) {
  const std::string check = "other DHCP servers";
  if (!answers) {
    return not_known(check, answers.error().message(),
                     "run it as root, or with CAP_NET_RAW");
  }
  std::vector<std::string> strangers;
  for (const Offer& offer : answers->offers) {
    if (own.contains(offer.server)) continue;
    strangers.push_back(fmt::format("{} on {} (frame from {})", offer.server,
                                    offer.interface, offer.sender_mac));
  }
  std::vector<std::string> unasked;
  std::ranges::set_difference(interfaces, answers->asked,
                              std::back_inserter(unasked));
  if (strangers.empty() && !unasked.empty()) {
    return not_known(
        check,
        fmt::format("no request could be sent on {}", fmt::join(unasked, ", ")),
        "where it is an Ethernet, see that it is up");
  }
  if (strangers.empty()) {
    return good(check,
                fmt::format("none answered a PXE client's DISCOVER on {} "
                            "(DHCPv4; another network behind a tag or a "
                            "relay was not asked)",
                            fmt::join(interfaces, ", ")));
  }
  return problem(check,
                 fmt::format("a PXE client was answered by {}",
                             fmt::join(strangers, ", ")),
                 "machines that are denied here boot what that one offers: "
                 "stop it, or take it off this network");
}

}  // namespace pxegate
