// SPDX-License-Identifier: Apache-2.0
#include "controller/config/policy_options.h"

namespace pxegate {

PolicyOptions policy_options(const Config& config) {
  return {.open_provision_states = config.pxe_filter.open_provision_states,
          .supported_inspect_interfaces =
              config.pxe_filter.supported_inspect_interfaces,
          .skip_managed = config.pxe_filter.skip_managed,
          .deny_unknown_macs = config.pxe_filter.deny_unknown_macs,
          .discovery = config.discovery};
}

}  // namespace pxegate
