// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_IRONIC_HTTP_ANSWER_H_
#define PXEGATE_CONTROLLER_IRONIC_HTTP_ANSWER_H_

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "controller/base/clock.h"
#include "controller/base/result.h"
#include "controller/ironic/http_transport.h"

namespace pxegate {

// What an OpenStack service's answer other than success means. Pure.

// nullptr where there is none. Names are lower case.
const std::string* find_header(const HttpResponse& response,
                               const std::string& name);

// "HTTP 503 Service Unavailable"
std::string status_text(int status);
// kPermission for 401, 403 and 407, kUnavailable for what may pass.
ErrorCode status_error_code(int status);

// What a service says went wrong, to be quoted; empty where it says nothing
// that can be understood. Ironic wraps its fault as text inside
// {"error_message": …}, ironic-inspector and Keystone have
// {"error": {"message": …}}.
std::string fault_of(std::string_view body);

// The delay of a Retry-After header, seconds or date; nullopt where it has
// neither form. Never negative and never more than ten minutes, so that a
// confused clock cannot silence us for good.
std::optional<std::chrono::seconds> parse_retry_after(std::string_view value,
                                                      WallTime now);
// That of an answer, where it has one.
std::optional<std::chrono::seconds> retry_after_of(const HttpResponse& response,
                                                   WallTime now);

// The URL of a service without slashes at its end. kInvalid, as in "is "x",
// expected a URL …", for what is none; one that holds a user name is not
// repeated.
Result<std::string> service_url(std::string_view url);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_IRONIC_HTTP_ANSWER_H_
