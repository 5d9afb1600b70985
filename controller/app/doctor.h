// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_DOCTOR_H_
#define PXEGATE_CONTROLLER_APP_DOCTOR_H_

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "controller/app/json.h"
#include "controller/base/clock.h"
#include "controller/config/load_config.h"
#include "controller/driver/finding.h"

namespace pxegate {

// `pxegate doctor`: everything that a deployment gets wrong, one finding after
// the other.

struct DoctorOptions {
  // Send a DHCPDISCOVER, to see who else answers.
  bool probe = true;
};

using TellFinding = std::function<void(Finding)>;

// Looks at the configuration, the controller, this host, its DHCP servers,
// Ironic and the network; changes nothing. Quick checks come first; takes as
// long as the services' timeouts allow. A stop requested on `stop` ends it.
void examine_deployment(const LoadedConfig& loaded,
                        const DoctorOptions& options, const Clock& clock,
                        const std::stop_token& stop, const TellFinding& tell);

// One finding, for people: what was looked at, what was seen, what to do.
std::string finding_view(const Finding& finding);
// The last line.
std::string findings_summary(const std::vector<Finding>& findings);
Json findings_json(const std::vector<Finding>& findings);
// None is a problem.
bool all_well(const std::vector<Finding>& findings);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_DOCTOR_H_
