// SPDX-License-Identifier: Apache-2.0
#include "drivers/dnsmasq/examine.h"

#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <utility>

#include "drivers/dnsmasq/hosts_dir.h"
#include "drivers/dnsmasq/readers.h"

namespace pxegate {
namespace {

// Of those that <linux/magic.h> does not have.
constexpr long kLustre = 0x0bd00bd0;
constexpr long kGfs2 = 0x01161970;

Finding examine_place(const DnsmasqOptions& options) {
  const std::string check = "hosts directory";
  struct statfs info {};
  if (::statfs(options.hostsdir.c_str(), &info) != 0) {
    return problem(
        check, fmt::format("{} cannot be looked at", options.hostsdir),
        fmt::format("mkdir -p {0}, and start dnsmasq with --dhcp-hostsdir={0}",
                    options.hostsdir));
  }
  if (const auto silent = silent_file_system(info.f_type)) {
    return problem(check,
                   fmt::format("{} is on {}, which tells nobody here what "
                               "another host changes: dnsmasq would go on "
                               "with an old policy",
                               options.hostsdir, *silent),
                   "use a directory of this host, best on a tmpfs below "
                   "/run, and run pxegate on the host that dnsmasq is on");
  }
  if (::access(options.hostsdir.c_str(), W_OK | X_OK) != 0) {
    return problem(check, fmt::format("{} is not writable", options.hostsdir),
                   "run pxegate as its owner, or give it to the user that "
                   "pxegate runs as");
  }
  return good(check, fmt::format("{} is local and writable", options.hostsdir));
}

Finding examine_readers(const DnsmasqOptions& options) {
  const std::string check = "dnsmasq";
  const auto directory = HostsDir::open(options.hostsdir);
  const auto identity = directory
                            ? directory->watch_identity()
                            : Result<std::string>(fail(directory.error()));
  if (!identity) return not_known(check, identity.error().message(), "");
  const ReaderScan scan = find_readers(*identity);
  std::string pids;
  std::string barred;
  for (const Reader& reader : scan.readers) {
    pids += fmt::format("{}{}", pids.empty() ? "" : ", ", reader.id().pid);
    const auto why = reader.barred_from(options.hostsdir);
    if (why && barred.empty()) barred = *why;
  }
  if (!barred.empty()) {
    return problem(check, barred, "give dnsmasq's user the right to read it");
  }
  if (!pids.empty()) {
    return good(check,
                fmt::format("process {} reads {}", pids, options.hostsdir));
  }
  if (!scan.blind.empty()) {
    return not_known(check, scan.blind, "run it as root, on the host");
  }
  return problem(
      check,
      fmt::format("no dnsmasq reads {}: nothing is filtered", options.hostsdir),
      fmt::format("start dnsmasq with --dhcp-hostsdir={} (not "
                  "--hostsdir)",
                  options.hostsdir));
}

}  // namespace

std::optional<std::string> silent_file_system(long type) {
  switch (type) {
    case NFS_SUPER_MAGIC:
      return "NFS";
    case SMB_SUPER_MAGIC:
    case CIFS_SUPER_MAGIC:
    case SMB2_SUPER_MAGIC:
      return "SMB";
    case V9FS_MAGIC:
      return "9p";
    case AFS_SUPER_MAGIC:
    case AFS_FS_MAGIC:
      return "AFS";
    case CEPH_SUPER_MAGIC:
      return "CephFS";
    case CODA_SUPER_MAGIC:
      return "Coda";
    case OCFS2_SUPER_MAGIC:
      return "OCFS2";
    case kLustre:
      return "Lustre";
    case kGfs2:
      return "GFS2";
    case FUSE_SUPER_MAGIC:
      return "a FUSE file system";
    default:
      return std::nullopt;
  }
}

std::vector<Finding> examine_dnsmasq(const DnsmasqOptions& options) {
  return {examine_place(options), examine_readers(options)};
}

}  // namespace pxegate
