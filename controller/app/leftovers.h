// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_LEFTOVERS_H_
#define PXEGATE_CONTROLLER_APP_LEFTOVERS_H_

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "controller/driver/registry.h"

namespace pxegate {

// Filters of drivers that are not in use, which an earlier run left in force:
// machines have to pass them too, and nobody feeds them. Looks once, and as
// long as there are some, again and again until they are gone. A thread of its
// own, since reading may take a while.
class Leftovers {
 public:
  // What `entries` make is asked for installed() and for nothing else; what
  // cannot be made or asked, as where a tool is missing, left nothing. `in_use`
  // names the drivers that are not to be asked, and is called from the thread.
  Leftovers(std::vector<DriverEntry> entries,
            std::function<std::vector<std::string>()> in_use,
            std::chrono::milliseconds again = std::chrono::minutes(1));
  // Waits for the look that is under way.
  ~Leftovers();
  Leftovers(const Leftovers&) = delete;
  Leftovers& operator=(const Leftovers&) = delete;

  // Thread-safe. One sentence each, with the command that removes it.
  std::vector<std::string> notices() const;

 private:
  void run(const std::stop_token& stop);
  std::vector<std::string> look(const std::stop_token& stop) const;

  const std::vector<DriverEntry> entries_;
  const std::function<std::vector<std::string>()> in_use_;
  const std::chrono::milliseconds again_;
  mutable std::mutex mutex_;
  std::condition_variable_any stopped_;
  std::vector<std::string> found_;  // names of drivers
  std::jthread thread_;             // last: it uses the others
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_LEFTOVERS_H_
