// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_CONFIG_CLOUDS_H_
#define PXEGATE_CONTROLLER_CONFIG_CLOUDS_H_

#include <string>
#include <string_view>
#include <vector>

#include "controller/base/result.h"
#include "controller/config/service_values.h"

namespace pxegate {

// Where openstacksdk's clouds.yaml and secure.yaml are.
struct CloudFiles {
  std::string clouds;  // OS_CLIENT_CONFIG_FILE; empty: looked for in `dirs`
  std::string secure;  // OS_CLIENT_SECURE_FILE; likewise
  // The first that has one (.yaml, .yml or .json) is read. Only where root
  // alone may write, for a program that root runs.
  std::vector<std::string> dirs = {"/etc/openstack"};
};

struct Cloud {
  std::vector<ServiceValue> values;   // one for an option
  std::vector<std::string> warnings;  // with file and line
  std::string file;                   // clouds.yaml that was read
};

// What the entry `name` of clouds.yaml says about `section` ("ironic" or
// "inspector"), in the option table's words. secure.yaml goes before it, and
// what is about this service (baremetal_…, baremetal_introspection_…) before
// what is about all. What no login has to do with is passed over in silence; an
// `auth` key that nobody knows is a warning, and so is a password in a file
// that everybody can read, and a file that others than root and we can write.
// kNotFound where there is no such file or entry,
// kInvalid, with file, line and key, for what cannot be read: it is hostile
// until then.
Result<Cloud> read_cloud(std::string_view name, std::string_view section,
                         const CloudFiles& where);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_CONFIG_CLOUDS_H_
