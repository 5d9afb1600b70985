// SPDX-License-Identifier: Apache-2.0
#include "controller/app/views.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/app/json_path.h"
#include "controller/app/reasons.h"
#include "controller/app/text_table.h"

namespace pxegate {
namespace {

constexpr std::size_t kLabelWidth = 14;

using json_path::at;
using json_path::count;
using json_path::flag;
using json_path::list;
using json_path::number;
using json_path::Path;
using json_path::text;

std::string ago(const Json& json, Path path) {
  const auto age = number(json, path);
  return age ? age_text(*age) + " ago" : "never";
}

std::string duration(const Json& json, Path path) {
  const auto found = number(json, path);
  return found ? age_text(*found) : "?";
}

std::string done(std::string_view verdict) {
  if (verdict == "allow") return "allowed";
  if (verdict == "deny") return "denied";
  return "unknown";
}

// "label         value", the value made safe.
void put(std::string& out, std::string_view label, std::string_view value) {
  out += fmt::format("{:<{}}{}\n", printable(label), kLabelWidth,
                     printable(value));
}

void put_targets(std::string& out, const Json& status) {
  for (const Json& target : list(status, {"driver", "targets"})) {
    const std::string mode = text(target, {"mode"});
    const std::string detail = text(target, {"detail"});
    std::string value = text(target, {"name"});
    value += flag(target, {"active"}) ? ": active" : ": NOT ACTIVE";
    if (!mode.empty()) value += ", " + mode;
    if (!detail.empty()) value += ", " + detail;
    put(out, "", value);
  }
}

std::string stale_policy(const Json& whose) {
  return "the policy is STALE: its lease " +
         printable(text(whose, {"lease", "meaning"}));
}

void put_lease(std::string& out, const Json& status) {
  const Json& lease = at(status, {"driver", "lease"});
  if (!lease.is_object()) return;
  const auto renewed = number(status, {"sync", "last_renewal_age"});
  put(out, "policy lease",
      (renewed ? fmt::format("renewed {} ago, ", age_text(*renewed)) : "") +
          text(lease, {"meaning"}));
}

void put_sources(std::string& out, const Json& status) {
  for (const Json& source : list(status, {"sources"})) {
    const std::uint64_t failures = count(source, {"consecutive_failures"});
    const std::string error = text(source, {"last_error"});
    const std::string answered = ago(source, {"last_success_age"});
    std::string where = text(source, {"endpoint"});
    const std::string user = text(source, {"login", "user"});
    const std::string scope = text(source, {"login", "scope"});
    if (!user.empty()) where += " as " + user;
    if (!user.empty() && !scope.empty()) where += " (" + scope + ")";
    if (failures == 0) {
      put(out, text(source, {"name"}), where + ": answered " + answered);
      if (!error.empty()) {
        put(out, "",
            fmt::format("an earlier request failed {}: {}",
                        ago(source, {"last_error_age"}), error));
      }
    } else {
      put(out, text(source, {"name"}),
          fmt::format("{}: FAILING, {} in a row; last answered {}", where,
                      count_text(failures, "request"), answered));
      put(out, "", error);
    }
  }
}

void put_notifications(std::string& out, const Json& status) {
  const Json& broker = at(status, {"notifications"});
  if (!broker.is_object()) return;
  const std::string where = text(broker, {"endpoint"});
  const std::string error = text(broker, {"last_error"});
  const std::uint64_t malformed = count(broker, {"malformed"});
  if (flag(broker, {"connected"})) {
    put(out, "notifications",
        fmt::format("{}: connected {}, last message {}", where,
                    ago(broker, {"connected_since_age"}),
                    ago(broker, {"last_message_age"})));
  } else {
    put(out, "notifications",
        fmt::format("{}: LOST since {}, polling every {}", where,
                    ago(broker, {"lost_since_age"}),
                    duration(status, {"sync", "polls_every"})));
    if (!error.empty()) put(out, "", error);
  }
  if (flag(broker, {"exchange_missing"})) {
    put(out, "",
        "the exchange does not exist: Ironic has published nothing yet, or "
        "publishes elsewhere");
  }
  if (malformed > 0) {
    put(out, "",
        fmt::format("{} of {} were not what Ironic sends", malformed,
                    count_text(count(broker, {"received"}), "message")));
  }
}

std::string narrowing(const Json& status) {
  std::string all;
  for (const Json& each : list(status, {"narrowed_to"})) {
    if (!each.is_string()) continue;
    if (!all.empty()) all += ", ";
    all += each.get<std::string>();
  }
  return all;
}

std::string policy_summary(const Json& counts) {
  const std::string unknown = text(counts, {"unknown"});
  return fmt::format("{} allowed, {} denied; unknown machines are {}",
                     count(counts, {"allowed"}), count(counts, {"denied"}),
                     done(unknown));
}

std::string rules_summary(const Json& status) {
  const std::uint64_t rules = count(status, {"driver", "rules"});
  const Json& capacity = at(status, {"driver", "capacity"});
  if (!capacity.is_number()) return count_text(rules, "rule");
  return fmt::format("{} of at most {}", count_text(rules, "rule"),
                     count(status, {"driver", "capacity"}));
}

std::string node_name(const Json& node) {
  const std::string name = text(node, {"name"});
  return name.empty() ? text(node, {"uuid"}) : name;
}

std::string vlans(const Json& client) {
  std::string out;
  for (const Json& vlan : list(client, {"vlans"})) {
    if (!vlan.is_number_unsigned()) continue;
    if (!out.empty()) out += '.';
    out += std::to_string(vlan.get<std::uint64_t>());
  }
  return out;
}

std::string last_request(const Json& client) {
  std::string out =
      fmt::format("{}, {} ({}), {} so far", ago(client, {"age"}),
                  done(text(client, {"verdict"})), text(client, {"reason"}),
                  count_text(count(client, {"count"}), "request"));
  const std::string interface = text(client, {"interface"});
  const std::string relay = text(client, {"relay"});
  const std::string architecture = text(client, {"architecture"});
  if (!interface.empty()) out += ", on " + interface;
  if (const std::string tags = vlans(client); !tags.empty()) {
    out += ", VLAN " + tags;
  }
  if (!relay.empty()) out += ", through relay " + relay;
  if (!architecture.empty()) out += ", " + architecture;
  if (count(client, {"ip_version"}) == 6) out += ", DHCPv6";
  // The policy's reason stands above; the filter may have had another one.
  const std::string reason = text(client, {"reason"});
  const std::string_view why = explain_reason(reason);
  if (reason != "rule" && reason != "unknown" && !why.empty()) {
    out += fmt::format("; {}: {}", reason, why);
  }
  return out;
}

std::string reason_sentence(const Json& address) {
  const std::string mac = text(address, {"address"});
  const std::string verdict = done(text(address, {"verdict"}));
  const std::string reason = text(address, {"reason"});
  if (!reason.empty())
    return fmt::format("{} is {}: {}.", mac, verdict, reason);
  if (flag(address, {"controller_running"})) {
    return fmt::format(
        "The verdict on {} is not known before the first complete list from "
        "Ironic; until then what an earlier run left in force holds, or else "
        "everything is denied. See `pxegate status`.",
        mac);
  }
  const std::string known =
      flag(address, {"known"})
          ? "the filter has a rule for it"
          : "the filter has no rule for it, so what holds for unknown "
            "machines holds";
  return fmt::format(
      "{} is {}: {}. Why is not known while no controller runs: start it with "
      "`pxegate run`.",
      mac, verdict, known);
}

TextTable clients_table(const Json& clients, std::size_t limit) {
  using enum TextTable::Align;
  TextTable table({{"MAC", kLeft, false},
                   {"NODE", kLeft, false},
                   {"RELAY", kLeft, false},
                   {"VERDICT", kLeft, false},
                   {"REASON", kLeft, false},
                   {"COUNT", kRight, false},
                   {"AGE", kRight, false},
                   {"ARCH", kLeft, false},
                   {"TYPE", kLeft, true},
                   {"INTERFACE", kLeft, true},
                   {"VLAN", kLeft, true},
                   {"IP", kLeft, true}});
  const bool any_v6 = std::ranges::any_of(
      list(clients, {"clients"}),
      [](const Json& client) { return count(client, {"ip_version"}) == 6; });
  for (const Json& client : list(clients, {"clients"})) {
    if (table.size() == limit) break;
    const auto age = number(client, {"age"});
    table.add({text(client, {"address"}), node_name(at(client, {"node"})),
               text(client, {"relay"}), text(client, {"verdict"}),
               text(client, {"reason"}),
               std::to_string(count(client, {"count"})),
               age ? age_text(*age) : "", text(client, {"architecture"}),
               text(client, {"message_type"}), text(client, {"interface"}),
               vlans(client),
               any_v6 ? std::to_string(count(client, {"ip_version"})) : ""});
  }
  return table;
}

std::string relays_table(const Json& clients) {
  using enum TextTable::Align;
  TextTable table({{"RELAY", kLeft, false},
                   {"ALLOWED", kRight, false},
                   {"DROPPED", kRight, false},
                   {"AGE", kRight, false}});
  for (const Json& relay : list(clients, {"relays"})) {
    const auto age = number(relay, {"age"});
    table.add(
        {text(relay, {"relay"}), std::to_string(count(relay, {"allowed"})),
         std::to_string(count(relay, {"dropped"})), age ? age_text(*age) : ""});
  }
  return table.empty() ? "" : table.render();
}

std::string counters_table(const Json& clients) {
  using enum TextTable::Align;
  TextTable table({{"VERDICT", kLeft, false},
                   {"REASON", kLeft, false},
                   {"REQUESTS", kRight, false},
                   {"MEANING", kLeft, true}});
  for (const Json& counter : list(clients, {"counters"})) {
    const std::uint64_t packets = count(counter, {"packets"});
    if (packets == 0) continue;
    table.add({text(counter, {"verdict"}), text(counter, {"reason"}),
               std::to_string(packets),
               std::string(explain_reason(text(counter, {"reason"})))});
  }
  return table.empty() ? "" : table.render();
}

std::string clients_summary(const Json& clients) {
  std::uint64_t allowed = 0;
  std::uint64_t denied = 0;
  for (const Json& counter : list(clients, {"counters"})) {
    const bool allow = text(counter, {"verdict"}) == "allow";
    (allow ? allowed : denied) += count(counter, {"packets"});
  }
  std::string out = fmt::format(
      "{}; {} allowed, {} denied in all; at {}",
      count_text(list(clients, {"clients"}).size(), "client"),
      count_text(allowed, "request"), denied, text(clients, {"at"}));
  if (!flag(clients, {"controller_running"})) {
    out += "; NO CONTROLLER RUNS, the policy is frozen";
  }
  if (const auto unrecorded = count(clients, {"clients_unrecorded"})) {
    out += fmt::format("; {} of new clients not recorded, there were too many",
                       count_text(unrecorded, "request"));
  }
  return printable(out);
}

std::size_t line_count(const std::string& lines) {
  return static_cast<std::size_t>(std::ranges::count(lines, '\n'));
}

}  // namespace

std::string status_view(const Json& status) {
  std::string out;
  const bool running = flag(status, {"controller_running"});
  if (!running && status.contains("filter_in_force")) {
    out +=
        "NO CONTROLLER RUNS AND NO FILTER IS IN FORCE: every machine may "
        "network-boot; start one with `pxegate run`\n";
  } else if (!running && flag(status, {"driver", "lease", "expired"})) {
    out += "NO CONTROLLER RUNS, and " + stale_policy(at(status, {"driver"})) +
           "; start one with `pxegate run`\n";
  } else if (!running) {
    out +=
        "NO CONTROLLER RUNS: the policy in the kernel is frozen as the last "
        "one left it; start one with `pxegate run`\n";
  } else if (flag(status, {"healthy"})) {
    out += "healthy: " + policy_summary(at(status, {"policy"})) + "\n";
  } else {
    bool first = true;
    for (const Json& problem : list(status, {"problems"})) {
      if (!problem.is_string()) continue;
      out += first ? "NOT HEALTHY: " : "and: ";
      out += printable(problem.get<std::string>()) + "\n";
      first = false;
    }
    if (first) out += "NOT HEALTHY\n";
  }
  if (flag(status, {"healthy"})) {
    for (const Json& each : list(status, {"degraded"})) {
      if (!each.is_string()) continue;
      out += "degraded: " + printable(each.get<std::string>()) + "\n";
    }
  }
  out += "\n";
  if (running) {
    put(out, "controller",
        fmt::format("version {}, process {}, up {}", text(status, {"version"}),
                    count(status, {"pid"}), duration(status, {"uptime"})));
  }
  if (at(status, {"driver"}).is_object()) {
    std::string driver = text(status, {"driver", "name"});
    const std::string state = text(status, {"driver", "state"});
    const std::string error = text(status, {"driver", "error"});
    if (!state.empty()) driver += ", " + state;
    if (flag(status, {"driver", "busy"})) driver += ", at work";
    put(out, "driver", driver + ", " + rules_summary(status));
    put_targets(out, status);
    if (!error.empty()) put(out, "", "ERROR: " + error);
  }
  if (at(status, {"policy"}).is_object()) {
    put(out, "policy", policy_summary(at(status, {"policy"})));
  }
  put_lease(out, status);
  if (at(status, {"inventory"}).is_object()) {
    put(out, "inventory",
        fmt::format("{} ({} being inspected), {}",
                    count_text(count(status, {"inventory", "nodes"}), "node"),
                    count(status, {"inventory", "being_inspected"}),
                    count_text(count(status, {"inventory", "ports"}), "port")));
  }
  if (const Json& sync = at(status, {"sync"}); sync.is_object()) {
    put(out, "full sync",
        fmt::format("{}, took {}, due every {}",
                    ago(sync, {"last_full_sync_age"}),
                    duration(sync, {"full_sync_took"}),
                    duration(sync, {"full_sync_every"})));
    const std::string why = text(sync, {"polls_every_why"});
    // An older controller tells poll_interval only.
    const bool told = number(sync, {"polls_every"}).has_value();
    put(out, "poll",
        fmt::format("{}, due every {}{}{}", ago(sync, {"last_poll_age"}),
                    duration(sync, {told ? "polls_every" : "poll_interval"}),
                    why.empty() ? "" : ": ", why));
    if (const Json& held = at(sync, {"held_back"}); held.is_object()) {
      put(out, "held back",
          fmt::format("{}: {}", ago(held, {"since_age"}),
                      text(held, {"meaning"})));
    }
    put(out, "last change", ago(sync, {"last_change_age"}));
  }
  put_sources(out, status);
  put_notifications(out, status);
  if (const std::string narrowed = narrowing(status); !narrowed.empty()) {
    put(out, "narrowed to", narrowed);
  }
  for (const Json& notice : list(status, {"driver", "notices"})) {
    if (notice.is_string()) put(out, "note", notice.get<std::string>());
  }
  for (const Json& notice : list(status, {"notices"})) {
    if (notice.is_string()) put(out, "note", notice.get<std::string>());
  }
  return out;
}

std::string policy_view(const Json& policy) {
  if (flag(policy, {"controller_running"}) &&
      !number(policy, {"age"}).has_value()) {
    return "Nothing is known before the first complete list from Ironic; "
           "until then what an earlier run left in force holds, or else "
           "everything is denied. See `pxegate status`.\n";
  }
  std::string out = policy_summary(policy);
  const std::string rule = text(policy, {"unknown_rule"});
  if (!rule.empty()) out += " (" + printable(rule) + ")";
  if (!flag(policy, {"controller_running"})) {
    out += "; NO CONTROLLER RUNS, so this is frozen";
  } else {
    out += "; as of " + ago(policy, {"age"});
  }
  out += "\n";
  using enum TextTable::Align;
  TextTable table({{"ADDRESS", kLeft, false},
                   {"VERDICT", kLeft, false},
                   {"RULE", kLeft, false},
                   {"NODE", kLeft, false},
                   {"STATE", kLeft, false}});
  for (const Json& entry : list(policy, {"entries"})) {
    table.add({text(entry, {"address"}), text(entry, {"verdict"}),
               text(entry, {"rule"}), node_name(at(entry, {"node"})),
               text(entry, {"node", "provision_state"})});
  }
  if (!table.empty()) out += "\n" + table.render();
  return out;
}

std::string address_view(const Json& address) {
  std::string out = printable(reason_sentence(address)) + "\n\n";
  const std::string rule = text(address, {"rule"});
  if (!rule.empty()) put(out, "rule", rule);
  if (const Json& node = at(address, {"node"}); node.is_object()) {
    const std::string name = text(node, {"name"});
    const std::string uuid = text(node, {"uuid"});
    put(out, "node", name.empty() ? uuid : fmt::format("{} ({})", name, uuid));
    const std::string state = text(node, {"provision_state"});
    const std::string interface = text(node, {"inspect_interface"});
    put(out, "state",
        fmt::format(
            "{}{}", state.empty() ? "unknown" : state,
            interface.empty() ? "" : ", inspect_interface " + interface));
  } else if (!rule.empty()) {
    put(out, "node", "none: no port in Ironic has this address");
  }
  const std::string port = text(address, {"port_uuid"});
  const std::string network = text(address, {"physical_network"});
  if (!port.empty()) {
    put(out, "port", network.empty() ? port : port + ", on " + network);
  }
  if (const auto age = number(address, {"age"})) {
    put(out, "as of", age_text(*age) + " ago");
  }
  if (const Json& client = at(address, {"last_request"}); client.is_object()) {
    put(out, "last request", last_request(client));
  } else {
    put(out, "last request", "none seen lately");
  }
  return out;
}

std::string clients_view(const Json& clients,
                         const std::optional<TerminalSize>& fit) {
  if (!flag(clients, {"supported"})) {
    return "The driver in use sees no packets, so it cannot tell who asked "
           "(the xdp driver can).\n";
  }
  const std::size_t total = list(clients, {"clients"}).size();
  const std::string relays = relays_table(clients);
  const std::string counters = counters_table(clients);
  std::string head;
  if (flag(clients, {"lease", "expired"})) {
    head = "WARNING: " + stale_policy(clients) + "\n";
  }
  head += clients_summary(clients) + "\n\n";
  if (total == 0) head += "No DHCP client was seen yet.\n";

  std::size_t limit = total;
  // What stands above, header, and the line that counts the rest.
  const std::size_t around = line_count(head) + 2;
  if (fit && total + around > fit->rows) {
    limit = fit->rows > around + 1 ? fit->rows - around : 1;
  }
  std::string out = head;
  if (total > 0) out += clients_table(clients, limit).render();
  if (limit < total) {
    out += fmt::format("... and {} more\n", total - limit);
  }
  for (const std::string& extra : {relays, counters}) {
    if (extra.empty()) continue;
    const std::size_t lines = line_count(out) + 1 + line_count(extra);
    // The cursor's own line stays free too.
    if (fit && lines + 1 > fit->rows) continue;
    out += "\n" + extra;
  }
  return fit ? clipped(out, fit->columns) : out;
}

std::string sync_view(const Json& sync) {
  const std::uint64_t upserts = count(sync, {"upserts"});
  const std::uint64_t removals = count(sync, {"removals"});
  const Json& repaired = list(sync, {"repaired"});
  std::string out = fmt::format("Synced in {}{}: ", duration(sync, {"took"}),
                                flag(sync, {"forced"}) ? ", by force" : "");
  if (upserts + removals == 0 && !flag(sync, {"unknown_changed"}) &&
      repaired.empty()) {
    return out + "nothing had to change.\n";
  }
  out += fmt::format("{} added or changed, {} removed{}.\n",
                     count_text(upserts, "rule"), removals,
                     flag(sync, {"unknown_changed"})
                         ? ", another verdict for unknown machines"
                         : "");
  for (const Json& each : repaired) {
    if (each.is_string()) {
      out += "Repaired: " + printable(each.get<std::string>()) + "\n";
    }
  }
  return out;
}

}  // namespace pxegate
