// SPDX-License-Identifier: Apache-2.0
#include "drivers/dnsmasq/foreign_files.h"

#include "controller/base/log.h"
#include "drivers/dnsmasq/dnsmasq_status.h"

namespace pxegate {

void ForeignFiles::note(const std::string& directory, const HostsListing& found,
                        const std::vector<std::string>& strangers) {
  files_ = found.foreign;
  for (const std::string& name : strangers) {
    files_.push_back({name, /*lets_in=*/true});
  }
  std::vector<std::string> opening;
  std::vector<std::string> harmless;
  for (const ForeignFile& file : files_) {
    if (!warned_.insert(file.name).second) continue;
    (file.lets_in ? opening : harmless).push_back(file.name);
  }
  if (!opening.empty()) {
    log::error(
        "files in {} that are not pxegate's may let machines in, whatever the "
        "policy says: {}; they are left alone",
        directory, name_some(opening));
  }
  if (!harmless.empty()) {
    log::warning("files in {} are not pxegate's and are left alone: {}",
                 directory, name_some(harmless));
  }
}

}  // namespace pxegate
