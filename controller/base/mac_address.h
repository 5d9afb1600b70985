// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_BASE_MAC_ADDRESS_H_
#define PXEGATE_CONTROLLER_BASE_MAC_ADDRESS_H_

#include <array>
#include <compare>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "controller/base/result.h"

namespace pxegate {

// An IEEE 802 MAC address, bytes in transmission order. A value: cheap to
// copy, ordered, safe to share between threads.
class MacAddress {
 public:
  static constexpr std::size_t kSize = 6;
  using Bytes = std::array<std::uint8_t, kSize>;

  constexpr MacAddress() = default;
  constexpr explicit MacAddress(Bytes bytes) : bytes_(bytes) {}

  // Accepts six pairs of hex digits, either case, separated by ':' or by '-'
  // throughout; nothing before or after. Anything else is kInvalid and the
  // message quotes the text (shortened, unprintable bytes escaped).
  static Result<MacAddress> parse(std::string_view text);

  // "aa:bb:cc:dd:ee:ff", lower case, as Ironic stores it.
  std::string to_string() const;

  constexpr const Bytes& bytes() const { return bytes_; }

  constexpr auto operator<=>(const MacAddress&) const = default;

 private:
  Bytes bytes_{};
};

// The address by which a DHCP client is known to the filter: the pair
// (htype, chaddr) of RFC 2131 section 2, for the two hardware types that
// Ironic manages. Ethernet: the MAC. InfiniBand (RFC 4390: chaddr is empty
// and the client identifier carries it): the 8-byte port GUID.
class HardwareAddress {
 public:
  enum class Type : std::uint8_t { kEthernet = 1, kInfiniband = 32 };
  using Guid = std::array<std::uint8_t, 8>;

  constexpr HardwareAddress() = default;
  // Implicit on purpose: a MAC address is the common case.
  constexpr HardwareAddress(const MacAddress& mac) {  // NOLINT
    for (std::size_t i = 0; i < MacAddress::kSize; ++i)
      octets_[i] = mac.bytes()[i];
  }
  static constexpr HardwareAddress infiniband(const Guid& guid) {
    HardwareAddress address;
    address.type_ = Type::kInfiniband;
    address.octets_ = guid;
    return address;
  }

  // Six pairs make a MAC, eight a GUID; separators as MacAddress::parse.
  static Result<HardwareAddress> parse(std::string_view text);

  std::string to_string() const;
  constexpr Type type() const { return type_; }
  // Length as in the packet's hlen for Ethernet (6); 8 for a GUID.
  constexpr std::size_t size() const {
    return type_ == Type::kEthernet ? MacAddress::kSize : octets_.size();
  }
  constexpr std::span<const std::uint8_t> octets() const {
    return std::span(octets_).first(size());
  }

  constexpr auto operator<=>(const HardwareAddress&) const = default;

 private:
  Type type_ = Type::kEthernet;
  std::array<std::uint8_t, 8> octets_{};  // unused tail is always zero
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_BASE_MAC_ADDRESS_H_
