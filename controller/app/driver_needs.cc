// SPDX-License-Identifier: Apache-2.0
#include "controller/app/driver_needs.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <filesystem>

namespace pxegate {
namespace {

constexpr Capability kBpf{"CAP_BPF", CAP_BPF};
constexpr Capability kNetAdmin{"CAP_NET_ADMIN", CAP_NET_ADMIN};
constexpr Capability kNetRaw{"CAP_NET_RAW", CAP_NET_RAW};
constexpr Capability kPerfmon{"CAP_PERFMON", CAP_PERFMON};
constexpr Capability kSysAdmin{"CAP_SYS_ADMIN", CAP_SYS_ADMIN};
constexpr Capability kSysPtrace{"CAP_SYS_PTRACE", CAP_SYS_PTRACE};

constexpr const char* kBpfMount = "/sys/fs/bpf";
constexpr const char* kXtablesLock = "/run/xtables.lock";

// Without "..", and without a '/' at its end, which would have chown(1) follow
// a symbolic link.
std::string plain_path(const std::string& path) {
  std::string plain = std::filesystem::path(path).lexically_normal().string();
  while (plain.size() > 1 && plain.ends_with('/')) plain.pop_back();
  return plain;
}

// A directory is given to the service's user, and made where it is missing.
// Root does so in directories of others, who may have put a symbolic link in
// its place: what that leads to is not touched. The mode is that of a new one.
std::vector<std::string> own_directory(const std::string& path,
                                       std::string_view mode) {
  return {"/bin/sh", "-c",
          "umask 022; mkdir -p -m " + std::string(mode) +
              " \"$0\" && chown -h pxegate:pxegate \"$0\"",
          path};
}

DriverNeeds xdp_needs(const Config::Xdp& config) {
  DriverNeeds needs{.capabilities = {kBpf, kNetAdmin, kPerfmon},
                    .system_calls = {"bpf"},
                    .prepare = {},
                    .writable = {config.pin_path}};
  if (config.attach == NicSharing::kDispatcher) {
    // libxdp keeps its own pins, which are root's, beside ours.
    needs.capabilities.push_back(kSysAdmin);
    needs.root = true;
    needs.writable.emplace_back(kBpfMount);
    return needs;
  }
  // systemd mounts it for root alone. What is in there has rights of its own;
  // this does not let anybody list it.
  needs.prepare = {{"/bin/chmod", "a+x", kBpfMount}};
  // Nothing but pins is given away, and not those of others.
  const std::string pins = plain_path(config.pin_path);
  if (!pins.starts_with(std::string(kBpfMount) + "/")) return needs;
  needs.prepare.push_back(own_directory(pins, "0750"));
  // What an earlier run as another user left there.
  needs.prepare.push_back({"/bin/chown", "-R", "pxegate:pxegate", pins});
  return needs;
}

DriverNeeds iptables_needs() {
  return {.capabilities = {kNetAdmin, kNetRaw},
          .system_calls = {},
          // For the legacy backend, which takes root's lock.
          .prepare = {{"/bin/touch", kXtablesLock},
                      {"/bin/chgrp", "pxegate", kXtablesLock},
                      {"/bin/chmod", "0660", kXtablesLock}},
          .writable = {kXtablesLock}};
}

DriverNeeds dnsmasq_needs(const Config::Dnsmasq& config) {
  // To see what dnsmasq, another user's process, has not read yet.
  DriverNeeds needs{.capabilities = {kSysPtrace},
                    .system_calls = {"pidfd_getfd"},
                    .prepare = {},
                    .writable = {config.dhcp_hostsdir}};
  // What stands in the root directory is the system's: /etc, /tmp.
  const std::string hosts = plain_path(config.dhcp_hostsdir);
  if (hosts.rfind('/') > 0) {
    needs.prepare.push_back(own_directory(hosts, "0755"));
  }
  return needs;
}

DriverNeeds of_capabilities(std::vector<Capability> capabilities) {
  DriverNeeds needs;
  needs.capabilities = std::move(capabilities);
  return needs;
}

}  // namespace

std::optional<DriverNeeds> driver_needs(const Config& config) {
  const std::string& driver = config.pxe_filter.driver;
  if (driver == "xdp") return xdp_needs(config.xdp);
  if (driver == "nftables") return of_capabilities({kNetAdmin});
  if (driver == "iptables") return iptables_needs();
  if (driver == "dnsmasq") return dnsmasq_needs(config.dnsmasq);
  if (driver == "noop") return DriverNeeds{};
  return std::nullopt;
}

std::vector<std::string_view> missing_capabilities(
    const std::vector<Capability>& needed, int pid) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, pid};
  std::array<__user_cap_data_struct, 2> data{};
  std::vector<std::string_view> missing;
  if (::syscall(SYS_capget, &header, data.data()) != 0) return missing;
  for (const Capability& capability : needed) {
    const auto number = static_cast<std::size_t>(capability.number);
    if ((data.at(number / 32).effective & (1U << (number % 32))) == 0) {
      missing.push_back(capability.name);
    }
  }
  return missing;
}

}  // namespace pxegate
