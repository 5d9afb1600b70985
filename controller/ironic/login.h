// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_IRONIC_LOGIN_H_
#define PXEGATE_CONTROLLER_IRONIC_LOGIN_H_

#include <string>
#include <vector>

namespace pxegate {

// Whom a service takes us for. No secrets.
struct SourceLogin {
  std::string user;
  std::string scope;  // "system", "project NAME", "domain NAME"; or empty

  bool operator==(const SourceLogin&) const = default;
};

// Who asks, where, and what it is shown: for `config check --connect`.
struct Login {
  std::string auth;          // as in "auth_type = password, username = …"
  std::string user;          // as Keystone says, or of http_basic
  std::string scope;         // as Keystone says; empty without Keystone
  std::string endpoint;      // of the service, without /v1
  std::string microversion;  // in use, as in "1.53"
  std::string newest_microversion;  // that the service offers
  bool complete = false;  // a list is all there is (in what it is narrowed to)
  std::string why;        // and why not, with what to do
  std::vector<std::string> warnings;  // worth knowing, with what to do
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_IRONIC_LOGIN_H_
