// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_XDP_XDP_DRIVER_H_
#define PXEGATE_DRIVERS_XDP_XDP_DRIVER_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "controller/base/ip_network.h"
#include "controller/driver/filter_driver.h"

namespace pxegate {

enum class XdpAttachMode { kAuto, kNative, kSkb };

// kExclusive: the interface runs this program alone. kDispatcher: libxdp's
// dispatcher shares it with other XDP programs.
enum class XdpAttach { kExclusive, kDispatcher };

enum class XdpScope { kDhcp, kPxe };  // PXE_SCOPE_*
enum class XdpStaleAction { kDeny, kKeep, kAllow };

struct XdpOptions {
  std::vector<std::string> interfaces;  // at least one, distinct
  XdpAttachMode mode = XdpAttachMode::kAuto;
  // Whether a clean stop removes the filter. If not, it stays in force.
  bool detach_on_exit = false;
  // A directory on a BPF file system, this driver's own. Dots are not allowed
  // in names there (kernel: bpf_lookup() in kernel/bpf/inode.c).
  std::string pin_path = "/sys/fs/bpf/pxegate";
  std::uint32_t max_clients = 262144;
  XdpAttach attach = XdpAttach::kExclusive;
  XdpScope scope = XdpScope::kDhcp;
  // How long the program goes on with a policy that no controller renews; 0:
  // forever. Then it does what stale_action says.
  std::chrono::seconds stale_after{300};
  XdpStaleAction stale_action = XdpStaleAction::kDeny;
  // Where not empty, unknown machines are let in only through these relays.
  std::vector<IpNetwork> discovery_relays;  // PXE_MAX_DISCOVERY_RELAYS at most
  // Requests a second, 0: any number.
  std::uint32_t unknown_rate = 0;
  std::uint32_t relay_rate = 0;
};

// Enforces the policy with an XDP program on each interface. Program, links
// and maps are pinned, so the filter outlives the controller: whatever happens
// to the controller, the last policy stays in force, and the next controller
// takes the links over without a moment unfiltered.
//
// One controller per pin_path: initialize() locks the directory (flock) and
// fails with kConflict, naming the holder, where it is locked. An interface
// that runs somebody else's XDP program is never taken over: kConflict when
// found at the first initialize() and none of the interfaces is filtered yet,
// else an inactive target. A missing interface is an inactive target; it is
// attached when it appears (wake_fd).
//
// initialize() needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON; CAP_SYS_ADMIN
// only where no BPF file system is mounted yet. It fails with kPermission,
// saying so, where they are missing.
std::unique_ptr<FilterDriver> make_xdp_driver(XdpOptions options);

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_XDP_XDP_DRIVER_H_
