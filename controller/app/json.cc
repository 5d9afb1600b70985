// SPDX-License-Identifier: Apache-2.0
#include "controller/app/json.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "controller/app/reasons.h"
#include "controller/app/text_table.h"
#include "controller/base/text.h"

namespace pxegate {
namespace {

// Entries serialized at a time: large enough to write in few calls, small
// enough not to matter for memory.
constexpr std::size_t kEntriesPerPiece = 256;

// No client has the broadcast address, so it stands for "any unknown".
constexpr HardwareAddress kAnyUnknown =
    MacAddress({0xff, 0xff, 0xff, 0xff, 0xff, 0xff});

// Of nullptr and of an empty text nothing is known.
Json text_or_null(std::string_view text) {
  if (text.empty()) return nullptr;
  return std::string(text);
}

double seconds(std::chrono::nanoseconds duration) {
  // Milliseconds are all that anybody reads.
  const auto ms = std::chrono::round<std::chrono::milliseconds>(duration);
  return static_cast<double>(ms.count()) / 1000.0;
}

std::chrono::nanoseconds since(Monotonic then, const Instant& instant) {
  return std::max(instant.monotonic - then, Monotonic::duration(0));
}

double age(const Instant& then, const Instant& instant) {
  return seconds(since(then.monotonic, instant));
}

void put_time(Json& json, const std::string& name,
              const std::optional<Instant>& time, const Instant& instant) {
  json[name] = time ? Json(timestamp(time->wall)) : Json(nullptr);
  const bool is_instant = name.ends_with("_at");
  const std::string stem = is_instant ? name.substr(0, name.size() - 3) : name;
  json[stem + "_age"] = time ? Json(age(*time, instant)) : Json(nullptr);
}

void put_as_of(Json& json, const PolicyInForce& policy,
               const Instant& instant) {
  json["as_of"] = policy.as_of ? Json(timestamp(policy.as_of->wall)) : nullptr;
  json["age"] = policy.as_of ? Json(age(*policy.as_of, instant)) : nullptr;
}

void put_seen(Json& json, std::chrono::nanoseconds last_seen,
              const Instant& instant) {
  const auto ago =
      std::max(std::chrono::nanoseconds(0),
               std::chrono::nanoseconds(instant.monotonic.time_since_epoch()) -
                   last_seen);
  json["last_seen"] = timestamp(
      instant.wall - std::chrono::duration_cast<WallTime::duration>(ago));
  json["age"] = seconds(ago);
}

Json node_json(const std::optional<Node>& node,
               const std::optional<Port>& port) {
  if (!node) {
    if (!port) return nullptr;
    return {{"uuid", text_or_null(port->node_uuid)},
            {"name", nullptr},
            {"provision_state", nullptr},
            {"inspect_interface", nullptr}};
  }
  return {{"uuid", node->uuid},
          {"name", text_or_null(node->name)},
          {"provision_state", text_or_null(node->provision_state)},
          {"inspect_interface", text_or_null(node->inspect_interface)}};
}

// Why `address` has the verdict that is in force, where that can be told: no
// reason is given before Ironic confirmed the policy, nor one that does not
// lead to that verdict.
std::optional<Explanation> reason(const HardwareAddress& address,
                                  const PolicyInForce& policy) {
  if (!policy.as_of) return std::nullopt;
  const Explanation found = explain(address, *policy.inventory, policy.options);
  if (found.verdict != policy.policy->verdict(address)) return std::nullopt;
  return found;
}

// Before a controller's first complete sync what an earlier run left in the
// filter holds, which the controller's own policy does not say.
bool is_told(const PolicyInForce& policy, Origin origin) {
  return origin == Origin::kFilter || policy.as_of.has_value();
}

// The one that has it in Ironic, or one that uses it as a neighbour.
std::optional<Port> first_port(const HardwareAddress& address,
                               const Inventory& inventory) {
  const auto claimants = inventory.find_ports(address);
  if (claimants.empty()) return std::nullopt;
  return claimants.front().port();
}

std::optional<Node> node_of(const std::optional<Port>& port,
                            const Inventory& inventory) {
  return port ? inventory.find_node(port->node_uuid) : std::nullopt;
}

Json entry_json(const Policy::Entry& entry, const PolicyInForce& policy) {
  auto port = first_port(entry.address, *policy.inventory);
  // Asked for known ports only: explaining an unknown address walks all
  // nodes.
  const auto why = port ? reason(entry.address, policy) : std::nullopt;
  if (why) port = why->port;
  const auto node = node_of(port, *policy.inventory);
  return {{"address", entry.address.to_string()},
          {"verdict", to_string(entry.verdict)},
          {"rule", why ? Json(to_string(why->rule)) : Json(nullptr)},
          {"port_uuid", port ? Json(port->uuid) : Json(nullptr)},
          {"node", node_json(node, port)}};
}

std::string stale_action(const LeaseStatus& lease) {
  const std::string_view effect = lease.action == "allow"  ? "is allowed"
                                  : lease.action == "keep" ? "gets what the "
                                                             "old policy says"
                                                           : "is denied";
  return fmt::format("every request {} (stale_action = {})", effect,
                     lease.action);
}

// "the policy lease ...".
std::string lease_meaning(const LeaseStatus& lease) {
  const std::string age = age_text(static_cast<double>(lease.age.count()));
  return lease.expired
             ? fmt::format("ran out {} ago, since no controller renewed it; {}",
                           age, stale_action(lease))
             : fmt::format("runs out in {} unless renewed; then {}", age,
                           stale_action(lease));
}

Json lease_json(const std::optional<LeaseStatus>& lease) {
  if (!lease) return nullptr;
  const double age = seconds(lease->age);
  return {{"expired", lease->expired},
          {"expires_in", lease->expired ? Json(nullptr) : Json(age)},
          {"expired_for", lease->expired ? Json(age) : Json(nullptr)},
          {"stale_action", lease->action},
          {"meaning", lease_meaning(*lease)}};
}

Json client_json(const ClientRecord& client, const Inventory& inventory,
                 const Instant& instant) {
  Json json = request_json(client, inventory);
  json["count"] = client.count;
  put_seen(json, client.last_seen, instant);
  return json;
}

Json held_back_json(const std::optional<HeldBackList>& list,
                    const Instant& instant) {
  if (!list) return nullptr;
  Json json = {{"what", list->what},
               {"listed", list->listed},
               {"known", list->known},
               {"lists", list->lists},
               {"lists_to_believe", list->lists_to_believe}};
  put_time(json, "since", list->since, instant);
  json["meaning"] = held_back_sentence(*list);
  return json;
}

Json broker_json(const ControllerStatus& status, const Instant& instant) {
  const auto& broker = status.broker;
  if (!broker) return nullptr;
  Json json = {{"endpoint", broker->endpoint},
               {"connected", broker->connected},
               {"exchange_missing", broker->exchange_missing}};
  put_time(json, "connected_since", broker->connected_since, instant);
  put_time(json, "last_message", broker->last_message, instant);
  put_time(json, "lost_since", status.broker_lost_since, instant);
  json["consecutive_failures"] = broker->consecutive_failures;
  json["last_error"] = text_or_null(broker->last_error);
  put_time(json, "last_error_at", broker->last_error_at, instant);
  json["received"] = broker->received;
  json["malformed"] = broker->malformed;
  return json;
}

std::string failing_source(const ControllerStatus& status) {
  if (status.held_back) return held_back_sentence(*status.held_back);
  for (const SourceStatus& source : status.sources) {
    if (source.consecutive_failures == 0) continue;
    return fmt::format(
        "{} ({}) failed {} in a row, last: {}; check that it runs and answers "
        "there, and the credentials in [{}]",
        source.name, source.endpoint,
        count_text(source.consecutive_failures, "request"), source.last_error,
        source.name);
  }
  return {};
}

std::string inactive_targets(const DriverStatus& driver) {
  std::string text;
  for (const DriverTarget& target : driver.targets) {
    if (target.active) continue;
    if (!text.empty()) text += "; ";
    text += target.name;
    if (!target.detail.empty()) text += ": " + target.detail;
  }
  return text;
}

}  // namespace

Json request_json(const RequestRecord& request, const Inventory& inventory) {
  Json node = nullptr;
  if (const auto address = HardwareAddress::parse(request.address)) {
    if (const auto port = first_port(*address, inventory)) {
      node = node_json(node_of(port, inventory), port);
      node.erase("provision_state");
      node.erase("inspect_interface");
    }
  }
  return {{"address", request.address},
          {"htype", request.htype},
          {"node", std::move(node)},
          {"verdict", to_string(request.verdict)},
          {"reason", request.reason},
          {"relay", text_or_null(request.relay)},
          {"interface", text_or_null(request.interface)},
          {"vlans", request.vlans},
          {"ip_version", request.ip_version},
          {"message_type", text_or_null(request.message_type)},
          {"architecture", text_or_null(request.architecture)}};
}

std::string dump(const Json& json) {
  return json.dump(-1, ' ', true, Json::error_handler_t::replace);
}

Result<Json> parse_json(std::string_view text) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) {
    return fail("not JSON: " + pxegate::quoted(text), ErrorCode::kInvalid);
  }
  return json;
}

std::string timestamp(WallTime time) {
  const auto ms =
      std::chrono::floor<std::chrono::milliseconds>(time).time_since_epoch();
  const auto whole = std::chrono::floor<std::chrono::seconds>(ms);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                     fmt::gmtime(static_cast<std::time_t>(whole.count())),
                     (ms - whole).count());
}

std::vector<std::string> problems(const ControllerStatus& status,
                                  const Instant& instant) {
  std::vector<std::string> found;
  const std::string source = failing_source(status);
  const bool ready = status.state == FilterState::kInitialized;
  if (!ready) {
    found.push_back(fmt::format(
        "the {} driver could not make the filter ready{}{}; the controller "
        "keeps trying, and what was enforced before stays",
        status.driver.driver, status.driver_error.empty() ? "" : ": ",
        status.driver_error));
  } else if (!status.driver.healthy) {
    std::string detail = inactive_targets(status.driver);
    if (detail.empty()) detail = status.driver_error;
    found.push_back(
        fmt::format("the {} driver does not filter everywhere it should{}{}; "
                    "the controller tries again at each sync",
                    status.driver.driver, detail.empty() ? "" : ": ", detail));
  }
  if (status.driver.lease && status.driver.lease->expired) {
    found.push_back("the policy is STALE: its lease " +
                    lease_meaning(*status.driver.lease));
  }
  if (!status.synced) {
    found.push_back(fmt::format(
        "no complete list from Ironic was enforced since the start {} ago, so "
        "what an earlier run left in force holds, or else everything is "
        "denied{}{}",
        age_text(seconds(since(status.started, instant))),
        source.empty() ? "" : ": ", source));
  } else if (status.stale) {
    const auto confirmed = std::max(status.last_poll, status.last_full_sync);
    found.push_back(
        fmt::format("the policy in force is out of date, last confirmed {}{}{}",
                    confirmed ? age_text(age(*confirmed, instant)) + " ago"
                              : std::string("never"),
                    source.empty() ? "" : ": ", source));
  }
  return found;
}

std::vector<std::string> degradations(const ControllerStatus& status,
                                      const Instant& instant) {
  std::vector<std::string> found;
  if (status.broker && !status.broker->connected) {
    const auto& since = status.broker_lost_since;
    const std::string error =
        status.broker->exchange_missing
            ? "the exchange does not exist, of [DEFAULT] control_exchange"
            : status.broker->last_error;
    found.push_back(fmt::format(
        "no notifications from {}{}{}{}; Ironic is polled every {} instead",
        status.broker->endpoint,
        since ? " since " + age_text(age(*since, instant)) : "",
        error.empty() ? "" : ": ", error,
        age_text(seconds(status.polls_every))));
  }
  if (status.held_back) {
    found.push_back(held_back_sentence(*status.held_back));
  }
  return found;
}

Json status_json(const ControllerStatus& status, Origin origin,
                 const Instant& instant) {
  const bool running = origin == Origin::kController;
  Json json = {
      {"controller_running", running},
      {"healthy", running && status.healthy()},
      {"problems", Json::array()},
      {"degraded", Json::array()},
      {"version", nullptr},
      {"pid", nullptr},
      {"started", nullptr},
      {"uptime", nullptr},
      {"driver", nullptr},
      {"sync", nullptr},
      {"sources", Json::array()},
      {"notifications", nullptr},
      {"narrowed_to", Json::array()},
      {"inventory", nullptr},
      {"policy", nullptr},
      {"drivers", status.drivers},
      {"notices", status.notices},
  };
  json["problems"] =
      running
          ? Json(problems(status, instant))
          : Json::array({"no controller runs, so the filter stays as it is"});

  Json targets = Json::array();
  for (const DriverTarget& target : status.driver.targets) {
    targets.push_back({{"name", target.name},
                       {"active", target.active},
                       {"mode", text_or_null(target.mode)},
                       {"detail", text_or_null(target.detail)}});
  }
  json["driver"] = {
      {"name", status.driver.driver},
      {"state", running ? Json(to_string(status.state)) : Json(nullptr)},
      {"healthy", status.driver.healthy},
      {"busy", status.driver.busy},
      {"error", text_or_null(status.driver_error)},
      {"rules", status.driver.rules},
      {"capacity", status.driver.capacity == 0 ? Json(nullptr)
                                               : Json(status.driver.capacity)},
      {"targets", std::move(targets)},
      {"notices", status.driver.notices},
      {"lease", lease_json(status.driver.lease)}};
  if (!running || status.synced) {
    json["policy"] = {{"allowed", status.allowed},
                      {"denied", status.denied},
                      {"unknown", to_string(status.unknown)}};
  }
  if (!running) return json;

  json["degraded"] = degradations(status, instant);
  json["version"] = status.version;
  json["pid"] = status.pid;
  const auto uptime = since(status.started, instant);
  json["started"] = timestamp(
      instant.wall - std::chrono::duration_cast<WallTime::duration>(uptime));
  json["uptime"] = seconds(uptime);

  Json sync = {{"synced", status.synced},
               {"stale", status.stale},
               {"poll_interval", seconds(status.poll_interval)},
               {"polls_every", seconds(status.polls_every)},
               {"polls_every_why", text_or_null(status.polls_every_why)},
               {"full_sync_every", seconds(status.full_sync_every)},
               {"full_sync_took", seconds(status.full_sync_took)},
               {"held_back", held_back_json(status.held_back, instant)}};
  put_time(sync, "last_full_sync", status.last_full_sync, instant);
  put_time(sync, "last_poll", status.last_poll, instant);
  put_time(sync, "last_change", status.last_change, instant);
  put_time(sync, "last_renewal", status.last_renewal, instant);
  json["sync"] = std::move(sync);
  json["notifications"] = broker_json(status, instant);
  json["narrowed_to"] = status.narrowed_to;

  for (const SourceStatus& each : status.sources) {
    Json source = {{"name", each.name},
                   {"endpoint", each.endpoint},
                   {"login", nullptr},
                   {"consecutive_failures", each.consecutive_failures}};
    if (each.login) {
      source["login"] = {{"user", each.login->user},
                         {"scope", text_or_null(each.login->scope)}};
    }
    put_time(source, "last_success", each.last_success, instant);
    source["last_error"] = text_or_null(each.last_error);
    put_time(source, "last_error_at", each.last_error_at, instant);
    json["sources"].push_back(std::move(source));
  }
  json["inventory"] = {{"nodes", status.nodes},
                       {"ports", status.ports},
                       {"being_inspected", status.being_inspected}};
  return json;
}

PolicyListing::PolicyListing(PolicyInForce policy, Origin origin,
                             const Instant& instant)
    : policy_(std::move(policy)), origin_(origin), instant_(instant) {}

std::optional<std::string> PolicyListing::next() {
  const Policy& policy = *policy_.policy;
  if (part_ == Part::kHead) {
    part_ = Part::kEntries;
    Json head = {{"controller_running", origin_ == Origin::kController}};
    put_as_of(head, policy_, instant_);
    head["allowed"] = policy.count(Verdict::kAllow);
    head["denied"] = policy.count(Verdict::kDeny);
    head["unknown"] = is_told(policy_, origin_)
                          ? Json(to_string(policy.unknown()))
                          : Json(nullptr);
    const auto why = reason(kAnyUnknown, policy_);
    head["unknown_rule"] = why ? Json(to_string(why->rule)) : Json(nullptr);
    std::string text = dump(head);
    text.back() = ',';  // the object goes on
    return text + "\"entries\":[";
  }
  if (part_ == Part::kDone) return std::nullopt;
  const auto& entries = policy.entries();
  const std::size_t end =
      std::min(position_ + kEntriesPerPiece, entries.size());
  std::string text;
  for (; position_ < end; ++position_) {
    if (position_ > 0) text += ',';
    text += dump(entry_json(entries[position_], policy_));
  }
  if (position_ == entries.size()) {
    part_ = Part::kDone;
    text += "]}";
  }
  return text;
}

Json address_json(const HardwareAddress& address, const PolicyInForce& policy,
                  const Observations* observations, Origin origin,
                  const Instant& instant) {
  const auto why = reason(address, policy);
  auto port = first_port(address, *policy.inventory);
  if (why) port = why->port;
  const auto node = node_of(port, *policy.inventory);
  Json json = {{"controller_running", origin == Origin::kController}};
  put_as_of(json, policy, instant);
  json["address"] = address.to_string();
  const bool told = is_told(policy, origin);
  json["known"] =
      told ? Json(policy.policy->find(address).has_value()) : Json(nullptr);
  json["verdict"] =
      told ? Json(to_string(policy.policy->verdict(address))) : Json(nullptr);
  json["rule"] = why ? Json(to_string(why->rule)) : Json(nullptr);
  json["reason"] = why ? Json(describe(why->rule)) : Json(nullptr);
  json["port_uuid"] = port ? Json(port->uuid) : Json(nullptr);
  json["physical_network"] =
      port ? text_or_null(port->physical_network) : Json(nullptr);
  json["node"] = node_json(node, port);
  json["last_request"] = nullptr;
  if (observations != nullptr) {
    const auto client = std::ranges::find(
        observations->clients, address.to_string(), &ClientRecord::address);
    if (client != observations->clients.end()) {
      json["last_request"] = client_json(*client, *policy.inventory, instant);
    }
  }
  return json;
}

Json clients_json(const Observations& observations, const PolicyInForce& policy,
                  Origin origin, const Instant& instant, std::size_t limit) {
  Json json = {{"controller_running", origin == Origin::kController},
               {"at", timestamp(instant.wall)},
               {"supported", observations.supported},
               {"lease", lease_json(observations.lease)},
               {"events_lost", observations.events_lost},
               {"clients_unrecorded", observations.clients_unrecorded},
               {"clients_total", observations.clients.size()},
               {"clients", Json::array()},
               {"relays", Json::array()},
               {"counters", Json::array()}};
  for (const ClientRecord& client :
       std::span(observations.clients)
           .first(std::min(limit, observations.clients.size()))) {
    json["clients"].push_back(client_json(client, *policy.inventory, instant));
  }
  for (const RelayRecord& each : observations.relays) {
    Json relay = {{"relay", each.relay},
                  {"allowed", each.allowed},
                  {"dropped", each.dropped}};
    put_seen(relay, each.last_seen, instant);
    json["relays"].push_back(std::move(relay));
  }
  for (const CounterRecord& counter : observations.counters) {
    json["counters"].push_back(
        {{"verdict", to_string(counter.verdict)},
         {"reason", counter.reason},
         {"meaning", text_or_null(explain_reason(counter.reason))},
         {"packets", counter.packets}});
  }
  return json;
}

Json sync_json(const SyncOutcome& outcome) {
  return {{"took", seconds(outcome.took)},
          {"forced", outcome.forced},
          {"upserts", outcome.report.upserts},
          {"removals", outcome.report.removals},
          {"unknown_changed", outcome.report.unknown_changed},
          {"repaired", outcome.report.repaired}};
}

Json error_json(const Error& error) {
  return {{"error",
           {{"code", to_string(error.code())}, {"message", error.message()}}}};
}

std::optional<Error> error_from_json(const Json& json) {
  if (!json.is_object()) return std::nullopt;
  const auto error = json.find("error");
  if (error == json.end() || !error->is_object()) return std::nullopt;
  const auto code = error->find("code");
  const auto message = error->find("message");
  if (code == error->end() || !code->is_string() || message == error->end() ||
      !message->is_string()) {
    return std::nullopt;
  }
  constexpr std::array kCodes = {
      ErrorCode::kFailed,     ErrorCode::kInvalid,     ErrorCode::kNotFound,
      ErrorCode::kPermission, ErrorCode::kUnavailable, ErrorCode::kInvalidState,
      ErrorCode::kConflict,   ErrorCode::kCapacity,    ErrorCode::kCancelled};
  const auto& name = code->get_ref<const std::string&>();
  // A code that only a newer controller knows is an error all the same.
  const auto known = std::ranges::find_if(
      kCodes, [&](ErrorCode each) { return to_string(each) == name; });
  return Error(message->get<std::string>(),
               known == kCodes.end() ? ErrorCode::kFailed : *known);
}

}  // namespace pxegate
