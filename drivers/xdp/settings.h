// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_XDP_SETTINGS_H_
#define PXEGATE_DRIVERS_XDP_SETTINGS_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bpf/pxe_filter_abi.h"
#include "controller/base/result.h"
#include "controller/core/policy.h"
#include "controller/driver/filter_driver.h"
#include "drivers/xdp/map_set.h"
#include "drivers/xdp/mapped_array.h"
#include "drivers/xdp/xdp_driver.h"

namespace pxegate {

// The program's settings, in memory that it shares.
class Settings {
 public:
  static Result<Settings> open(const MapSet& maps, MappedArray::Access access);

  // Each field as it was at some moment.
  pxe_settings read() const;
  template <typename T>
  void write(T pxe_settings::*field, T value) {
    store_shared(shared().*field, value);
  }

 private:
  explicit Settings(MappedArray memory) : memory_(std::move(memory)) {}
  pxe_settings& shared() const {
    return *static_cast<pxe_settings*>(memory_.data());
  }

  MappedArray memory_;
};

// What `options` and a policy's verdict for unknown machines ask for; without
// a lease.
pxe_settings to_settings(const XdpOptions& options, Verdict unknown);

// In each of scope, rates and discovery_restricted whichever of the two lets
// less in; the rest as in `from`.
pxe_settings stricter(const pxe_settings& from, const pxe_settings& to);

// When a lease that is given now runs out; 0: never.
__u64 lease_end(const XdpOptions& options);

Verdict unknown_verdict(const pxe_settings& settings);
// none where the lease never runs out.
std::optional<LeaseStatus> lease_status(const pxe_settings& settings);

// What fields differ, in words; but for the verdict for unknown machines.
std::vector<std::string> differing_fields(const pxe_settings& found,
                                          const pxe_settings& wanted);

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_XDP_SETTINGS_H_
