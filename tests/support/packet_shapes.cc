// SPDX-License-Identifier: Apache-2.0
#include "tests/support/packet_shapes.h"

#include <algorithm>

namespace pxegate::testing {
namespace {

const std::uint8_t kExtensions[] = {0, 43, 44, 51, 60, 135, 139, 140};

Packet join(const std::vector<Packet>& layers) {
  Packet all;
  for (const Packet& layer : layers) all = std::move(all) / layer;
  return all;
}

void set16(Bytes& bytes, std::size_t at, std::size_t value) {
  bytes[at] = static_cast<std::uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<std::uint8_t>(value);
}

Packet extension(std::uint8_t type) {
  if (type == kFragment) return Fragment{};
  return Extension{.type = type, .data = Bytes(6, type)};
}

// As IPv6 has it, that many bytes in all; a multiple of eight.
Packet extension_of(std::size_t bytes) {
  return Extension{.data = Bytes(bytes - 2, 1)};
}

Bytes infiniband_hardware(const Guid& guid) {
  Bytes address(20, 0xfe);
  std::copy(guid.begin(), guid.end(), address.begin() + 12);
  return address;
}

std::vector<Packet> messages4() {
  const Guid& guid = known_guids()[0];
  const std::uint32_t giaddr = known_relays4()[0];
  const Bootp infiniband{.htype = 32, .hlen = 0, .chaddr = {}};
  const auto with = [](std::vector<Option> options) {
    return DhcpOptions{.options = std::move(options)};
  };
  const DhcpOptions plain = with({message_type(1)});
  return {
      Bootp{} / DhcpOptions{},
      Bootp{.giaddr = giaddr} / DhcpOptions{},
      Bootp{},
      Bootp{} / with({}),
      Bootp{} / plain,
      Bootp{.htype = 6} / plain,
      Bootp{.hlen = 16, .giaddr = giaddr} / plain,
      Bootp{.op = 2} / with({message_type(2), {54, {10, 0, 0, 1}}}),
      infiniband / with({message_type(1), infiniband_client_id(guid)}),
      infiniband /
          with({message_type(1), client_id(as_bytes(guid)), client_id({1})}),
      infiniband / plain,
      Bootp{} / with({message_type(1), vendor_class("HTTPClient:Arch:00016")}),
      Bootp{} / with({message_type(3), {77, {'i', 'P', 'X', 'E'}}}),
      Bootp{} / with({message_type(3), {77, {1, 'x', 4, 'i', 'P', 'X', 'E'}}}),
      Bootp{} / with({{0}, {0}, message_type(3), {0}, {175, {1}}}),
      Bootp{} / with({message_type(1), {52, {1}}}),
  };
}

std::vector<Packet> messages6() {
  const Bytes mac = as_bytes(known_macs()[0]);
  const Bytes other = as_bytes(known_macs()[1]);
  const Bytes guid = as_bytes(known_guids()[0]);
  const Bytes hardware = infiniband_hardware(known_guids()[1]);
  const Ip6 nameless = ip6({0xfe80, 0, 0, 0, 1, 2, 3, 4});
  const RelayForward relay{.link = known_relays6()[0], .peer = nameless};
  const RelayForward by_peer{.link = Ip6{}, .peer = link_local(kClientMac)};
  const auto naming = [&](std::vector<Option6> options) {
    RelayForward named = relay;
    named.options = std::move(options);
    named.behind = {{18, {'p', 'o', 'r', 't'}}};
    return named;
  };
  const auto asking = [](std::vector<Option6> options) {
    return Dhcpv6{.options = std::move(options)};
  };
  const Dhcpv6 bare{.options = {}};
  return {
      Dhcpv6{},
      bare,
      Dhcpv6{.type = 11, .options = {client_id6(duid_uuid())}},
      Dhcpv6{.type = 7},
      asking({client_id6(duid_ll(other)), user_class6({"x", "iPXE"})}),
      asking({client_id6(duid_ll(guid, 32)), {15, {'i', 'P', 'X', 'E'}}}),
      asking({client_id6(duid_llt(hardware, 32)), vendor_class6("HTTPClient")}),
      asking({client_id6(duid_ll(mac))}),
      relay / Dhcpv6{},
      by_peer / bare,
      relay / bare,
      relay / asking({client_id6(duid_ll(guid, 32))}),
      relay / asking({client_id6(duid_llt(hardware, 32)), {14}}),
      naming({client_link_layer(mac)}) / asking({client_id6(duid_ll(other))}),
      naming({client_link_layer(guid, 32)}) / bare,
      naming({client_link_layer(hardware, 32)}) / bare,
      relay / naming({client_link_layer(mac)}) / bare,
      naming({client_link_layer(mac)}) / by_peer / bare,
      relay / relay / relay / bare,
      relay / relay / relay / by_peer / bare,
      relay / relay / relay / naming({client_link_layer(mac)}) / Dhcpv6{},
      relay / relay / relay / relay / by_peer / Dhcpv6{},
      relay,
  };
}

std::vector<Packet> links() {
  const Vlan priority{.id = 0, .priority = 5};
  const Vlan service{.id = 200, .tag = kEtherServiceVlan};
  const Vlan vlan{.id = 7};
  std::vector<Packet> out{
      Ethernet{},
      Ethernet{} / priority,
      Ethernet{} / vlan,
      Ethernet{} / service,
      Ethernet{} / service / vlan,
      Ethernet{} / vlan / vlan / vlan,
      Ethernet{} / vlan / vlan / priority,
      Ethernet{} / priority / vlan / priority / vlan / priority,
      Ethernet{} / vlan / vlan / priority / vlan,
  };
  Packet tags = Ethernet{} / vlan / service;
  for (int i = 0; i < 6; ++i) tags = std::move(tags) / priority;
  out.push_back(tags);             // eight
  out.push_back(tags / priority);  // nine
  return out;
}

std::vector<Packet> ipv4_headers() {
  std::vector<Packet> out;
  for (const std::size_t options : {0, 4, 40}) {
    for (const std::uint8_t protocol : {17, 6}) {
      for (const bool more : {false, true}) {
        // 0x8000 is the reserved flag.
        for (const std::uint16_t offset : {0, 1, 0x1000, 0x1fff, 0x8000}) {
          out.push_back(Ipv4{.options = Bytes(options, 1),
                             .dont_fragment = !more,
                             .more_fragments = more,
                             .fragment_offset = offset,
                             .protocol = protocol});
        }
      }
    }
  }
  for (const std::uint8_t ihl : {0, 4, 6, 15}) out.push_back(Ipv4{.ihl = ihl});
  for (const std::uint8_t version : {0, 5, 6})
    out.push_back(Ipv4{.version = version});
  return out;
}

std::vector<Packet> ipv6_headers() {
  const Packet options = extension_of(8);
  std::vector<Packet> chains{Packet{}};
  for (const std::uint8_t one : kExtensions) {
    chains.push_back(extension(one));
    for (const std::uint8_t two : kExtensions)
      chains.push_back(extension(one) / extension(two));
  }
  for (const std::size_t count : {3, 7, 8, 9})
    chains.push_back(join(std::vector<Packet>(count, options)));
  for (const std::size_t bytes : {1016, 1024, 1032, 2048}) {
    chains.push_back(extension_of(bytes));
    chains.push_back(extension_of(bytes - 8) / options);
    chains.push_back(extension_of(504) / extension_of(bytes - 504));
  }
  for (const std::size_t bytes : {12, 16, 20, 1020}) {
    chains.push_back(
        Extension{.type = kAuthentication, .data = Bytes(bytes - 2, 1)});
  }
  // None of those that are looked behind.
  for (const std::uint8_t type : {50, 59, 253, 6, 4, 41})
    chains.push_back(Extension{.type = type});
  const std::vector<Packet> fragments{
      Packet{}, Fragment{}, Fragment{.more = true}, Fragment{.offset = 1},
      Fragment{.offset = 0x1fff, .more = true}};
  std::vector<Packet> out;
  for (const Packet& chain : chains) {
    for (const Packet& fragment : fragments) {
      out.push_back(Ipv6{} / fragment / chain);
      out.push_back(Ipv6{} / chain / fragment);
    }
  }
  for (const std::uint8_t version : {0, 4, 5, 7})
    out.push_back(Ipv6{.version = version});
  for (const std::uint16_t length : {0, 8, 11, 12, 65535}) {
    out.push_back(Ipv6{.payload_length = length});
    out.push_back(Ipv6{.payload_length = length} / Fragment{.more = true} /
                  options);
  }
  return out;
}

}  // namespace

const std::vector<Mac>& known_macs() {
  static const std::vector<Mac> all{kClientMac,
                                    {0x52, 0x54, 0x00, 0x12, 0x34, 0x57},
                                    {0x50, 0x54, 0x00, 0x12, 0x34, 0x56},
                                    {0x02, 0x00, 0x00, 0x00, 0x00, 0x67},
                                    Mac{},
                                    kBroadcastMac};
  return all;
}

const std::vector<Guid>& known_guids() {
  static const std::vector<Guid> all{
      {0x00, 0x02, 0xc9, 0x03, 0x00, 0xab, 0xcd, 0xef},
      {0x00, 0x02, 0xc9, 0x03, 0x00, 0xab, 0xcd, 0xee},
      {0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 0x00, 0x00}};
  return all;
}

const std::vector<std::uint32_t>& known_relays4() {
  static const std::vector<std::uint32_t> all{
      ip(10, 1, 1, 1), ip(10, 1, 1, 2), ip(192, 168, 255, 254), 1, 0xffffffff};
  return all;
}

const std::vector<Ip6>& known_relays6() {
  static const std::vector<Ip6> all{
      ip6({0x2001, 0xdb8, 1, 0, 0, 0, 0, 1}),
      ip6({0x2001, 0xdb8, 1, 0, 0, 0, 0, 2}),
      ip6({0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1}),
      ip6({0xfd00, 0, 0, 0, 0, 0, 0, 1}),
      // That of an IPv4 relay.
      ip6({0, 0, 0, 0, 0, 0xffff, 0x0a01, 0x0101}),
      ip6({0, 0, 0, 0, 0, 0, 0, 1})};
  return all;
}

Bytes Shape::bytes() const {
  return (Packet(link) / ip / udp / message).bytes();
}

std::vector<Shape> valid_shapes() {
  std::vector<Shape> out;
  const Udp proxy{.destination = 4011};
  for (const Packet& message : messages4()) {
    out.push_back({Ethernet{}, Ipv4{}, Udp{}, message});
    out.push_back({Ethernet{} / Vlan{.id = 7}, Ipv4{.options = Bytes(40, 1)},
                   proxy, message});
  }
  const Packet chain = Extension{.type = kHopByHop} / Fragment{} /
                       Extension{.type = kRouting, .data = Bytes(22, 17)} /
                       Extension{.type = kAuthentication, .data = Bytes(14, 1)};
  for (const Packet& message : messages6()) {
    out.push_back({Ethernet{}, Ipv6{}, kUdp6, message});
    out.push_back({Ethernet{} / Vlan{.id = 7}, Ipv6{} / chain, kUdp6, message});
  }
  // Fragments are valid as well.
  for (const Packet& before :
       {Packet{}, Packet(Extension{}), Extension{} / Extension{}}) {
    for (const Packet& behind : {Packet{}, Packet(Extension{}),
                                 Extension{} / Extension{.type = kHopByHop}}) {
      out.push_back({Ethernet{},
                     Ipv6{} / before / Fragment{.more = true} / behind, kUdp6,
                     Dhcpv6{.options = {}}});
    }
  }
  out.push_back({Ethernet{}, Ipv4{.more_fragments = true}, Udp{}, Bootp{}});
  return out;
}

void for_each_length(const std::vector<Shape>& shapes,
                     const std::function<void(const Bytes&)>& use) {
  for (const Shape& shape : shapes) {
    const Bytes whole = shape.bytes();
    const std::size_t ip_at = shape.link.bytes().size();
    const std::size_t udp_at = (Packet(shape.link) / shape.ip).bytes().size();
    const bool ipv4 = whole[ip_at] >> 4 == 4;
    const std::size_t ip_length_at = ip_at + (ipv4 ? 2 : 4);
    const std::size_t ip_counts_from = ipv4 ? ip_at : ip_at + 40;
    for (std::size_t size = 14; size <= whole.size() + 2; ++size) {
      Bytes frame = whole;
      frame.resize(size);
      use(frame);
      // The same, by what a header says.
      frame = whole;
      if (size >= ip_counts_from) {
        set16(frame, ip_length_at, size - ip_counts_from);
        use(frame);
        // So short a fragment, and behind it what it does not have.
        frame[udp_at + 3] ^= 1;
        use(frame);
        frame = whole;
      }
      if (size < udp_at) continue;
      set16(frame, udp_at + 4, size - udp_at);
      use(frame);
    }
  }
}

void for_each_header(const std::function<void(const Bytes&)>& use) {
  const Packet discover = Bootp{} / DhcpOptions{.options = {message_type(1)}};
  const Packet solicit = Dhcpv6{.options = {}};
  const std::vector<Packet> ipv4 = ipv4_headers();
  const std::vector<Packet> ipv6 = ipv6_headers();
  for (const Packet& link : links()) {
    for (const std::uint16_t port :
         {66, 67, 68, 546, 547, 548, 4010, 4011, 4012, 0x4300, 0x2302}) {
      const Udp udp{.source = 68, .destination = port};
      for (const Packet& ip : ipv4)
        use((Packet(link) / ip / udp / discover).bytes());
      for (const Packet& ip : ipv6)
        use((Packet(link) / ip / udp / solicit).bytes());
    }
  }
}

}  // namespace pxegate::testing
