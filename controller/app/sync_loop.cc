// SPDX-License-Identifier: Apache-2.0
#include "controller/app/sync_loop.h"

#include <algorithm>
#include <utility>

#include "controller/base/log.h"

namespace pxegate {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr BackoffOptions kBackoff{seconds(1), seconds(30)};
// What is asked often costs little and tells who is being inspected: a
// Retry-After does not put it off for longer than backoff does.
constexpr BackoffOptions kPollBackoff{
    .first = seconds(1), .max = seconds(30), .patience = 1};

// While the ports of many nodes are being asked for, what came so far is
// enforced this often: each time costs a copy of the inventory.
constexpr milliseconds kPortBatch{100};

// A full list that costs more than this share of sync_period is dear; and no
// larger share of the time is lost to requests that fail.
constexpr int kDearShare = 10;

// Often enough for the shortest lease, see check_combinations().
constexpr seconds kLeaseRenewal{1};

// And no larger share of it goes to polls than this: they are what finds out
// that an inspection ended, so they may cost more than lists.
constexpr int kPollShare = 5;
// Polls that hints ask for are no closer together than this.
constexpr milliseconds kPollSpacing{500};

// "Now", for work that is due whenever it exists.
constexpr Monotonic kAtOnce = Monotonic::min();
constexpr Monotonic kNever = Monotonic::max();

}  // namespace

SyncLoop::SyncLoop(SyncLoopOptions options, IronicApi& ironic,
                   InspectorApi* inspector, FilterHost& host,
                   const Clock& clock, Random random,
                   NeighbourSource* neighbours, SyncObserver* observer)
    : options_(std::move(options)),
      ironic_(ironic),
      inspector_(inspector),
      neighbours_(neighbours),
      host_(host),
      clock_(clock),
      random_(random),
      started_(clock.now()),
      observer_(observer != nullptr ? *observer : nobody_),
      enforcer_(host, clock, random, observer_),
      driver_period_(host.sync_period(options_.sync_period)),
      next_neighbours_(started_),
      next_poll_(started_),
      poll_health_("asking Ironic who is being inspected", kPollBackoff, clock,
                   random),
      hints_(started_),
      next_inspector_(started_),
      inspector_health_("asking ironic-inspector who is being inspected",
                        kPollBackoff, clock, random),
      ports_health_("asking Ironic for the ports of inspected nodes",
                    kPollBackoff, clock, random),
      next_list_(started_),
      list_health_("listing all nodes and ports of Ironic", kBackoff, clock,
                   random),
      new_ports_health_("asking Ironic for new ports", kBackoff, clock,
                        random) {}

bool SyncLoop::can_enforce() const {
  return inventory_ &&
         (!inspector_ || adopted_ || inspector_health_.last_success());
}

void SyncLoop::adopt(std::shared_ptr<const Inventory> inventory) {
  inventory_ = std::move(inventory);
  introspected_ = inventory_->introspected();
  const auto& states = options_.policy.open_provision_states;
  for (const NodeView node : inventory_->nodes()) {
    if (std::ranges::find(states, node.provision_state) != states.end()) {
      open_.emplace(node.uuid.to_string(), node.node());
    }
  }
  listed_ = {inventory_->nodes().size(), inventory_->ports().size()};
  adopted_ = true;
  recompute_ = true;
}

bool SyncLoop::stretched() const {
  return list_cost_ * kDearShare > options_.sync_period;
}

seconds SyncLoop::full_sync_every() const {
  if (!stretched()) return options_.sync_period;
  return std::chrono::ceil<seconds>(list_cost_ * kDearShare);
}

bool SyncLoop::is_open_state(std::string_view state) const {
  const auto& states = options_.policy.open_provision_states;
  return std::ranges::find(states, state) != states.end();
}

// One poll that had to wait says little, two in a row do.
Monotonic::duration SyncLoop::poll_pause() const {
  return std::min(poll_cost_, poll_cost_before_) * kPollShare;
}

milliseconds SyncLoop::poll_every() const {
  milliseconds every = options_.poll_interval;
  if (synced() && trust_.trusted(clock_.now())) {
    every = std::max<milliseconds>(every, options_.sync_period);
  }
  return std::max(every, std::chrono::ceil<milliseconds>(poll_pause()));
}

void SyncLoop::want_poll() {
  if (poll_health_.failing()) return;
  const Monotonic soonest =
      poll_began_ + std::max<Monotonic::duration>(poll_pause(), kPollSpacing);
  next_poll_ = std::min(next_poll_, std::max(soonest, clock_.now()));
}

void SyncLoop::reschedule_poll() {
  if (poll_health_.failing()) return;
  const Monotonic next = poll_began_ + poll_every();
  if (next >= next_poll_) return;
  next_poll_ = next;
  hastened_ = clock_.now();
}

void SyncLoop::want_ports() {
  const Monotonic now = clock_.now();
  const Monotonic soonest = new_ports_asked_ == Monotonic::min()
                                ? now
                                : new_ports_asked_ + options_.poll_interval;
  if (next_new_ports_ != kNever && !new_ports_health_.failing()) {
    next_new_ports_ = std::min(next_new_ports_, std::max(soonest, now));
  }
  // At twice the price at most, however often somebody makes us want it.
  if (relist_.phase() != Relist::Phase::kIdle || list_health_.failing()) return;
  next_list_ = std::min(next_list_,
                        std::max(now, relist_.began() + full_sync_every() / 2));
}

bool SyncLoop::worth_a_look(const Hint& hint) const {
  const auto known = open_.find(hint.node_uuid);
  const bool open = known != open_.end();
  // The last word may be late, or made up.
  if (hint.differing) return true;
  if (hint.gone) return open;
  if (hint.provision_state.empty()) return false;
  if (!is_open_state(hint.provision_state)) return open;
  if (!open || known->second.provision_state != hint.provision_state) {
    return true;
  }
  // Ironic decides on this while the node is `inspecting`.
  return options_.policy.skip_managed && !known->second.inspector_manage_boot;
}

void SyncLoop::note_hinted(const Hint& hint) {
  const Monotonic now = clock_.now();
  const bool claims = !hint.provision_state.empty();
  const bool open = claims && is_open_state(hint.provision_state);
  if (open || hint.differing) trust_.hinted(hint.node_uuid, true, now);
  if ((claims && !open) || hint.differing || hint.gone) {
    trust_.hinted(hint.node_uuid, false, now);
  }
}

void SyncLoop::take_hints(const Hints& hints) {
  const Monotonic now = clock_.now();
  observer_.took_hints(hints.hints.size(), hints.missed);
  if (hints.missed) {
    trust_.missed(now);
    want_poll();
    want_ports();
  }
  for (const Hint& hint : hints.hints) {
    note_hinted(hint);
    // The first list and the polls beside it tell.
    if (!inventory_) continue;
    HintQueue::Look look{hint.node_uuid, worth_a_look(hint),
                         hint.ports && (!hint.gone || hint.differing), now};
    if (!look.state && !look.ports) continue;
    if (hints_.add(look, now)) continue;
    if (look.state) want_poll();
    if (look.ports) want_ports();
  }
}

void SyncLoop::note_broker(const BrokerStatus& status) {
  const bool first = !broker_;
  if (status.connected) {
    broker_lost_since_.reset();
  } else if (first || broker_->connected) {
    broker_lost_since_ = now(clock_);
    if (!first) {
      log::warning(
          "no notifications from {} any more; Ironic is polled every {} s",
          status.endpoint, options_.poll_interval.count());
    }
  }
  broker_ = status;
  trust_.status(status.connected, status.last_message.has_value(),
                clock_.now());
  reschedule_poll();
}

milliseconds SyncLoop::rest_after(Monotonic began) const {
  // Before anything is enforced, all wait for this source anyway.
  if (!can_enforce()) return {};
  return std::chrono::ceil<milliseconds>((clock_.now() - began) *
                                         (kDearShare - 1));
}

Monotonic SyncLoop::due(Work work) const {
  switch (work) {
    case Work::kRetryDriver:
      return enforcer_.due();
    case Work::kEnforce:
      return driver_sync_wanted_ || recompute_ ? kAtOnce : kNever;
    case Work::kPoll:
      return poll_.phase() == StatePoll::Phase::kAsking ? kAtOnce : next_poll_;
    case Work::kUrgentPorts:
      return port_queue_.urgent() ? due(Work::kFetchPorts) : kNever;
    case Work::kLook:
      // A poll that fails is tried again, and tells what the hints are about.
      if (!inventory_ || poll_health_.failing()) return kNever;
      return hints_.since();
    case Work::kNeighbours:
      return neighbours_ && inventory_ ? next_neighbours_ : kNever;
    case Work::kApplyPorts:
      if (fetched_.empty()) return kNever;
      return due(Work::kFetchPorts) <= clock_.now()
                 ? fetched_since_ + kPortBatch
                 : kAtOnce;
    case Work::kFetchPorts:
      // While Ironic fails there is no use in asking it for more.
      if (!inventory_ || poll_health_.failing()) return kNever;
      return port_queue_.due();
    case Work::kInspector:
      return inspector_ ? next_inspector_ : kNever;
    case Work::kFullList:
      if (relist_.phase() == Relist::Phase::kMade) return kAtOnce;
      if (relist_.phase() != Relist::Phase::kComplete) return next_list_;
      return list_confirmed_ ? kAtOnce : kNever;
    case Work::kNewPorts:
      if (!inventory_ || !stretched()) return kNever;
      if (relist_.phase() != Relist::Phase::kIdle) return kNever;
      return next_new_ports_;
    case Work::kHeal: {
      const auto last = enforcer_.last_sync();
      if (!driver_period_ || !enforcer_.working() || !last) return kNever;
      // A full list ends in a sync as well: give it the time it may take.
      const Monotonic at = *last + *driver_period_;
      return stretched() ? at : at + *driver_period_ / kDearShare + seconds(1);
    }
    case Work::kRenewLease:
      if (!enforcer_.working() || !enforcer_.last_sync()) return kNever;
      return renewal_tried_ ? *renewal_tried_ + kLeaseRenewal : kAtOnce;
  }
  return kNever;
}

Monotonic SyncLoop::next_due() const {
  Monotonic next = kNever;
  for (int i = 0; i <= static_cast<int>(Work::kRenewLease); ++i) {
    next = std::min(next, due(static_cast<Work>(i)));
  }
  return std::max(next, started_);
}

std::optional<SyncLoop::Work> SyncLoop::next_work() {
  const Monotonic now = clock_.now();
  for (const Work work : {Work::kRetryDriver, Work::kEnforce}) {
    if (due(work) <= now) return work;
  }
  // A poll that is under way goes on: others_turn_ is set at its end only.
  const bool poll_is_due = due(Work::kPoll) <= now;
  if (poll_is_due && !others_turn_) return Work::kPoll;
  // Somebody waits for these; but not at every turn, or hints that are made up
  // would keep everything else waiting.
  if (due(Work::kUrgentPorts) <= now) return Work::kUrgentPorts;
  const bool look_is_due = due(Work::kLook) <= now;
  if (look_is_due && !looked_) {
    looked_ = true;
    return Work::kLook;
  }
  // The one that waits longest, so that each has its turn.
  std::optional<Work> chosen;
  for (const Work work :
       {Work::kNeighbours, Work::kApplyPorts, Work::kFetchPorts,
        Work::kInspector, Work::kFullList, Work::kNewPorts, Work::kHeal}) {
    if (due(work) > now) continue;
    if (!chosen || due(work) < due(*chosen)) chosen = work;
  }
  others_turn_ = false;
  looked_ = false;
  if (chosen) return chosen;
  if (poll_is_due) return Work::kPoll;
  if (!look_is_due) return std::nullopt;
  looked_ = true;
  return Work::kLook;
}

void SyncLoop::step() {
  // Not in turn with the rest: it costs next to nothing.
  request_ended();
  const auto work = next_work();
  if (!work) return;
  run(*work);
  if (ports_health_.failing() && port_queue_.due() == kNever) {
    ports_health_.succeeded();
  }
  note_enforced();
}

void SyncLoop::run(Work work) {
  switch (work) {
    case Work::kRetryDriver:
      return retry_driver();
    case Work::kEnforce:
      if (std::exchange(recompute_, false) && can_enforce()) {
        static_cast<void>(enforce(Enforcer::When::kPolicyChanged));
      }
      if (std::exchange(driver_sync_wanted_, false)) enforcer_.enforce_again();
      return;
    case Work::kPoll:
      return poll_ironic();
    case Work::kUrgentPorts:
      return fetch_ports();
    case Work::kLook:
      return look();
    case Work::kNeighbours:
      return read_neighbours();
    case Work::kApplyPorts:
      return apply_fetched_ports();
    case Work::kFetchPorts:
      return fetch_ports();
    case Work::kInspector:
      return poll_inspector();
    case Work::kFullList:
      return read_full_list();
    case Work::kNewPorts:
      return read_new_ports();
    case Work::kHeal:
      return enforcer_.enforce_again();
    case Work::kRenewLease:
      return renew_lease();
  }
}

void SyncLoop::poll_ironic() {
  if (poll_.phase() == StatePoll::Phase::kIdle) {
    poll_.begin(options_.policy.open_provision_states);
    poll_began_ = clock_.now();
    poll_confirms_list_ = relist_.has_nodes();
  }
  if (poll_.phase() == StatePoll::Phase::kAsking) {
    if (const auto asked = poll_.ask(ironic_, open_); !asked) {
      return poll_failed(asked.error());
    }
  }
  if (poll_.phase() == StatePoll::Phase::kAsking) return;
  const Monotonic now = clock_.now();
  poll_health_.succeeded();
  poll_cost_before_ = std::exchange(poll_cost_, now - poll_began_);
  observer_.succeeded(SyncWork::kPoll, poll_cost_);
  others_turn_ = true;
  apply_poll(poll_.take());
  if (trust_.review(now)) {
    log::warning(
        "a poll found what no notification told of: see that every conductor "
        "of Ironic has [DEFAULT] notification_level = info and transport_url, "
        "and [oslo_messaging_notifications] driver = messagingv2; Ironic is "
        "polled every {} s",
        options_.poll_interval.count());
  }
  next_poll_ = std::max(poll_began_ + poll_every(), now);
  if (poll_confirms_list_) confirm_list();
}

void SyncLoop::poll_failed(const Error& error) {
  observer_.failed(SyncWork::kPoll);
  const auto delay = poll_health_.failed(error);
  next_poll_ =
      std::max(poll_began_ + options_.poll_interval, clock_.now() + delay);
  if (relist_.phase() == Relist::Phase::kComplete) answer_served(fail(error));
}

void SyncLoop::apply_poll(Inventory::NodesByUuid found) {
  const Monotonic now = clock_.now();
  if (in_doubt()) {
    const auto strangers = std::erase_if(found, [this](const auto& item) {
      return !inventory_->has_node(Identifier(item.first));
    });
    if (strangers > 0) strangers_wait_ = true;
    if (strangers > 0 && !list_health_.failing()) {
      next_list_ = std::min(next_list_, now);
    }
  }
  bool anything_new = false;
  for (const auto& [uuid, node] : found) {
    const auto before = open_.find(uuid);
    if (before == open_.end() ||
        before->second.provision_state != node.provision_state) {
      if (before == open_.end()) note_change(node, true);
      port_queue_.add(uuid, now);
      trust_.found(uuid, true, now);
      anything_new = true;
    }
  }
  for (const auto& [uuid, node] : open_) {
    if (found.contains(uuid)) continue;
    trust_.found(uuid, false, now);
    if (!introspected_.contains(uuid)) port_queue_.remove(uuid);
  }
  open_ = std::move(found);
  hints_.answered_by_poll(poll_began_);
  // Their ports come before the next page of a full list.
  if (anything_new) next_list_ = std::max(next_list_, now);
  poll_read_at_ = pxegate::now(clock_);
  if (inventory_) update_nodes();
}

void SyncLoop::look() {
  const auto look = hints_.take();
  if (!look) return;
  // Of a node that we do not know, the ports may be none of our business.
  const bool known = inventory_->find_node(look->node).has_value();
  if (look->state || !known) {
    const auto node = ironic_.node(look->node);
    if (!node) {
      // What is wrong, the poll will tell.
      log::debug("{}", node.error().message());
      if (look->state) want_poll();
      if (look->ports) want_ports();
      return;
    }
    apply_node(look->node, *node);
    if (!*node) return;
  }
  if (look->ports) port_queue_.add_first(look->node, clock_.now());
}

// As a poll that asked for this node alone.
void SyncLoop::apply_node(const std::string& uuid,
                          const std::optional<Node>& node) {
  const bool stranger = !inventory_->find_node(uuid);
  if (in_doubt() && stranger) {
    if (node && is_open_state(node->provision_state)) strangers_wait_ = true;
    if (node && !list_health_.failing()) {
      next_list_ = std::min(next_list_, clock_.now());
    }
    return;
  }
  const auto before = open_.find(uuid);
  const bool open = node && is_open_state(node->provision_state);
  if (node && open != (before != open_.end())) note_change(*node, open);
  if (open) {
    if (before == open_.end() ||
        before->second.provision_state != node->provision_state) {
      port_queue_.add_first(uuid, clock_.now());
    }
    open_.insert_or_assign(uuid, *node);
  } else if (before != open_.end()) {
    open_.erase(before);
    if (!introspected_.contains(uuid)) port_queue_.remove(uuid);
  }
  const auto known = inventory_->find_node(uuid);
  if (!known && !open) return;  // a full list tells who else there is
  Node now = node ? *node : *known;
  // Its ports stay, and stay denied, until a full list is without them.
  if (!node) now.provision_state.clear();
  if (known && *known == now) return;
  auto next = std::make_shared<Inventory>(*inventory_);
  next->upsert_node(now);
  inventory_ = std::move(next);
  static_cast<void>(enforce(Enforcer::When::kPolicyChanged));
}

void SyncLoop::update_nodes() {
  const auto news =
      node_news(*inventory_, open_, options_.policy.open_provision_states);
  if (news.empty()) return;
  auto next = std::make_shared<Inventory>(*inventory_);
  for (const Node& node : news) next->upsert_node(node);
  inventory_ = std::move(next);
  static_cast<void>(enforce(Enforcer::When::kPolicyChanged));
}

void SyncLoop::poll_inspector() {
  const Monotonic began = clock_.now();
  const bool first = !inspector_health_.last_success();
  auto unfinished = inspector_->unfinished();
  const Monotonic now = clock_.now();
  next_inspector_ = std::max(began + options_.poll_interval, now);
  if (!unfinished) {
    const auto delay =
        inspector_health_.failed(unfinished.error(), rest_after(began));
    next_inspector_ = std::max(next_inspector_, now + delay);
    return;
  }
  inspector_health_.succeeded();
  if (in_doubt()) {
    std::erase_if(*unfinished, [this](const std::string& uuid) {
      return !inventory_->has_node(Identifier(uuid));
    });
  }
  for (const std::string& uuid : *unfinished) {
    if (!introspected_.contains(uuid)) port_queue_.add(uuid, now);
  }
  for (const std::string& uuid : introspected_) {
    if (!unfinished->contains(uuid) && !open_.contains(uuid)) {
      port_queue_.remove(uuid);
    }
  }
  introspected_ = *std::move(unfinished);
  if (!inventory_) return;
  if (inventory_->introspected() != introspected_) {
    auto next = std::make_shared<Inventory>(*inventory_);
    next->set_introspected(introspected_);
    inventory_ = std::move(next);
  } else if (!first) {
    return;
  }
  static_cast<void>(enforce(Enforcer::When::kPolicyChanged));
}

void SyncLoop::read_neighbours() {
  next_neighbours_ = clock_.now() + options_.poll_interval;
  EthernetNeighbours found = neighbours_->read();
  if (found == inventory_->ethernet_neighbours()) return;
  auto next = std::make_shared<Inventory>(*inventory_);
  next->set_ethernet_neighbours(std::move(found));
  inventory_ = std::move(next);
  static_cast<void>(enforce(Enforcer::When::kPolicyChanged));
}

void SyncLoop::fetch_ports() {
  const auto uuid = port_queue_.front();
  if (!uuid) return;
  auto ports = ironic_.ports_of_node(*uuid);
  const Monotonic now = clock_.now();
  if (!ports) {
    static_cast<void>(ports_health_.failed(ports.error()));
    port_queue_.retry_later(*uuid, ports.error(), now, random_());
    return;
  }
  port_queue_.remove(*uuid);
  if (relist_.has_nodes()) {
    fetched_meanwhile_.insert_or_assign(*uuid, *ports);
  }
  if (fetched_.empty()) fetched_since_ = now;
  fetched_.insert_or_assign(*uuid, *std::move(ports));
  // With the answer that was the last to wait for there is no reason to wait.
  if (due(Work::kApplyPorts) <= now) apply_fetched_ports();
}

void SyncLoop::apply_fetched_ports() {
  PortsByNode fetched = std::exchange(fetched_, {});
  if (!inventory_) return;
  // Nothing may be gone because Ironic has lost its database, or the node: that
  // is for a full list to say.
  std::erase_if(fetched, [](const auto& item) { return item.second.empty(); });
  drop_known_ports(*inventory_, fetched);
  if (fetched.empty()) return;
  auto next = std::make_shared<Inventory>(*inventory_);
  for (auto& [uuid, ports] : fetched) {
    if (auto done = next->replace_node_ports(uuid, ports); !done) {
      static_cast<void>(ports_health_.failed(done.error()));
      port_queue_.retry_later(uuid, done.error(), clock_.now(), random_());
    }
  }
  inventory_ = std::move(next);
  static_cast<void>(enforce(Enforcer::When::kPolicyChanged));
}

Result<SyncReport> SyncLoop::enforce(Enforcer::When when) {
  if (can_enforce())
    return enforcer_.enforce(inventory_, options_.policy, when);
  const char* what = "nothing is enforced before ironic-inspector answers";
  const auto& why = inspector_health_.last_error();
  return why ? fail(why->within(what)) : fail(what, ErrorCode::kUnavailable);
}

void SyncLoop::note_enforced() {
  if (!inventory_ || !enforcer_.working() ||
      enforcer_.in_force().inventory != inventory_) {
    return;
  }
  if (list_read_at_) last_full_sync_ = std::exchange(list_read_at_, {});
  if (poll_read_at_) last_poll_ = std::exchange(poll_read_at_, {});
  const WallTime now = clock_.wall();
  for (const auto& [uuid, change] : std::exchange(changes_, {})) {
    observer_.enforced_change(change.opened, now - change.made);
  }
}

// What was so before we began took effect when we did.
void SyncLoop::note_change(const Node& node, bool opened) {
  if (!synced() || !node.provision_updated_at) return;
  changes_.insert_or_assign(node.uuid,
                            Change{opened, *node.provision_updated_at});
}

void SyncLoop::request_ended() {
  if (due(Work::kRenewLease) <= clock_.now()) renew_lease();
}

void SyncLoop::renew_lease() {
  renewal_tried_ = clock_.now();
  const auto done = host_.renew_lease();
  if (done) {
    last_renewal_ = now(clock_);
    renewal_error_.clear();
    return;
  }
  // Somebody else reset the driver: the next sync finds out.
  if (done.error().code() == ErrorCode::kInvalidState) return;
  if (renewal_error_.empty()) {
    log::error("the policy's lease could not be renewed: {}",
               done.error().message());
    driver_sync_wanted_ = true;
  }
  renewal_error_ = done.error().message();
}

void SyncLoop::request_full_sync(Answer answer, bool force) {
  if (answer) waiting_.push_back(std::move(answer));
  force_waiting_ = force_waiting_ || force;
  list_requested_ = true;
  const Monotonic now = clock_.now();
  // A list that began before the request does not answer it; but one that
  // answers an earlier request is finished first, or many requests would keep
  // each other from ever being answered.
  if (served_.empty()) relist_.drop();
  if (relist_.phase() == Relist::Phase::kIdle) next_list_ = now;
  retry_logins();
  if (!enforcer_.working()) enforcer_.retry_now();
}

void SyncLoop::retry_logins() {
  const Monotonic now = clock_.now();
  ironic_.retry_login();
  next_poll_ = std::min(next_poll_, now);
  if (inspector_) inspector_->retry_login();
  next_inspector_ = std::min(next_inspector_, now);
}

void SyncLoop::answer_served(const Result<SyncOutcome>& outcome) {
  const auto served = std::exchange(served_, {});
  if (outcome || !force_served_) {
    for (const Answer& answer : served) answer(outcome);
    return;
  }
  // Who asked is told that it failed: a later list must not be believed behind
  // his back.
  force_served_ = false;
  const Error error = outcome.error().within(
      "no list was believed by --force, which has to be asked for again");
  for (const Answer& answer : served) answer(fail(error));
}

void SyncLoop::reconfigure(SyncLoopOptions options) {
  const SyncLoopOptions old = std::exchange(options_, std::move(options));
  const Monotonic now = clock_.now();
  driver_period_ = host_.sync_period(options_.sync_period);
  reschedule_poll();
  next_inspector_ = std::min(next_inspector_, now + options_.poll_interval);
  // What failed may have been mended by whoever has the options read again.
  if (poll_health_.failing() || inspector_health_.failing()) retry_logins();
  // But a list that is held back is confirmed in its own time.
  if (list_health_.failing() && !held_back_) next_list_ = now;
  if (relist_.phase() == Relist::Phase::kIdle && !list_health_.failing()) {
    schedule_full_list();
  }
  if (old.policy == options_.policy) return;
  recompute_ = true;
  const auto& states = options_.policy.open_provision_states;
  if (old.policy.open_provision_states == states) return;
  // What the last poll said answers another question than the one to ask now.
  poll_.drop();
  list_confirmed_ = false;
  next_poll_ = now;
  std::erase_if(open_, [&states](const auto& item) {
    return std::ranges::find(states, item.second.provision_state) ==
           states.end();
  });
  if (!inventory_) return;
  auto next = std::make_shared<Inventory>(*inventory_);
  for (const Node& node : node_news(*inventory_, open_, states)) {
    next->upsert_node(node);
  }
  inventory_ = std::move(next);
}

}  // namespace pxegate
