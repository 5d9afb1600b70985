// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_IRONIC_IRONIC_API_H_
#define PXEGATE_CONTROLLER_IRONIC_IRONIC_API_H_

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/result.h"
#include "controller/core/inventory.h"
#include "controller/ironic/login.h"

namespace pxegate {

// One page of a listing. The caller asks for the next page with the UUID of
// the last item as marker; `last` is true when it is known that nothing
// follows. Only a last page may be empty, and one that is not empty may still
// be the last.
template <typename T>
struct Page {
  std::vector<T> items;
  bool last = true;
};

// The questions that the sync loop asks of Ironic's bare-metal API. Every
// call either returns all that it promises or an Error that names the
// request and why it failed; a part of an answer is never returned.
// kNotFound from a *_page call: the marker does not exist any more, restart
// the listing. Not thread-safe.
class IronicApi {
 public:
  virtual ~IronicApi() = default;

  // Every node in `provision_state`, with inspector_manage_boot where Ironic
  // has decided on it. Pages through as many requests as it takes.
  virtual Result<std::vector<Node>> nodes_in_state(
      std::string_view provision_state) = 0;

  // One node, with inspector_manage_boot as above; nullopt where Ironic says
  // that it has none of that UUID (or shows it none to this account).
  virtual Result<std::optional<Node>> node(std::string_view uuid) = 0;

  // A page of all nodes after `marker` (empty: from the start), without
  // inspector_manage_boot.
  virtual Result<Page<Node>> nodes_page(std::string_view marker) = 0;

  // A page of all ports after `marker` (empty: from the start).
  virtual Result<Page<Port>> ports_page(std::string_view marker) = 0;

  // All ports of one node; empty where the node has none or is gone.
  virtual Result<std::vector<Port>> ports_of_node(std::string_view uuid) = 0;

  // Where it asks, without /v1; empty before a catalogue has told.
  virtual std::string endpoint() const = 0;
  // As whom, by the latest login: for the status. nullopt before one, or
  // where nobody logs in.
  virtual std::optional<SourceLogin> login_in_use() const {
    return std::nullopt;
  }

  // A login that failed may be tried again with the next call, whatever wait
  // there was. As often as an operator asks for it.
  virtual void retry_login() {}
};

// The question that the sync loop asks of ironic-inspector.
class InspectorApi {
 public:
  virtual ~InspectorApi() = default;

  // UUIDs of the nodes whose introspection is not finished
  // (GET /v1/introspection, all pages).
  virtual Result<std::set<std::string, std::less<>>> unfinished() = 0;

  // As IronicApi's.
  virtual std::string endpoint() const = 0;
  virtual std::optional<SourceLogin> login_in_use() const {
    return std::nullopt;
  }
  virtual void retry_login() {}
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_IRONIC_IRONIC_API_H_
