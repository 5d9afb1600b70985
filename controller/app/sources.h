// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_SOURCES_H_
#define PXEGATE_CONTROLLER_APP_SOURCES_H_

#include <functional>
#include <memory>
#include <stop_token>

#include "controller/app/request_observer.h"
#include "controller/base/clock.h"
#include "controller/base/result.h"
#include "controller/config/config.h"
#include "controller/ironic/ironic_api.h"
#include "controller/ironic/login.h"

namespace pxegate {

// Clients of the services that [ironic] and [inspector] name, each with its
// own connection. One thread at a time.
class Sources {
 public:
  // Told after each request to any of the servers, answered or not, by the
  // thread that asked: also of those that a call needs besides its own, to log
  // in or to try again. Either may be empty.
  struct Listeners {
    std::function<void()> ended{};
    RequestObserver* observer = nullptr;
  };

  // A stop requested on `stop` ends requests under way. `clock`, and the
  // observer, must outlive this. kInvalid, naming the option, where [ironic] is
  // not usable.
  static Result<std::unique_ptr<Sources>> make(const Config& config,
                                               const Clock& clock,
                                               std::stop_token stop,
                                               Listeners listeners);
  ~Sources();

  IronicApi& ironic();
  InspectorApi* inspector();  // null where it is not asked

  // Who asks them, where, and what is shown. kInvalid for one that is not
  // asked.
  Result<Login> log_in_to_ironic();
  Result<Login> log_in_to_inspector();

 private:
  struct Parts;
  explicit Sources(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_SOURCES_H_
