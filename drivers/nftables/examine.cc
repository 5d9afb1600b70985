// SPDX-License-Identifier: Apache-2.0
#include "drivers/nftables/examine.h"

#include <fmt/format.h>
#include <net/if.h>

#include <string>

#include "controller/driver/examine_link.h"
#include "drivers/nftables/nft_context.h"
#include "drivers/nftables/ruleset.h"

namespace pxegate {
namespace {

Finding examine_kernel_tables(const NftablesOptions& options,
                              const std::vector<std::string>& present) {
  const std::string check = "nftables";
  const auto checked =
      check_nft(build_script(options.table, present, FilterContents{}));
  if (checked) {
    return good(check, "the kernel takes the table (checked, not loaded)");
  }
  return problem(check, checked.error().message(),
                 checked.error().code() == ErrorCode::kPermission
                     ? "run it as root, or with CAP_NET_ADMIN"
                     : "choose another [pxe_filter] driver, or a kernel with "
                       "nf_tables and its family netdev");
}

}  // namespace

std::vector<Finding> examine_nftables(const NftablesOptions& options) {
  std::vector<Finding> findings;
  std::vector<std::string> present;
  for (const std::string& interface : options.interfaces) {
    findings.push_back(examine_link(interface, "[nftables] interfaces"));
    if (::if_nametoindex(interface.c_str()) != 0) present.push_back(interface);
  }
  findings.push_back(examine_kernel_tables(options, present));
  return findings;
}

}  // namespace pxegate
