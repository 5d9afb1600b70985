// SPDX-License-Identifier: Apache-2.0
#include "controller/app/builtin_drivers.h"

#include "drivers/noop/noop_driver.h"
#include "drivers/xdp/xdp_driver.h"

namespace pxegate {
namespace {

XdpAttachMode to_attach_mode(XdpMode mode) {
  switch (mode) {
    case XdpMode::kAuto:
      return XdpAttachMode::kAuto;
    case XdpMode::kNative:
      return XdpAttachMode::kNative;
    case XdpMode::kSkb:
      return XdpAttachMode::kSkb;
  }
  return XdpAttachMode::kAuto;
}

XdpOptions xdp_options(const Config::Xdp& config) {
  XdpOptions options;
  options.interfaces = config.interfaces;
  options.mode = to_attach_mode(config.mode);
  options.detach_on_exit = config.on_exit == OnExit::kDetach;
  options.pin_path = config.pin_path;
  options.max_clients = config.max_clients;
  return options;
}

}  // namespace

Result<DriverRegistry> builtin_drivers(const Config& config) {
  return DriverRegistry::make({
      {.name = "noop",
       .summary = "filters nothing: for a network of inspection's own",
       .origin = "built-in",
       .make = [] { return make_noop_driver(); }},
      {.name = "xdp",
       .summary = "drops requests at the NIC, relayed ones too (eBPF)",
       .origin = "built-in",
       .make = [options = xdp_options(
                    config.xdp)] { return make_xdp_driver(options); }},
  });
}

}  // namespace pxegate
