// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_DRIVER_GUARDED_DRIVER_H_
#define PXEGATE_CONTROLLER_DRIVER_GUARDED_DRIVER_H_

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "controller/base/result.h"
#include "controller/driver/filter_driver.h"

namespace pxegate {

// The error for what `call` of foreign code threw or returned.
Error foreign_error(const std::string& where, const std::string& what);

// Calls `call`, which returns a Result, and makes an error of whatever it
// throws; `where` stands in front of all its errors.
template <typename Call>
std::invoke_result_t<Call> guarded(const std::string& where, const Call& call) {
  try {
    auto result = call();
    if (!result) {
      const std::string& message = result.error().message();
      return fail(Error(
          foreign_error(where, message.empty() ? "gave no reason" : message)
              .message(),
          result.error().code()));
    }
    return result;
  } catch (const std::exception& e) {
    return fail(foreign_error(where, std::string("it threw: ") + e.what()));
  } catch (...) {
    return fail(foreign_error(where, "it threw something unknown"));
  }
}

// A driver of other people, held so that what it throws and the nonsense it
// returns end here: exceptions become errors, an error always says which
// plugin, a status always has the driver's name. What cannot be held ends the
// process, as a crash does: a throw out of a function that is noexcept, or out
// of a destructor. What a driver has in force must outlive that, see
// FilterDriver.
class GuardedDriver final : public FilterDriver {
 public:
  // `where` names the plugin in messages.
  GuardedDriver(std::string name, std::string where,
                std::unique_ptr<FilterDriver> driver);

  Result<> initialize() override;
  Result<SyncReport> sync(const Snapshot& desired) override;
  Result<> renew_lease() override;
  void reset() noexcept override { driver_->reset(); }
  void shut_down() noexcept override { driver_->shut_down(); }
  Result<> tear_down() override;
  std::optional<std::chrono::seconds> sync_period(
      std::chrono::seconds configured) const override;
  int wake_fd() const override { return wake_fd_; }
  bool woken() override;
  DriverStatus status() const override;
  Result<Policy> installed() const override;
  Result<Observations> observe() const override;
  Result<std::vector<EventRecord>> take_events(std::size_t limit) override;
  std::vector<Finding> examine() const override;
  int events_fd() const override;

 private:
  std::string while_in(const char* function) const;

  const std::string name_;
  const std::string where_;
  const std::unique_ptr<FilterDriver> driver_;
  int wake_fd_ = -1;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_DRIVER_GUARDED_DRIVER_H_
