// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_SYNC_LOOP_H_
#define PXEGATE_CONTROLLER_APP_SYNC_LOOP_H_

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controller/app/broker_trust.h"
#include "controller/app/control_backend.h"
#include "controller/app/enforcer.h"
#include "controller/app/held_back.h"
#include "controller/app/hint_queue.h"
#include "controller/app/neighbour_source.h"
#include "controller/app/poll_news.h"
#include "controller/app/port_queue.h"
#include "controller/app/relist.h"
#include "controller/app/source_health.h"
#include "controller/app/state_poll.h"
#include "controller/app/sync_observer.h"
#include "controller/base/clock.h"
#include "controller/base/result.h"
#include "controller/core/policy.h"
#include "controller/driver/filter_host.h"
#include "controller/ironic/ironic_api.h"
#include "controller/ironic/notifications.h"

namespace pxegate {

struct SyncLoopOptions {
  PolicyOptions policy;
  std::chrono::seconds sync_period{15};
  std::chrono::seconds poll_interval{2};
  // A full list with less than this much, in percent, of the nodes or ports
  // of the one before is held back, and so is an empty one. 0: none is.
  unsigned min_list_percent = 50;
  std::vector<std::string> narrowed_to;  // for the status only
};

// Decides when to ask Ironic (and ironic-inspector) what, and when to have
// the driver enforce what they said. Has no thread, no timer and no I/O of
// its own: a worker calls step() when next_due() has come.
//
// Two kinds of news meet here. A *poll* asks every poll_interval which nodes
// are in an open state; it alone says who is being inspected. A *full list*
// says everything else; it takes effect as a whole, and only together with a
// poll that began after its nodes were read, so that it can be as slow as it
// likes and neither opens nor closes a node by old news. Ports of a node that
// turned up in a poll are asked for at once, and win over a list of ports
// that began before.
//
// A *hint* says where news may be. It decides nothing: the loop asks Ironic for
// that node, and for its ports, and what the API says counts as a poll's answer
// about this one node would. Requests follow one another, and each answer takes
// effect before the next request: so a poll (its requests are not interrupted)
// is older or newer than the answer about a node as a whole, and the newer one
// stands. Hints cost as much as HintQueue lets them; where there are more, a
// poll tells their news. It comes soon, but not sooner than after what a poll
// takes, several times.
//
// Polls are stretched to sync_period while notifications can be relied on
// (BrokerTrust), and where they cost Ironic much.
//
// Until a full list, a poll and ironic-inspector (where there is one) have
// answered once, the driver is given nothing to enforce, but for what adopt()
// was given. After that a source that fails leaves the policy as it is. So does
// a full list that is empty or has lost most of what was known, until three in
// a row have that are about as long, and some of the nodes that are without
// ports now have none when asked for them; or until somebody asks for it by
// force. The first list after a start is compared with
// the rules that the driver has in force from before. Should what was lost come
// back, its open nodes wait for the full list.
//
// The driver's lease is renewed here, between two requests, once
// something was enforced: by whatever Ironic answers, but not by a loop that
// hangs, nor while the driver has failed.
//
// Not thread-safe: one thread makes all calls.
class SyncLoop {
 public:
  using Answer = std::function<void(Result<SyncOutcome>)>;

  // `inspector` and `neighbours` may be null; the latter is read every
  // poll_interval, whatever else goes on. `observer` may be null. What is
  // referred to must outlive this.
  // The host should be initialized; where it is not, the first step() does so.
  SyncLoop(SyncLoopOptions options, IronicApi& ironic, InspectorApi* inspector,
           FilterHost& host, const Clock& clock, Random random,
           NeighbourSource* neighbours = nullptr,
           SyncObserver* observer = nullptr);

  // Before the first step(): what another loop, of the same sources and open
  // states, enforced just now. It is enforced at once, and goes on from there;
  // synced() still waits for a complete list of its own.
  void adopt(std::shared_ptr<const Inventory> inventory);

  // When step() has something to do; not later than "now" where it is due.
  Monotonic next_due() const;

  // Does one piece of work that is due, or nothing: at most about one HTTP
  // request and what it takes to enforce its answer. Polls go first, and a
  // poll is late by one piece of other work at most.
  void step();

  // A request that step() waited for has ended, so this is no loop that hangs:
  // renews the lease where that is due. A step may take many requests, of a
  // login or of pages. To be called within step(), by whoever makes them.
  void request_ended();

  // Lists everything now, whatever backoff says, and enforces it. `answer`
  // (may be empty) is called once, from a later step(): with the outcome, or
  // with the first failure, after which the loop goes on trying by itself.
  // `force`: that list is believed however short it is. That ends with the
  // answer: where it is a failure, nothing that comes later is believed by it.
  void request_full_sync(Answer answer, bool force = false);

  // What the message bus suggests, and how the bus is doing. Cheap: nobody is
  // asked before the next step().
  void take_hints(const Hints& hints);
  void note_broker(const BrokerStatus& status);

  // The driver's wake_fd is readable: the next step() enforces once more,
  // without asking anybody.
  void request_driver_sync() { driver_sync_wanted_ = true; }

  // New options, from the next step() on, without asking Ironic again. A
  // state that becomes open opens no node before the poll that follows at
  // once.
  void reconfigure(SyncLoopOptions options);

  // Fills what this class knows: all but version, pid, started, state and
  // driver.
  void describe(ControllerStatus& status) const;
  // ControllerStatus::stale is true from this time on, if nothing happens:
  // for a reader who asks while step() waits for an answer.
  Monotonic stale_from() const;
  PolicyInForce policy_in_force() const;
  // Cheap. A complete list was enforced at least once.
  bool synced() const { return last_full_sync_.has_value(); }

 private:
  using Uuids = std::set<std::string, std::less<>>;
  enum class Work {
    kRetryDriver,
    kEnforce,
    kPoll,
    kUrgentPorts,
    kLook,
    kNeighbours,
    kApplyPorts,
    kFetchPorts,
    kInspector,
    kFullList,
    kNewPorts,
    kHeal,
    kRenewLease,
  };

  bool can_enforce() const;
  bool stretched() const;
  std::chrono::seconds full_sync_every() const;
  // What a poll costs Ironic, many times.
  Monotonic::duration poll_pause() const;
  std::chrono::milliseconds poll_every() const;
  // A poll is wanted now; or, the second one, as soon as poll_every() says.
  void want_poll();
  void reschedule_poll();
  // Ports may have come or gone unnoticed.
  void want_ports();
  bool worth_a_look(const Hint& hint) const;
  void note_hinted(const Hint& hint);
  bool is_open_state(std::string_view state) const;
  // How long to leave a source alone after a request that began then and
  // failed: whoever hangs must not keep the others waiting all the time.
  std::chrono::milliseconds rest_after(Monotonic began) const;
  Monotonic due(Work work) const;
  void run(Work work);

  // What is due and first in turn, if anything.
  std::optional<Work> next_work();

  void poll_ironic();
  void poll_failed(const Error& error);
  void apply_poll(Inventory::NodesByUuid found);
  void look();
  void apply_node(const std::string& uuid, const std::optional<Node>& node);
  void poll_inspector();
  void read_neighbours();
  void fetch_ports();
  void apply_fetched_ports();
  void read_full_list();
  void confirm_list();
  void list_failed(const Error& error, std::chrono::milliseconds rest = {});
  Result<> check_list(const Inventory& list) const;
  struct Length {
    std::size_t nodes = 0;
    std::size_t ports = 0;
  };
  struct Shortage {
    std::string_view what;  // as HeldBackList has it
    std::size_t listed = 0;
    std::size_t known = 0;
  };
  static bool about_as_long(const Length& a, const Length& b);
  bool is_short(std::size_t listed, std::size_t known) const;
  std::optional<Shortage> shortage(const Length& list) const;
  // kUnavailable where the list is to be held back.
  Result<> check_left_rules(const Inventory& inventory, const Length& list);
  Result<> hold_back(const Shortage& shortage, const Length& list);
  void note_believed_loss(const Length& list);
  std::vector<std::string> nodes_to_ask(const Inventory& list);
  void ask_for_lost_ports();
  bool in_doubt() const;
  void leave_out_strangers(const Inventory& listed);
  std::chrono::milliseconds until_next_list() const;
  void check_full_list();
  void apply_full_list();
  void retry_driver();
  void schedule_full_list();
  Result<SyncOutcome> outcome_of(const Result<SyncReport>& enforced) const;
  void read_new_ports();
  void apply_new_ports();

  Result<SyncReport> enforce(Enforcer::When when);
  void note_enforced();
  void renew_lease();
  void retry_logins();
  void update_nodes();
  void note_change(const Node& node, bool opened);
  void answer_served(const Result<SyncOutcome>& outcome);
  SourceStatus ironic_status() const;
  std::string why_polls() const;

  SyncLoopOptions options_;
  IronicApi& ironic_;
  InspectorApi* const inspector_;
  NeighbourSource* const neighbours_;
  FilterHost& host_;
  const Clock& clock_;
  Random random_;
  const Monotonic started_;
  SyncObserver nobody_;
  SyncObserver& observer_;

  Enforcer enforcer_;
  std::optional<std::chrono::seconds> driver_period_;  // nullopt: opted out
  bool driver_sync_wanted_ = false;
  bool recompute_ = false;  // the policy's options changed
  std::optional<Monotonic> renewal_tried_;
  std::optional<Instant> last_renewal_;
  std::string renewal_error_;  // of the latest attempt

  // What the sources said last, with the polls' news in it. Null until the
  // first full list took effect.
  std::shared_ptr<const Inventory> inventory_;
  Inventory::NodesByUuid open_;  // of the last poll
  Uuids introspected_;           // of ironic-inspector's last answer
  bool adopted_ = false;         // introspected_ is from another loop
  Monotonic next_neighbours_;

  StatePoll poll_;
  Monotonic next_poll_;
  Monotonic poll_began_;
  // Until then polls were not expected to be as frequent as they are now.
  Monotonic hastened_ = Monotonic::min();
  bool poll_confirms_list_ = false;
  Monotonic::duration poll_cost_{};         // of the last one
  Monotonic::duration poll_cost_before_{};  // and of the one before
  bool others_turn_ = false;  // between two polls that follow at once
  SourceHealth poll_health_;

  HintQueue hints_;
  bool looked_ = false;  // since anything else had its turn
  std::optional<BrokerStatus> broker_;
  std::optional<Instant> broker_lost_since_;
  BrokerTrust trust_;

  Monotonic next_inspector_;
  SourceHealth inspector_health_;

  PortQueue port_queue_;
  PortsByNode fetched_;  // not yet in inventory_
  Monotonic fetched_since_;
  SourceHealth ports_health_;

  Relist relist_;
  Monotonic next_list_;          // or its next page
  bool list_confirmed_ = false;  // by a poll after its nodes were read
  Uuids open_throughout_;        // before its nodes were read and after
  Length listed_;                // by the last one that took effect
  std::optional<HeldBackList> held_back_;  // the last one was
  Length held_back_length_;
  // Known before a list was believed that had lost most of them, until half of
  // the ports are listed again; no ports: no such list was. As long as that is
  // so, or no port is known at all, a node that the last list did not have
  // counts only with the next one: with it, others may come back whose ports
  // are not known.
  Length before_loss_;
  bool strangers_wait_ = false;  // such nodes, for a list and the poll after it
  // Nodes that are asked for their ports before a list is believed in which
  // they have none.
  std::vector<std::string> lost_nodes_;
  PortsByNode fetched_meanwhile_;  // while the list of ports was read
  std::chrono::steady_clock::duration list_work_{};  // of the one under way
  std::chrono::steady_clock::duration list_cost_{};  // of the last one
  SourceHealth list_health_;

  // New ports, while full lists are stretched.
  Monotonic next_new_ports_ = Monotonic::max();
  Monotonic new_ports_asked_ = Monotonic::min();
  std::string last_port_;
  std::vector<Port> new_ports_;
  SourceHealth new_ports_health_;

  bool list_requested_ = false;
  bool force_waiting_ = false;   // as waiting_
  bool force_served_ = false;    // as served_
  std::vector<Answer> waiting_;  // for the next full list to begin
  std::vector<Answer> served_;   // by the full list under way

  std::optional<Instant> list_read_at_;  // and not yet enforced
  std::optional<Instant> poll_read_at_;
  // Nodes that went into an open state or out of one, by UUID, and have not
  // taken effect.
  struct Change {
    bool opened = false;
    WallTime made;  // by Ironic's clock
  };
  std::map<std::string, Change> changes_;
  std::optional<Instant> last_full_sync_;
  std::optional<Instant> last_poll_;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_SYNC_LOOP_H_
