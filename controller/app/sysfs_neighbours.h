// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_SYSFS_NEIGHBOURS_H_
#define PXEGATE_CONTROLLER_APP_SYSFS_NEIGHBOURS_H_

#include <string>
#include <vector>

#include "controller/app/neighbour_source.h"

namespace pxegate {

// The neighbours of [iptables] ethoib_interfaces, where ironic-inspector reads
// them too: ROOT/class/net/NAME/eth/neighs. An interface that is missing, or
// is no EoIB interface, has none. One whose file cannot be read keeps those
// that were read last; that is logged when it begins and when it ends.
class SysfsNeighbours final : public NeighbourSource {
 public:
  explicit SysfsNeighbours(const std::vector<std::string>& interfaces,
                           std::string root = "/sys");

  EthernetNeighbours read() override;
  std::vector<std::string> problems() const override;

 private:
  struct Interface {
    std::string path;
    EthernetNeighbours last;
    std::string problem;  // empty: none
  };

  static void read(Interface& interface);

  std::vector<Interface> interfaces_;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_SYSFS_NEIGHBOURS_H_
