// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_TESTS_BPF_REFERENCE_MODEL_H_
#define PXEGATE_TESTS_BPF_REFERENCE_MODEL_H_

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

// What should happen to a frame, told a second time, from bpf/README.md and
// the RFCs: slow, plain, and without a line of the kernel program. Where the
// two disagree, one of them is wrong. Rates, which are a matter of time, are
// left out.

namespace pxegate::testing::model {

using View = std::span<const std::uint8_t>;
// An IPv4 address as ::ffff:a.b.c.d.
using Ip = std::array<std::uint8_t, 16>;

enum class Why {
  kRule,
  kUnknown,
  kForeignHardware,
  kNoClientId,
  kMalformed,
  kScope,
  kStale,
  kDiscovery
};

// Hardware type and address of those clients that a rule can name.
struct Identity {
  std::uint8_t hardware = 0;
  std::vector<std::uint8_t> address;
  auto operator<=>(const Identity&) const = default;
};

struct Network {
  Ip address{};
  unsigned prefix_length = 0;
};

struct Policy {
  std::map<Identity, bool> allowed;  // by rule
  bool unknown_allowed = false;
  bool network_boot_only = false;  // `scope` is pxe
  // Where the lease has run out, and that matters: whether all may pass.
  std::optional<bool> stale;
  // Where set, through which relays unknown machines may come.
  std::optional<std::vector<Network>> discovery_relays;
};

// The key that a client is filed under.
struct FiledUnder {
  std::uint8_t htype = 0;
  std::uint8_t hlen = 0;
  std::vector<std::uint8_t> octets;  // at most eight
};

// What there is in a request.
struct Request {
  std::optional<Identity> identity;
  Why nameless = Why::kUnknown;  // where it has no identity
  // Who else it may be in truth.
  std::vector<Identity> other_addresses;
  bool network_boot = false;
  // What the filter may remember of it.
  FiledUnder filed_under;
  Ip relay{};  // zero: none
  std::vector<std::uint16_t> vlans;
  std::optional<std::uint8_t> message_type;
  std::optional<std::uint16_t> arch;
  std::uint8_t ip_version = 0;
};

struct Judgement {
  bool pass = true;
  std::optional<Why> counted;      // none: not a DHCP request
  std::optional<Request> request;  // where there is one to remember
};

Judgement judge(View frame, const Policy& policy);

}  // namespace pxegate::testing::model

#endif  // PXEGATE_TESTS_BPF_REFERENCE_MODEL_H_
