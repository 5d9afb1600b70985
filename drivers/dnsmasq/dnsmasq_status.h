// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_DNSMASQ_DNSMASQ_STATUS_H_
#define PXEGATE_DRIVERS_DNSMASQ_DNSMASQ_STATUS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "controller/driver/filter_driver.h"
#include "drivers/dnsmasq/hosts_dir.h"

namespace pxegate {

// One dnsmasq that watches the directory.
struct ReaderFacts {
  int pid = 0;
  bool vouched = false;  // proved to know all that was written
  std::size_t unread = 0;
  std::uint64_t changes = 0;  // files it was made to read since it started
  std::string barred = {};    // why it cannot read the directory, or empty
};

struct DnsmasqFacts {
  std::string directory;
  bool synced = false;
  bool commands = false;  // a start command is configured
  std::string missing;    // why there is no directory, or empty
  std::vector<ReaderFacts> readers;
  std::string blind;  // as ReaderScan
  std::size_t rules = 0;
  std::vector<ForeignFile> foreign;
  std::size_t stray_allows = 0;
  std::size_t infiniband = 0;  // addresses in the policy
  std::size_t queue_limit = 0;
};

// From this many files on another driver is the better choice: an unknown
// machine's DISCOVER costs dnsmasq more than a millisecond.
inline constexpr std::size_t kManyFiles = 10'000;

// Pure.
DriverStatus describe_dnsmasq(const DnsmasqFacts& facts);

std::size_t count_infiniband(const Policy& policy);

// "ironic-x.conf, y and 3 more", quoted where that is needed.
std::string name_some(const std::vector<std::string>& names);

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_DNSMASQ_DNSMASQ_STATUS_H_
