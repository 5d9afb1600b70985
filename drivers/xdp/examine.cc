// SPDX-License-Identifier: Apache-2.0
#include "drivers/xdp/examine.h"

#include <fmt/format.h>
#include <linux/magic.h>
#include <net/if.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "controller/base/link_stack.h"
#include "controller/driver/examine_link.h"
#include "drivers/xdp/attachment.h"
#include "drivers/xdp/bpffs.h"
#include "drivers/xdp/layouts.h"
#include "drivers/xdp/program.h"

namespace pxegate {
namespace {

// The oldest that tests run on.
constexpr std::pair<unsigned, unsigned> kOldestKernel{6, 1};

std::pair<unsigned, unsigned> version_of(std::string_view release) {
  std::pair<unsigned, unsigned> version{0, 0};
  const char* end = release.data() + release.size();
  const auto major = std::from_chars(release.data(), end, version.first);
  if (major.ec == std::errc() && major.ptr != end && *major.ptr == '.') {
    std::from_chars(major.ptr + 1, end, version.second);
  }
  return version;
}

Finding examine_kernel() {
  utsname name{};
  if (::uname(&name) != 0) return not_known("kernel", "does not tell", "");
  const std::string seen = fmt::format("Linux {}", name.release);
  if (version_of(name.release) >= kOldestKernel) return good("kernel", seen);
  return warning("kernel",
                 fmt::format("{} is older than {}.{}, the oldest that pxegate "
                             "is tested on",
                             seen, kOldestKernel.first, kOldestKernel.second),
                 "use a newer one, or [pxe_filter] driver = nftables");
}

// Loads the program, and drops it again.
Result<> try_program(std::uint32_t max_clients) {
  const auto loaded =
      load_program(max_clients, PinnedMaps{&known_layouts().back(), {}});
  if (!loaded) return fail(loaded.error());
  return {};
}

bool lacks_privilege(const Result<>& tried) {
  return !tried && tried.error().code() == ErrorCode::kPermission;
}

Finding examine_program(const Result<>& tried) {
  const std::string check = "XDP program";
  if (tried) {
    return good(check, "the kernel takes it (loaded, and dropped again)");
  }
  return problem(check, tried.error().message(),
                 lacks_privilege(tried)
                     ? "run it as root, or with CAP_BPF, CAP_NET_ADMIN "
                       "and CAP_PERFMON"
                     : "see the log of the kernel (`dmesg`); where it "
                       "cannot be helped: [pxe_filter] driver = "
                       "nftables");
}

Finding examine_bpffs(const std::string& pin_path) {
  const std::string check = "bpffs";
  const std::string there = existing_ancestor(pin_path);
  struct statfs info {};
  if (::statfs(there.c_str(), &info) != 0) {
    return not_known(check, fmt::format("{} cannot be looked at", there),
                     "run it as root");
  }
  if (info.f_type != BPF_FS_MAGIC) {
    return problem(
        check,
        fmt::format("{} ([xdp] pin_path) is not on a BPF file system, so the "
                    "filter cannot outlive its controller",
                    pin_path),
        "mount -t bpf bpf /sys/fs/bpf; systemd does so at boot "
        "(sys-fs-bpf.mount)");
  }
  if (PinDirectory(there).is_private()) {
    return warning(check,
                   "it is mounted in a mount namespace of its own: the filter "
                   "ends with that",
                   "mount it on the host (`nsenter -t 1 -m mount -t bpf bpf "
                   "/sys/fs/bpf`), and enter network namespaces with nsenter, "
                   "not with `ip netns exec`");
  }
  if (::access(there.c_str(), W_OK | X_OK) != 0) {
    return problem(check, fmt::format("{} is not writable", there),
                   fmt::format("run pxegate as its owner, or give {} to the "
                               "user that it runs as",
                               pin_path));
  }
  return good(check, fmt::format("{} is on one", pin_path));
}

Finding examine_vlans(const std::string& interface) {
  const std::string check = "VLAN tags on " + interface;
  const auto hidden = hides_vlan_tags(interface);
  if (!hidden) return not_known(check, "the NIC's driver does not tell", "");
  if (!*hidden) return good(check, "the filter sees them");
  const std::string seen =
      "the NIC takes them off before the filter sees the frame "
      "(rx-vlan-offload): requests are filtered all the same, but `clients` "
      "and `events` cannot name their VLAN";
  // VLAN devices and bridges made of it tell that tags matter here.
  const auto links = read_link_stack();
  if (!links || !carries_others(*links, interface)) return good(check, seen);
  return warning(check, seen,
                 fmt::format("ethtool -K {} rxvlan off", interface));
}

Finding examine_mode(const std::string& interface, const Attachment& attachment,
                     const XdpOptions& options, bool may_look) {
  const std::string check = "XDP on " + interface;
  // A program that this filter's pins cannot be asked about is nobody's to
  // remove.
  if (!may_look && !attachment.ours()) {
    return not_known(check, "whose program it runs cannot be looked at",
                     "run it as root");
  }
  if (const auto free = attachment.check_free(); !free) {
    return problem(check, free.error().message(),
                   "one program has a NIC for itself, unless all of them "
                   "share it through libxdp's dispatcher ([xdp] attach = "
                   "dispatcher)");
  }
  if (!attachment.ours()) {
    return problem(check, "the filter is not attached",
                   "`pxegate run` attaches it; where that runs, `pxegate "
                   "status` says what keeps it from it");
  }
  const auto occupant = query_occupant(::if_nametoindex(interface.c_str()));
  const std::string mode = occupant ? occupant->mode : "an unknown";
  const std::string seen = fmt::format("attached in {} mode", mode);
  if (mode != "skb" || options.mode == XdpAttachMode::kSkb) {
    return good(check, seen);
  }
  return warning(check,
                 seen +
                     ": a denied request costs several times what it does "
                     "in native mode",
                 "the NIC's driver has no native XDP, or not with its present "
                 "settings (MTU, number of queues): the log of `pxegate run` "
                 "has its refusal");
}

}  // namespace

std::vector<Finding> examine_xdp(const XdpOptions& options) {
  const Result<> tried = try_program(options.max_clients);
  std::vector<Finding> findings{examine_kernel(), examine_program(tried),
                                examine_bpffs(options.pin_path)};
  const PinDirectory pins(options.pin_path);
  for (const std::string& interface : options.interfaces) {
    findings.push_back(examine_link(interface, "[xdp] interfaces"));
    if (::if_nametoindex(interface.c_str()) == 0) continue;
    Attachment attachment(interface, pins, options.attach);
    attachment.adopt();
    findings.push_back(
        examine_mode(interface, attachment, options, !lacks_privilege(tried)));
    findings.push_back(examine_vlans(interface));
  }
  return findings;
}

}  // namespace pxegate
