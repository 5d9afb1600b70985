// SPDX-License-Identifier: Apache-2.0
#include "controller/app/offline.h"

#include <utility>

#include "controller/app/drivers.h"
#include "controller/app/event_log.h"

namespace pxegate {
namespace {

Result<std::unique_ptr<FilterDriver>> configured_driver(const Config& config) {
  auto registry = available_drivers(config);
  if (!registry) return fail(registry.error());
  return registry->create(config.pxe_filter.driver);
}

class OfflineBackend final : public ControlBackend {
 public:
  OfflineBackend(std::unique_ptr<FilterDriver> driver, Policy installed)
      : driver_(std::move(driver)),
        policy_(std::make_shared<const Policy>(std::move(installed))) {}

  ControllerStatus status() const override {
    ControllerStatus status;
    status.version = PXEGATE_VERSION;
    status.driver = driver_->status();
    status.driver.rules = policy_->entries().size();
    status.allowed = policy_->count(Verdict::kAllow);
    status.denied = policy_->count(Verdict::kDeny);
    status.unknown = policy_->unknown();
    return status;
  }
  PolicyInForce policy() const override {
    PolicyInForce policy;
    policy.inventory = std::make_shared<const Inventory>();
    policy.policy = policy_;
    return policy;
  }
  Result<Observations> observe() const override { return driver_->observe(); }
  // Does not wait, and gives each event once.
  Result<EventPage> events(const EventQuery&) override {
    auto taken = driver_->take_events(kKeptEvents);
    if (!taken) return fail(taken.error());
    const SystemClock clock;
    log_.add(*std::move(taken), clock.now(), clock.wall());
    EventPage page = log_.read({told_, kRun, {}});
    told_ = page.last;
    return page;
  }
  Result<SyncOutcome> sync(const SyncRequest&) override {
    return fail("no controller runs", ErrorCode::kInvalidState);
  }
  Result<> tear_down() override {
    return fail("no controller runs", ErrorCode::kInvalidState);
  }

 private:
  const std::unique_ptr<FilterDriver> driver_;
  const std::shared_ptr<const Policy> policy_;
  static constexpr const char* kRun = "filter";
  EventLog log_{kRun};
  std::uint64_t told_ = 0;
};

}  // namespace

Result<std::unique_ptr<ControlBackend>> offline_backend(const Config& config) {
  auto driver = configured_driver(config);
  if (!driver) return fail(driver.error());
  auto installed = (*driver)->installed();
  if (!installed) {
    return fail(installed.error().code() == ErrorCode::kNotFound
                    ? installed.error().within("no filter is in force")
                    : installed.error());
  }
  return std::make_unique<OfflineBackend>(std::move(*driver),
                                          std::move(*installed));
}

Result<> tear_down_filter(const Config& config) {
  auto driver = configured_driver(config);
  if (!driver) return fail(driver.error());
  return (*driver)->tear_down();
}

}  // namespace pxegate
