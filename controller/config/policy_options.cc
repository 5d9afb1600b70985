// SPDX-License-Identifier: Apache-2.0
#include "controller/config/policy_options.h"

namespace pxegate {

PolicyOptions policy_options(const Config& config) {
  const Config::PxeFilter& filter = config.pxe_filter;
  return {.open_provision_states = filter.open_provision_states,
          .supported_inspect_interfaces = filter.supported_inspect_interfaces,
          .skip_managed = filter.skip_managed,
          .deny_unknown_macs = filter.deny_unknown_macs,
          .discovery = config.discovery,
          .narrowed = !filter.conductor_group.empty() ||
                      !filter.shard.empty() || !filter.owner.empty(),
          .physical_network = filter.physical_network};
}

}  // namespace pxegate
