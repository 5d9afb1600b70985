// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_NEIGHBOUR_SOURCE_H_
#define PXEGATE_CONTROLLER_APP_NEIGHBOUR_SOURCE_H_

#include <string>
#include <vector>

#include "controller/core/ethernet_neighbours.h"

namespace pxegate {

// What this host sees of its Ethernet over InfiniBand.
class NeighbourSource {
 public:
  virtual ~NeighbourSource() = default;

  // As it is now; what cannot be read is as it was. Brief.
  virtual EthernetNeighbours read() = 0;

  // What the latest read() could not read, a sentence each for the operator.
  virtual std::vector<std::string> problems() const = 0;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_NEIGHBOUR_SOURCE_H_
