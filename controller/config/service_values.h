// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_CONFIG_SERVICE_VALUES_H_
#define PXEGATE_CONTROLLER_CONFIG_SERVICE_VALUES_H_

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/secret.h"
#include "controller/config/config.h"

namespace pxegate {

// A value for an option of [ironic] or [inspector] that stands in no file of
// pxegate's.
struct ServiceValue {
  std::string option;  // its name in the table
  Secret text;         // as it would stand in the file; may be a password
  std::string place;  // for messages: "/etc/…/clouds.yaml:7: clouds.x.auth.y"
};

// OS_* variables, by name.
using Environment = std::map<std::string, Secret, std::less<>>;

// Which option of `section` ("ironic" or "inspector") openstacksdk's `key` in
// clouds.yaml, or OS_KEY in the environment, stands for: "username",
// "tenant_name", "cacert", "baremetal_endpoint_override"… in lower case, with
// underscores. Empty where it stands for none.
struct ServiceKey {
  std::string_view option;  // lives as long as the program
  bool own = false;         // about this service, before what is about all
  bool alias = false;       // another name, behind the option's own
  bool negated = false;     // a boolean that says the opposite (`verify`)
};
ServiceKey service_key(std::string_view section, std::string_view key);

// What `text` would be in a file of pxegate's: `publicURL` is public, and so
// on.
Secret service_text(const ServiceKey& key, std::string_view text);

// What OS_* says about `section`, in the option table's words.
std::vector<ServiceValue> environment_values(const Environment& environment,
                                             std::string_view section);

// What `values` still has to say where an operator has set the options named
// in `given`: not these, nor another user, application credential or scope
// than the operator's. As openstacksdk does, takes the domain of a login to a
// project for that of user and project.
std::vector<ServiceValue> values_beside(std::vector<ServiceValue> values,
                                        const std::set<std::string>& given);

// Fills in what follows from the rest: auth_type, unless `auth_type_given`,
// and the domains that default_domain_* stands for.
void complete(ServiceConfig& service, bool auth_type_given);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_CONFIG_SERVICE_VALUES_H_
