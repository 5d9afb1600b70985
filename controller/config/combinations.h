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

// Pure. Of `section`, [ironic] or [inspector], with what follows from the rest
// filled in (complete()).
std::vector<Misfit> find_login_misfits(std::string_view section,
                                       const ServiceConfig& service);

// Whether this one logs in at Keystone, and so has a catalogue.
bool uses_keystone(const ServiceConfig& service);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_CONFIG_COMBINATIONS_H_
