// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_NFTABLES_SET_DUMP_H_
#define PXEGATE_DRIVERS_NFTABLES_SET_DUMP_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/result.h"

namespace pxegate {

// The addresses in a set of a table of family netdev, sorted, no duplicates.
// Asks the kernel itself (NFT_MSG_GETSETELEM) and not libnftables, which
// begins anew, without end, where somebody writes to any table meanwhile.
//
// kNotFound: no such set. kInvalid: it holds anything but plain addresses, as
// elements that time out. kUnavailable: somebody keeps changing it.
// Thread-safe.
Result<std::vector<std::uint64_t>> dump_set(const std::string& table,
                                            std::string_view set);

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_NFTABLES_SET_DUMP_H_
