// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_TESTS_SUPPORT_PCAP_H_
#define PXEGATE_TESTS_SUPPORT_PCAP_H_

#include <filesystem>
#include <vector>

#include "controller/base/result.h"
#include "tests/support/packet.h"

// Frames as tcpdump keeps them: pcap in its classic format, Ethernet.

namespace pxegate::testing {

Result<> write_pcap(const std::filesystem::path& path,
                    const std::vector<Bytes>& frames);
// Of this machine's byte order; kInvalid where it is something else.
Result<std::vector<Bytes>> read_pcap(const std::filesystem::path& path);

}  // namespace pxegate::testing

#endif  // PXEGATE_TESTS_SUPPORT_PCAP_H_
