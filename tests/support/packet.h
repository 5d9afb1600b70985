// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_TESTS_SUPPORT_PACKET_H_
#define PXEGATE_TESTS_SUPPORT_PACKET_H_

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

// Frames as expressions, for tests:
//
//   Ethernet{} / Vlan{.id = 100} / Ipv4{} / Udp{} / Bootp{} / DhcpOptions{}
//   Ethernet{} / Ipv6{} / kUdp6 / RelayForward{} / Dhcpv6{}
//
// Layers that are left as they are make a valid DISCOVER, or SOLICIT, of a PXE
// client.
// Lengths, checksums and the type of the next layer are computed; a field that
// is set is taken as it is, right or wrong. Values are in host byte order.

namespace pxegate::testing {

using Bytes = std::vector<std::uint8_t>;
using Mac = std::array<std::uint8_t, 6>;

inline constexpr Mac kClientMac{0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
inline constexpr Mac kBroadcastMac{0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

constexpr std::uint32_t ip(std::uint8_t a, std::uint8_t b, std::uint8_t c,
                           std::uint8_t d) {
  return std::uint32_t{a} << 24 | std::uint32_t{b} << 16 |
         std::uint32_t{c} << 8 | d;
}

using Ip6 = std::array<std::uint8_t, 16>;

// From its eight groups.
constexpr Ip6 ip6(const std::array<std::uint16_t, 8>& groups) {
  Ip6 out{};
  for (std::size_t i = 0; i < groups.size(); ++i) {
    out[2 * i] = static_cast<std::uint8_t>(groups[i] >> 8);
    out[2 * i + 1] = static_cast<std::uint8_t>(groups[i]);
  }
  return out;
}

// fe80::/64 with the interface identifier of an Ethernet address.
constexpr Ip6 link_local(const Mac& mac) {
  return {0xfe,   0x80,   0,
          0,      0,      0,
          0,      0,      static_cast<std::uint8_t>(mac[0] ^ 2),
          mac[1], mac[2], 0xff,
          0xfe,   mac[3], mac[4],
          mac[5]};
}

inline constexpr std::uint16_t kEtherIpv4 = 0x0800;
inline constexpr std::uint16_t kEtherArp = 0x0806;
inline constexpr std::uint16_t kEtherVlan = 0x8100;
inline constexpr std::uint16_t kEtherServiceVlan = 0x88a8;
inline constexpr std::uint16_t kEtherIpv6 = 0x86dd;

struct Ethernet {
  Mac destination = kBroadcastMac;
  Mac source = kClientMac;
  std::optional<std::uint16_t> type{};
};

// One tag. `tag` is the type that announces it.
struct Vlan {
  std::uint16_t id = 1;
  std::uint8_t priority = 0;
  std::uint16_t tag = kEtherVlan;
  std::optional<std::uint16_t> type{};  // of what follows
};

struct Ipv4 {
  std::uint32_t source = 0;
  std::uint32_t destination = ip(255, 255, 255, 255);
  Bytes options{};  // padded with zeroes to four bytes
  std::uint8_t version = 4;
  std::optional<std::uint8_t> ihl{};
  std::optional<std::uint16_t> total_length{};
  std::uint16_t id = 0;
  bool dont_fragment = false;
  bool more_fragments = false;
  std::uint16_t fragment_offset = 0;  // in units of eight bytes
  std::uint8_t ttl = 64;
  std::uint8_t protocol = 17;
  std::optional<std::uint16_t> checksum{};
};

struct Ipv6 {
  Ip6 source = link_local(kClientMac);
  Ip6 destination = ip6({0xff02, 0, 0, 0, 0, 0, 1, 2});
  std::uint8_t version = 6;
  std::uint8_t traffic_class = 0;
  std::optional<std::uint16_t> payload_length{};
  std::optional<std::uint8_t> next_header{};
  std::uint8_t hop_limit = 1;
};

inline constexpr std::uint8_t kHopByHop = 0;
inline constexpr std::uint8_t kRouting = 43;
inline constexpr std::uint8_t kFragment = 44;
inline constexpr std::uint8_t kAuthentication = 51;
inline constexpr std::uint8_t kNoNextHeader = 59;
inline constexpr std::uint8_t kDestinationOptions = 60;

// An IPv6 extension header, with `data` behind its two first bytes, padded
// with zeroes to the next size that such a header may have.
struct Extension {
  std::uint8_t type = kDestinationOptions;
  Bytes data{};
  std::optional<std::uint8_t> length{};  // as in the header
  std::optional<std::uint8_t> next_header{};
};

struct Fragment {
  std::uint16_t offset = 0;  // in units of eight bytes
  bool more = false;
  std::uint32_t id = 0x01020304;
  std::optional<std::uint8_t> next_header{};
};

struct Udp {
  std::uint16_t source = 68;
  std::uint16_t destination = 67;
  std::optional<std::uint16_t> length{};
  std::optional<std::uint16_t> checksum{};
};
inline constexpr Udp kUdp6{.source = 546, .destination = 547};

// The fixed part, 236 bytes.
struct Bootp {
  std::uint8_t op = 1;
  std::uint8_t htype = 1;
  std::uint8_t hlen = 6;
  std::uint8_t hops = 0;
  std::uint32_t xid = 0x3903f326;
  std::uint16_t secs = 0;
  std::uint16_t flags = 0x8000;
  std::uint32_t ciaddr = 0;
  std::uint32_t yiaddr = 0;
  std::uint32_t siaddr = 0;
  std::uint32_t giaddr = 0;
  Bytes chaddr{kClientMac.begin(), kClientMac.end()};  // cut at 16 bytes
};

// One DHCP option. Codes 0 (pad) and 255 (end) are a single byte.
struct Option {
  std::uint8_t code;
  Bytes value{};
  std::optional<std::uint8_t> length{};
};

Option message_type(std::uint8_t type);
Option client_arch(std::uint16_t arch);
Option vendor_class(std::string_view text);
Option client_id(Bytes id);
// RFC 4390: type 255, IAID, DUID-LL with a GUID's eight bytes at the end.
Option infiniband_client_id(const std::array<std::uint8_t, 8>& guid);

struct DhcpOptions {
  std::vector<Option> options{message_type(1), client_arch(0),
                              vendor_class("PXEClient:Arch:00000:UNDI:002001")};
  bool cookie = true;
  bool end = true;
};

// One DHCPv6 option.
struct Option6 {
  std::uint16_t code;
  Bytes value{};
  std::optional<std::uint16_t> length{};
};

// Of hardware type `htype`: 1 is Ethernet, 32 InfiniBand.
Bytes duid_llt(const Bytes& address, std::uint16_t htype = 1);
Bytes duid_ll(const Bytes& address, std::uint16_t htype = 1);
Bytes duid_uuid();
Option6 client_id6(Bytes duid);
Option6 client_arch6(std::uint16_t arch);
Option6 vendor_class6(std::string_view text);
Option6 user_class6(const std::vector<std::string_view>& classes);
// RFC 6939.
Option6 client_link_layer(const Bytes& address, std::uint16_t htype = 1);

// A client's message.
struct Dhcpv6 {
  std::uint8_t type = 1;
  std::uint32_t transaction = 0x3903f3;  // 24 bits
  std::vector<Option6> options{
      client_id6(duid_llt({kClientMac.begin(), kClientMac.end()})),
      {8, {0, 0}},          // elapsed time
      {6, {0, 59, 0, 60}},  // wants the boot file's URL and parameters
      client_arch6(7),
      vendor_class6("PXEClient:Arch:00007:UNDI:003001")};
};

// RELAY-FORW, with what it is around in its relay-message option. Without
// anything inside it has no such option.
struct RelayForward {
  std::uint8_t type = 12;
  std::uint8_t hops = 0;
  Ip6 link = ip6({0x2001, 0xdb8, 1, 0, 0, 0, 0, 1});
  Ip6 peer = link_local(kClientMac);
  std::vector<Option6> options{};         // in front of the message
  std::vector<Option6> behind{};          // and behind it
  std::optional<std::uint16_t> length{};  // of the message
};

struct Raw {
  Bytes bytes;
};

// Cuts the frame built so far; no length inside it changes.
struct Truncate {
  std::size_t size;
};

// Appends zeroes up to `size`, as Ethernet does with short frames: no length
// inside the frame counts them.
struct Pad {
  std::size_t size;
};

using Layer =
    std::variant<Ethernet, Vlan, Ipv4, Ipv6, Extension, Fragment, Udp, Bootp,
                 DhcpOptions, Dhcpv6, RelayForward, Raw, Truncate, Pad>;

// Layers, outermost first. A value.
class Packet {
 public:
  Packet() = default;
  // Implicit, so that layers combine with '/'.
  template <typename T>
  requires(std::constructible_from<Layer, T> &&
           !std::same_as<std::remove_cvref_t<T>, Packet>)
      Packet(T&& layer) {  // NOLINT
    layers_.emplace_back(std::forward<T>(layer));
  }

  Bytes bytes() const;

  // `inner` within this.
  Packet around(const Packet& inner) &&;

 private:
  std::vector<Layer> layers_;
};

// Not a friend defined inside: two layers must find it as well.
inline Packet operator/(Packet outer, const Packet& inner) {
  return std::move(outer).around(inner);
}

}  // namespace pxegate::testing

#endif  // PXEGATE_TESTS_SUPPORT_PACKET_H_
