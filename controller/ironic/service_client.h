// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_IRONIC_SERVICE_CLIENT_H_
#define PXEGATE_CONTROLLER_IRONIC_SERVICE_CLIENT_H_

#include <compare>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/base/clock.h"
#include "controller/base/result.h"
#include "controller/ironic/authenticator.h"
#include "controller/ironic/http_transport.h"
#include "controller/ironic/login.h"

namespace pxegate {

// An OpenStack API microversion, as in "1.53".
struct ApiVersion {
  unsigned major = 1;
  unsigned minor = 0;

  static std::optional<ApiVersion> parse(std::string_view text);
  std::string to_string() const;
  auto operator<=>(const ApiVersion&) const = default;
};

// What sets one service apart from another.
struct ServiceTraits {
  std::string name;            // for messages, as in "Ironic"
  std::string section;         // of the configuration, as in "ironic"
  std::string version_prefix;  // of its version headers, lower case
  ApiVersion oldest;           // that has all that is asked for
  ApiVersion preferred;
};

// Query parameters in order; values as they are, not yet encoded.
using Query = std::vector<std::pair<std::string, std::string>>;

// What a request cannot do without.
struct Requirement {
  ApiVersion version{0, 0};
  std::string what{};  // for messages, as in "[pxe_filter] shard"
};

// GET on one OpenStack service: authentication, microversion, and what an
// answer other than 200 means. Does not wait and does not retry, save once on
// 401 when the credentials could be renewed and once on 406 with a version
// that the service does have. Not thread-safe.
//
// An endpoint of the catalogue that has no TLS, though the authenticator is
// confidential(), is warned of in the log, once for each.
//
// Asks in the version that it prefers, or a request needs, and in the newest
// that the service has where that is older: every answer says which it has, so
// that one that is upgraded or downgraded meanwhile is followed.
class ServiceClient {
 public:
  struct Answer {
    std::string request;  // "GET http://…", for messages
    std::string body;
  };

  // `endpoint_override` is the URL under which /v1 lives, with or without a
  // trailing "/v1" or "/"; kInvalid where it is none. Empty: the
  // authenticator's catalogue is asked when the first request is made, and
  // after each login; kInvalid where it has none. The references must outlive
  // this.
  static Result<ServiceClient> make(ServiceTraits traits,
                                    std::string_view endpoint_override,
                                    HttpTransport& transport,
                                    Authenticator& authenticator,
                                    const Clock& clock);

  // The body of a 200. kNotFound only when the service itself says that the
  // thing named by `subject` (a UUID that occurs in the query) is gone: any
  // other 404 comes from a wrong address and is kFailed. kPermission for
  // 401 and 403, kUnavailable with retry_after() for what may pass. kFailed
  // where the service has no version with what is needed.
  Result<Answer> get(std::string_view path, const Query& query,
                     std::string_view subject = {},
                     const Requirement& needs = {});

  // By the latest request's login.
  const std::optional<SourceLogin>& login_in_use() const {
    return login_in_use_;
  }
  // As Authenticator's.
  void retry_login() { authenticator_->retry_login(); }

  // Without /v1. May log in.
  Result<std::string> endpoint();
  // The same for the latest request, where endpoint_override is not set; empty
  // before the first.
  const std::string& last_endpoint() const { return last_endpoint_; }
  // How often a new login's catalogue named another one: what was read before
  // and after may be of two servers.
  unsigned moves() const { return moves_; }
  // Whether its latest answer says that the service has that version.
  bool offers(ApiVersion version) const {
    return offered_ && offered_->highest >= version;
  }
  // The status of the latest answer; 0: the latest request had none.
  int last_status() const { return last_status_; }
  // What is known by now, but for `complete` and `why`.
  Result<Login> login();

 private:
  struct Offer {
    ApiVersion lowest;
    ApiVersion highest;
  };

  ServiceClient(ServiceTraits traits, std::string base,
                HttpTransport& transport, Authenticator& authenticator,
                const Clock& clock);

  ApiVersion version_for(const Requirement& needs) const;
  Result<HttpResponse> exchange(const HttpRequest& request, ApiVersion version,
                                std::string_view base);
  void note_versions(const HttpResponse& response);
  Result<bool> renegotiate(ApiVersion refused, const Requirement& needs) const;
  Error status_error(const HttpResponse& response, std::string_view subject,
                     ApiVersion version, std::string_view base) const;
  std::string setting(std::string_view option) const;
  std::string place(std::string_view base) const;
  // What is wrong with asking there, though it may be meant; empty: nothing.
  std::string exposure(std::string_view base) const;

  ServiceTraits traits_;
  std::string override_;  // without "/v1" and without trailing '/'
  std::string last_endpoint_;
  unsigned moves_ = 0;
  std::optional<SourceLogin> login_in_use_;
  HttpTransport* transport_;
  Authenticator* authenticator_;
  const Clock* clock_;
  std::set<std::string, std::less<>> exposed_;  // warned of; bounded
  std::optional<Offer> offered_;       // by the latest answer that said so
  std::optional<ApiVersion> version_;  // of the latest 200
  int last_status_ = 0;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_IRONIC_SERVICE_CLIENT_H_
