// SPDX-License-Identifier: Apache-2.0
#include "controller/ironic/ironic_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "controller/base/log.h"
#include "controller/base/text.h"
#include "controller/ironic/collection.h"
#include "controller/ironic/keystone_token.h"
#include "controller/ironic/uuid.h"

namespace pxegate {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxLinkText = 4096;
constexpr std::size_t kMaxWarned = 1000;

// Ironic's API version history: since when it knows a filter, or a field.
constexpr ApiVersion kNodesByGroup{1, 46};
constexpr ApiVersion kNodesByOwner{1, 50};
constexpr ApiVersion kNodeLessee{1, 65};
constexpr ApiVersion kNodesAndPortsByShard{1, 82};
constexpr ApiVersion kPortsByGroup{1, 99};

// No project's id.
constexpr const char* kNobody = "00000000-0000-0000-0000-000000000000";

ServiceTraits ironic_traits() {
  return {.name = "Ironic",
          .section = "ironic",
          .version_prefix = "x-openstack-ironic-api-",
          .oldest = {1, 39},
          .preferred = {1, 53}};
}

// The GUID in a DHCP client identifier as Ironic stores it: octets in hex
// separated by colons, the last eight of which are the GUID.
std::optional<HardwareAddress> parse_client_id(const json& value) {
  constexpr std::size_t kGuidText = 8 * 3 - 1;
  constexpr std::size_t kMaxClientId = 255 * 3 - 1;  // a DHCP option's length
  if (!value.is_string()) return std::nullopt;
  const std::string_view text = value.get_ref<const std::string&>();
  if (text.size() < kGuidText || text.size() > kMaxClientId ||
      text.size() % 3 != 2) {
    return std::nullopt;
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool fits = i % 3 == 2 ? text[i] == ':'
                                 : (text[i] >= '0' && text[i] <= '9') ||
                                       (text[i] >= 'a' && text[i] <= 'f') ||
                                       (text[i] >= 'A' && text[i] <= 'F');
    if (!fits) return std::nullopt;
  }
  const auto guid =
      HardwareAddress::parse(text.substr(text.size() - kGuidText));
  return guid ? std::optional(*guid) : std::nullopt;
}

Result<> check_uuid(std::string_view what, std::string_view uuid) {
  if (parse_uuid(uuid)) return {};
  return fail(fmt::format("{} {} is not a UUID", what, pxegate::quoted(uuid)),
              ErrorCode::kInvalid);
}

}  // namespace

Result<std::unique_ptr<IronicClient>> IronicClient::make(
    IronicOptions options, HttpTransport& transport,
    Authenticator& authenticator, const Clock& clock) {
  auto service = ServiceClient::make(ironic_traits(), options.endpoint,
                                     transport, authenticator, clock);
  if (!service) return fail(service.error());
  if (options.shard.find(',') != std::string::npos) {
    return fail("[pxe_filter] shard is " + pxegate::quoted(options.shard) +
                    ": one shard is possible, and its name has no comma",
                ErrorCode::kInvalid);
  }
  // Ironic keeps and compares them so.
  options.conductor_group = lower_case(options.conductor_group);
  return std::unique_ptr<IronicClient>(
      new IronicClient(std::move(options), *std::move(service), authenticator));
}

IronicClient::IronicClient(IronicOptions options, ServiceClient service,
                           const Authenticator& authenticator)
    : options_(std::move(options)),
      service_(std::move(service)),
      authenticator_(&authenticator),
      all_nodes_(options_.max_items),
      all_ports_(options_.max_items) {
  const auto needs = [this](const std::string& value, ApiVersion version,
                            const char* what) {
    if (!value.empty() && version > node_needs_.version) {
      node_needs_ = {version, what};
    }
  };
  needs(options_.conductor_group, kNodesByGroup,
        "[pxe_filter] conductor_group");
  needs(options_.owner, kNodesByOwner, "[pxe_filter] owner");
  needs(options_.shard, kNodesAndPortsByShard, "[pxe_filter] shard");
}

void IronicClient::narrow(Query& query) const {
  for (const auto& [name, value] : narrowing()) {
    if (!value->empty()) query.emplace_back(name, *value);
  }
}

std::array<std::pair<const char*, const std::string*>, 3>
IronicClient::narrowing() const {
  return {{{"conductor_group", &options_.conductor_group},
           {"owner", &options_.owner},
           {"shard", &options_.shard}}};
}

std::vector<std::string> IronicClient::whose_fields() const {
  const auto identity = authenticator_->identity();
  if (!identity || identity->project_id.empty()) return {};
  // An older one has no lessees.
  if (service_.offers(kNodeLessee)) return {"owner", "lessee"};
  return {"owner"};
}

CollectionFormat IronicClient::node_format(
    bool with_managed, const std::vector<std::string>& more) const {
  CollectionFormat format{
      .name = "nodes",
      .fields = {"uuid", "name", "provision_state", "inspect_interface"}};
  for (const auto& [name, value] : narrowing()) {
    if (!value->empty()) format.fields.emplace_back(name);
  }
  if (with_managed) {
    format.fields.emplace_back("provision_updated_at");
    format.fields.emplace_back("driver_internal_info.inspector_manage_boot");
  }
  format.fields.insert(format.fields.end(), more.begin(), more.end());
  return format;
}

std::string IronicClient::node_fields(
    bool with_managed, const std::vector<std::string>& more) const {
  std::string fields = "uuid,name,provision_state,inspect_interface";
  for (const auto& [name, value] : narrowing()) {
    if (!value->empty()) fields.append(",").append(name);
  }
  if (with_managed) fields += ",provision_updated_at,driver_internal_info";
  for (const std::string& name : more) {
    if (name != "owner" || options_.owner.empty()) fields += "," + name;
  }
  return fields;
}

Result<std::optional<std::string>> IronicClient::misfit(
    const json& item) const {
  const ItemFields fields("node", item);
  for (const auto& [name, wanted] : narrowing()) {
    if (wanted->empty()) continue;
    const auto value = fields.text_or_null(name);
    if (!value) return fail(value.error());
    const bool group = wanted == &options_.conductor_group;
    if ((group ? lower_case(*value) : *value) == *wanted) continue;
    return fmt::format("{} is {}, not {}", name, pxegate::quoted(*value),
                       pxegate::quoted(*wanted));
  }
  return std::nullopt;
}

IronicClient::PortFilter IronicClient::port_filter() const {
  // The machines of others are denied by their ports.
  if (!options_.unknown_denied) return {};
  if (!options_.shard.empty()) {
    return {{{"shard", options_.shard}}, node_needs_};
  }
  if (!options_.conductor_group.empty() && service_.offers(kPortsByGroup)) {
    return {{{"conductor_groups", options_.conductor_group}},
            {kPortsByGroup, "a list of ports by conductor_group"}};
  }
  return {};
}

Result<> IronicClient::check_complete() {
  const auto identity = authenticator_->identity();
  const std::uint64_t login = authenticator_->generation();
  if (complete_login_ == login) return {};
  if (identity && !identity->project_id.empty()) {
    if (auto probed = probe(*identity); !probed) return probed;
  }
  complete_login_ = login;
  return {};
}

// See the header. Ironic's check_list_policy() filters by the login's project
// where baremetal:node:list_all does not admit it, but forbids to ask for
// another one. (To ask for another `owner` it does not.)
Result<> IronicClient::probe(const Identity& identity) {
  const auto answer = service_.get(
      "/v1/nodes", {{"project", kNobody}, {"fields", "uuid"}, {"limit", "1"}});
  if (answer) {
    const auto end = read_collection(
        answer->body, {.name = "nodes", .fields = {"uuid"}},
        [](const json&) -> Result<> {
          return fail(
              "the filter by project is ignored, so that nobody can tell "
              "whether a list is complete; log in with [ironic] system_scope "
              "= all",
              ErrorCode::kInvalid);
        });
    if (end) return {};
    return fail(end.error().within(answer->request));
  }
  const int status = service_.last_status();
  if (status != 403 && status != 400) return fail(answer.error());
  const bool own_part = options_.owner == identity.project_id;
  if (own_part && options_.unknown_denied) return {};
  if (status == 400) {
    return fail(
        fmt::format(
            "{}: this Ironic does not filter nodes by project, so that nobody "
            "can tell whether a login for a project is shown all: log in with "
            "[ironic] system_scope = all, or have this controller see to that "
            "project alone, with [pxe_filter] owner = {} and deny_unknown_macs "
            "= true",
            answer.error().message(), identity.project_id),
        ErrorCode::kPermission);
  }
  const std::string who = fmt::format(
      "Ironic shows the login {} ({}) the nodes of its own project only, and "
      "every other machine would count as unknown",
      pxegate::quoted(identity.user), pxegate::quoted(identity.scope));
  return fail(
      own_part
          ? who + ": with [pxe_filter] owner, set deny_unknown_macs = true too"
          : who + fmt::format(
                      ": log in with [ironic] system_scope = all (a role that "
                      "Ironic's policies baremetal:node:list_all and "
                      "baremetal:port:list_all admit will do as well), or have "
                      "this controller see to that project alone, with "
                      "[pxe_filter] owner = {} and deny_unknown_macs = true",
                      identity.project_id),
      ErrorCode::kPermission);
}

Result<> IronicClient::check_ports_shown() const {
  const auto identity = authenticator_->identity();
  if (!identity || identity->project_id.empty() || visibility_.shown()) {
    return {};
  }
  const std::string login =
      fmt::format("the login {} ({})", pxegate::quoted(identity->user),
                  pxegate::quoted(identity->scope));
  if (visibility_.others() > 0) {
    return fail(
        fmt::format(
            "Ironic shows {} {} nodes of other projects and not one port of "
            "theirs, so that their machines would count as unknown: log in "
            "with [ironic] system_scope = all, or have Ironic's policy "
            "baremetal:port:list_all admit that login as "
            "baremetal:node:list_all does (where those nodes have no ports "
            "yet, nobody can tell)",
            login, visibility_.others()),
        ErrorCode::kPermission);
  }
  const bool narrowed = std::ranges::any_of(
      narrowing(), [](const auto& each) { return !each.second->empty(); });
  if (!narrowed || options_.unknown_denied) return {};
  return fail(
      fmt::format("of the nodes that this controller is about, all belong to "
                  "the project of {}, so that nobody can tell whether Ironic "
                  "shows it the ports of others, whose machines would count as "
                  "unknown: set [pxe_filter] deny_unknown_macs = true, or log "
                  "in with [ironic] system_scope = all",
                  login),
      ErrorCode::kPermission);
}

Result<Login> IronicClient::login() {
  Query query;
  narrow(query);
  query.emplace_back("fields", "uuid");
  query.emplace_back("limit", "1");
  const auto answer = service_.get("/v1/nodes", query, {}, node_needs_);
  if (!answer) return fail(answer.error());
  auto login = service_.login();
  if (!login) return login;
  complete_login_.reset();
  const auto complete = check_complete();
  if (!complete && service_.last_status() != 403) return fail(complete.error());
  login->complete = complete.has_value();
  if (!complete) login->why = complete.error().message();
  return login;
}

Result<Node> IronicClient::read_node(const json& item, bool with_managed) {
  const ItemFields fields("node", item);
  Node node;
  // One field after the other; the first that is wrong is told.
  auto uuid = fields.uuid("uuid");
  if (!uuid) return fail(uuid.error());
  auto state = fields.text("provision_state");
  if (!state) return fail(state.error());
  auto interface = fields.text_or_null("inspect_interface");
  if (!interface) return fail(interface.error());
  node.uuid = *std::move(uuid);
  node.name = text_to_show(fields.text_or_null("name"), "node " + node.uuid);
  node.provision_state = *std::move(state);
  node.inspect_interface = *std::move(interface);
  if (!with_managed) return node;
  // Nothing is decided by it.
  if (const auto updated = fields.text_or_null("provision_updated_at")) {
    node.provision_updated_at = parse_rfc3339(*updated);
  }

  const auto info = fields.object_or_null("driver_internal_info");
  if (!info) return fail(info.error());
  constexpr const char* kManageBoot = "inspector_manage_boot";
  if (*info == nullptr || !(*info)->contains(kManageBoot)) return node;
  const json& manage_boot = (*info)->at(kManageBoot);
  if (manage_boot.is_null()) return node;
  if (!manage_boot.is_boolean()) {
    return fail(fields.error("driver_internal_info.inspector_manage_boot",
                             fmt::format("expected true or false, got {}",
                                         manage_boot.type_name())));
  }
  node.inspector_manage_boot = manage_boot.get<bool>();
  return node;
}

Result<> IronicClient::check_place(Place& place) const {
  if (!place) place = service_.moves();
  if (*place == service_.moves()) return {};
  return fail(fmt::format("a new login's catalogue has Ironic at {}, which may "
                          "be another one: the list has to begin anew",
                          service_.last_endpoint()),
              ErrorCode::kUnavailable);
}

Result<Page<Node>> IronicClient::get_nodes(Query query, std::string_view marker,
                                           bool with_managed, Listing& listing,
                                           Place& place) {
  const bool all = &listing == &all_nodes_;
  if (!marker.empty()) {
    if (auto valid = check_uuid("marker", marker); !valid) {
      return fail(valid.error());
    }
  }
  narrow(query);
  const auto ask = [&](const std::vector<std::string>& whose) {
    Requirement needs = node_needs_;
    const ApiVersion least = whose.size() > 1 ? kNodeLessee : kNodesByOwner;
    if (!whose.empty() && needs.version < least) {
      needs = {least, "a login for a project"};
    }
    Query page = query;
    page.emplace_back("fields", node_fields(with_managed, whose));
    page.emplace_back("limit", std::to_string(options_.page_size));
    if (!marker.empty()) page.emplace_back("marker", marker);
    return service_.get("/v1/nodes", page, marker, needs);
  };
  std::vector<std::string> whose;
  if (all) whose = whose_fields();
  auto answer = ask(whose);
  if (!answer) return fail(answer.error());
  // Who we are is known since the first login, and may change with each.
  if (all && whose != whose_fields()) {
    whose = whose_fields();
    answer = ask(whose);
    if (!answer) return fail(answer.error());
  }
  if (auto complete = check_complete(); !complete) {
    return fail(complete.error());
  }

  if (auto same = check_place(place); !same) return fail(same.error());

  const CollectionFormat format = node_format(with_managed, whose);
  const auto identity = authenticator_->identity();
  Page<Node> page;
  if (all && marker.empty()) visibility_.begin_nodes();
  listing.begin_page(marker);
  const auto end =
      read_collection(answer->body, format, [&](const json& item) -> Result<> {
        auto node = read_node(item, with_managed);
        if (!node) return fail(node.error());
        const auto other = misfit(item);
        if (!other) return fail(other.error());
        // A server that does not know the filter.
        if (*other) {
          return fail(
              fmt::format("node {}: {} as was asked for", node->uuid, **other),
              ErrorCode::kInvalid);
        }
        if (auto added = listing.add(node->uuid); !added) return added;
        if (!whose.empty() && identity) {
          visibility_.add_node(item, identity->project_id);
        }
        page.items.push_back(*std::move(node));
        return {};
      });
  if (!end) return fail(end.error().within(answer->request));
  if (end->next && page.items.empty()) {
    return fail(answer->request + ": an empty page names a next one",
                ErrorCode::kUnavailable);
  }
  page.last = !end->next;
  listing.end_page(page.last);
  if (all && page.last) visibility_.end_nodes();
  return page;
}

Result<std::vector<Node>> IronicClient::nodes_in_state(
    std::string_view provision_state) {
  Listing listing(options_.max_items);
  std::vector<Node> nodes;
  std::string marker;
  Place place;
  for (;;) {
    auto page = get_nodes({{"provision_state", std::string(provision_state)}},
                          marker, true, listing, place);
    if (!page) {
      const Error& error = page.error();
      if (error.code() != ErrorCode::kNotFound) return fail(error);
      return fail(error.message() + " (a node went while the list was read)",
                  ErrorCode::kUnavailable);
    }
    for (Node& node : page->items) {
      // A server that does not know the filter would drag in every node.
      if (node.provision_state != provision_state) {
        return fail(fmt::format("GET /v1/nodes: asked for nodes in state {}, "
                                "got {} in state {}",
                                pxegate::quoted(provision_state), node.uuid,
                                pxegate::quoted(node.provision_state)),
                    ErrorCode::kInvalid);
      }
      nodes.push_back(std::move(node));
    }
    if (page->last) return nodes;
    marker = nodes.back().uuid;
  }
}

Result<std::optional<Node>> IronicClient::node(std::string_view uuid) {
  if (auto valid = check_uuid("node", uuid); !valid) return fail(valid.error());
  const auto answer =
      service_.get(fmt::format("/v1/nodes/{}", uuid),
                   {{"fields", node_fields(true)}}, uuid, node_needs_);
  if (!answer && answer.error().code() != ErrorCode::kNotFound) {
    return fail(answer.error());
  }
  if (auto complete = check_complete(); !complete) {
    return fail(complete.error());
  }
  if (!answer) return std::nullopt;
  std::optional<Node> found;
  bool ours = true;
  const auto end = read_collection(
      R"({"nodes":[)" + answer->body + "]}", node_format(true),
      [&](const json& item) -> Result<> {
        auto node = read_node(item, true);
        if (!node) return fail(node.error());
        if (found || node->uuid != uuid) {
          return fail(fmt::format("asked for node {}, got {}", uuid,
                                  found ? "several" : node->uuid),
                      ErrorCode::kInvalid);
        }
        const auto other = misfit(item);
        if (!other) return fail(other.error());
        ours = !*other;
        found = *std::move(node);
        return {};
      });
  if (!end) return fail(end.error().within(answer->request));
  if (!ours) return std::nullopt;
  if (!found) {
    return fail(answer->request + ": an empty answer", ErrorCode::kInvalid);
  }
  return found;
}

Result<Page<Node>> IronicClient::nodes_page(std::string_view marker) {
  if (marker.empty()) complete_login_.reset();
  if (marker.empty()) list_place_.reset();
  return get_nodes({}, marker, false, all_nodes_, list_place_);
}

Result<Port> IronicClient::read_port(const json& item) {
  const ItemFields fields("port", item);
  Port port;
  auto uuid = fields.uuid("uuid");
  if (!uuid) return fail(uuid.error());
  auto node_uuid = fields.uuid("node_uuid");
  if (!node_uuid) return fail(node_uuid.error());
  const auto address_text = fields.text("address");
  if (!address_text) return fail(address_text.error());
  const auto address = MacAddress::parse(*address_text);
  if (!address) return fail(fields.error("address", address.error().message()));
  const auto extra = fields.object_or_null("extra");
  if (!extra) return fail(extra.error());

  port.uuid = *std::move(uuid);
  port.node_uuid = *std::move(node_uuid);
  port.address = *address;
  const std::string what = "port " + port.uuid;
  port.physical_network =
      text_to_show(fields.text_or_null("physical_network"), what);
  const auto link = fields.object_or_null("local_link_connection");
  if (!link) {
    warn_once(what, link.error().message() + ", left out");
  } else if (*link != nullptr) {
    port.local_link_connection =
        (*link)->dump(-1, ' ', false, json::error_handler_t::replace);
    if (port.local_link_connection.size() > kMaxLinkText) {
      port.local_link_connection.clear();
      warn_once(what, fmt::format("{}: local_link_connection is longer than "
                                  "{} bytes and is left out",
                                  what, kMaxLinkText));
    }
  }
  if (*extra != nullptr) {
    const auto client_id = (*extra)->find("client-id");
    if (client_id != (*extra)->end() && !client_id->is_null()) {
      port.guid = parse_client_id(*client_id);
      if (!port.guid) {
        warn_once(
            what,
            what +
                ": extra.client-id is not eight or more hex octets separated "
                "by colons: this port is known by its MAC address only");
      }
    }
  }
  return port;
}

std::string IronicClient::text_to_show(Result<std::string> text,
                                       std::string_view what) {
  if (text) return *std::move(text);
  warn_once(what, text.error().message() + ", left out");
  return {};
}

void IronicClient::warn_once(std::string_view what, std::string_view message) {
  if (warned_.size() >= kMaxWarned || !warned_.emplace(what).second) return;
  log::warning("Ironic's {}", message);
}

Result<Page<Port>> IronicClient::get_ports(std::string_view marker,
                                           std::string_view node,
                                           Listing& listing, Place& place) {
  static const CollectionFormat kFormat{
      .name = "ports",
      .fields = {"uuid", "address", "node_uuid", "extra.client-id",
                 "local_link_connection", "physical_network"}};
  Query query;
  const bool one_node = !node.empty();
  if (one_node) query.emplace_back("node", node);
  query.emplace_back("fields",
                     "uuid,address,node_uuid,extra,local_link_connection,"
                     "physical_network");
  query.emplace_back("limit", std::to_string(options_.page_size));
  if (!marker.empty()) {
    if (auto valid = check_uuid("marker", marker); !valid) {
      return fail(valid.error());
    }
    query.emplace_back("marker", marker);
  }
  if (!one_node) {
    query.insert(query.end(), port_filter_.query.begin(),
                 port_filter_.query.end());
  }
  const auto answer =
      service_.get("/v1/ports", query, marker.empty() ? node : marker,
                   one_node ? Requirement{} : port_filter_.needs);
  if (!answer) return fail(answer.error());
  if (auto complete = check_complete(); !complete) {
    return fail(complete.error());
  }
  if (auto same = check_place(place); !same) return fail(same.error());

  Page<Port> page;
  listing.begin_page(marker);
  const auto end =
      read_collection(answer->body, kFormat, [&](const json& item) -> Result<> {
        auto port = read_port(item);
        if (!port) return fail(port.error());
        if (auto added = listing.add(port->uuid); !added) return added;
        if (!one_node) visibility_.add_port(port->node_uuid);
        page.items.push_back(*std::move(port));
        return {};
      });
  if (!end) return fail(end.error().within(answer->request));
  if (end->next && page.items.empty()) {
    return fail(answer->request + ": an empty page names a next one",
                ErrorCode::kUnavailable);
  }
  // See the header: the short page of one node's ports is the whole rest.
  page.last = one_node ? !end->next : page.items.empty();
  listing.end_page(page.last);
  return page;
}

Result<Page<Port>> IronicClient::ports_page(std::string_view marker) {
  if (marker.empty()) {
    complete_login_.reset();
    visibility_.begin_ports();
    ports_from_start_ = true;
    port_filter_ = port_filter();
  }
  auto page = get_ports(marker, {}, all_ports_, list_place_);
  if (!page && !ports_from_start_ && !check_place(list_place_)) {
    return fail(page.error().message(), ErrorCode::kNotFound);
  }
  if (!page && !port_filter_.query.empty() && options_.shard.empty() &&
      !service_.offers(kPortsByGroup)) {
    // Ironic has become an older one. What was listed so far was filtered.
    port_filter_ = {};
    if (!marker.empty()) {
      return fail(page.error().message() + " (and could while the list began)",
                  ErrorCode::kUnavailable);
    }
    page = get_ports(marker, {}, all_ports_, list_place_);
  }
  if (page && page->last && ports_from_start_) {
    // What the login may see can have changed since the list began.
    complete_login_.reset();
    if (auto complete = check_complete(); !complete) {
      return fail(complete.error());
    }
    if (auto shown = check_ports_shown(); !shown) return fail(shown.error());
    ports_from_start_ = false;
  }
  return page;
}

Result<std::vector<Port>> IronicClient::ports_of_node(std::string_view uuid) {
  if (auto valid = check_uuid("node", uuid); !valid) return fail(valid.error());
  Listing listing(options_.max_items);
  std::vector<Port> ports;
  std::string marker;
  Place place;
  for (;;) {
    auto page = get_ports(marker, uuid, listing, place);
    if (!page) {
      const Error& error = page.error();
      if (error.code() != ErrorCode::kNotFound) return fail(error);
      // The node is gone, and its ports with it.
      if (marker.empty()) return std::vector<Port>();
      return fail(error.message() + " (a port went while the list was read)",
                  ErrorCode::kUnavailable);
    }
    for (Port& port : page->items) {
      if (port.node_uuid != uuid) {
        return fail(fmt::format("GET /v1/ports: asked for the ports of node "
                                "{}, got one of {}",
                                uuid, port.node_uuid),
                    ErrorCode::kInvalid);
      }
      ports.push_back(std::move(port));
    }
    if (page->last) return ports;
    marker = ports.back().uuid;
  }
}

}  // namespace pxegate
