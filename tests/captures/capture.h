// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_TESTS_CAPTURES_CAPTURE_H_
#define PXEGATE_TESTS_CAPTURES_CAPTURE_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "bpf/pxe_filter_abi.h"
#include "controller/base/result.h"
#include "tests/support/packet.h"

namespace pxegate::testing {

// A DHCP request, as a row tells of it.
struct CapturedRequest {
  std::uint8_t ip_version;
  std::uint8_t message_type;    // RFC 2132 9.6, RFC 8415 7.3
  std::optional<Mac> client{};  // none: nothing in it names the machine
  std::uint16_t arch = PXE_NO_ARCH;
  // Another address in the request: who is denied by it must not get in as an
  // unknown machine.
  std::optional<Mac> also{};
  std::optional<pxe_ip> relay{};
  std::optional<std::uint16_t> vlan{};
};

// One frame, and the row that a human wrote about it.
struct CapturedFrame {
  Bytes bytes;
  std::string row;
  // None: an answer, or nothing to do with DHCP. Not the policy's business.
  std::optional<CapturedRequest> request{};
};

// What a row says of its frame; see README.md for how it is written. kInvalid
// for anything else.
Result<CapturedFrame> parse_row(const std::string& row);

// The frames of `pcap` (classic format, little-endian, Ethernet) and the rows
// of the .txt beside it. Fails where these do not match one to one.
Result<std::vector<CapturedFrame>> read_capture(
    const std::filesystem::path& pcap);

}  // namespace pxegate::testing

#endif  // PXEGATE_TESTS_CAPTURES_CAPTURE_H_
