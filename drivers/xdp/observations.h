// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_XDP_OBSERVATIONS_H_
#define PXEGATE_DRIVERS_XDP_OBSERVATIONS_H_

#include "bpf/pxe_filter_abi.h"
#include "controller/base/result.h"
#include "controller/driver/filter_driver.h"
#include "drivers/xdp/map_set.h"

namespace pxegate {

// What the program observed; `maps` are complete.
Result<Observations> observe(const MapSet& maps);

// Makes room for the requests of other interfaces, where an interface that was
// filtered does not exist any more.
Result<> forget_gone_interfaces(const MapSet& maps);

EventRecord to_record(const pxe_event& event);

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_XDP_OBSERVATIONS_H_
