// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_TOP_VIEW_H_
#define PXEGATE_CONTROLLER_APP_TOP_VIEW_H_

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "controller/app/json.h"
#include "controller/app/views.h"
#include "controller/base/clock.h"

namespace pxegate {

// What `pxegate top` shows: the state, the leaves with their rates, and the
// latest verdicts. Fed with the API's documents, in any order and with any of
// them missing or of another version; nothing from outside reaches the text
// unescaped. No I/O.
class TopView {
 public:
  void set_status(Json status) { status_ = std::move(status); }
  // Rates are differences from the look before.
  void add_clients(const Json& clients, Monotonic at);
  void add_events(const Json& page);
  // What keeps it from showing news; empty: nothing does.
  void set_problem(std::string problem) { problem_ = std::move(problem); }

  // Where add_events() goes on: parameters of GET /v1/events.
  std::uint64_t last_event() const { return last_event_; }
  const std::string& run() const { return run_; }

  // One screen of lines: no more and no wider than `size`, nor less than its
  // parts' headers where there is room. Without a size: all there is.
  std::string render(const std::optional<TerminalSize>& size) const;

 private:
  struct Leaf {
    Monotonic at;
    std::uint64_t allowed = 0;
    std::uint64_t dropped = 0;
    std::optional<double> age;
    std::optional<double> allowed_rate;  // a second; nullopt: not known yet
    std::optional<double> dropped_rate;
  };

  void add_leaf(const std::string& name, std::uint64_t allowed,
                std::uint64_t dropped, std::optional<double> age, Monotonic at);
  std::string head() const;
  std::string leaves(std::size_t rows) const;
  std::string verdicts(std::size_t rows) const;

  Json status_;
  bool supported_ = true;
  std::map<std::string, Leaf> leaves_;
  std::deque<Json> events_;  // latest first
  std::uint64_t last_event_ = 0;
  std::string run_;
  std::string problem_;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_TOP_VIEW_H_
