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
//
// Layers that are left as they are make a valid DISCOVER of a PXE client.
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

struct Udp {
  std::uint16_t source = 68;
  std::uint16_t destination = 67;
  std::optional<std::uint16_t> length{};
  std::optional<std::uint16_t> checksum{};
};

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

using Layer = std::variant<Ethernet, Vlan, Ipv4, Udp, Bootp, DhcpOptions, Raw,
                           Truncate, Pad>;

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
