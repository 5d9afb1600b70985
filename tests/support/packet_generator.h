// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_TESTS_SUPPORT_PACKET_GENERATOR_H_
#define PXEGATE_TESTS_SUPPORT_PACKET_GENERATOR_H_

#include <cstdint>
#include <random>
#include <vector>

#include "tests/support/packet.h"

namespace pxegate::testing {

// Makes DHCP requests that are nearly right: random in every field that
// matters, and then damaged more often than not. The same seed makes the same
// packets.
class PacketGenerator {
 public:
  explicit PacketGenerator(std::uint64_t seed) : random_(seed) {}

  Bytes next();

  // The addresses that its clients have, and hence rules should name.
  static const std::vector<Mac>& macs();
  static const std::vector<std::array<std::uint8_t, 8>>& guids();

 private:
  std::uint32_t below(std::uint32_t limit);
  bool one_in(std::uint32_t n) { return below(n) == 0; }
  template <typename T>
  const T& any_of(const std::vector<T>& choices) {
    return choices[below(static_cast<std::uint32_t>(choices.size()))];
  }
  Packet headers();
  Bootp bootp();
  DhcpOptions options();
  void damage(Bytes& frame);

  std::mt19937_64 random_;
};

}  // namespace pxegate::testing

#endif  // PXEGATE_TESTS_SUPPORT_PACKET_GENERATOR_H_
