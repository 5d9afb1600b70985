// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_IRONIC_AUTHENTICATOR_H_
#define PXEGATE_CONTROLLER_IRONIC_AUTHENTICATOR_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/result.h"
#include "controller/base/secret.h"
#include "controller/ironic/http_transport.h"

namespace pxegate {

// Whom the service takes us for, as the identity service says. Texts came from
// there: to be quoted in messages.
struct Identity {
  std::string user;        // name, or else id
  std::string scope;       // "system", "project NAME", "domain NAME"
  bool system = false;     // scope is the whole system
  std::string project_id;  // empty: not scoped to a project
  std::vector<std::string> roles;
};

// Proves to a service who is asking: keystoneauth's `auth_type`. Not
// thread-safe.
class Authenticator {
 public:
  virtual ~Authenticator() = default;

  // Adds the headers that `request` needs. One that gets its proof from an
  // identity service may send requests of its own here.
  virtual Result<> authorize(HttpRequest& request) = 0;

  // The service answered 401 to what authorize() added. True when there is
  // something newer to offer now, so that one more try makes sense.
  virtual Result<bool> renew() = 0;

  // An operator asks for it: where an identity service refused a login, or was
  // away, the next authorize() tries again at once, though not more often than
  // it bears, nor sooner than it asked for itself.
  virtual void retry_login() {}

  // How it authenticates, for messages: as in "auth_type = none". No secrets.
  virtual std::string describe() const = 0;

  // Whether its proof is kept from listeners on its own way here: then one that
  // goes on in the clear is worth a warning.
  virtual bool confidential() const { return false; }

  // Whether endpoint() can ever tell one.
  virtual bool has_catalogue() const { return false; }
  // Where the service is, by the identity service's catalogue, of the current
  // login. May send requests, as authorize() does.
  virtual Result<std::string> endpoint();
  // Grows with each login: what the service shows may have changed.
  virtual std::uint64_t generation() const { return 0; }
  // Of the current login; nullopt where there is none. Of http_basic only the
  // user is known.
  virtual std::optional<Identity> identity() const { return std::nullopt; }
};

// auth_type = none
class NoAuthenticator final : public Authenticator {
 public:
  Result<> authorize(HttpRequest&) override { return {}; }
  Result<bool> renew() override { return false; }
  std::string describe() const override;
};

// auth_type = http_basic (RFC 7617)
class BasicAuthenticator final : public Authenticator {
 public:
  BasicAuthenticator(std::string username, std::string_view password);

  Result<> authorize(HttpRequest& request) override;
  Result<bool> renew() override { return false; }
  std::string describe() const override;
  std::optional<Identity> identity() const override;

 private:
  std::string username_;
  Secret header_;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_IRONIC_AUTHENTICATOR_H_
