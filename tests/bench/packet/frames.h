// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_TESTS_BENCH_PACKET_FRAMES_H_
#define PXEGATE_TESTS_BENCH_PACKET_FRAMES_H_

#include "tests/support/packet.h"

namespace pxegate::bench {

// The frames that every program is measured on, whole as they are on a wire.

testing::Bytes tcp_frame();
testing::Bytes arp_frame();
testing::Bytes ipv6_tcp_frame();
// A DISCOVER of `mac`, as a relay agent unicasts it.
testing::Bytes relayed_discover(const testing::Mac& mac);
// A SOLICIT of `mac` in a RELAY-FORW with option 79 (RFC 6939).
testing::Bytes dhcpv6_relayed_solicit(const testing::Mac& mac);

}  // namespace pxegate::bench

#endif  // PXEGATE_TESTS_BENCH_PACKET_FRAMES_H_
