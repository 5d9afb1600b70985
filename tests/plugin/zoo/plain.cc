// SPDX-License-Identifier: Apache-2.0
#include "controller/driver/driver_module.h"

#ifndef ZOO_NAME
#define ZOO_NAME "plain"
#endif

namespace {

class PlainDriver final : public pxegate::FilterDriver {
 public:
  pxegate::Result<> initialize() override { return {}; }
  pxegate::Result<pxegate::SyncReport> sync(
      const pxegate::Snapshot& /*desired*/) override {
    return pxegate::SyncReport{};
  }
  pxegate::Result<> tear_down() override { return {}; }
  pxegate::DriverStatus status() const override { return {}; }
};

pxegate::Result<std::unique_ptr<pxegate::FilterDriver>> make(
    const pxegate::DriverContext& /*context*/) {
  return std::make_unique<PlainDriver>();
}

}  // namespace

PXEGATE_DRIVER_PLUGIN(ZOO_NAME, "nothing is wrong with it", make)
