// SPDX-License-Identifier: Apache-2.0
// The half of SyncLoop that reads lists: the full one, and the new ports.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "controller/app/sync_loop.h"
#include "controller/base/log.h"
#include "controller/base/memory.h"

namespace pxegate {
namespace {

using std::chrono::milliseconds;

// A list that is too short is believed when it was confirmed twice.
constexpr int kListsToBelieve = 3;
// Of fewer nodes or ports than this, some may go at once, but not all.
constexpr std::size_t kFew = 10;
// Nodes whose ports are gone from it are asked for theirs before that.
constexpr std::size_t kLossesToAskFor = 3;

}  // namespace

void SyncLoop::read_full_list() {
  const Monotonic began = clock_.now();
  if (relist_.phase() == Relist::Phase::kComplete) return check_full_list();
  if (relist_.phase() == Relist::Phase::kMade) return ask_for_lost_ports();
  if (relist_.phase() == Relist::Phase::kIdle) {
    relist_.begin(began, inventory_);
    list_work_ = {};
    list_confirmed_ = false;
    open_throughout_.clear();
    for (const auto& [uuid, node] : open_) open_throughout_.insert(uuid);
    fetched_meanwhile_.clear();
    new_ports_.clear();
    list_requested_ = false;
    served_ = std::exchange(waiting_, {});
    force_served_ = std::exchange(force_waiting_, false);
  }
  const bool nodes = relist_.phase() == Relist::Phase::kNodes;
  const auto read = relist_.read_page(ironic_);
  next_list_ = clock_.now();
  // What a request cost that failed says nothing of what a list costs.
  if (!read) return list_failed(read.error(), rest_after(began));
  list_work_ += next_list_ - began;
  if (!nodes || relist_.phase() != Relist::Phase::kPorts) return;
  // From here on what is asked for in between is newer than the list.
  if (!fetched_.empty()) apply_fetched_ports();
  port_queue_.mark_covered();
  // The list of nodes holds only together with a poll that is newer.
  if (!poll_health_.failing()) next_poll_ = next_list_;
}

void SyncLoop::confirm_list() {
  list_confirmed_ = true;
  std::erase_if(open_throughout_, [this](const std::string& uuid) {
    return !open_.contains(uuid);
  });
}

void SyncLoop::list_failed(const Error& error, milliseconds rest) {
  observer_.failed(SyncWork::kFullSync);
  next_list_ = clock_.now() + list_health_.failed(error, rest);
  answer_served(fail(error));
  if (list_requested_) {
    relist_.drop();
    next_list_ = clock_.now();
  }
}

// The next opinion is worth more when it is not of the same second.
milliseconds SyncLoop::until_next_list() const {
  return std::chrono::ceil<milliseconds>(std::max<Monotonic::duration>(
      relist_.began() + full_sync_every() - clock_.now(), {}));
}

void SyncLoop::check_full_list() {
  if (auto made = relist_.make(); !made) {
    return list_failed(made.error().within(
        fmt::format("GET {0}/v1/nodes and {0}/v1/ports: the list contradicts "
                    "itself",
                    ironic_.endpoint())));
  }
  const auto until_next = until_next_list();
  if (auto checked = check_list(relist_.made()); !checked) {
    relist_.drop();
    return list_failed(checked.error());
  }
  lost_nodes_.clear();
  const Length list = {relist_.made().nodes().size(),
                       relist_.made().ports().size()};
  if (const auto lacks = shortage(list)) {
    if (auto held = hold_back(*lacks, list); !held) {
      relist_.drop();
      return list_failed(held.error(), until_next);
    }
    if (!force_served_) lost_nodes_ = nodes_to_ask(relist_.made());
  }
  if (lost_nodes_.empty()) apply_full_list();
}

void SyncLoop::apply_full_list() {
  const Monotonic began = clock_.now();
  const auto until_next = until_next_list();
  Inventory made = relist_.take();
  const Length list = {made.nodes().size(), made.ports().size()};
  for (auto& [uuid, ports] : std::exchange(fetched_meanwhile_, {})) {
    if (ports.empty()) continue;  // as in apply_fetched_ports()
    // One that contradicts itself has been reported and will be asked again.
    static_cast<void>(made.replace_node_ports(uuid, ports));
  }
  if (neighbours_) {
    // Nothing may be enforced without them: they may be denied.
    made.set_ethernet_neighbours(neighbours_->read());
    next_neighbours_ = began + options_.poll_interval;
  }
  if (auto checked = check_left_rules(made, list); !checked) {
    return list_failed(checked.error(), until_next);
  }
  if (shortage(list)) note_believed_loss(list);
  if (2 * list.ports >= before_loss_.ports) before_loss_ = {};
  // Also those that a poll found after this list was read.
  if (before_loss_.ports > 0 || list.ports == 0) leave_out_strangers(made);
  const auto& states = options_.policy.open_provision_states;
  for (const Node& node : node_news(made, open_, states)) {
    made.upsert_node(node);
  }
  made.set_introspected(introspected_);
  if (held_back_) {
    const bool confirmed = held_back_->lists >= kListsToBelieve;
    log::warning("Ironic's list of {} nodes and {} ports is believed: {}",
                 list.nodes, list.ports,
                 force_served_ ? "by `pxegate sync --force`"
                 : confirmed   ? "it was confirmed twice"
                               : "it is long enough again");
    held_back_.reset();
  }
  inventory_ = std::make_shared<const Inventory>(std::move(made));
  last_port_ = relist_.last_port();
  listed_ = list;
  if (std::exchange(strangers_wait_, false)) next_poll_ = began;
  port_queue_.remove_covered();
  fetched_.clear();
  list_read_at_ = now(clock_);
  list_health_.succeeded();
  // Whatever they were, they are in the list; nor may there be another request
  // for them, where lists are not stretched any more.
  if (new_ports_health_.failing()) new_ports_health_.succeeded();

  const auto enforced =
      enforce(driver_period_ ? Enforcer::When::kAlways
                             : Enforcer::When::kInventoryChanged);
  // Between the records that stay there is much room now that answers, and
  // what was rebuilt, took meanwhile: the C library keeps it.
  release_free_memory();
  list_cost_ = list_work_ + (clock_.now() - began);
  schedule_full_list();
  const auto outcome = outcome_of(enforced);
  if (enforced) {
    observer_.succeeded(SyncWork::kFullSync, clock_.now() - relist_.began());
  } else {
    observer_.failed(SyncWork::kFullSync);
  }
  force_served_ = false;
  answer_served(outcome);
}

// A node that was open all the time is among the nodes, or the list is not
// all of them. (One that turned up since may be younger than the list.)
Result<> SyncLoop::check_list(const Inventory& list) const {
  const auto missing =
      std::ranges::find_if(open_throughout_, [&list](const std::string& uuid) {
        return !list.has_node(Identifier(uuid));
      });
  if (missing == open_throughout_.end()) return {};
  return fail(fmt::format("GET {}/v1/nodes: the list lacks node {}, which is "
                          "in an open state",
                          ironic_.endpoint(), *missing),
              ErrorCode::kInvalid);
}

// What an earlier run left in force was right then. An Ironic that came back
// with an empty database must not undo it because the controller was
// restarted too.
Result<> SyncLoop::check_left_rules(const Inventory& inventory,
                                    const Length& list) {
  // retry_driver() does it later.
  if (enforcer_.enforced_once() || adopted_ || !enforcer_.working()) return {};
  const auto left = host_.installed();
  if (!left) return {};  // nothing is, or the driver cannot tell
  const std::size_t known = left->entries().size();
  const std::size_t rules =
      compute_policy(inventory, options_.policy).entries().size();
  if (!is_short(rules, known)) return {};
  if (auto held = hold_back({"rules", rules, known}, list); !held) return held;
  before_loss_.ports = std::max(before_loss_.ports, known);
  return {};
}

// A driver that could not be initialized at the start could not say either what
// an earlier run left in force.
void SyncLoop::retry_driver() {
  if (!enforcer_.retry()) return;
  if (inventory_) {
    if (auto checked = check_left_rules(*inventory_, listed_); !checked) {
      enforcer_.forget();
      inventory_.reset();
      list_read_at_.reset();
      listed_ = {};
      before_loss_ = {};
      fetched_.clear();
      list_failed(checked.error(), until_next_list());
    }
  }
  enforcer_.resume();
}

bool SyncLoop::is_short(std::size_t listed, std::size_t known) const {
  if (options_.min_list_percent == 0) return false;
  const bool empty = listed == 0 && known > 0;
  return empty ||
         (known >= kFew && listed * 100 < known * options_.min_list_percent);
}

// What the list lacks most of, if anything.
std::optional<SyncLoop::Shortage> SyncLoop::shortage(const Length& list) const {
  if (is_short(list.nodes, listed_.nodes)) {
    return Shortage{"nodes", list.nodes, listed_.nodes};
  }
  // Nodes that came back without their ports are not all there is, however
  // few were listed last.
  const bool nodes_are_back =
      before_loss_.nodes > 0 && !is_short(list.nodes, before_loss_.nodes);
  const std::size_t ports = nodes_are_back
                                ? std::max(before_loss_.ports, listed_.ports)
                                : listed_.ports;
  if (is_short(list.ports, ports)) return Shortage{"ports", list.ports, ports};
  return std::nullopt;
}

bool SyncLoop::about_as_long(const Length& a, const Length& b) {
  const auto about = [](std::size_t x, std::size_t y) {
    if (x == 0 || y == 0) return x == y;
    return std::max(x, y) < kFew || 2 * std::min(x, y) >= std::max(x, y);
  };
  return about(a.nodes, b.nodes) && about(a.ports, b.ports);
}

// kUnavailable where the list is to be held back.
Result<> SyncLoop::hold_back(const Shortage& shortage, const Length& list) {
  if (force_served_) return {};
  const bool confirms = held_back_ && about_as_long(list, held_back_length_);
  if (!held_back_) {
    held_back_.emplace();
    held_back_->since = now(clock_);
    held_back_->lists_to_believe = kListsToBelieve;
  }
  held_back_->what = shortage.what;
  held_back_->listed = shortage.listed;
  held_back_->known = shortage.known;
  held_back_->lists = confirms ? held_back_->lists + 1 : 1;
  held_back_length_ = list;
  if (held_back_->lists >= kListsToBelieve) return {};
  return fail(held_back_sentence(*held_back_), ErrorCode::kUnavailable);
}

void SyncLoop::note_believed_loss(const Length& list) {
  if (before_loss_.nodes > 0 && !is_short(list.nodes, before_loss_.nodes)) {
    // They are without their ports for good, it seems.
    before_loss_ = {};
    return;
  }
  before_loss_.ports = std::max(before_loss_.ports, listed_.ports);
  if (is_short(list.nodes, listed_.nodes)) {
    before_loss_.nodes = std::max(before_loss_.nodes, listed_.nodes);
  }
}

// Some of those whose ports are not listed any more.
std::vector<std::string> SyncLoop::nodes_to_ask(const Inventory& list) {
  std::vector<Identifier> lost;
  for (const PortView port : inventory_->ports()) {
    if (list.ports_of_node(port.node_uuid).empty()) {
      lost.push_back(port.node_uuid);
    }
  }
  if (lost.empty()) {
    // Nodes that are back, without ports.
    for (const NodeView node : list.nodes()) {
      if (list.ports_of_node(node.uuid).empty()) lost.push_back(node.uuid);
    }
  }
  std::ranges::sort(lost);
  const auto twice = std::ranges::unique(lost);
  lost.erase(twice.begin(), twice.end());
  std::vector<std::string> chosen;
  while (chosen.size() < kLossesToAskFor && !lost.empty()) {
    std::swap(lost[random_() % lost.size()], lost.back());
    chosen.push_back(lost.back().to_string());
    lost.pop_back();
  }
  return chosen;
}

// Asks for what is not listed any more in another way, one node at a time.
// Several servers behind one address, one of which has lost its database, would
// be found out.
void SyncLoop::ask_for_lost_ports() {
  const Monotonic began = clock_.now();
  const std::string uuid = lost_nodes_.back();
  lost_nodes_.pop_back();
  const auto ports = ironic_.ports_of_node(uuid);
  if (ports && ports->empty()) {
    list_work_ += clock_.now() - began;
    if (lost_nodes_.empty()) apply_full_list();
    return;
  }
  const auto until_next = until_next_list();
  const std::size_t listed = relist_.made().ports().size();
  const std::size_t known = std::max(listed_.ports, before_loss_.ports);
  relist_.drop();
  if (!ports) {
    // The list is as good as it was, only not asked about.
    if (held_back_) held_back_->lists = kListsToBelieve - 1;
    return list_failed(ports.error(), rest_after(began));
  }
  if (held_back_) held_back_->lists = 0;
  list_failed(Error(fmt::format("Ironic listed {} ports, {} were known, and it "
                                "has, when asked for them, ports of node {} "
                                "that are not in its list: not believed",
                                listed, known, uuid),
                    ErrorCode::kUnavailable),
              until_next);
}

bool SyncLoop::in_doubt() const {
  return inventory_ && (before_loss_.ports > 0 || inventory_->ports().empty());
}

void SyncLoop::leave_out_strangers(const Inventory& listed) {
  std::erase_if(open_, [&listed](const auto& item) {
    return !listed.has_node(Identifier(item.first));
  });
  std::erase_if(introspected_, [&listed](const std::string& uuid) {
    return !listed.has_node(Identifier(uuid));
  });
}

void SyncLoop::schedule_full_list() {
  const Monotonic now = clock_.now();
  const bool requested = list_requested_ || !inventory_;
  next_list_ = requested ? now : relist_.began() + full_sync_every();
  next_new_ports_ = now + options_.sync_period;
}

Result<SyncOutcome> SyncLoop::outcome_of(
    const Result<SyncReport>& enforced) const {
  if (!enforced) return fail(enforced.error());
  if (inspector_ && inspector_health_.failing()) {
    return fail(inspector_health_.last_error()->within(
        "Ironic's list is enforced, but ironic-inspector does not answer"));
  }
  return SyncOutcome{*enforced,
                     std::chrono::duration_cast<std::chrono::milliseconds>(
                         clock_.now() - relist_.began()),
                     force_served_};
}

void SyncLoop::read_new_ports() {
  const std::string& marker =
      new_ports_.empty() ? last_port_ : new_ports_.back().uuid;
  auto page = ironic_.ports_page(marker);
  const Monotonic now = clock_.now();
  new_ports_asked_ = now;
  if (!page) {
    const bool marker_gone =
        page.error().code() == ErrorCode::kNotFound && !marker.empty();
    new_ports_.clear();
    if (marker_gone) {
      next_list_ = now;
      next_new_ports_ = Monotonic::max();
    } else {
      const auto delay = new_ports_health_.failed(page.error());
      next_new_ports_ = now + delay;
    }
    return;
  }
  const bool last = page->last || page->items.empty();
  std::ranges::move(page->items, std::back_inserter(new_ports_));
  next_new_ports_ = now;
  if (!last) return;
  new_ports_health_.succeeded();
  next_new_ports_ = now + options_.sync_period;
  apply_new_ports();
}

void SyncLoop::apply_new_ports() {
  if (new_ports_.empty()) return;
  last_port_ = new_ports_.back().uuid;
  auto next = std::make_shared<Inventory>(*inventory_);
  next->add_ports(std::exchange(new_ports_, {}));
  inventory_ = std::move(next);
  static_cast<void>(enforce(Enforcer::When::kPolicyChanged));
}

}  // namespace pxegate
