// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_IRONIC_AUTHENTICATOR_H_
#define PXEGATE_CONTROLLER_IRONIC_AUTHENTICATOR_H_

#include <string>
#include <string_view>

#include "controller/base/result.h"
#include "controller/ironic/http_transport.h"

namespace pxegate {

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

  // How it authenticates, for messages: as in "auth_type = none". No secrets.
  virtual std::string describe() const = 0;
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

 private:
  std::string username_;
  std::string header_;  // secret
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_IRONIC_AUTHENTICATOR_H_
