// SPDX-License-Identifier: Apache-2.0
#include "tests/support/packet.h"

#include <algorithm>
#include <span>

namespace pxegate::testing {
namespace {

void put8(Bytes& out, std::uint8_t value) { out.push_back(value); }

void put16(Bytes& out, std::uint16_t value) {
  put8(out, static_cast<std::uint8_t>(value >> 8));
  put8(out, static_cast<std::uint8_t>(value));
}

void put32(Bytes& out, std::uint32_t value) {
  put16(out, static_cast<std::uint16_t>(value >> 16));
  put16(out, static_cast<std::uint16_t>(value));
}

template <typename Range>
void put(Bytes& out, const Range& bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

std::uint16_t as16(std::size_t value) {
  return static_cast<std::uint16_t>(value);
}

// RFC 1071.
std::uint16_t internet_checksum(std::span<const std::uint8_t> bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    sum += i % 2 == 0 ? std::uint32_t{bytes[i]} << 8 : bytes[i];
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

// What a layer is announced as by the one around it.
std::uint16_t ether_type(const Layer* inner) {
  if (inner == nullptr) return kEtherIpv4;
  if (const auto* vlan = std::get_if<Vlan>(inner)) return vlan->tag;
  return std::holds_alternative<Ipv6>(*inner) ? kEtherIpv6 : kEtherIpv4;
}

// The same for a header that IPv6 announces.
std::uint8_t header_type(const Layer* inner) {
  if (inner == nullptr) return kNoNextHeader;
  if (const auto* extension = std::get_if<Extension>(inner))
    return extension->type;
  if (std::holds_alternative<Fragment>(*inner)) return kFragment;
  return std::holds_alternative<Udp>(*inner) ? 17 : kNoNextHeader;
}

void put_option6(Bytes& out, const Option6& option) {
  put16(out, option.code);
  put16(out, option.length.value_or(as16(option.value.size())));
  put(out, option.value);
}

// RFC 768 and RFC 8200, 8.1.
std::uint16_t udp_checksum(const Layer& ip, const Bytes& datagram) {
  Bytes summed;
  if (const auto* ipv4 = std::get_if<Ipv4>(&ip)) {
    put32(summed, ipv4->source);
    put32(summed, ipv4->destination);
  } else if (const auto* ipv6 = std::get_if<Ipv6>(&ip)) {
    put(summed, ipv6->source);
    put(summed, ipv6->destination);
  }
  put16(summed, 17);
  put16(summed, as16(datagram.size()));
  put(summed, datagram);
  const std::uint16_t checksum = internet_checksum(summed);
  return checksum == 0 ? 0xffff : checksum;
}

// Turns one layer into bytes: its header, and behind it the layers inside.
struct Serializer {
  const Layer* ip;  // the innermost IP header around it
  const Layer* inner;
  const Bytes& payload;

  Bytes operator()(const Ethernet& eth) const {
    Bytes out;
    put(out, eth.destination);
    put(out, eth.source);
    put16(out, eth.type.value_or(ether_type(inner)));
    put(out, payload);
    return out;
  }

  Bytes operator()(const Vlan& vlan) const {
    Bytes out;
    put16(out, static_cast<std::uint16_t>(vlan.priority << 13 | vlan.id));
    put16(out, vlan.type.value_or(ether_type(inner)));
    put(out, payload);
    return out;
  }

  Bytes operator()(const Ipv4& ipv4) const {
    Bytes options = ipv4.options;
    options.resize((options.size() + 3) / 4 * 4);
    const std::size_t header = 20 + options.size();
    Bytes out;
    put8(out, static_cast<std::uint8_t>(ipv4.version << 4 |
                                        ipv4.ihl.value_or(header / 4)));
    put8(out, 0);  // type of service
    put16(out, ipv4.total_length.value_or(as16(header + payload.size())));
    put16(out, ipv4.id);
    put16(out, static_cast<std::uint16_t>((ipv4.dont_fragment ? 0x4000 : 0) |
                                          (ipv4.more_fragments ? 0x2000 : 0) |
                                          ipv4.fragment_offset));
    put8(out, ipv4.ttl);
    put8(out, ipv4.protocol);
    put16(out, 0);
    put32(out, ipv4.source);
    put32(out, ipv4.destination);
    put(out, options);
    const std::uint16_t checksum =
        ipv4.checksum.value_or(internet_checksum(out));
    out[10] = static_cast<std::uint8_t>(checksum >> 8);
    out[11] = static_cast<std::uint8_t>(checksum);
    put(out, payload);
    return out;
  }

  Bytes operator()(const Ipv6& ipv6) const {
    Bytes out;
    put8(out, static_cast<std::uint8_t>(ipv6.version << 4 |
                                        ipv6.traffic_class >> 4));
    put8(out, static_cast<std::uint8_t>(ipv6.traffic_class << 4));
    put16(out, 0);  // flow label
    put16(out, ipv6.payload_length.value_or(as16(payload.size())));
    put8(out, ipv6.next_header.value_or(header_type(inner)));
    put8(out, ipv6.hop_limit);
    put(out, ipv6.source);
    put(out, ipv6.destination);
    put(out, payload);
    return out;
  }

  Bytes operator()(const Extension& extension) const {
    // RFC 4302 counts in units of four bytes, less two.
    const bool four = extension.type == kAuthentication;
    const std::size_t unit = four ? 4 : 8;
    const std::size_t units =
        std::max((2 + extension.data.size() + unit - 1) / unit, 8 / unit);
    Bytes out;
    put8(out, extension.next_header.value_or(header_type(inner)));
    put8(out, extension.length.value_or(
                  static_cast<std::uint8_t>(four ? units - 2 : units - 1)));
    put(out, extension.data);
    out.resize(units * unit);
    put(out, payload);
    return out;
  }

  Bytes operator()(const Fragment& fragment) const {
    Bytes out;
    put8(out, fragment.next_header.value_or(header_type(inner)));
    put8(out, 0);
    put16(out, static_cast<std::uint16_t>(fragment.offset << 3 |
                                          (fragment.more ? 1 : 0)));
    put32(out, fragment.id);
    put(out, payload);
    return out;
  }

  Bytes operator()(const Udp& udp) const {
    Bytes out;
    put16(out, udp.source);
    put16(out, udp.destination);
    put16(out, udp.length.value_or(as16(8 + payload.size())));
    put16(out, 0);
    put(out, payload);
    const std::uint16_t checksum = udp.checksum    ? *udp.checksum
                                   : ip != nullptr ? udp_checksum(*ip, out)
                                                   : std::uint16_t{0};
    out[6] = static_cast<std::uint8_t>(checksum >> 8);
    out[7] = static_cast<std::uint8_t>(checksum);
    return out;
  }

  Bytes operator()(const Bootp& bootp) const {
    Bytes out;
    put8(out, bootp.op);
    put8(out, bootp.htype);
    put8(out, bootp.hlen);
    put8(out, bootp.hops);
    put32(out, bootp.xid);
    put16(out, bootp.secs);
    put16(out, bootp.flags);
    put32(out, bootp.ciaddr);
    put32(out, bootp.yiaddr);
    put32(out, bootp.siaddr);
    put32(out, bootp.giaddr);
    Bytes chaddr = bootp.chaddr;
    chaddr.resize(16);
    put(out, chaddr);
    out.resize(236);  // sname, file
    put(out, payload);
    return out;
  }

  Bytes operator()(const DhcpOptions& dhcp) const {
    Bytes out;
    if (dhcp.cookie) put32(out, 0x63825363);
    for (const Option& option : dhcp.options) {
      put8(out, option.code);
      if (option.code == 0 || option.code == 255) continue;
      put8(out, option.length.value_or(
                    static_cast<std::uint8_t>(option.value.size())));
      put(out, option.value);
    }
    if (dhcp.end) put8(out, 255);
    put(out, payload);
    return out;
  }

  Bytes operator()(const Dhcpv6& dhcp) const {
    Bytes out;
    put32(out, std::uint32_t{dhcp.type} << 24 | dhcp.transaction);
    for (const Option6& option : dhcp.options) put_option6(out, option);
    put(out, payload);
    return out;
  }

  Bytes operator()(const RelayForward& relay) const {
    Bytes out;
    put8(out, relay.type);
    put8(out, relay.hops);
    put(out, relay.link);
    put(out, relay.peer);
    for (const Option6& option : relay.options) put_option6(out, option);
    if (inner != nullptr) put_option6(out, {9, payload, relay.length});
    for (const Option6& option : relay.behind) put_option6(out, option);
    return out;
  }

  Bytes operator()(const Raw& raw) const {
    Bytes out = raw.bytes;
    put(out, payload);
    return out;
  }

  Bytes operator()(const Truncate&) const { return payload; }
  Bytes operator()(const Pad&) const { return payload; }
};

}  // namespace

Option message_type(std::uint8_t type) { return {53, {type}}; }

Option client_arch(std::uint16_t arch) {
  Option option{93};
  put16(option.value, arch);
  return option;
}

Option vendor_class(std::string_view text) {
  return {60, Bytes(text.begin(), text.end())};
}

Option client_id(Bytes id) { return {61, std::move(id)}; }

Option infiniband_client_id(const std::array<std::uint8_t, 8>& guid) {
  Bytes id{255};
  put32(id, 0);   // IAID
  put16(id, 3);   // DUID-LL
  put16(id, 32);  // hardware type
  // The link-layer address of RFC 4391 ends in the GUID; clients send enough
  // of it in front to make 20 bytes in all.
  put(id, std::array<std::uint8_t, 3>{0xfe, 0x80, 0x00});
  put(id, guid);
  return client_id(std::move(id));
}

Bytes duid_llt(const Bytes& address, std::uint16_t htype) {
  Bytes duid;
  put16(duid, 1);
  put16(duid, htype);
  put32(duid, 0x2a2b2c2d);  // time
  put(duid, address);
  return duid;
}

Bytes duid_ll(const Bytes& address, std::uint16_t htype) {
  Bytes duid;
  put16(duid, 3);
  put16(duid, htype);
  put(duid, address);
  return duid;
}

Bytes duid_uuid() {
  Bytes duid;
  put16(duid, 4);
  duid.resize(2 + 16, 0xab);
  return duid;
}

Option6 client_id6(Bytes duid) { return {1, std::move(duid)}; }

Option6 client_arch6(std::uint16_t arch) {
  Option6 option{61};
  put16(option.value, arch);
  return option;
}

Option6 vendor_class6(std::string_view text) {
  Option6 option{16};
  put32(option.value, 343);  // Intel, which specified PXE
  put16(option.value, as16(text.size()));
  put(option.value, text);
  return option;
}

Option6 user_class6(const std::vector<std::string_view>& classes) {
  Option6 option{15};
  for (const std::string_view text : classes) {
    put16(option.value, as16(text.size()));
    put(option.value, text);
  }
  return option;
}

Option6 client_link_layer(const Bytes& address, std::uint16_t htype) {
  Option6 option{79};
  put16(option.value, htype);
  put(option.value, address);
  return option;
}

Packet Packet::around(const Packet& inner) && {
  layers_.insert(layers_.end(), inner.layers_.begin(), inner.layers_.end());
  return std::move(*this);
}

Bytes Packet::bytes() const {
  std::vector<const Layer*> ips;  // around each layer
  const Layer* ip = nullptr;
  for (const Layer& layer : layers_) {
    ips.push_back(ip);
    if (std::holds_alternative<Ipv4>(layer) ||
        std::holds_alternative<Ipv6>(layer))
      ip = &layer;
  }
  Bytes out;
  for (std::size_t i = layers_.size(); i-- > 0;) {
    const Layer* inner = i + 1 < layers_.size() ? &layers_[i + 1] : nullptr;
    out = std::visit(Serializer{ips[i], inner, out}, layers_[i]);
  }
  for (const Layer& layer : layers_) {
    if (const auto* cut = std::get_if<Truncate>(&layer))
      out.resize(std::min(out.size(), cut->size));
    if (const auto* pad = std::get_if<Pad>(&layer))
      out.resize(std::max(out.size(), pad->size));
  }
  return out;
}

}  // namespace pxegate::testing
