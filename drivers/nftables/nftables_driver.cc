// SPDX-License-Identifier: Apache-2.0
#include "drivers/nftables/nftables_driver.h"

namespace pxegate {
namespace {

class NftablesDriver final : public FilterDriver {
 public:
  Result<> initialize() override { return fail("not built yet"); }
  Result<SyncReport> sync(const Snapshot&) override {
    return fail("not built yet");
  }
  Result<> tear_down() override { return fail("not built yet"); }
  DriverStatus status() const override { return {}; }
};

}  // namespace

std::unique_ptr<FilterDriver> make_nftables_driver(
    NftablesOptions /*options*/) {
  return std::make_unique<NftablesDriver>();
}

}  // namespace pxegate
