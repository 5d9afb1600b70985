// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_IRONIC_IRONIC_CLIENT_H_
#define PXEGATE_CONTROLLER_IRONIC_IRONIC_CLIENT_H_

#include <cstddef>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/clock.h"
#include "controller/base/result.h"
#include "controller/ironic/authenticator.h"
#include "controller/ironic/http_transport.h"
#include "controller/ironic/ironic_api.h"
#include "controller/ironic/listing.h"
#include "controller/ironic/login.h"
#include "controller/ironic/service_client.h"

namespace pxegate {

struct IronicOptions {
  // [ironic] endpoint_override; empty: what the authenticator's catalogue
  // says.
  std::string endpoint{};
  // [pxe_filter] options that narrow this controller to its part of Ironic;
  // empty: no narrowing by it. See IronicClient.
  std::string conductor_group{};
  std::string shard{};
  std::string owner{};
  // [pxe_filter] deny_unknown_macs: what Ironic does not show is denied. Only
  // then a login that sees its own project's nodes alone will do, together
  // with `owner` = that project.
  bool unknown_denied = false;
  // Ironic lowers it to its own [api] max_limit.
  std::size_t page_size = 1000;
  // A list longer than this is taken for one without end.
  std::size_t max_items = 2'000'000;
};

// Ironic's bare-metal API, microversions 1.39 (`inspect wait` is a state of
// its own) and later; asks for 1.53.
//
// Pages. `next` only says whether there is more: its URL drops the filters,
// so the query is built here. Nodes, and the ports of one node, end where it is
// missing. The list of all ports ends at an empty page only: Ironic leaves a
// port out whose node vanishes while it answers, and then a page in the middle
// of the list is short and has no `next`.
//
// What decides nothing, or only about its own port, does not fail a list,
// since tenants may write it: a malformed extra.client-id (the port then has
// no GUID), and a node's name or a port's physical_network or
// local_link_connection that is of another type, too long or full of control
// characters (left empty). It is logged once and passed over.
class IronicClient final : public IronicApi {
 public:
  // kInvalid for an endpoint that is no URL. The references must outlive the
  // client.
  static Result<std::unique_ptr<IronicClient>> make(
      IronicOptions options, HttpTransport& transport,
      Authenticator& authenticator, const Clock& clock);

  // As IronicApi says. kUnavailable where the list changed under the reader
  // so that it has to be read again.
  Result<std::vector<Node>> nodes_in_state(
      std::string_view provision_state) override;
  Result<std::optional<Node>> node(std::string_view uuid) override;
  Result<Page<Node>> nodes_page(std::string_view marker) override;
  Result<Page<Port>> ports_page(std::string_view marker) override;
  Result<std::vector<Port>> ports_of_node(std::string_view uuid) override;

  // Logs in and asks Ironic for next to nothing. A list that would not be
  // complete is no error here.
  Result<Login> login();

 private:
  IronicClient(IronicOptions options, ServiceClient service);

  Result<Page<Node>> get_nodes(Query query, std::string_view marker,
                               bool with_managed, Listing& listing);
  // `node` empty: of all nodes.
  Result<Page<Port>> get_ports(std::string_view marker, std::string_view node,
                               Listing& listing);
  Result<Node> read_node(const nlohmann::json& item, bool with_managed);
  Result<Port> read_port(const nlohmann::json& item);
  // `text`, or empty after a warning; `what` as in "node 1111…".
  std::string text_to_show(Result<std::string> text, std::string_view what);
  void warn_once(std::string_view what, std::string_view message);

  IronicOptions options_;
  ServiceClient service_;
  Listing all_nodes_;
  Listing all_ports_;
  std::set<std::string, std::less<>> warned_;  // nodes and ports, bounded
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_IRONIC_IRONIC_CLIENT_H_
