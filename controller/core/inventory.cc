// SPDX-License-Identifier: Apache-2.0
#include "controller/core/inventory.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "controller/base/text.h"

namespace pxegate {
namespace {

// Kinds of nodes, or physical networks: what an Ironic has by itself.
constexpr std::size_t kFew = 1000;

// Fields in a row: the length of each, seven bits a byte, and its bytes.
void write_field(std::string& to, std::string_view field) {
  std::size_t size = field.size();
  for (; size >= 0x80; size >>= 7) to += static_cast<char>(size | 0x80);
  to += static_cast<char>(size);
  to += field;
}

class FieldReader {
 public:
  FieldReader(std::string_view texts, std::uint32_t at)
      : texts_(texts), at_(at) {}

  std::string_view next() {
    std::size_t size = 0;
    for (unsigned shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(texts_[at_++]);
      size |= std::size_t{byte & 0x7fU} << shift;
      if (byte < 0x80) break;
    }
    const auto field = texts_.substr(at_, size);
    at_ += size;
    return field;
  }
  // One that was written only where it is no UUID.
  Identifier next_id(bool is_uuid, const Identifier::Bits& bits) {
    return is_uuid ? Identifier::uuid(bits) : Identifier(next());
  }

  std::size_t at() const { return at_; }

 private:
  std::string_view texts_;
  std::size_t at_;
};

void write_id(std::string& to, const Identifier& id) {
  if (!id.is_uuid()) write_field(to, id.text());
}

std::string guid_text(const HardwareAddress& guid) {
  std::string text(1, static_cast<char>(guid.type()));
  for (const std::uint8_t octet : guid.octets()) {
    text += static_cast<char>(octet);
  }
  return text;
}

template <std::size_t kSize>
std::array<std::uint8_t, kSize> bytes_of(std::string_view text) {
  std::array<std::uint8_t, kSize> bytes{};
  std::memcpy(bytes.data(), text.data(), std::min(kSize, text.size()));
  return bytes;
}

HardwareAddress read_guid(std::string_view text) {
  const auto type = static_cast<HardwareAddress::Type>(text.front());
  text.remove_prefix(1);
  if (type == HardwareAddress::Type::kEthernet) {
    return MacAddress(bytes_of<MacAddress::kSize>(text));
  }
  return HardwareAddress::infiniband(bytes_of<8>(text));
}

NodeView view_of(const Node& node) {
  return {.uuid = Identifier(node.uuid),
          .name = node.name,
          .provision_state = node.provision_state,
          .inspect_interface = node.inspect_interface,
          .inspector_manage_boot = node.inspector_manage_boot};
}

PortView view_of(const Port& port) {
  return {.uuid = Identifier(port.uuid),
          .node_uuid = Identifier(port.node_uuid),
          .address = port.address,
          .guid = port.guid,
          .physical_network = port.physical_network,
          .local_link_connection = port.local_link_connection};
}

// Whatever inventory they are in.
bool same(const NodeView& a, const NodeView& b) {
  return a.uuid == b.uuid && a.name == b.name &&
         a.provision_state == b.provision_state &&
         a.inspect_interface == b.inspect_interface &&
         a.inspector_manage_boot == b.inspector_manage_boot;
}

bool same(const PortView& a, const PortView& b) {
  return a.address == b.address && a.uuid == b.uuid &&
         a.node_uuid == b.node_uuid && a.guid == b.guid &&
         a.physical_network == b.physical_network &&
         a.local_link_connection == b.local_link_connection;
}

template <typename Range>
bool same_all(const Range& a, const Range& b) {
  if (a.size() != b.size()) return false;
  auto other = b.begin();
  for (const auto& each : a) {
    if (!same(each, *other)) return false;
    ++other;
  }
  return true;
}

Error duplicate_address(const HardwareAddress& address, const PortView& first,
                        const PortView& second) {
  return Error(
      fmt::format("hardware address {} is on two ports, {} of node {} and {} "
                  "of node {}",
                  address.to_string(), quoted(first.uuid.to_string()),
                  quoted(first.node_uuid.to_string()),
                  quoted(second.uuid.to_string()),
                  quoted(second.node_uuid.to_string())),
      ErrorCode::kInvalid);
}

// Of an Ethernet address.
MacAddress mac_of(const HardwareAddress& address) {
  MacAddress::Bytes bytes{};
  std::ranges::copy(address.octets(), bytes.begin());
  return MacAddress(bytes);
}

}  // namespace

Node NodeView::node() const {
  return {.uuid = uuid.to_string(),
          .name = std::string(name),
          .provision_state = std::string(provision_state),
          .inspect_interface = std::string(inspect_interface),
          .inspector_manage_boot = inspector_manage_boot};
}

Port PortView::port() const {
  return {.uuid = uuid.to_string(),
          .node_uuid = node_uuid.to_string(),
          .address = address,
          .guid = guid,
          .physical_network = std::string(physical_network),
          .local_link_connection = std::string(local_link_connection)};
}

std::size_t Inventory::NodeRecord::text_size(std::string_view texts) const {
  FieldReader fields(texts, text_at);
  static_cast<void>(fields.next_id(is_uuid, uuid));
  static_cast<void>(fields.next());
  return fields.at() - text_at;
}

Identifier Inventory::NodeRecord::id(std::string_view texts) const {
  return FieldReader(texts, text_at).next_id(is_uuid, uuid);
}

std::strong_ordering Inventory::NodeRecord::order(const NodeRecord& record,
                                                  std::string_view texts,
                                                  const Identifier& key) {
  return record.id(texts) <=> key;
}

std::size_t Inventory::PortRecord::text_size(std::string_view texts) const {
  FieldReader fields(texts, text_at);
  static_cast<void>(fields.next_id(uuid_is_uuid, uuid));
  static_cast<void>(fields.next_id(node_is_uuid, node));
  if (has_guid) static_cast<void>(fields.next());
  static_cast<void>(fields.next());
  return fields.at() - text_at;
}

std::size_t Inventory::NodePortRecord::text_size(std::string_view texts) const {
  FieldReader fields(texts, text_at);
  static_cast<void>(fields.next_id(is_uuid, node));
  return fields.at() - text_at;
}

Identifier Inventory::NodePortRecord::id(std::string_view texts) const {
  return FieldReader(texts, text_at).next_id(is_uuid, node);
}

std::strong_ordering Inventory::NodePortRecord::order(
    const NodePortRecord& record, std::string_view texts, const NodePort& key) {
  const auto nodes = record.id(texts) <=> key.node;
  return nodes != 0 ? nodes : record.address <=> key.address;
}

NodeView Inventory::view(const NodeTable& table, NodeTable::Position at) const {
  const NodeRecord& record = table.record(at);
  FieldReader fields(table.texts(at), record.text_at);
  const NodeKind& kind = kinds_[record.kind];
  NodeView view;
  view.uuid = fields.next_id(record.is_uuid, record.uuid);
  view.name = fields.next();
  view.provision_state = kind.provision_state;
  view.inspect_interface = kind.inspect_interface;
  view.inspector_manage_boot = kind.inspector_manage_boot;
  view.kind = record.kind;
  return view;
}

PortView Inventory::view(const PortTable& table, PortTable::Position at) const {
  const PortRecord& record = table.record(at);
  FieldReader fields(table.texts(at), record.text_at);
  PortView view;
  view.uuid = fields.next_id(record.uuid_is_uuid, record.uuid);
  view.node_uuid = fields.next_id(record.node_is_uuid, record.node);
  view.address = record.address;
  if (record.has_guid) view.guid = read_guid(fields.next());
  view.physical_network = networks_[record.network];
  view.local_link_connection = fields.next();
  return view;
}

Result<Inventory> Inventory::make(const std::vector<Node>& nodes,
                                  const std::vector<Port>& ports) {
  Builder builder;
  for (const Node& node : nodes) builder.add(node);
  for (const Port& port : ports) builder.add(port);
  return std::move(builder).finish();
}

std::optional<NodeView> Inventory::view_node(const Identifier& uuid) const {
  const auto at = nodes_.find(uuid);
  if (!at) return std::nullopt;
  return view(nodes_, *at);
}

std::optional<PortView> Inventory::view_port(
    const HardwareAddress& address) const {
  MacAddress mac;
  if (address.type() == HardwareAddress::Type::kEthernet) {
    mac = mac_of(address);
  } else {
    const auto by_guid = by_guid_.find(address);
    if (!by_guid) return std::nullopt;
    mac = by_guid_.record(*by_guid).holder;
  }
  const auto at = ports_.find(mac);
  if (!at) return std::nullopt;
  return view(ports_, *at);
}

std::optional<Node> Inventory::find_node(std::string_view uuid) const {
  const auto found = view_node(Identifier(uuid));
  return found ? std::optional(found->node()) : std::nullopt;
}

std::optional<Port> Inventory::find_port(const HardwareAddress& address) const {
  const auto found = view_port(address);
  return found ? std::optional(found->port()) : std::nullopt;
}

std::vector<PortView> Inventory::find_ports(
    const HardwareAddress& address) const {
  std::vector<PortView> ports;
  if (const auto own = view_port(address)) ports.push_back(*own);
  if (address.type() != HardwareAddress::Type::kEthernet) return ports;
  const MacAddress mac = mac_of(address);
  for (auto it = neighbours_.lower_bound({mac, HardwareAddress()});
       it != neighbours_.end() && it->first == mac; ++it) {
    const auto port = view_port(it->second);
    if (!port) continue;
    const bool fresh = std::ranges::none_of(ports, [&](const PortView& each) {
      return each.address == port->address;
    });
    if (fresh) ports.push_back(*port);
  }
  return ports;
}

std::vector<PortView> Inventory::ports_of_node(
    const Identifier& node_uuid) const {
  std::vector<PortView> ports;
  for (auto at = by_node_.lower_bound({node_uuid, MacAddress()});
       at != by_node_.end(); at = by_node_.after(at)) {
    const NodePortRecord& record = by_node_.record(at);
    if (record.id(by_node_.texts(at)) != node_uuid) break;
    ports.push_back(view(ports_, *ports_.find(record.address)));
  }
  return ports;
}

Result<> Inventory::replace_node_ports(std::string_view node_uuid,
                                       const std::vector<Port>& ports) {
  for (const Port& port : ports) {
    if (port.node_uuid != node_uuid) {
      return fail("port " + quoted(port.uuid) + " belongs to node " +
                      quoted(port.node_uuid) + ", not to " + quoted(node_uuid) +
                      " whose ports were asked for",
                  ErrorCode::kInvalid);
    }
  }
  if (auto consistent = make({}, ports); !consistent) {
    return fail(consistent.error());
  }
  std::vector<MacAddress> gone;
  for (const PortView& port : ports_of_node(Identifier(node_uuid))) {
    gone.push_back(port.address);
  }
  for (const MacAddress& address : gone) erase(address);
  add_ports(ports);
  return {};
}

void Inventory::add_ports(const std::vector<Port>& ports) {
  for (const Port& port : ports) put_port(view_of(port));
}

void Inventory::upsert_node(const Node& node) { put_node(view_of(node)); }

void Inventory::put_node(const NodeView& node) {
  NodeRecord record;
  record.uuid = node.uuid.bits();
  record.is_uuid = node.uuid.is_uuid();
  record.kind = kinds_.number({std::string(node.provision_state),
                               std::string(node.inspect_interface),
                               node.inspector_manage_boot});
  std::string text;
  write_id(text, node.uuid);
  write_field(text, node.name);
  nodes_.put(node.uuid, record, text);
}

void Inventory::put_port(const PortView& port) {
  erase(port.address);
  if (port.guid) {
    // The GUID moves, and nothing else of the port that had it: without its
    // entry that port's MAC address would count as unknown.
    if (const auto holder = view_port(*port.guid)) {
      Port without = holder->port();
      without.guid.reset();
      write_port(view_of(without));
    }
    GuidRecord record;
    record.guid = *port.guid;
    record.holder = port.address;
    by_guid_.put(*port.guid, record, {});
  }
  write_port(port);
  NodePortRecord record;
  record.node = port.node_uuid.bits();
  record.is_uuid = port.node_uuid.is_uuid();
  record.address = port.address;
  std::string text;
  write_id(text, port.node_uuid);
  by_node_.put({port.node_uuid, port.address}, record, text);
}

void Inventory::write_port(const PortView& port) {
  PortRecord record;
  record.address = port.address;
  record.has_guid = port.guid.has_value();
  record.uuid_is_uuid = port.uuid.is_uuid();
  record.node_is_uuid = port.node_uuid.is_uuid();
  record.uuid = port.uuid.bits();
  record.node = port.node_uuid.bits();
  record.network = networks_.number(std::string(port.physical_network));
  std::string text;
  write_id(text, port.uuid);
  write_id(text, port.node_uuid);
  if (port.guid) write_field(text, guid_text(*port.guid));
  write_field(text, port.local_link_connection);
  ports_.put(port.address, record, text);
}

void Inventory::erase(const MacAddress& address) {
  const auto at = ports_.find(address);
  if (!at) return;
  const PortView port = view(ports_, *at);
  if (port.guid) by_guid_.erase(*by_guid_.find(*port.guid));
  by_node_.erase(*by_node_.find({port.node_uuid, address}));
  ports_.erase(*at);
}

bool Inventory::operator==(const Inventory& other) const {
  if (introspected_ != other.introspected_ ||
      neighbours_ != other.neighbours_) {
    return false;
  }
  const bool same_nodes =
      (nodes_.shares_all(other.nodes_) && kinds_.shares_all(other.kinds_)) ||
      same_all(nodes(), other.nodes());
  if (!same_nodes) return false;
  return (ports_.shares_all(other.ports_) &&
          networks_.shares_all(other.networks_)) ||
         same_all(ports(), other.ports());
}

void Inventory::pack() {
  nodes_.pack();
  ports_.pack();
  by_guid_.pack();
  by_node_.pack();
}

void Inventory::forget_unused() {
  if (kinds_.size() > kFew && kinds_.size() > nodes_.size()) {
    Inventory fresh;
    for (const NodeView node : nodes()) fresh.put_node(node);
    fresh.nodes_.pack();
    nodes_ = std::move(fresh.nodes_);
    kinds_ = std::move(fresh.kinds_);
  }
  if (networks_.size() > kFew && networks_.size() > ports_.size()) {
    Inventory fresh;
    for (const PortView port : ports()) fresh.write_port(port);
    fresh.ports_.pack();
    ports_ = std::move(fresh.ports_);
    networks_ = std::move(fresh.networks_);
  }
}

template <typename Table>
Inventory::Builder::Seen<Table>::Seen(const Table& table)
    : seen_(table.size()) {
  first_.reserve(table.chunks());
  std::size_t records = 0;
  for (std::size_t i = 0; i < table.chunks(); ++i) {
    first_.push_back(records);
    records += table.records_in(i);
  }
}

template <typename Table>
bool Inventory::Builder::Seen<Table>::set(typename Table::Position at) {
  if (is_set(at)) return false;
  seen_[index(at)] = true;
  return true;
}

template <typename Table>
bool Inventory::Builder::Seen<Table>::is_set(
    typename Table::Position at) const {
  return seen_[index(at)];
}

Inventory::Builder::Builder(std::shared_ptr<const Inventory> base)
    : base_(base ? std::move(base) : std::make_shared<const Inventory>()),
      seen_nodes_(base_->nodes_),
      seen_ports_(base_->ports_) {}

void Inventory::Builder::add(const Node& node) {
  const NodeView listed = view_of(node);
  const auto known = base_->nodes_.find(listed.uuid);
  const bool unchanged =
      known && same(base_->view(base_->nodes_, *known), listed);
  const auto before = other_.view_node(listed.uuid);
  const bool contradicts = (before && !same(*before, listed)) ||
                           (known && !unchanged && seen_nodes_.is_set(*known));
  if (contradicts && !node_error_) {
    node_error_.emplace("node " + quoted(node.uuid) +
                            " is listed twice with different contents",
                        ErrorCode::kInvalid);
  }
  if (unchanged) {
    seen_nodes_.set(*known);
  } else {
    other_.put_node(listed);
  }
}

std::optional<PortView> Inventory::Builder::listed(
    const HardwareAddress& address) const {
  if (const auto found = other_.view_port(address)) return found;
  const auto found = base_->view_port(address);
  if (!found) return std::nullopt;
  const bool seen = seen_ports_.is_set(*base_->ports_.find(found->address));
  return seen ? found : std::nullopt;
}

void Inventory::Builder::add(const Port& port) {
  const PortView fresh = view_of(port);
  if (port_error_) return;
  std::vector<HardwareAddress> addresses = {fresh.address};
  if (fresh.guid) addresses.push_back(*fresh.guid);
  for (const HardwareAddress& address : addresses) {
    const auto before = listed(address);
    if (!before) continue;
    if (before->uuid == fresh.uuid) {
      port_error_.emplace("port " + quoted(port.uuid) + " is listed twice",
                          ErrorCode::kInvalid);
    } else {
      port_error_ = duplicate_address(address, *before, fresh);
    }
    return;
  }
  const auto known = base_->ports_.find(fresh.address);
  if (known && same(base_->view(base_->ports_, *known), fresh)) {
    seen_ports_.set(*known);
  } else {
    other_.put_port(fresh);
  }
}

void Inventory::Builder::clear_nodes() {
  seen_nodes_ = Seen(base_->nodes_);
  other_.nodes_ = {};
  node_error_.reset();
}

void Inventory::Builder::clear_ports() {
  seen_ports_ = Seen(base_->ports_);
  other_.ports_ = {};
  other_.by_guid_ = {};
  other_.by_node_ = {};
  port_error_.reset();
}

Result<> Inventory::Builder::check_port_uuids(
    const Inventory& inventory) const {
  std::vector<Identifier::Bits> uuids;
  uuids.reserve(inventory.ports().size());
  std::vector<Identifier> others;
  for (const PortView port : inventory.ports()) {
    if (port.uuid.is_uuid()) {
      uuids.push_back(port.uuid.bits());
    } else {
      others.push_back(port.uuid);
    }
  }
  std::ranges::sort(uuids);
  std::ranges::sort(others);
  std::optional<Identifier> twice;
  if (const auto it = std::ranges::adjacent_find(uuids); it != uuids.end()) {
    twice = Identifier::uuid(*it);
  }
  if (const auto it = std::ranges::adjacent_find(others); it != others.end()) {
    twice = *it;
  }
  if (!twice) return {};
  return fail("port " + quoted(twice->to_string()) + " is listed twice",
              ErrorCode::kInvalid);
}

Result<Inventory> Inventory::Builder::finish() && {
  if (port_error_) return fail(*std::move(port_error_));
  if (node_error_) return fail(*std::move(node_error_));
  Inventory result;
  if (base_->nodes().empty() && base_->ports().empty()) {
    result = std::move(other_);
    result.pack();
  } else {
    result = *base_;
    result.introspected_.clear();
    result.neighbours_.clear();
    for (auto at = base_->nodes_.begin(); at != base_->nodes_.end();
         at = base_->nodes_.after(at)) {
      if (seen_nodes_.is_set(at)) continue;
      const Identifier uuid = base_->view(base_->nodes_, at).uuid;
      result.nodes_.erase(*result.nodes_.find(uuid));
    }
    for (auto at = base_->ports_.begin(); at != base_->ports_.end();
         at = base_->ports_.after(at)) {
      if (!seen_ports_.is_set(at)) {
        result.erase(base_->ports_.record(at).address);
      }
    }
    for (const NodeView node : other_.nodes()) result.put_node(node);
    for (const PortView port : other_.ports()) result.put_port(port);
    other_ = Inventory();
    result.forget_unused();
  }
  if (auto distinct = check_port_uuids(result); !distinct) {
    return fail(distinct.error());
  }
  return result;
}

}  // namespace pxegate
