// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_DNSMASQ_FOREIGN_FILES_H_
#define PXEGATE_DRIVERS_DNSMASQ_FOREIGN_FILES_H_

#include <set>
#include <string>
#include <vector>

#include "drivers/dnsmasq/hosts_dir.h"

namespace pxegate {

// The files in the directory that are not ours, each warned about once.
class ForeignFiles {
 public:
  // `strangers`: names of MAC addresses with something else behind them.
  void note(const std::string& directory, const HostsListing& found,
            const std::vector<std::string>& strangers);
  const std::vector<ForeignFile>& files() const { return files_; }

 private:
  std::vector<ForeignFile> files_;
  std::set<std::string> warned_;
};

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_DNSMASQ_FOREIGN_FILES_H_
