// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_XDP_NETWORKS_H_
#define PXEGATE_DRIVERS_XDP_NETWORKS_H_

#include <vector>

#include "controller/base/ip_network.h"
#include "controller/base/result.h"

namespace pxegate {

// The networks in the prefix tree (struct pxe_network) behind `fd`, sorted.
Result<std::vector<IpNetwork>> read_networks(int fd);
// Puts in what is in `wanted` and not in `found`.
Result<> add_networks(int fd, const std::vector<IpNetwork>& found,
                      const std::vector<IpNetwork>& wanted);
// Takes out what is in `found` and not in `wanted`.
Result<> remove_networks(int fd, const std::vector<IpNetwork>& found,
                         const std::vector<IpNetwork>& wanted);

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_XDP_NETWORKS_H_
