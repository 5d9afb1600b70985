// SPDX-License-Identifier: Apache-2.0
#include "tests/support/packet_generator.h"

#include <algorithm>
#include <string>

#include "tests/support/packet_shapes.h"

namespace pxegate::testing {
namespace {

// Longer than any Ethernet frame would only test the kernel's test run.
constexpr std::size_t kLongest = 3000;

Bytes text(std::string_view text) { return {text.begin(), text.end()}; }

}  // namespace

std::uint32_t PacketGenerator::below(std::uint32_t limit) {
  return static_cast<std::uint32_t>(random_() % limit);
}

std::uint16_t PacketGenerator::near(std::size_t size) {
  const auto exact = static_cast<std::uint16_t>(size);
  switch (below(8)) {
    case 0:
      return 0;
    case 1:
      return 0xffff;
    case 2:
      return static_cast<std::uint16_t>(below(65536));
    case 3:
      return static_cast<std::uint16_t>(below(exact + 1U));
    default:
      return static_cast<std::uint16_t>(exact + below(9) - 4);
  }
}

Bytes PacketGenerator::noise(std::size_t size) {
  Bytes bytes(size);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random_());
  return bytes;
}

Packet PacketGenerator::link() {
  Ethernet ethernet;
  if (one_in(3)) ethernet.source = any_of(known_macs());
  if (one_in(60))
    ethernet.type = any_of<std::uint16_t>({0x0800, 0x0806, 0x86dd, 0x8100, 0});
  Packet packet(ethernet);
  if (one_in(2)) return packet;
  std::uint32_t tags = any_of<std::uint32_t>({1, 1, 1, 2, 2, 3, 4, 8, 8, 9});
  // More than two need priority tags among them.
  const bool priority = tags > 3 || one_in(4);
  for (std::uint32_t vlans = 0; tags > 0; --tags) {
    const bool vlan = !priority || one_in(tags);
    if (vlan) ++vlans;
    packet = std::move(packet) /
             Vlan{.id = vlan && (vlans <= 2 || one_in(3))
                            ? any_of<std::uint16_t>({1, 7, 0x100, 0xfff})
                            : std::uint16_t{0},
                  .priority = static_cast<std::uint8_t>(below(8)),
                  .tag = one_in(3) ? kEtherServiceVlan : kEtherVlan};
  }
  return packet;
}

Packet PacketGenerator::ipv4(std::size_t payload) {
  Ipv4 ipv4;
  if (one_in(3)) ipv4.options = Bytes(below(11) * 4, 1);
  if (one_in(40)) ipv4.ihl = static_cast<std::uint8_t>(below(16));
  if (one_in(60)) ipv4.version = static_cast<std::uint8_t>(below(16));
  if (one_in(60)) ipv4.protocol = any_of<std::uint8_t>({1, 6, 41, 136});
  ipv4.more_fragments = one_in(25);
  ipv4.dont_fragment = one_in(3);
  if (one_in(50)) {
    ipv4.fragment_offset =
        one_in(2) ? std::uint16_t{1} : static_cast<std::uint16_t>(below(8192));
  }
  if (one_in(12)) ipv4.total_length = near(20 + ipv4.options.size() + payload);
  return ipv4;
}

Packet PacketGenerator::extension() {
  if (one_in(8))
    return Fragment{.offset = one_in(3) ? std::uint16_t{1} : std::uint16_t{0},
                    .more = one_in(3)};
  Extension extension{
      .type = any_of<std::uint8_t>({0, 43, 51, 60, 135, 139, 140}),
      .data = Bytes(one_in(8) ? below(140) * 8 : below(30),
                    static_cast<std::uint8_t>(below(256)))};
  if (one_in(60)) extension.length = static_cast<std::uint8_t>(below(256));
  if (one_in(60)) extension.type = static_cast<std::uint8_t>(below(256));
  return extension;
}

Packet PacketGenerator::ipv6(std::size_t payload) {
  Ipv6 ipv6;
  if (one_in(2)) ipv6.source = any_of(known_relays6());
  if (one_in(60)) ipv6.version = static_cast<std::uint8_t>(below(16));
  if (one_in(80)) ipv6.next_header = static_cast<std::uint8_t>(below(256));
  Packet chain;
  std::size_t size = payload;
  if (one_in(3)) {
    std::uint32_t left = any_of<std::uint32_t>({1, 1, 2, 3, 7, 8, 9});
    for (; left > 0; --left) {
      const Packet next = extension();
      size += next.bytes().size();
      chain = std::move(chain) / next;
    }
  }
  if (one_in(12)) ipv6.payload_length = near(size);
  return Packet(ipv6) / chain;
}

Udp PacketGenerator::udp(std::uint16_t port, std::size_t payload) {
  Udp udp{.source = any_of<std::uint16_t>({67, 68, 546, 547, 4011}),
          .destination = port,
          .checksum = 0};
  if (one_in(40))
    udp.destination = any_of<std::uint16_t>({66, 67, 68, 546, 547, 548, 4011});
  if (one_in(12)) udp.length = near(8 + payload);
  return udp;
}

Bootp PacketGenerator::bootp() {
  Bootp bootp;
  bootp.chaddr = as_bytes(any_of(known_macs()));
  if (one_in(6)) bootp.chaddr.resize(16, static_cast<std::uint8_t>(below(256)));
  if (one_in(100)) bootp.chaddr = noise(16);
  if (one_in(12)) bootp.op = any_of<std::uint8_t>({0, 2, 2, 2, 3});
  if (one_in(6)) bootp.htype = any_of<std::uint8_t>({0, 6, 31, 33, 255});
  if (one_in(4)) bootp.htype = 32;
  if (one_in(5)) bootp.hlen = any_of<std::uint8_t>({0, 5, 7, 8, 16, 20, 255});
  if (one_in(3)) bootp.giaddr = any_of(known_relays4());
  return bootp;
}

Option PacketGenerator::option() {
  Option option{};
  switch (below(14)) {
    case 0:
      option = message_type(static_cast<std::uint8_t>(
          one_in(8) ? below(256) : any_of<std::uint32_t>({0, 1, 2, 5, 6, 8})));
      break;
    case 1:
      option = client_arch(static_cast<std::uint16_t>(below(65536)));
      break;
    case 2:
    case 3: {
      Bytes id = noise(below(13));
      const Bytes guid = as_bytes(any_of(known_guids()));
      id.insert(id.end(), guid.begin(), guid.end());
      if (one_in(6)) id.resize(below(9));
      option = client_id(std::move(id));
      break;
    }
    case 4:
      option = {0};
      break;
    case 5:
      option = {60, text(any_of<std::string_view>(
                        {"PXEClient", "HTTPClient", "PXEClient:Arch:00000",
                         "PXEClien", "HTTPClien", "pxeclient", "MSFT 5.0",
                         "HTTPClient:Arch:00016", "xPXEClient"}))};
      break;
    case 6:
      option = {77, text(any_of<std::string_view>(
                        {"iPXE", "\4iPXE", "\1x\4iPXE", "\3iPXE", "\5iPXE",
                         "iPXE2", "xiPXE", "\2xx\4iPXE\1x", "\4iPXF", "iPX",
                         "\4iPXE\1", "\xfa\4iPXE"}))};
      break;
    case 7:
      option = {any_of<std::uint8_t>({52, 175, 174, 176}), noise(below(3))};
      break;
    default:
      option = {any_of<std::uint8_t>({1, 53, 55, 60, 77, 93, 224}),
                Bytes(one_in(20) ? below(256) : below(6), 61)};
  }
  // Not often: what is cut off hides all behind it.
  if (one_in(80))
    option.length = static_cast<std::uint8_t>(near(option.value.size()));
  return option;
}

Packet PacketGenerator::dhcpv4() {
  DhcpOptions dhcp{.options = {}};
  dhcp.cookie = !one_in(20);
  dhcp.end = !one_in(10);
  if (one_in(2))
    dhcp.options.push_back(message_type(any_of<std::uint8_t>({1, 2, 3, 5})));
  std::uint32_t left = any_of<std::uint32_t>({0, 0, 1, 2, 3, 4, 8, 12});
  if (one_in(20)) left = 61 + below(5);
  const bool pads = left > 60 && one_in(2);
  for (; left > 0; --left) dhcp.options.push_back(pads ? Option{0} : option());
  if (one_in(10)) dhcp.options.push_back(option());
  if (one_in(40)) {
    // Far beyond what an Ethernet frame may hold.
    for (int i = 0; i < 7; ++i) dhcp.options.push_back({224, Bytes(255, 61)});
    dhcp.options.push_back(option());
  }
  Packet message(bootp());
  if (!one_in(25)) message = std::move(message) / dhcp;
  return message;
}

Ip6 PacketGenerator::peer() {
  Ip6 peer = link_local(any_of(known_macs()));
  if (one_in(2)) peer[11] = static_cast<std::uint8_t>(below(256));
  if (one_in(12)) peer[12] = static_cast<std::uint8_t>(below(256));
  return peer;
}

Bytes PacketGenerator::hardware_address(std::uint16_t& htype) {
  htype = any_of<std::uint16_t>({1, 1, 32});
  Bytes address = as_bytes(any_of(known_macs()));
  if (htype == 32) {
    address = noise(one_in(2) ? 0 : 12);
    const Bytes guid = as_bytes(any_of(known_guids()));
    address.insert(address.end(), guid.begin(), guid.end());
  }
  if (one_in(15)) htype = any_of<std::uint16_t>({0, 1, 6, 31, 32, 33, 0x101});
  if (one_in(15)) address.resize(below(23));
  return address;
}

Bytes PacketGenerator::duid() {
  std::uint16_t htype = 0;
  const Bytes address = hardware_address(htype);
  Bytes duid = one_in(2) ? duid_llt(address, htype) : duid_ll(address, htype);
  if (one_in(5)) duid = duid_uuid();
  if (one_in(15)) duid[one_in(2) ? 0 : 1] = static_cast<std::uint8_t>(below(5));
  if (one_in(20)) duid.resize(below(16));
  return duid;
}

Option6 PacketGenerator::option6() {
  Option6 option{};
  std::uint16_t htype = 0;
  switch (below(9)) {
    case 0:
    case 1:
      option = client_id6(duid());
      break;
    case 2: {
      const Bytes address = hardware_address(htype);
      option = client_link_layer(address, htype);
      break;
    }
    case 3:
      option = one_in(4) ? Option6{61, noise(below(5))}
                         : client_arch6(static_cast<std::uint16_t>(below(20)));
      break;
    case 4:
      option = vendor_class6(any_of<std::string_view>(
          {"PXEClient", "HTTPClient", "PXEClient:Arch:00007", "PXEClien",
           "HTTPClien", "xPXEClient", ""}));
      if (one_in(4)) option.value[5] = static_cast<std::uint8_t>(below(24));
      if (one_in(4)) option.value[4] = static_cast<std::uint8_t>(below(2));
      break;
    case 5: {
      static const std::vector<std::vector<std::string_view>> kClasses{
          {"iPXE"},  {"x", "iPXE"},     {"iPXF"},
          {"iPXE2"}, {"xiPXE"},         {"iPX"},
          {},        {"", "iPXE", "x"}, {"iPXE", "x"}};
      option = user_class6(any_of(kClasses));
      if (one_in(4)) option.value = text("iPXE");
      if (one_in(6)) option.value.resize(below(12));
      break;
    }
    default:
      option = {any_of<std::uint16_t>({0, 2, 3, 6, 8, 14, 0x0101, 0x4f00}),
                Bytes(one_in(20) ? below(300) : below(8), 1)};
  }
  if (one_in(80)) option.length = near(option.value.size());
  return option;
}

Packet PacketGenerator::relay(bool innermost) {
  RelayForward relay{.hops = static_cast<std::uint8_t>(below(4)),
                     .link = one_in(3) ? Ip6{} : any_of(known_relays6()),
                     .peer = peer()};
  const auto some = [&](std::vector<Option6>& options) {
    for (std::uint32_t left = one_in(2) ? 0 : below(4); left > 0; --left)
      options.push_back(option6());
    // That every message is cut off would be too often.
    for (Option6& option : options)
      if (!one_in(3)) option.length.reset();
  };
  some(relay.options);
  some(relay.behind);
  if (innermost && one_in(4)) {
    std::uint16_t htype = 0;
    const Bytes address = hardware_address(htype);
    relay.behind.push_back(client_link_layer(address, htype));
  }
  if (one_in(60)) relay.behind.push_back({9, noise(below(8))});
  if (one_in(60)) relay.length = near(100);
  if (one_in(60)) relay.type = any_of<std::uint8_t>({1, 11, 12, 13});
  return relay;
}

Packet PacketGenerator::dhcpv6() {
  Dhcpv6 dhcp{.type = any_of<std::uint8_t>({1, 1, 3, 5, 11, 12, 20}),
              .options = {}};
  if (one_in(3)) dhcp.type = 1;
  if (one_in(12))
    dhcp.type = any_of<std::uint8_t>({0, 2, 7, 10, 13, 21, 22, 255});
  std::uint32_t left = any_of<std::uint32_t>({0, 1, 1, 2, 3, 4, 8});
  const std::uint32_t depth =
      one_in(3) ? 0 : any_of<std::uint32_t>({1, 1, 1, 2, 3, 4, 5});
  if (one_in(20)) left = 66 - below(6 + 2 * depth);
  for (; left > 0; --left) dhcp.options.push_back(option6());
  if (depth > 0 && dhcp.type == 12 && !one_in(4)) dhcp.type = 1;
  Packet message;
  for (std::uint32_t i = depth; i > 0; --i)
    message = std::move(message) / relay(i == 1);
  message = std::move(message) / dhcp;
  // Behind all options.
  if (one_in(20)) message = std::move(message) / Raw{noise(below(6))};
  return message;
}

Bytes PacketGenerator::fresh() {
  const bool six = !one_in(3);
  const Packet message = six ? dhcpv6() : dhcpv4();
  const std::size_t payload = message.bytes().size();
  const std::uint16_t port = six         ? std::uint16_t{547}
                             : one_in(6) ? std::uint16_t{4011}
                                         : std::uint16_t{67};
  const Packet ip = six ? ipv6(8 + payload) : ipv4(8 + payload);
  const Packet outer = link();
  const Udp inner = udp(port, payload);
  Bytes frame = (Packet(outer) / ip / inner / message).bytes();
  if (one_in(12)) frame.resize(frame.size() + below(64));
  if (frame.size() > kLongest) frame.resize(kLongest);
  return frame;
}

void PacketGenerator::damage(Bytes& frame) {
  const auto size = static_cast<std::uint32_t>(frame.size());
  // Mostly in the headers, or where options begin.
  const std::uint32_t at = below(
      std::min(size, any_of<std::uint32_t>({42, 90, 90, 150, 320, 3000})));
  switch (below(8)) {
    case 0:
      frame[at] ^= static_cast<std::uint8_t>(1U << below(8));
      break;
    case 1:
      frame[at] = any_of<std::uint8_t>(
          {0,    1,    2,    4,    5,    6,    7,    8,    9,   12, 15,
           16,   17,   32,   43,   44,   53,   60,   61,   67,  79, 0x0f,
           0x45, 0x4f, 0x63, 0x81, 0x86, 0x88, 0xa8, 0xdd, 0xff});
      break;
    case 2:
      frame[at] = static_cast<std::uint8_t>(below(256));
      break;
    case 3:  // as a length that is off by one
      frame[at] = static_cast<std::uint8_t>(frame[at] + (one_in(2) ? 1 : -1));
      break;
    case 4:
      frame.resize(14 + below(size - 13));
      break;
    case 5: {  // near the end of BOOTP, wherever that is
      const std::uint32_t end = 270 + below(70);
      if (size > end) frame.resize(end);
      break;
    }
    case 6:
      frame.insert(frame.begin() + at, static_cast<std::uint8_t>(below(64)));
      break;
    default:
      if (size > 20) frame.erase(frame.begin() + at);
  }
}

Bytes PacketGenerator::next() {
  // One that was made with much ado is worth several tries.
  if (last_.empty() || one_in(4)) last_ = fresh();
  Bytes frame = last_;
  while (one_in(2)) damage(frame);
  return frame;
}

}  // namespace pxegate::testing
