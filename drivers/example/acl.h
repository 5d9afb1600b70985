// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_EXAMPLE_ACL_H_
#define PXEGATE_DRIVERS_EXAMPLE_ACL_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "controller/base/mac_address.h"
#include "controller/base/result.h"
#include "controller/core/policy.h"
#include "controller/driver/filter_driver.h"

namespace tor_switch {

// The switch's access list for DHCP requests, by the client's address
// (chaddr). As text, "default allow" or "default deny" and then a line for
// each address: "allow|deny MAC [SWITCH_ID/PORT_ID]", where Ironic knows the
// port that the machine is cabled to.
struct Acl {
  struct Entry {
    pxegate::Verdict verdict = pxegate::Verdict::kDeny;
    std::string port;  // "SWITCH_ID/PORT_ID" or empty
    bool operator==(const Entry&) const = default;
  };

  pxegate::Verdict others = pxegate::Verdict::kDeny;
  std::map<pxegate::MacAddress, Entry> entries;

  bool operator==(const Acl&) const = default;
};

// InfiniBand addresses are left out: the switch knows MAC addresses only.
Acl make_acl(const pxegate::Snapshot& desired);

std::string print(const Acl& acl);
// nullopt where `text` is empty: the switch has no list. kInvalid for anything
// else that print() does not write.
pxegate::Result<std::optional<Acl>> parse(std::string_view text);

pxegate::Policy policy_of(const Acl& acl);

}  // namespace tor_switch

#endif  // PXEGATE_DRIVERS_EXAMPLE_ACL_H_
