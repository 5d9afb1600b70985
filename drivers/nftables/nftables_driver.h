// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_NFTABLES_NFTABLES_DRIVER_H_
#define PXEGATE_DRIVERS_NFTABLES_NFTABLES_DRIVER_H_

#include <memory>
#include <string>
#include <vector>

#include "controller/driver/filter_driver.h"

namespace pxegate {

struct NftablesOptions {
  std::vector<std::string> interfaces;
  std::string table;  // ours, of family netdev
};

std::unique_ptr<FilterDriver> make_nftables_driver(NftablesOptions options);

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_NFTABLES_NFTABLES_DRIVER_H_
