// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_DRIVER_EXAMINE_LINK_H_
#define PXEGATE_CONTROLLER_DRIVER_EXAMINE_LINK_H_

#include <optional>
#include <string>

#include "controller/driver/finding.h"

namespace pxegate {

// Whether a network interface that is to be filtered exists, is up and has a
// carrier. `option` names what configures it, as "[xdp] interfaces".
Finding examine_link(const std::string& interface, const std::string& option);

// Whether the NIC takes VLAN tags off before anybody sees the frame (ethtool's
// rx-vlan-offload). nullopt where it does not tell.
std::optional<bool> hides_vlan_tags(const std::string& interface);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_DRIVER_EXAMINE_LINK_H_
