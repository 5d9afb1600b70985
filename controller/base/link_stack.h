// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_BASE_LINK_STACK_H_
#define PXEGATE_CONTROLLER_BASE_LINK_STACK_H_

#include <map>
#include <string>
#include <vector>

#include "controller/base/result.h"

namespace pxegate {

// Every network interface, each with those that it is made of: a bridge's
// ports, a bond's members, a VLAN's or macvlan's trunk.
using LinkStack = std::map<std::string, std::vector<std::string>>;

// Of the calling thread's network namespace (rtnetlink(7), RTM_GETLINK; /sys
// may be that of another one).
Result<LinkStack> read_link_stack();

// Whether another interface is made of this one.
bool carries_others(const LinkStack& links, const std::string& interface);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_BASE_LINK_STACK_H_
