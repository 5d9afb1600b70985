// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a frame, through the parser of the kernel program: it must stay
// within them, and read from them what the reference model reads.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "tests/bpf/reference_model.h"
#include "tests/fuzz/parse_native.h"

namespace pxegate::testing {
namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

pxe_reason reason_without_rules(const model::Request& request) {
  if (request.identity) return PXE_REASON_RULE;
  return request.nameless == model::Why::kNoClientId ? PXE_REASON_NO_CLIENT_ID
                                                     : PXE_REASON_FOREIGN_HTYPE;
}

void compare(const parsed& got, const model::Judgement& want) {
  if (want.counted == model::Why::kMalformed) {
    require(got.kind == PARSED_MALFORMED);
    return;
  }
  if (!want.request) {
    require(got.kind == PARSED_OTHER);
    return;
  }
  require(got.kind == PARSED_REQUEST);
  const model::Request& request = *want.request;
  require(got.ip_version == request.ip_version);
  require(std::ranges::equal(got.relay.octets, request.relay));
  require(std::equal(got.vlan, got.vlan + got.vlans, request.vlans.begin(),
                     request.vlans.end()));
  require(got.message_type ==
          request.message_type.value_or(PXE_NO_MESSAGE_TYPE));
  require(got.arch == request.arch.value_or(PXE_NO_ARCH));
  require((got.network_boot != 0) == request.network_boot);
  require(got.reason == reason_without_rules(request));

  const model::FiledUnder& filed = request.filed_under;
  pxe_addr addr{};
  std::ranges::copy(filed.octets, addr.octets);
  require(std::equal(addr.octets, addr.octets + 8, got.addr.octets));
  require(got.addr.htype == filed.htype && got.addr.hlen == filed.hlen);
  require(got.addr.pad[0] == 0 && got.addr.pad[1] == 0);
}

void check(const std::uint8_t* data, std::size_t size) {
  // Without a byte to spare, so that AddressSanitizer sees the first one
  // behind the end.
  const auto buffer = std::make_unique<std::uint8_t[]>(PARSE_IP_ALIGN + size);
  std::uint8_t* frame = buffer.get() + PARSE_IP_ALIGN;
  std::copy_n(data, size, frame);
  const model::Judgement want = model::judge({frame, size}, {});
  for (const std::size_t linear : {size, std::size_t{0}, size / 2}) {
    parsed got;
    parse_native(frame, size, linear, &got);
    compare(got, want);
  }
}

}  // namespace
}  // namespace pxegate::testing

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  pxegate::testing::check(data, size);
  return 0;
}
