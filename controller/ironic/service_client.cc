// SPDX-License-Identifier: Apache-2.0
#include "controller/ironic/service_client.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "controller/base/text.h"

namespace pxegate {
namespace {

using nlohmann::json;
using std::chrono::seconds;

constexpr seconds kLongestRetryAfter{600};
// An error body longer than this is not worth parsing.
constexpr std::size_t kMaxFault = std::size_t{64} << 10;
constexpr std::size_t kQuotedFault = 300;

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
        (c >= '0' && c <= '9') ||
        std::string_view("-._~,").find(c) != std::string_view::npos;
    if (plain) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

const std::string* find_header(const HttpResponse& response,
                               const std::string& name) {
  const auto found = response.headers.find(name);
  return found == response.headers.end() ? nullptr : &found->second;
}

// Parses JSON of an error page, where nesting is never deep: refuses what
// could be, before the parser sees it.
json parse_small(std::string_view text) {
  constexpr int kMaxBrackets = 100;
  if (text.size() > kMaxFault || std::ranges::count_if(text, [](char c) {
                                   return c == '[' || c == '{';
                                 }) > kMaxBrackets) {
    return json(json::value_t::discarded);
  }
  return json::parse(text, nullptr, false);
}

// The member of an object that is text, or nullptr.
const std::string* text_member(const json& object, const char* name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string()) return nullptr;
  return found->get_ptr<const std::string*>();
}

// What a service says went wrong; empty where it says nothing that can be
// understood. Ironic wraps its fault as text inside {"error_message": …},
// ironic-inspector has {"error": {"message": …}}.
std::string fault_of(std::string_view body) {
  const json outer = parse_small(body);
  if (!outer.is_object()) return {};
  json fault;
  if (const std::string* text = text_member(outer, "error_message")) {
    fault = parse_small(*text);
    if (!fault.is_object()) return *text;
  } else if (const auto nested = outer.find("error_message");
             nested != outer.end()) {
    fault = *nested;
  } else if (const auto error = outer.find("error"); error != outer.end()) {
    fault = *error;
  }
  for (const char* name : {"faultstring", "description", "message", "title"}) {
    const std::string* text = text_member(fault, name);
    if (text != nullptr && !text->empty()) return *text;
  }
  return {};
}

// The fault, or else the first bytes of what there is, as ": …".
std::string explanation(const HttpResponse& response) {
  const std::string fault = fault_of(response.body);
  if (!fault.empty()) return ": " + pxegate::quoted(fault, kQuotedFault);
  const std::size_t first = response.body.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return {};
  const std::string_view rest = std::string_view(response.body).substr(first);
  return (rest.front() == '<' ? ": HTML: " : ": ") + pxegate::quoted(rest);
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 400:
      return " Bad Request";
    case 401:
      return " Unauthorized";
    case 403:
      return " Forbidden";
    case 404:
      return " Not Found";
    case 406:
      return " Not Acceptable";
    case 409:
      return " Conflict";
    case 429:
      return " Too Many Requests";
    case 500:
      return " Internal Server Error";
    case 502:
      return " Bad Gateway";
    case 503:
      return " Service Unavailable";
    case 504:
      return " Gateway Timeout";
    default:
      return "";
  }
}

ErrorCode code_of(int status) {
  switch (status) {
    case 400:
      return ErrorCode::kInvalid;
    case 401:
    case 403:
    case 407:
      return ErrorCode::kPermission;
    case 409:
      return ErrorCode::kConflict;
    case 408:
    case 423:
    case 425:
    case 429:
      return ErrorCode::kUnavailable;
    default:
      return status >= 500 ? ErrorCode::kUnavailable : ErrorCode::kFailed;
  }
}

std::optional<unsigned> parse_number(std::string_view text) {
  unsigned value = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || rest != end) return std::nullopt;
  return value;
}

}  // namespace

std::optional<ApiVersion> ApiVersion::parse(std::string_view text) {
  const std::size_t dot = text.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const auto major_part = parse_number(text.substr(0, dot));
  const auto minor_part = parse_number(text.substr(dot + 1));
  if (!major_part || !minor_part) return std::nullopt;
  return ApiVersion{*major_part, *minor_part};
}

std::string ApiVersion::to_string() const {
  return fmt::format("{}.{}", major, minor);
}

std::optional<seconds> parse_retry_after(std::string_view value, WallTime now) {
  const auto bounded = [](seconds delay) {
    return std::clamp(delay, seconds{0}, kLongestRetryAfter);
  };
  if (!value.empty() &&
      value.find_first_not_of("0123456789") == std::string_view::npos) {
    const auto number = parse_number(value);
    // More digits than a number holds: very long.
    return number ? bounded(seconds{*number}) : kLongestRetryAfter;
  }
  std::tm fields{};
  const std::string text(value);
  const char* end =
      strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &fields);
  if (end == nullptr || *end != '\0') return std::nullopt;
  // In whole seconds: a far date does not fit in the clock's nanoseconds.
  return bounded(seconds{timegm(&fields)} -
                 std::chrono::floor<seconds>(now.time_since_epoch()));
}

Result<ServiceClient> ServiceClient::make(ServiceTraits traits,
                                          std::string_view endpoint,
                                          HttpTransport& transport,
                                          Authenticator& authenticator,
                                          const Clock& clock) {
  const auto invalid = [&](std::string_view problem) {
    return fail(
        fmt::format("[{}] endpoint_override {}", traits.section, problem),
        ErrorCode::kInvalid);
  };
  if (endpoint.empty()) return invalid("is not set");
  const std::size_t scheme = endpoint.starts_with("http://")    ? 7
                             : endpoint.starts_with("https://") ? 8
                                                                : 0;
  const std::string_view rest = endpoint.substr(scheme);
  const std::string_view host = rest.substr(0, rest.find('/'));
  // Checked first: what may hold a password is not repeated in a message.
  if (host.find('@') != std::string_view::npos) {
    return invalid(
        "holds a user name: give it as username and password, with "
        "auth_type = http_basic");
  }
  if (scheme == 0 || host.empty() || host.front() == ':') {
    return invalid("is " + pxegate::quoted(endpoint) +
                   ", expected a URL as in http://192.0.2.1:6385");
  }
  const auto is_unfit = [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f || c == '?' ||
           c == '#';
  };
  if (std::ranges::any_of(endpoint, is_unfit)) {
    return invalid("is " + pxegate::quoted(endpoint) +
                   ", expected a URL without spaces, query and fragment");
  }
  const auto without_slashes = [](std::string_view text) {
    while (text.ends_with('/')) text.remove_suffix(1);
    return text;
  };
  std::string_view base = without_slashes(endpoint);
  if (base.ends_with("/v1")) {
    base = without_slashes(base.substr(0, base.size() - 3));
  }
  return ServiceClient(std::move(traits), std::string(base), transport,
                       authenticator, clock);
}

ServiceClient::ServiceClient(ServiceTraits traits, std::string base,
                             HttpTransport& transport,
                             Authenticator& authenticator, const Clock& clock)
    : traits_(std::move(traits)),
      base_(std::move(base)),
      transport_(&transport),
      authenticator_(&authenticator),
      clock_(&clock),
      version_(traits_.preferred) {}

std::string ServiceClient::setting(std::string_view option) const {
  return fmt::format("[{}] {}", traits_.section, option);
}

Result<HttpResponse> ServiceClient::exchange(const HttpRequest& request) {
  HttpRequest attempt = request;
  attempt.headers[traits_.version_prefix + "version"] = version_.to_string();
  if (auto added = authenticator_->authorize(attempt); !added) {
    return fail(added.error().within(request.method + " " + request.url));
  }
  auto response = transport_->send(attempt);
  if (!response && response.error().code() == ErrorCode::kUnavailable) {
    return fail(Error(fmt::format("{} (is {} running at {} = {}?)",
                                  response.error().message(), traits_.name,
                                  setting("endpoint_override"), base_),
                      ErrorCode::kUnavailable));
  }
  return response;
}

// After a 406: picks a version that both sides have. False where the version
// was not the problem.
Result<bool> ServiceClient::renegotiate(const HttpResponse& response) {
  const auto version_in = [&](std::string_view name) {
    const std::string* text =
        find_header(response, traits_.version_prefix + std::string(name));
    return text != nullptr ? ApiVersion::parse(*text) : std::nullopt;
  };
  const auto lowest = version_in("minimum-version");
  const auto highest = version_in("maximum-version");
  if (!lowest || !highest) return false;
  if (*highest < traits_.oldest || lowest->major != traits_.preferred.major) {
    return fail(
        fmt::format("{} offers API versions {} to {}, pxegate needs "
                    "{}.{} or later",
                    traits_.name, lowest->to_string(), highest->to_string(),
                    traits_.oldest.major, traits_.oldest.minor));
  }
  const ApiVersion chosen =
      std::max(std::min(traits_.preferred, *highest), *lowest);
  if (chosen == version_) return false;
  version_ = chosen;
  return true;
}

Error ServiceClient::status_error(const HttpResponse& response,
                                  std::string_view subject) const {
  const int status = response.status;
  std::string message = fmt::format("HTTP {}{}", status, reason_phrase(status));
  ErrorCode code = code_of(status);
  std::string hint;
  if (status >= 300 && status < 400) {
    const std::string* target = find_header(response, "location");
    hint = fmt::format("; redirects are not followed, set {} to where {} is",
                       setting("endpoint_override"), traits_.name);
    message +=
        " to " + pxegate::quoted(target != nullptr ? *target : "nowhere", 200);
  } else {
    message += explanation(response);
  }
  if (status == 401) {
    hint = fmt::format("; check {}, {} and {} (now {})", setting("auth_type"),
                       setting("username"), setting("password"),
                       authenticator_->describe());
  } else if (status == 403) {
    hint = fmt::format("; the account may not read this (now {})",
                       authenticator_->describe());
  } else if (status == 404) {
    // A proxy's or another server's page does not name the thing in a fault.
    if (!subject.empty() &&
        fault_of(response.body).find(subject) != std::string::npos) {
      code = ErrorCode::kNotFound;
    } else {
      hint = fmt::format("; check {}: there seems to be no {} at {}",
                         setting("endpoint_override"), traits_.name, base_);
    }
  } else if (status == 406) {
    hint = fmt::format("; asked for API version {}", version_.to_string());
  }
  std::optional<seconds> delay;
  if (const std::string* text = find_header(response, "retry-after")) {
    delay = parse_retry_after(*text, clock_->wall());
  }
  return Error(message + hint, code).retry_after(delay);
}

Result<ServiceClient::Answer> ServiceClient::get(std::string_view path,
                                                 const Query& query,
                                                 std::string_view subject) {
  HttpRequest request;
  request.url = base_ + std::string(path);
  char separator = '?';
  for (const auto& [name, value] : query) {
    request.url += separator;
    request.url += name + "=" + percent_encoded(value);
    separator = '&';
  }
  request.headers["accept"] = "application/json";

  Answer answer{.request = request.method + " " + request.url, .body = {}};
  const auto failed = [&answer](const Error& error) {
    return fail(error.within(answer.request));
  };
  bool renewed = false;
  bool renegotiated = false;
  for (;;) {
    auto response = exchange(request);
    if (!response) return fail(response.error());
    if (response->status == 200) {
      answer.body = std::move(response->body);
      return answer;
    }
    if (response->status == 401 && !std::exchange(renewed, true)) {
      const auto newer = authenticator_->renew();
      if (!newer) return failed(newer.error());
      if (*newer) continue;
    }
    if (response->status == 406 && !std::exchange(renegotiated, true)) {
      const auto another = renegotiate(*response);
      if (!another) return failed(another.error());
      if (*another) continue;
    }
    return failed(status_error(*response, subject));
  }
}

}  // namespace pxegate
