// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_IRONIC_PORT_VISIBILITY_H_
#define PXEGATE_CONTROLLER_IRONIC_PORT_VISIBILITY_H_

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string_view>
#include <vector>

#include "controller/ironic/uuid.h"

namespace pxegate {

// Whether a login for a project that is shown others' nodes is shown their
// ports too. Ironic filters the one list by its policy
// baremetal:node:list_all and the other by baremetal:port:list_all, and does
// not say that it does (check_port_list_policy() in
// ironic/api/controllers/v1/utils.py): what is left then are the ports of
// nodes whose owner or lessee that project is. Keeps 16 bytes per node of
// others. Not thread-safe.
class PortVisibility {
 public:
  // A list of nodes begins; what is known of the one before stays until
  // end_nodes().
  void begin_nodes() { listed_.clear(); }
  // `node` has "uuid", "owner" and "lessee".
  void add_node(const nlohmann::json& node, std::string_view project);
  void end_nodes();

  void begin_ports() { shown_ = false; }
  void add_port(std::string_view node_uuid);

  // By the latest complete list of nodes: those of others.
  std::size_t others() const { return others_.size(); }
  // A port of one of them was among those since begin_ports().
  bool shown() const { return shown_; }

 private:
  std::vector<UuidBits> listed_;
  std::vector<UuidBits> others_;  // in order
  bool shown_ = false;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_IRONIC_PORT_VISIBILITY_H_
