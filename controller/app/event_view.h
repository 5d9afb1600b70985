// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_EVENT_VIEW_H_
#define PXEGATE_CONTROLLER_APP_EVENT_VIEW_H_

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "controller/app/events.h"
#include "controller/app/json.h"
#include "controller/base/mac_address.h"

namespace pxegate {

// {"controller_running", "supported", "run", "last", "missed", "try_after",
//  "events": [{"sequence", "time", ... a request, "missed"}]}
// "run" and "last" are for the next question. "missed" are events between the
// last one asked after and the first here; of an event, those right before it
// that the filter did not report. "try_after": how many seconds to wait before
// asking again, since the controller could not.
Json events_json(const EventPage& page, const Inventory& inventory,
                 Origin origin, std::chrono::milliseconds try_after = {});

// "2026-11-21 21:55:40.123" here, for "2026-11-21T20:55:40.123Z". What is no
// such time stays as it is.
std::string local_time(const std::string& utc);

// Which events somebody wants to see. All that is set must fit.
struct EventFilter {
  bool denied = false;
  std::optional<HardwareAddress> address{};
  std::string relay{};  // as ip_to_string() has it

  bool matches(const Json& event) const;
};

// Events one a line in columns that are as wide as the widest so far, so that
// they stay aligned as more come in.
class EventLines {
 public:
  EventLines();

  // So that the columns are wide enough for all of these.
  void make_room(const std::vector<Json>& events);
  std::string header() const { return render(kTitles); }
  std::string line(const Json& event);
  // "... 12 verdicts were not reported"
  static std::string missed(std::uint64_t count);

 private:
  static constexpr std::size_t kColumns = 10;
  using Cells = std::array<std::string, kColumns>;
  static const Cells kTitles;

  static Cells cells_of(const Json& event);
  void widen(const Cells& cells);
  std::string render(const Cells& cells) const;

  std::array<std::size_t, kColumns> widths_{};
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_EVENT_VIEW_H_
