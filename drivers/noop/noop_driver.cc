// SPDX-License-Identifier: Apache-2.0
#include "drivers/noop/noop_driver.h"

namespace pxegate {
namespace {

class NoopDriver final : public FilterDriver {
 public:
  Result<> initialize() override { return {}; }
  Result<SyncReport> sync(const Snapshot& /*desired*/) override {
    return SyncReport{};
  }
  Result<> tear_down() override { return {}; }

  std::optional<std::chrono::seconds> sync_period(
      std::chrono::seconds /*configured*/) const override {
    return std::nullopt;
  }

  DriverStatus status() const override {
    DriverStatus status;
    status.driver = "noop";
    status.healthy = true;
    status.notices = {
        "nothing is filtered: every machine that reaches the inspection DHCP "
        "server is answered"};
    return status;
  }
};

}  // namespace

std::unique_ptr<FilterDriver> make_noop_driver() {
  return std::make_unique<NoopDriver>();
}

}  // namespace pxegate
