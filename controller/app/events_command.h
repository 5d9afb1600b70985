// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_EVENTS_COMMAND_H_
#define PXEGATE_CONTROLLER_APP_EVENTS_COMMAND_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "controller/app/control_backend.h"
#include "controller/app/control_client.h"
#include "controller/app/event_view.h"
#include "controller/base/result.h"

namespace pxegate {

// `pxegate events`: asks the controller, or takes the verdicts from the filter
// itself while none runs. Following, it goes from one to the other as
// controllers come and go, and says so.
class EventsCommand {
 public:
  struct Means {
    ControlClient client;
    // CliHooks::offline_backend of the configuration in use.
    std::function<Result<std::unique_ptr<ControlBackend>>()> offline;
    std::stop_token stop;
    // Writes results, at once. False where that cannot be done.
    std::function<bool(const std::string&)> emit;
    std::function<bool()> reader_left;
    std::function<void(const std::string&)> complain;
  };
  struct Wishes {
    bool follow = false;
    bool json = false;
    EventFilter filter{};
  };

  EventsCommand(Means means, Wishes wishes)
      : means_(std::move(means)), wishes_(std::move(wishes)) {}

  // False, and told why, where it did not end well.
  bool run();

 private:
  enum class Next { kGoOn, kDone, kFailed };
  enum class Teller { kNobody, kController, kFilter };

  Next ask_controller();
  Next ask_filter(const Error& no_controller);
  Next wait_for_a_controller(const Error& why);
  Next show(const Json& page);
  void told_by(Teller teller);
  Next failed(const Error& error);
  // False once the user wants to stop.
  bool pause(std::chrono::milliseconds duration) const;

  const Means means_;
  const Wishes wishes_;
  EventLines lines_;
  Teller teller_ = Teller::kNobody;
  bool headed_ = false;
  int offline_pages_ = 0;
  bool waiting_ = false;    // for a controller or a filter, and said so
  std::string run_;         // of the controller that told last
  std::uint64_t last_ = 0;  // that it told
  std::unique_ptr<ControlBackend> filter_;  // while no controller runs
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_EVENTS_COMMAND_H_
