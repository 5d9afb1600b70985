// SPDX-License-Identifier: Apache-2.0
#include "drivers/iptables/iptables_driver.h"

namespace pxegate {
namespace {

class IptablesDriver final : public FilterDriver {
 public:
  Result<> initialize() override { return fail("not built yet"); }
  Result<SyncReport> sync(const Snapshot&) override {
    return fail("not built yet");
  }
  Result<> tear_down() override { return fail("not built yet"); }
  DriverStatus status() const override { return {}; }
};

}  // namespace

std::unique_ptr<FilterDriver> make_iptables_driver(
    IptablesOptions /*options*/, std::shared_ptr<CommandRunner> /*runner*/) {
  return std::make_unique<IptablesDriver>();
}

}  // namespace pxegate
