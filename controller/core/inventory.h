// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_CORE_INVENTORY_H_
#define PXEGATE_CONTROLLER_CORE_INVENTORY_H_

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/base/clock.h"
#include "controller/base/mac_address.h"
#include "controller/base/result.h"
#include "controller/core/chunked_table.h"
#include "controller/core/ethernet_neighbours.h"
#include "controller/core/identifier.h"
#include "controller/core/interner.h"

namespace pxegate {

// A bare-metal node as Ironic's GET /v1/nodes tells it. Text fields are
// verbatim.
struct Node {
  std::string uuid;
  std::string name;  // empty where Ironic says null
  std::string provision_state;
  std::string inspect_interface;  // empty where Ironic says null
  // driver_internal_info.inspector_manage_boot; absent until Ironic's inspect
  // interface has decided, and in listings that do not ask for it.
  std::optional<bool> inspector_manage_boot;
  // When Ironic last changed provision_state, by its own clock; as above absent
  // in listings. About the answer, not the node: inventories do not keep it,
  // and it makes no difference.
  std::optional<WallTime> provision_updated_at{};

  bool operator==(const Node& other) const {
    return uuid == other.uuid && name == other.name &&
           provision_state == other.provision_state &&
           inspect_interface == other.inspect_interface &&
           inspector_manage_boot == other.inspector_manage_boot;
  }
};

// A port as Ironic's GET /v1/ports tells it.
struct Port {
  std::string uuid;
  std::string node_uuid;
  MacAddress address;
  // extra.client-id decoded: the InfiniBand port GUID, its last eight bytes.
  std::optional<HardwareAddress> guid;
  std::string physical_network;
  // local_link_connection as compact JSON text; drivers of switches read it.
  std::string local_link_connection;

  bool operator==(const Port&) const = default;
};

// A Node inside an Inventory, without copies of its text.
struct NodeView {
  Identifier uuid;
  std::string_view name;
  std::string_view provision_state;
  std::string_view inspect_interface;
  std::optional<bool> inspector_manage_boot;
  // The same for two nodes of one inventory that differ in nothing but UUID
  // and name; less than Inventory::node_kinds().
  std::uint32_t kind = 0;

  Node node() const;
};

// A Port inside an Inventory, without copies of its text.
struct PortView {
  Identifier uuid;
  Identifier node_uuid;
  MacAddress address;
  std::optional<HardwareAddress> guid;
  std::string_view physical_network;
  std::string_view local_link_connection;

  Port port() const;
};

// What Ironic (and ironic-inspector, where configured) last said. A value; a
// copy shares what both have in common, and so do those who change the copy:
// of 100,000 ports it costs some microseconds. Nodes and ports are kept
// compactly and handed out as values, or as views, which hold as long as the
// inventory is there and unchanged.
class Inventory {
 public:
  using NodesByUuid = std::map<std::string, Node, std::less<>>;
  class Builder;

  // A range of NodeView or PortView.
  template <typename View, typename Table>
  class Range;

  Inventory() = default;

  // Takes over one complete listing. kInvalid, naming both ports, when it
  // contradicts itself: one port UUID twice, or one hardware address on two
  // ports. One node UUID twice is no contradiction where both say the same.
  static Result<Inventory> make(const std::vector<Node>& nodes,
                                const std::vector<Port>& ports);

  // Of NodeView, ordered by UUID.
  auto nodes() const;
  // Of PortView, ordered by MAC address.
  auto ports() const;
  std::size_t node_kinds() const { return kinds_.size(); }

  bool has_node(const Identifier& uuid) const {
    return nodes_.find(uuid).has_value();
  }
  // nullopt where Ironic has no such node or address.
  std::optional<Node> find_node(std::string_view uuid) const;
  std::optional<Port> find_port(const HardwareAddress& address) const;
  std::optional<NodeView> view_node(const Identifier& uuid) const;
  std::optional<PortView> view_port(const HardwareAddress& address) const;
  // As view_port(), and every port that uses `address` as an Ethernet
  // neighbour. The port that has it in Ironic comes first. Several mean that
  // they contradict each other.
  std::vector<PortView> find_ports(const HardwareAddress& address) const;
  // Ordered by MAC address.
  std::vector<PortView> ports_of_node(const Identifier& node_uuid) const;

  // The node's ports are exactly `ports` now: others of that node go, and an
  // address that another node's port had moves here (a port deleted and
  // created again between two listings): with a MAC address goes that port,
  // with a GUID only the GUID. kInvalid, and nothing changed, where `ports`
  // contradicts itself or names another node.
  Result<> replace_node_ports(std::string_view node_uuid,
                              const std::vector<Port>& ports);

  // Adds ports that turned up since; the same address again means that the
  // newer one holds, as in replace_node_ports().
  void add_ports(const std::vector<Port>& ports);

  // Inserts the node or replaces what was known of it.
  void upsert_node(const Node& node);

  // UUIDs of nodes that ironic-inspector's GET /v1/introspection lists as
  // unfinished. May name nodes that Ironic does not have.
  const std::set<std::string, std::less<>>& introspected() const {
    return introspected_;
  }
  void set_introspected(std::set<std::string, std::less<>> uuids) {
    introspected_ = std::move(uuids);
  }

  // What this host saw last of its Ethernet over InfiniBand. May name GUIDs
  // that no port has.
  const EthernetNeighbours& ethernet_neighbours() const { return neighbours_; }
  void set_ethernet_neighbours(EthernetNeighbours neighbours) {
    neighbours_ = std::move(neighbours);
  }

  bool operator==(const Inventory& other) const;

 private:
  struct NodeKind {
    std::string provision_state;
    std::string inspect_interface;
    std::optional<bool> inspector_manage_boot;
    auto operator<=>(const NodeKind&) const = default;
  };
  // Of a port, behind its node's name: the ports of a node are together.
  struct NodePort {
    Identifier node;
    MacAddress address;
  };

  struct NodeRecord {
    Identifier::Bits uuid{};
    std::uint32_t kind = 0;
    std::uint32_t text_at = 0;  // UUID where it is none, name
    bool is_uuid = false;

    std::size_t text_size(std::string_view texts) const;
    Identifier id(std::string_view texts) const;
    static std::strong_ordering order(const NodeRecord& record,
                                      std::string_view texts,
                                      const Identifier& key);
  };
  struct PortRecord {
    MacAddress address;
    bool has_guid : 1 = false;
    bool uuid_is_uuid : 1 = false;
    bool node_is_uuid : 1 = false;
    Identifier::Bits uuid{};
    Identifier::Bits node{};
    std::uint32_t network = 0;
    // UUIDs where they are none, GUID, local_link_connection
    std::uint32_t text_at = 0;

    std::size_t text_size(std::string_view texts) const;
    static std::strong_ordering order(const PortRecord& record,
                                      std::string_view texts,
                                      const MacAddress& key) {
      static_cast<void>(texts);
      return record.address <=> key;
    }
  };
  struct GuidRecord {
    HardwareAddress guid;
    MacAddress holder;
    std::uint32_t text_at = 0;

    std::size_t text_size(std::string_view texts) const {
      static_cast<void>(texts);
      return 0;
    }
    static std::strong_ordering order(const GuidRecord& record,
                                      std::string_view texts,
                                      const HardwareAddress& key) {
      static_cast<void>(texts);
      return record.guid <=> key;
    }
  };
  struct NodePortRecord {
    Identifier::Bits node{};
    MacAddress address;
    bool is_uuid = false;
    std::uint32_t text_at = 0;  // UUID where it is none

    std::size_t text_size(std::string_view texts) const;
    Identifier id(std::string_view texts) const;
    static std::strong_ordering order(const NodePortRecord& record,
                                      std::string_view texts,
                                      const NodePort& key);
  };
  using NodeTable = ChunkedTable<NodeRecord, Identifier>;
  using PortTable = ChunkedTable<PortRecord, MacAddress>;
  using GuidTable = ChunkedTable<GuidRecord, HardwareAddress>;
  using NodePortTable = ChunkedTable<NodePortRecord, NodePort>;

  NodeView view(const NodeTable& table, NodeTable::Position at) const;
  PortView view(const PortTable& table, PortTable::Position at) const;
  void put_node(const NodeView& node);
  // As add_ports(); `port` is not of this inventory.
  void put_port(const PortView& port);
  void write_port(const PortView& port);
  void erase(const MacAddress& address);
  void pack();
  // Forgets kinds of nodes and physical networks that nothing is of, where
  // they have become many.
  void forget_unused();

  NodeTable nodes_;
  PortTable ports_;  // by MAC address
  GuidTable by_guid_;
  NodePortTable by_node_;
  Interner<NodeKind> kinds_;
  Interner<std::string> networks_;
  std::set<std::string, std::less<>> introspected_;
  EthernetNeighbours neighbours_;
};

template <typename View, typename Table>
class Inventory::Range {
 public:
  class iterator {  // NOLINT(readability-identifier-naming): as std has it
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = View;
    using difference_type = std::ptrdiff_t;
    using pointer = void;
    using reference = View;

    iterator() = default;
    iterator(const Inventory* inventory, const Table* table,
             typename Table::Position at)
        : inventory_(inventory), table_(table), at_(at) {}
    View operator*() const { return inventory_->view(*table_, at_); }
    iterator& operator++() {
      at_ = table_->after(at_);
      return *this;
    }
    iterator operator++(int) {
      const iterator old = *this;
      ++*this;
      return old;
    }
    bool operator==(const iterator& other) const { return at_ == other.at_; }

   private:
    const Inventory* inventory_ = nullptr;
    const Table* table_ = nullptr;
    typename Table::Position at_;
  };

  Range(const Inventory* inventory, const Table* table)
      : inventory_(inventory), table_(table) {}
  iterator begin() const { return {inventory_, table_, table_->begin()}; }
  iterator end() const { return {inventory_, table_, table_->end()}; }
  std::size_t size() const { return table_->size(); }
  bool empty() const { return size() == 0; }

 private:
  const Inventory* inventory_;
  const Table* table_;
};

inline auto Inventory::nodes() const {
  return Range<NodeView, NodeTable>(this, &nodes_);
}
inline auto Inventory::ports() const {
  return Range<PortView, PortTable>(this, &ports_);
}

// Makes an inventory from a listing that comes piece by piece. What is in
// `base` already (the listing before) is shared with it, so that a listing
// without news takes hardly any memory.
class Inventory::Builder {
 public:
  explicit Builder(std::shared_ptr<const Inventory> base = nullptr);

  void add(const Node& node);
  void add(const Port& port);
  // That half of the listing begins again.
  void clear_nodes();
  void clear_ports();

  // What was added and nothing else; introspected() and ethernet_neighbours()
  // are empty. kInvalid as make() says.
  Result<Inventory> finish() &&;

 private:
  // Which records of a table in base_ were listed again.
  template <typename Table>
  class Seen {
   public:
    explicit Seen(const Table& table);
    // False where it was set already.
    bool set(typename Table::Position at);
    bool is_set(typename Table::Position at) const;

   private:
    std::size_t index(typename Table::Position at) const {
      return first_[at.chunk] + at.record;
    }
    std::vector<std::size_t> first_;  // of each chunk
    std::vector<bool> seen_;
  };

  // The port listed before with that address.
  std::optional<PortView> listed(const HardwareAddress& address) const;
  Result<> check_port_uuids(const Inventory& inventory) const;

  std::shared_ptr<const Inventory> base_;  // never null
  Seen<NodeTable> seen_nodes_;
  Seen<PortTable> seen_ports_;
  Inventory other_;  // than in base_
  std::optional<Error> node_error_;
  std::optional<Error> port_error_;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_CORE_INVENTORY_H_
