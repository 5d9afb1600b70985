// SPDX-License-Identifier: Apache-2.0
#include "controller/app/top_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/app/event_view.h"
#include "controller/app/json_path.h"
#include "controller/app/text_table.h"

namespace pxegate {
namespace {

using json_path::at;
using json_path::count;
using json_path::flag;
using json_path::list;
using json_path::number;
using json_path::text;

// As many as a tall terminal has lines.
constexpr std::size_t kKeptVerdicts = 300;
// Sorts before every address.
constexpr std::string_view kAll = "";
constexpr std::string_view kAllTitle = "all requests";

std::string rate_text(const std::optional<double>& rate) {
  return rate ? fmt::format("{:.1f}", *rate) : std::string();
}

// "21:55:40.1" of local_time().
std::string clock_time(const std::string& utc) {
  const std::string local = local_time(utc);
  const std::size_t space = local.find(' ');
  constexpr std::size_t kTenths = 10;
  return space == std::string::npos ? local : local.substr(space + 1, kTenths);
}

std::size_t lines_in(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count(text, '\n'));
}

}  // namespace

void TopView::add_leaf(const std::string& name, std::uint64_t allowed,
                       std::uint64_t dropped, std::optional<double> age,
                       Monotonic at) {
  Leaf leaf{at, allowed, dropped, age, std::nullopt, std::nullopt};
  const auto before = leaves_.find(name);
  // Counters that went back began anew.
  if (before != leaves_.end() && at > before->second.at &&
      allowed >= before->second.allowed && dropped >= before->second.dropped) {
    const double seconds =
        std::chrono::duration<double>(at - before->second.at).count();
    leaf.allowed_rate =
        static_cast<double>(allowed - before->second.allowed) / seconds;
    leaf.dropped_rate =
        static_cast<double>(dropped - before->second.dropped) / seconds;
  }
  leaves_.insert_or_assign(name, leaf);
}

void TopView::add_clients(const Json& clients, Monotonic at) {
  supported_ = flag(clients, {"supported"});
  std::uint64_t allowed = 0;
  std::uint64_t dropped = 0;
  for (const Json& counter : list(clients, {"counters"})) {
    (text(counter, {"verdict"}) == "allow" ? allowed : dropped) +=
        count(counter, {"packets"});
  }
  const Json& latest = list(clients, {"clients"});
  std::set<std::string> present{std::string(kAll)};
  add_leaf(std::string(kAll), allowed, dropped,
           latest.empty() ? std::nullopt : number(latest.front(), {"age"}), at);
  for (const Json& relay : list(clients, {"relays"})) {
    const std::string name = text(relay, {"relay"});
    if (name.empty()) continue;
    present.insert(name);
    add_leaf(name, count(relay, {"allowed"}), count(relay, {"dropped"}),
             number(relay, {"age"}), at);
  }
  std::erase_if(
      leaves_, [&](const auto& leaf) { return !present.contains(leaf.first); });
}

void TopView::add_events(const Json& page) {
  const std::string run = text(page, {"run"});
  run_ = run;
  last_event_ = count(page, {"last"});
  for (const Json& event : list(page, {"events"})) events_.push_front(event);
  if (events_.size() > kKeptVerdicts) events_.resize(kKeptVerdicts);
}

std::string TopView::head() const {
  std::string out;
  if (!problem_.empty()) {
    out += printable(problem_) + "\n";
  } else {
    const std::string view = status_view(status_);
    out += view.substr(0, view.find("\n\n") + 1);
  }
  const Json& driver = at(status_, {"driver"});
  if (driver.is_object()) {
    std::string line = text(driver, {"name"});
    for (const Json& target : list(driver, {"targets"})) {
      line += fmt::format(
          " {} ({})", text(target, {"name"}),
          flag(target, {"active"}) ? text(target, {"mode"}) : "NOT ACTIVE");
    }
    line += fmt::format("; {} rules", count(driver, {"rules"}));
    if (at(status_, {"inventory"}).is_object()) {
      line += fmt::format(
          "; {} of {} being inspected",
          count(status_, {"inventory", "being_inspected"}),
          count_text(count(status_, {"inventory", "nodes"}), "node"));
    }
    if (const auto age = number(status_, {"sync", "last_poll_age"})) {
      line += fmt::format("; Ironic asked {} ago", age_text(*age));
    }
    out += printable(line) + "\n";
  }
  return out;
}

std::string TopView::leaves(std::size_t rows) const {
  if (!supported_) {
    return "The driver in use sees no packets, so there are no rates and no "
           "verdicts (xdp has them).\n";
  }
  using Align = TextTable::Align;
  TextTable table({{"RELAY AGENT"},
                   {"ALLOWED/S", Align::kRight},
                   {"REFUSED/S", Align::kRight},
                   {"ALLOWED", Align::kRight},
                   {"REFUSED", Align::kRight},
                   {"LAST", Align::kRight}});
  // The busiest first, below the sum of all.
  std::vector<std::pair<std::string, Leaf>> sorted(leaves_.begin(),
                                                   leaves_.end());
  std::ranges::stable_sort(sorted, [](const auto& a, const auto& b) {
    if (a.first == kAll || b.first == kAll) return a.first == kAll;
    const auto busy = [](const Leaf& leaf) {
      return leaf.allowed_rate.value_or(0) + leaf.dropped_rate.value_or(0);
    };
    return busy(a.second) > busy(b.second);
  });
  std::size_t shown = sorted.size();
  // The header, and the line that counts the rest.
  if (shown + 1 > rows) shown = rows > 3 ? rows - 2 : 1;
  for (std::size_t i = 0; i < std::min(shown, sorted.size()); ++i) {
    const auto& [name, leaf] = sorted[i];
    table.add({name == kAll ? std::string(kAllTitle) : name,
               rate_text(leaf.allowed_rate), rate_text(leaf.dropped_rate),
               std::to_string(leaf.allowed), std::to_string(leaf.dropped),
               leaf.age ? age_text(*leaf.age) : std::string()});
  }
  std::string out = table.render();
  if (shown < sorted.size()) {
    out += fmt::format("... and {}\n",
                       count_text(sorted.size() - shown, "more relay"));
  }
  return out;
}

std::string TopView::verdicts(std::size_t rows) const {
  if (!supported_ || rows < 2) return {};
  const std::size_t shown = std::min(events_.size(), rows - 1);
  const std::vector<Json> latest(
      events_.begin(), events_.begin() + static_cast<std::ptrdiff_t>(shown));
  // What matters most stands where no terminal is too narrow for it.
  TextTable table({{"TIME"},
                   {"VERDICT"},
                   {"MAC"},
                   {"THROUGH"},
                   {"NODE"},
                   {"TYPE"},
                   {"REASON"}});
  for (const Json& event : latest) {
    const std::string relay = text(event, {"relay"});
    const std::string name = text(event, {"node", "name"});
    table.add({clock_time(text(event, {"time"})), text(event, {"verdict"}),
               text(event, {"address"}),
               relay.empty() ? text(event, {"interface"}) : relay,
               name.empty() ? text(event, {"node", "uuid"}) : name,
               text(event, {"message_type"}), text(event, {"reason"})});
  }
  std::string out = table.render();
  if (shown == 0 && rows > 2) out += "no verdict yet\n";
  return out;
}

std::string TopView::render(const std::optional<TerminalSize>& size) const {
  constexpr std::size_t kEndless = 1'000'000;
  // The last line stays free for the cursor.
  const std::size_t rows =
      size ? std::max<std::size_t>(size->rows, 2) - 1 : kEndless;
  std::string out = head() + "\n";
  const auto left = [&] {
    const std::size_t used = lines_in(out);
    return used < rows ? rows - used : 0;
  };
  // Verdicts get at least half of what there is.
  out += leaves(std::max<std::size_t>(left() / 2, 3)) + "\n";
  out += verdicts(left());
  if (!size) return out;
  std::string fitted = clipped(out, size->columns);
  std::size_t end = 0;
  for (std::size_t i = 0; i < rows && end != std::string::npos; ++i) {
    end = fitted.find('\n', end);
    if (end != std::string::npos) ++end;
  }
  if (end != std::string::npos) fitted.resize(end);
  return fitted;
}

}  // namespace pxegate
