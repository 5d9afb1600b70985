// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_IRONIC_SERVICE_CLIENT_H_
#define PXEGATE_CONTROLLER_IRONIC_SERVICE_CLIENT_H_

#include <compare>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/base/clock.h"
#include "controller/base/result.h"
#include "controller/ironic/authenticator.h"
#include "controller/ironic/http_transport.h"

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

// GET on one OpenStack service: authentication, microversion, and what an
// answer other than 200 means. Does not wait and does not retry, save once on
// 401 when the credentials could be renewed and once on 406 with a version
// that the service does have. Not thread-safe.
class ServiceClient {
 public:
  struct Answer {
    std::string request;  // "GET http://…", for messages
    std::string body;
  };

  // `endpoint` is the URL under which /v1 lives; with or without a trailing
  // "/v1" or "/". kInvalid where it is none. The references must outlive
  // this.
  static Result<ServiceClient> make(ServiceTraits traits,
                                    std::string_view endpoint,
                                    HttpTransport& transport,
                                    Authenticator& authenticator,
                                    const Clock& clock);

  // The body of a 200. kNotFound only when the service itself says that the
  // thing named by `subject` (a UUID that occurs in the query) is gone: any
  // other 404 comes from a wrong address and is kFailed. kPermission for
  // 401 and 403, kUnavailable with retry_after() for what may pass.
  Result<Answer> get(std::string_view path, const Query& query,
                     std::string_view subject = {});

 private:
  ServiceClient(ServiceTraits traits, std::string base,
                HttpTransport& transport, Authenticator& authenticator,
                const Clock& clock);

  Result<HttpResponse> exchange(const HttpRequest& request);
  Result<bool> renegotiate(const HttpResponse& response);
  Error status_error(const HttpResponse& response,
                     std::string_view subject) const;
  std::string setting(std::string_view option) const;

  ServiceTraits traits_;
  std::string base_;  // without "/v1" and without trailing '/'
  HttpTransport* transport_;
  Authenticator* authenticator_;
  const Clock* clock_;
  ApiVersion version_;
};

// The delay of a Retry-After header, seconds or date; nullopt where it has
// neither form. Never negative and never more than ten minutes, so that a
// confused clock cannot silence us for good.
std::optional<std::chrono::seconds> parse_retry_after(std::string_view value,
                                                      WallTime now);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_IRONIC_SERVICE_CLIENT_H_
