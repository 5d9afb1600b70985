// SPDX-License-Identifier: Apache-2.0
#include "controller/core/ethernet_neighbours.h"

#include <algorithm>
#include <optional>

namespace pxegate {
namespace {

constexpr std::string_view kBlanks = " \t\r\f\v";

// What follows `key` in a word of `line`; empty where no word starts so.
std::string_view value_of(std::string_view line, std::string_view key) {
  while (!line.empty()) {
    const std::size_t start =
        std::min(line.find_first_not_of(kBlanks), line.size());
    line.remove_prefix(start);
    const std::size_t end = std::min(line.find_first_of(kBlanks), line.size());
    const std::string_view word = line.substr(0, end);
    if (word.starts_with(key)) return word.substr(key.size());
    line.remove_prefix(end);
  }
  return {};
}

std::optional<MacAddress> client_address(std::string_view text) {
  const auto mac = MacAddress::parse(text);
  if (!mac) return std::nullopt;
  const bool is_group = (mac->bytes().front() & 1) != 0;
  if (is_group || *mac == MacAddress()) return std::nullopt;
  return *mac;
}

// The GUID at the end of an InfiniBand hardware address.
std::optional<HardwareAddress> guid_of(std::string_view imac) {
  constexpr std::size_t kGuidText = 8 * 3 - 1;
  if (imac.size() < kGuidText) return std::nullopt;
  const std::string_view before = imac.substr(0, imac.size() - kGuidText);
  const bool octets = before.empty() || before.back() == ':';
  if (!octets || before.find_first_not_of("0123456789abcdefABCDEF:") !=
                     std::string_view::npos) {
    return std::nullopt;
  }
  const auto guid =
      HardwareAddress::parse(imac.substr(imac.size() - kGuidText));
  if (!guid || guid->type() != HardwareAddress::Type::kInfiniband) {
    return std::nullopt;
  }
  return *guid;
}

}  // namespace

EthernetNeighbours parse_ethernet_neighbours(std::string_view text) {
  EthernetNeighbours neighbours;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const auto address = client_address(value_of(line, "EMAC="));
    const auto guid = guid_of(value_of(line, "IMAC="));
    if (address && guid) neighbours.emplace(*address, *guid);
  }
  return neighbours;
}

}  // namespace pxegate
