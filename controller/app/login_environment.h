// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_LOGIN_ENVIRONMENT_H_
#define PXEGATE_CONTROLLER_APP_LOGIN_ENVIRONMENT_H_

#include "controller/config/clouds.h"
#include "controller/config/service_values.h"

namespace pxegate {

// What the environment says of logins.
struct LoginEnvironment {
  Environment variables;  // OS_*
  // For a cloud that the configuration names: what a service may trust.
  CloudFiles clouds;
  // For OS_CLOUD: openstacksdk's places, the working directory and the user's
  // own among them.
  CloudFiles user_clouds;
};

// `variables` is a null-terminated list as environ(7) has it.
LoginEnvironment login_environment(const char* const* variables);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_LOGIN_ENVIRONMENT_H_
