// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_DNSMASQ_FORGET_H_
#define PXEGATE_DRIVERS_DNSMASQ_FORGET_H_

#include "controller/base/result.h"
#include "drivers/dnsmasq/feed.h"
#include "drivers/dnsmasq/hosts_dir.h"
#include "drivers/dnsmasq/plan.h"

namespace pxegate {

// Makes every dnsmasq that reads the directory answer everybody, and removes
// the files that are written as this driver writes them, whoever did, and no
// others. dnsmasq goes on ignoring a machine whose file is removed: all files
// allow before they go. So do those of the machines `held`, which dnsmasq may
// know though somebody removed their files. The error says what is left.
Result<> forget_everything(Feed& feed, const HostsDir& directory,
                           const Verdicts& held);

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_DNSMASQ_FORGET_H_
