// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_IRONIC_KEYSTONE_H_
#define PXEGATE_CONTROLLER_IRONIC_KEYSTONE_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/base/clock.h"
#include "controller/base/result.h"
#include "controller/base/secret.h"
#include "controller/ironic/authenticator.h"
#include "controller/ironic/http_transport.h"

namespace pxegate {

// auth_type = password, v3applicationcredential and token, with the names
// that keystoneauth1 has for them in its v3 plugins.
enum class KeystoneMethod { kPassword, kApplicationCredential, kToken };

// Names are keystoneauth's options; an empty one is not set.
struct KeystoneOptions {
  // For messages. Of the configuration: "ironic".
  std::string section{};
  // Where the login stands: "[service_catalog]", "cloud … of …"; empty: in
  // that section.
  std::string login_from{};
  KeystoneMethod method = KeystoneMethod::kPassword;
  std::string auth_url{};  // with or without /v3

  // Who: an id, or a name and its domain.
  std::string user_id{};
  std::string username{};
  std::string user_domain_id{};
  std::string user_domain_name{};
  Secret password{};
  std::string application_credential_id{};  // or name and user
  std::string application_credential_name{};
  Secret application_credential_secret{};
  Secret token{};

  // For what: one of project, domain, trust and system at most. None is right
  // for an application credential, which has its project in it.
  std::string project_id{};
  std::string project_name{};
  std::string project_domain_id{};
  std::string project_domain_name{};
  std::string domain_id{};
  std::string domain_name{};
  std::string trust_id{};
  std::string system_scope{};  // "all"

  // Which endpoint of the catalogue. "bare-metal" is another name of
  // baremetal, and "introspection" of baremetal-introspection.
  std::string service_type = "baremetal";
  std::string service_name{};
  // The first that the catalogue has; "internalURL" means "internal".
  std::vector<std::string> valid_interfaces = {"internal", "public"};
  std::string region_name{};

  bool operator==(const KeystoneOptions&) const = default;
};

// kInvalid, naming the options as "[section] option", for what cannot be a
// login: something missing, two scopes, an auth_url that is no URL, or a
// scope that says nothing of Ironic (password or token without any).
Result<> validate(const KeystoneOptions& options);

// Logs in to Keystone (Identity API v3, POST /v3/auth/tokens) and shows the
// token to the service.
//
// A token is renewed when two minutes or a quarter of its life are left,
// whichever is less, and once when the service refuses it. Its life is what
// Keystone says lies between issued_at and expires_at, counted on the
// monotonic clock: wall clocks may jump or differ. Where Keystone is down, a
// token is used to its end.
//
// Login is tried again no sooner than after a delay that doubles with each
// failure: from 1 s to 1 min, and from 30 s to 15 min where Keystone refuses
// the credentials, so that the account is not locked. Meanwhile authorize()
// fails at once, with the last error and a retry_after(). retry_login() ends
// that wait, at most once in 10 s, and never one that Keystone asked for.
//
// An answer of Keystone is as hostile as any: at most 32 MiB, and of it only
// what is needed is kept. Secrets are in no message, and their copies are
// overwritten, libcurl's excepted.
//
// Not thread-safe.
class KeystoneAuthenticator final : public Authenticator {
 public:
  // kInvalid as validate(). Sends nothing. The references must outlive this;
  // `transport` should be one that talks to Keystone alone.
  static Result<std::unique_ptr<KeystoneAuthenticator>> make(
      KeystoneOptions options, HttpTransport& transport, const Clock& clock);
  ~KeystoneAuthenticator() override;

  // kPermission where Keystone refuses the credentials or the scope,
  // kUnavailable where it cannot be reached.
  Result<> authorize(HttpRequest& request) override;
  Result<bool> renew() override;
  void retry_login() override;
  std::string describe() const override;

  bool confidential() const override;
  bool has_catalogue() const override { return true; }
  Result<std::string> endpoint() override;
  std::uint64_t generation() const override;
  std::optional<Identity> identity() const override;

 private:
  struct State;
  explicit KeystoneAuthenticator(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_IRONIC_KEYSTONE_H_
