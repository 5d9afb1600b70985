// SPDX-License-Identifier: Apache-2.0
#include "drivers/dnsmasq/dnsmasq_driver.h"

namespace pxegate {
namespace {

class DnsmasqDriver final : public FilterDriver {
 public:
  Result<> initialize() override { return fail("not built yet"); }
  Result<SyncReport> sync(const Snapshot&) override {
    return fail("not built yet");
  }
  Result<> tear_down() override { return fail("not built yet"); }
  DriverStatus status() const override { return {}; }
};

}  // namespace

std::unique_ptr<FilterDriver> make_dnsmasq_driver(
    DnsmasqOptions /*options*/, std::shared_ptr<CommandRunner> /*runner*/) {
  return std::make_unique<DnsmasqDriver>();
}

}  // namespace pxegate
