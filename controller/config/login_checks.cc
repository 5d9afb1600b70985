// SPDX-License-Identifier: Apache-2.0
//
// What of [ironic] and [inspector] fits together: as keystoneauth's plug-ins
// have it, and where they silently take one of two, it is an error here.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "controller/config/combinations.h"

namespace pxegate {
namespace {

class LoginChecks {
 public:
  LoginChecks(std::string_view section, const ServiceConfig& service)
      : section_(section), service_(service) {}

  std::vector<Misfit> run() {
    switch (service_.auth_type) {
      case AuthType::kNone:
        check_none();
        break;
      case AuthType::kHttpBasic:
        check_basic();
        break;
      case AuthType::kPassword:
        need(service_.auth_url, "auth_url", "the URL of Keystone");
        check_user("auth_type = password");
        need(!service_.password.empty(), "password",
             "the user's password for auth_type = password");
        check_scope();
        break;
      case AuthType::kApplicationCredential:
        need(service_.auth_url, "auth_url", "the URL of Keystone");
        check_application_credential();
        break;
      case AuthType::kToken:
        need(service_.auth_url, "auth_url", "the URL of Keystone");
        need(!service_.token.empty(), "token", "a token of Keystone's");
        check_scope();
        break;
    }
    if (service_.insecure) {
      warn("insecure",
           "true: whoever is on the way can pass for the service, and take the "
           "login or tell which machines boot; expected cafile instead");
    }
    if (!service_.keyfile.empty() && service_.certfile.empty()) {
      error("keyfile", "is of no use without certfile; expected both");
    }
    return std::move(found_);
  }

 private:
  void error(std::string_view name, std::string what) {
    found_.push_back({section_, name, true, std::move(what)});
  }
  void warn(std::string_view name, std::string what) {
    found_.push_back({section_, name, false, std::move(what)});
  }
  void need(bool set, std::string_view name, std::string_view expected) {
    if (!set) error(name, fmt::format("not set; expected {}", expected));
  }
  void need(const std::string& text, std::string_view name,
            std::string_view expected) {
    need(!text.empty(), name, expected);
  }

  void check_none() {
    if (!service_.username.empty()) {
      warn("username",
           "has no effect with auth_type = none; http_basic makes use of it, "
           "and password with auth_url");
    }
  }

  void check_basic() {
    need(service_.username, "username", "the user for auth_type = http_basic");
    need(!service_.password.empty(), "password",
         "the password for auth_type = http_basic");
    if (service_.username.find(':') != std::string::npos) {
      error("username",
            "holds a ':', which http_basic has no way to send; "
            "expected a name without");
    }
  }

  void check_user(std::string_view purpose) {
    if (!service_.user_id.empty()) {
      if (!service_.username.empty()) {
        warn("username", "has no effect beside user_id");
      }
      return;
    }
    need(service_.username, "username",
         fmt::format("it, or user_id, for {}", purpose));
    if (service_.username.empty()) return;
    need(!service_.user_domain_id.empty() || !service_.user_domain_name.empty(),
         "user_domain_name",
         "it, or user_domain_id, since a username is one of a domain: mostly "
         "Default");
  }

  void check_application_credential() {
    need(!service_.application_credential_secret.empty(),
         "application_credential_secret",
         "the secret for auth_type = v3applicationcredential");
    if (service_.application_credential_id.empty()) {
      need(service_.application_credential_name, "application_credential_id",
           "it, or application_credential_name and the user whose it is");
      if (!service_.application_credential_name.empty()) {
        check_user("application_credential_name");
      }
    }
    for (const std::string_view scope : scopes()) {
      error(scope,
            "cannot be had with an application credential, which carries "
            "its scope itself; expected none");
    }
  }

  // The options that say for what the login is, one for each scope.
  std::vector<std::string_view> scopes() const {
    std::vector<std::string_view> found;
    if (!service_.system_scope.empty()) found.push_back("system_scope");
    if (!service_.project_id.empty()) {
      found.push_back("project_id");
    } else if (!service_.project_name.empty()) {
      found.push_back("project_name");
    }
    if (!service_.domain_id.empty()) {
      found.push_back("domain_id");
    } else if (!service_.domain_name.empty()) {
      found.push_back("domain_name");
    }
    if (!service_.trust_id.empty()) found.push_back("trust_id");
    return found;
  }

  void check_scope() {
    const std::vector<std::string_view> found = scopes();
    if (found.empty()) {
      error("system_scope",
            "not set; expected all, by which Ironic shows every node (or a "
            "project)");
    }
    if (found.size() > 1) {
      error(found.front(),
            fmt::format("{} are set, but a login has one scope; expected "
                        "system_scope = all alone, by which Ironic shows every "
                        "node, or one of the others",
                        fmt::join(found, " and ")));
    }
    if (service_.project_id.empty() && !service_.project_name.empty()) {
      need(!service_.project_domain_id.empty() ||
               !service_.project_domain_name.empty(),
           "project_domain_name",
           "it, or project_domain_id, since a project_name is one of a domain: "
           "mostly Default");
    }
  }

  std::string_view section_;
  const ServiceConfig& service_;
  std::vector<Misfit> found_;
};

}  // namespace

std::vector<Misfit> find_login_misfits(std::string_view section,
                                       const ServiceConfig& service) {
  return LoginChecks(section, service).run();
}

}  // namespace pxegate
