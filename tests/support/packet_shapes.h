// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_TESTS_SUPPORT_PACKET_SHAPES_H_
#define PXEGATE_TESTS_SUPPORT_PACKET_SHAPES_H_

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "tests/support/packet.h"

// What DHCP comes in, enumerated: every kind of message, of header, and of
// edge in between.

namespace pxegate::testing {

using Guid = std::array<std::uint8_t, 8>;

// The names that clients and relays of shapes, and of generated packets, have;
// hence those that a policy should name.
const std::vector<Mac>& known_macs();
const std::vector<Guid>& known_guids();
const std::vector<std::uint32_t>& known_relays4();
const std::vector<Ip6>& known_relays6();

inline Bytes as_bytes(const auto& octets) {
  return Bytes(octets.begin(), octets.end());
}

// One message, and the headers that it is whole in.
struct Shape {
  Packet link;
  Packet ip;  // with IPv6's extension headers
  Udp udp;
  Packet message;

  Bytes bytes() const;
};

// One of each kind of message, each behind a few headers.
std::vector<Shape> valid_shapes();

// Each shape at each length that the frame, its IP header or its UDP header
// can have. Some thousands of times `use` is called.
void for_each_length(const std::vector<Shape>& shapes,
                     const std::function<void(const Bytes&)>& use);

// A short message behind every combination of tags, IP version, options or
// extension headers, fragment fields, protocol and port.
void for_each_header(const std::function<void(const Bytes&)>& use);

}  // namespace pxegate::testing

#endif  // PXEGATE_TESTS_SUPPORT_PACKET_SHAPES_H_
