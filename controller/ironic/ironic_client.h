// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_IRONIC_IRONIC_CLIENT_H_
#define PXEGATE_CONTROLLER_IRONIC_IRONIC_CLIENT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/base/clock.h"
#include "controller/base/result.h"
#include "controller/ironic/authenticator.h"
#include "controller/ironic/collection.h"
#include "controller/ironic/http_transport.h"
#include "controller/ironic/ironic_api.h"
#include "controller/ironic/listing.h"
#include "controller/ironic/login.h"
#include "controller/ironic/port_visibility.h"
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
  // then ports are narrowed as well, and a login that sees its own project's
  // nodes alone will do, together with `owner` = that project.
  bool unknown_denied = false;
  // Ironic lowers it to its own [api] max_limit.
  std::size_t page_size = 1000;
  // A list longer than this is taken for one without end.
  std::size_t max_items = 2'000'000;
};

// Ironic's bare-metal API, microversions 1.39 (`inspect wait` is a state of
// its own) and later; asks for 1.53, and for a later one where an option needs
// it.
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
//
// Narrowing. Nodes are asked for with conductor_group (from 1.46), owner (1.50)
// and shard (1.82), and a node that does not fit fails the list: a server that
// ignores a filter must not widen it. node() knows nothing of others. Of ports
// all are asked for, so that the machines of another part's nodes are known,
// and denied for want of their node. Where unknown_denied keeps them out
// anyway, ports are asked for by shard, or else by conductor_group where Ironic
// can (1.99), or else all of them.
//
// Completeness. To a login for a project Ironic shows that project's nodes
// alone, and no error, unless its policy baremetal:node:list_all admits the
// login. That is found out at the start of each list, at the end of one of
// ports, and after each login, by asking for the nodes of a project that nobody
// has: who may not see all of them is forbidden to. (Logins for the system or a
// domain are refused the list as a whole.) Every call of an incomplete login is
// kPermission.
// The policy for ports, baremetal:port:list_all, cannot be asked for so. A
// list of all ports after one of all nodes is kPermission where the nodes are
// not all of the login's own project and no port of the others' is listed; with
// no such node in what the list is narrowed to, it is unless unknown_denied.
class IronicClient final : public IronicApi {
 public:
  // kInvalid for an endpoint that is no URL, or where none is given and the
  // authenticator has no catalogue; and for a shard with a comma. The
  // references must outlive the client.
  static Result<std::unique_ptr<IronicClient>> make(
      IronicOptions options, HttpTransport& transport,
      Authenticator& authenticator, const Clock& clock);

  // As IronicApi says. kUnavailable where the list changed under the reader
  // so that it has to be read again; for a list of all nodes and then all
  // ports, where a new login's catalogue names another endpoint: until
  // nodes_page("") begins a new one. (Asked for what came after such a list,
  // ports_page() is kNotFound then.)
  Result<std::vector<Node>> nodes_in_state(
      std::string_view provision_state) override;
  Result<std::optional<Node>> node(std::string_view uuid) override;
  Result<Page<Node>> nodes_page(std::string_view marker) override;
  Result<Page<Port>> ports_page(std::string_view marker) override;
  Result<std::vector<Port>> ports_of_node(std::string_view uuid) override;
  std::string endpoint() const override { return service_.last_endpoint(); }
  std::optional<SourceLogin> login_in_use() const override {
    return service_.login_in_use();
  }
  void retry_login() override { service_.retry_login(); }

  // Logs in and asks Ironic for next to nothing. A list that would not be
  // complete is no error here.
  Result<Login> login();

 private:
  // How to have ports filtered.
  struct PortFilter {
    Query query;
    Requirement needs;
  };

  IronicClient(IronicOptions options, ServiceClient service,
               const Authenticator& authenticator);

  // Field and wanted value; empty: any.
  std::array<std::pair<const char*, const std::string*>, 3> narrowing() const;
  // Adds what narrows a query for nodes.
  void narrow(Query& query) const;
  // Fields that tell whose a node is, where they are of interest: to a login
  // for a project.
  std::vector<std::string> whose_fields() const;
  CollectionFormat node_format(bool with_managed,
                               const std::vector<std::string>& more = {}) const;
  // What to ask for, to read it by node_format().
  std::string node_fields(bool with_managed,
                          const std::vector<std::string>& more = {}) const;
  // nullopt where the node belongs to this controller's part; else what of it
  // does not fit.
  Result<std::optional<std::string>> misfit(const nlohmann::json& item) const;
  PortFilter port_filter() const;
  // Asks Ironic where the current login was not found complete yet.
  Result<> check_complete();
  Result<> probe(const Identity& identity);
  // At the end of a list of all ports.
  Result<> check_ports_shown() const;

  // ServiceClient::moves() while a list is read; nullopt: not begun.
  using Place = std::optional<unsigned>;
  Result<> check_place(Place& place) const;

  Result<Page<Node>> get_nodes(Query query, std::string_view marker,
                               bool with_managed, Listing& listing,
                               Place& place);
  // `node` empty: of all nodes.
  Result<Page<Port>> get_ports(std::string_view marker, std::string_view node,
                               Listing& listing, Place& place);
  Result<Node> read_node(const nlohmann::json& item, bool with_managed);
  Result<Port> read_port(const nlohmann::json& item);
  // `text`, or empty after a warning; `what` as in "node 1111…".
  std::string text_to_show(Result<std::string> text, std::string_view what);
  void warn_once(std::string_view what, std::string_view message);

  IronicOptions options_;
  ServiceClient service_;
  const Authenticator* authenticator_;
  Requirement node_needs_;         // of a query that is narrowed
  PortFilter port_filter_;         // of the latest list of ports
  bool ports_from_start_ = false;  // and not yet at its end
  std::optional<std::uint64_t> complete_login_;
  PortVisibility visibility_;  // kept for a project's login only
  Place list_place_;           // of the list of all
  Listing all_nodes_;
  Listing all_ports_;
  std::set<std::string, std::less<>> warned_;  // nodes and ports, bounded
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_IRONIC_IRONIC_CLIENT_H_
