// SPDX-License-Identifier: Apache-2.0
#include "controller/app/event_view.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "controller/app/json_path.h"
#include "controller/app/text_table.h"

namespace pxegate {
namespace {

using json_path::at;
using json_path::list;
using json_path::text;

std::string vlan_text(const Json& event) {
  std::string out;
  for (const Json& vlan : list(event, {"vlans"})) {
    if (!vlan.is_number_unsigned()) continue;
    if (!out.empty()) out += '.';
    out += std::to_string(vlan.get<std::uint64_t>());
  }
  return out;
}

}  // namespace

std::string local_time(const std::string& utc) {
  std::tm parts{};
  const char* rest = strptime(utc.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (rest == nullptr) return utc;
  const std::time_t instant = timegm(&parts);
  if (localtime_r(&instant, &parts) == nullptr) return utc;
  const std::string_view fraction(rest);
  return fmt::format("{:%Y-%m-%d %H:%M:%S}{}", parts,
                     fraction.substr(0, fraction.find('Z')));
}

Json events_json(const EventPage& page, const Inventory& inventory,
                 Origin origin, std::chrono::milliseconds try_after) {
  Json json = {{"controller_running", origin == Origin::kController},
               {"supported", page.supported},
               {"run", page.run},
               {"last", page.last},
               {"missed", page.missed},
               {"try_after", static_cast<double>(try_after.count()) / 1000},
               {"events", Json::array()}};
  for (const auto& logged : page.events) {
    Json event = {{"sequence", logged->sequence},
                  {"time", timestamp(logged->time)}};
    event.update(request_json(logged->record, inventory));
    event["missed"] = logged->record.missed;
    json["events"].push_back(std::move(event));
  }
  return json;
}

bool EventFilter::matches(const Json& event) const {
  return (!denied || text(event, {"verdict"}) == "deny") &&
         (!address || text(event, {"address"}) == address->to_string()) &&
         (relay.empty() || text(event, {"relay"}) == relay);
}

const EventLines::Cells EventLines::kTitles = {
    "TIME",  "INTERFACE", "VLAN", "MAC",     "NODE",
    "RELAY", "TYPE",      "ARCH", "VERDICT", "REASON"};

EventLines::EventLines() {
  widen(kTitles);
  // What nearly every line has.
  widen({"2026-11-21 21:55:40.123", "", "", "52:54:00:12:34:56", "", "",
         "DISCOVER", "", "", ""});
}

EventLines::Cells EventLines::cells_of(const Json& event) {
  const std::string name = text(event, {"node", "name"});
  Cells cells = {local_time(text(event, {"time"})),
                 text(event, {"interface"}),
                 vlan_text(event),
                 text(event, {"address"}),
                 name.empty() ? text(event, {"node", "uuid"}) : name,
                 text(event, {"relay"}),
                 text(event, {"message_type"}),
                 text(event, {"architecture"}),
                 text(event, {"verdict"}),
                 text(event, {"reason"})};
  for (std::string& cell : cells) {
    cell = cell.empty() ? "-" : printable(cell);
  }
  return cells;
}

void EventLines::widen(const Cells& cells) {
  for (std::size_t i = 0; i < kColumns; ++i) {
    widths_[i] = std::max(widths_[i], cells[i].size());
  }
}

void EventLines::make_room(const std::vector<Json>& events) {
  for (const Json& event : events) widen(cells_of(event));
}

std::string EventLines::render(const Cells& cells) const {
  std::string out;
  for (std::size_t i = 0; i < kColumns; ++i) {
    if (i > 0) out += "  ";
    out += fmt::format("{:<{}}", cells[i], widths_[i]);
  }
  out.erase(out.find_last_not_of(' ') + 1);
  return out + "\n";
}

std::string EventLines::line(const Json& event) {
  const Cells cells = cells_of(event);
  widen(cells);
  return render(cells);
}

std::string EventLines::missed(std::uint64_t count) {
  return fmt::format("... {} not shown: more fell than were kept\n",
                     count_text(count, "verdict"));
}

}  // namespace pxegate
