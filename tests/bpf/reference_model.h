// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_TESTS_BPF_REFERENCE_MODEL_H_
#define PXEGATE_TESTS_BPF_REFERENCE_MODEL_H_

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

// What should happen to a frame, told a second time, from the RFCs: slow,
// plain, and without a line of the kernel program. Where the two disagree, one
// of them is wrong.

namespace pxegate::testing::model {

enum class Why { kRule, kUnknown, kForeignHardware, kNoClientId, kMalformed };

// Hardware type and address of those clients that a rule can name.
struct Identity {
  std::uint8_t hardware = 0;
  std::vector<std::uint8_t> address;
  auto operator<=>(const Identity&) const = default;
};

struct Policy {
  std::map<Identity, bool> allowed;  // by rule
  bool unknown_allowed = false;
};

// What the filter may remember of a request.
struct Request {
  std::optional<Identity> identity;
  std::uint8_t htype = 0;
  std::uint8_t hlen = 0;
  std::vector<std::uint8_t> chaddr;  // 16 bytes
  std::uint32_t giaddr = 0;          // host order
  std::vector<std::uint16_t> vlans;
  std::optional<std::uint8_t> message_type;
  std::optional<std::uint16_t> arch;
};

struct Judgement {
  bool pass = true;
  std::optional<Why> counted;      // none: not a DHCP request
  std::optional<Request> request;  // where there is one to remember
};

Judgement judge(std::span<const std::uint8_t> frame, const Policy& policy);

}  // namespace pxegate::testing::model

#endif  // PXEGATE_TESTS_BPF_REFERENCE_MODEL_H_
