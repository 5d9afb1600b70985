// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_TESTS_SUPPORT_PACKET_GENERATOR_H_
#define PXEGATE_TESTS_SUPPORT_PACKET_GENERATOR_H_

#include <cstdint>
#include <initializer_list>
#include <random>
#include <vector>

#include "tests/support/packet.h"

namespace pxegate::testing {

// Makes DHCP requests that are nearly right: random in every field that
// matters, with the values around each bound more often than others, and then
// damaged as often as not. The same seed makes the same packets.
class PacketGenerator {
 public:
  explicit PacketGenerator(std::uint64_t seed) : random_(seed) {}

  Bytes next();

 private:
  std::uint32_t below(std::uint32_t limit);
  bool one_in(std::uint32_t n) { return below(n) == 0; }
  template <typename T>
  T any_of(std::initializer_list<T> choices) {
    return choices.begin()[below(static_cast<std::uint32_t>(choices.size()))];
  }
  template <typename T>
  const T& any_of(const std::vector<T>& choices) {
    return choices[below(static_cast<std::uint32_t>(choices.size()))];
  }
  // `size`, or what a careless reader takes for it.
  std::uint16_t near(std::size_t size);
  Bytes noise(std::size_t size);

  Packet link();
  Packet ipv4(std::size_t payload);
  Packet ipv6(std::size_t payload);
  Packet extension();
  Udp udp(std::uint16_t port, std::size_t payload);

  Packet dhcpv4();
  Bootp bootp();
  Option option();

  Packet dhcpv6();
  Packet relay(bool innermost);
  Ip6 peer();
  Bytes hardware_address(std::uint16_t& htype);
  Bytes duid();
  Option6 option6();

  Bytes fresh();
  void damage(Bytes& frame);

  std::mt19937_64 random_;
  Bytes last_;
};

}  // namespace pxegate::testing

#endif  // PXEGATE_TESTS_SUPPORT_PACKET_GENERATOR_H_
