// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_TESTS_BPF_REFERENCE_PARTS_H_
#define PXEGATE_TESTS_BPF_REFERENCE_PARTS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "tests/bpf/reference_model.h"

// The reference model's steps: frame to message, message to request.

namespace pxegate::testing::model {

struct NotOurs {};
struct Malformed {};

// A message to a DHCP server, and what the headers say of it.
struct Message {
  std::uint8_t ip_version = 0;
  View bytes;  // on which frame, IP and UDP agree
  View ethernet_source;
  View ip_source;
  std::uint16_t port = 0;
  std::vector<std::uint16_t> vlans;
};

using Opened = std::variant<NotOurs, Malformed, Message>;
Opened open_frame(View frame);

using Read = std::variant<NotOurs, Malformed, Request>;
Read read_dhcpv4(const Message& message);
Read read_dhcpv6(const Message& message);

inline std::uint16_t be16(View bytes, std::size_t at) {
  return static_cast<std::uint16_t>(bytes[at] * 256 + bytes[at + 1]);
}

inline std::uint32_t be32(View bytes, std::size_t at) {
  return be16(bytes, at) * 65536U + be16(bytes, at + 2);
}

inline std::vector<std::uint8_t> copy(View bytes) {
  return {bytes.begin(), bytes.end()};
}

}  // namespace pxegate::testing::model

#endif  // PXEGATE_TESTS_BPF_REFERENCE_PARTS_H_
