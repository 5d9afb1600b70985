// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_CONFIG_COMBINATIONS_H_
#define PXEGATE_CONTROLLER_CONFIG_COMBINATIONS_H_

#include <string>
#include <string_view>
#include <vector>

#include "controller/config/config.h"

namespace pxegate {

// Options that do not fit together. The text is a clause about the option.
struct Misfit {
  std::string_view section;
  std::string_view name;
  bool fatal = false;
  std::string what;
};

// Pure. Of [xdp], where that is the driver.
std::vector<Misfit> find_misfits(const Config& config);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_CONFIG_COMBINATIONS_H_
