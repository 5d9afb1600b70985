// SPDX-License-Identifier: Apache-2.0
#include "controller/ironic/service_client.h"

#include <fmt/format.h>
#include <algorithm>
#include <array>
#include <charconv>

#include "controller/base/log.h"
#include "controller/base/secret.h"
#include "controller/base/text.h"
#include "controller/ironic/http_answer.h"

namespace pxegate {
namespace {

constexpr std::size_t kQuotedFault = 300;
constexpr std::size_t kMaxExposed = 100;

// The fault, or else the first bytes of what there is, as ": …".
std::string explanation(const HttpResponse& response) {
  const std::string fault = fault_of(response.body);
  if (!fault.empty()) return ": " + pxegate::quoted(fault, kQuotedFault);
  const std::size_t first = response.body.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return {};
  const std::string_view rest = std::string_view(response.body).substr(first);
  return (rest.front() == '<' ? ": HTML: " : ": ") + pxegate::quoted(rest);
}

std::optional<unsigned> parse_number(std::string_view text) {
  unsigned value = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || rest != end) return std::nullopt;
  return value;
}

std::string without_version(std::string base) {
  if (base.ends_with("/v1")) base.resize(base.size() - 3);
  while (base.ends_with('/')) base.pop_back();
  return base;
}

// Headers that prove who we are.
constexpr std::array kCredentials = {"authorization", "x-auth-token"};

// What is shorter occurs by chance.
constexpr std::size_t kShortestCredential = 10;

// A server, or what stands before it, that repeats in its answer what it was
// asked with would get our credentials into messages.
bool repeats_credentials(const HttpHeaders& sent, std::string_view text) {
  return std::ranges::any_of(kCredentials, [&](const char* name) {
    const auto found = sent.find(name);
    return found != sent.end() && found->second.size() >= kShortestCredential &&
           memmem(text.data(), text.size(), found->second.data(),
                  found->second.size()) != nullptr;
  });
}

void wipe_credentials(HttpHeaders& sent) {
  for (const char* name : kCredentials) {
    const auto found = sent.find(name);
    if (found != sent.end()) wipe(found->second);
  }
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

Result<ServiceClient> ServiceClient::make(ServiceTraits traits,
                                          std::string_view endpoint_override,
                                          HttpTransport& transport,
                                          Authenticator& authenticator,
                                          const Clock& clock) {
  const std::string option =
      fmt::format("[{}] endpoint_override", traits.section);
  std::string base;
  if (!endpoint_override.empty()) {
    auto url = service_url(endpoint_override);
    if (!url) {
      return fail(option + " " + url.error().message(), ErrorCode::kInvalid);
    }
    base = without_version(*std::move(url));
  } else if (!authenticator.has_catalogue()) {
    return fail(fmt::format("{} is not set, and there is no catalogue with {}",
                            option, authenticator.describe()),
                ErrorCode::kInvalid);
  }
  return ServiceClient(std::move(traits), std::move(base), transport,
                       authenticator, clock);
}

ServiceClient::ServiceClient(ServiceTraits traits, std::string base,
                             HttpTransport& transport,
                             Authenticator& authenticator, const Clock& clock)
    : traits_(std::move(traits)),
      override_(std::move(base)),
      last_endpoint_(override_),
      transport_(&transport),
      authenticator_(&authenticator),
      clock_(&clock) {}

std::string ServiceClient::setting(std::string_view option) const {
  return fmt::format("[{}] {}", traits_.section, option);
}

std::string ServiceClient::place(std::string_view base) const {
  if (override_.empty()) {
    return fmt::format("{}, which is what the catalogue says", base);
  }
  return fmt::format("{} = {}", setting("endpoint_override"), base);
}

std::string ServiceClient::exposure(std::string_view base) const {
  if (!override_.empty() || !authenticator_->confidential() ||
      base.starts_with("https://")) {
    return {};
  }
  return fmt::format(
      "the catalogue has {} at {}, where the token and all answers can be read "
      "and changed on the way, though Keystone itself is asked by https: have "
      "an https endpoint in the catalogue, or set {}",
      traits_.name, base, setting("endpoint_override"));
}

Result<std::string> ServiceClient::endpoint() {
  if (!override_.empty()) return override_;
  auto found = authenticator_->endpoint();
  if (!found) return found;
  auto url = service_url(*found);
  if (!url) {
    return fail(fmt::format("the catalogue's endpoint of {} {}; set {}",
                            traits_.name, url.error().message(),
                            setting("endpoint_override")));
  }
  return without_version(*std::move(url));
}

// The version to ask in. What the service offered last only lowers it, and
// never below what is needed: it may have been upgraded since.
ApiVersion ServiceClient::version_for(const Requirement& needs) const {
  ApiVersion version = std::max(traits_.preferred, needs.version);
  if (!offered_) return version;
  if (offered_->highest >= std::max(traits_.oldest, needs.version)) {
    version = std::min(version, offered_->highest);
  }
  return std::max(version, offered_->lowest);
}

Result<HttpResponse> ServiceClient::exchange(const HttpRequest& request,
                                             ApiVersion version,
                                             std::string_view base) {
  HttpRequest attempt = request;
  attempt.headers[traits_.version_prefix + "version"] = version.to_string();
  if (auto added = authenticator_->authorize(attempt); !added) {
    return fail(added.error().within(request.method + " " + request.url));
  }
  if (const auto identity = authenticator_->identity()) {
    login_in_use_ = SourceLogin{identity->user, identity->scope};
  }
  auto response = transport_->send(attempt);
  bool repeated = false;
  last_status_ = response ? response->status : 0;
  if (response) {
    repeated = repeats_credentials(attempt.headers, response->body);
    for (auto& [name, value] : response->headers) {
      if (repeats_credentials(attempt.headers, value)) wipe(value);
    }
    note_versions(*response);
  }
  wipe_credentials(attempt.headers);
  if (!response && response.error().code() == ErrorCode::kUnavailable) {
    return fail(Error(
        fmt::format("{} (is {} running at {}?)", response.error().message(),
                    traits_.name, place(base)),
        ErrorCode::kUnavailable));
  }
  if (!repeated) return response;
  wipe(response->body);
  if (response->status != 200) return response;
  return fail(fmt::format("{} {}: the answer repeats our credentials",
                          request.method, request.url),
              ErrorCode::kInvalid);
}

void ServiceClient::note_versions(const HttpResponse& response) {
  const auto version_in = [&](std::string_view name) {
    const std::string* text =
        find_header(response, traits_.version_prefix + std::string(name));
    return text != nullptr ? ApiVersion::parse(*text) : std::nullopt;
  };
  const auto lowest = version_in("minimum-version");
  const auto highest = version_in("maximum-version");
  if (lowest && highest) offered_ = Offer{*lowest, *highest};
}

// After a 406. False where the version was not the problem.
Result<bool> ServiceClient::renegotiate(ApiVersion refused,
                                        const Requirement& needs) const {
  if (!offered_) return false;
  const ApiVersion least = std::max(traits_.oldest, needs.version);
  if (offered_->highest < least ||
      offered_->lowest.major != traits_.preferred.major) {
    return fail(fmt::format(
        "{} offers API versions {} to {}, {} needs {} or later", traits_.name,
        offered_->lowest.to_string(), offered_->highest.to_string(),
        least == needs.version && !needs.what.empty() ? needs.what : "pxegate",
        least.to_string()));
  }
  return version_for(needs) != refused;
}

Error ServiceClient::status_error(const HttpResponse& response,
                                  std::string_view subject, ApiVersion version,
                                  std::string_view base) const {
  const int status = response.status;
  std::string message = status_text(status);
  ErrorCode code = status_error_code(status);
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
  if (status == 401 && authenticator_->has_catalogue()) {
    hint = fmt::format(
        "; {} does not accept a token that Keystone gave out just now: does "
        "its [keystone_authtoken] name the same Keystone? (now {})",
        traits_.name, authenticator_->describe());
  } else if (status == 401) {
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
                         setting("endpoint_override"), traits_.name, base);
    }
  } else if (status == 406) {
    hint = fmt::format("; asked for API version {}", version.to_string());
  }
  return Error(message + hint, code)
      .retry_after(retry_after_of(response, clock_->wall()));
}

Result<ServiceClient::Answer> ServiceClient::get(std::string_view path,
                                                 const Query& query,
                                                 std::string_view subject,
                                                 const Requirement& needs) {
  std::string target(path);
  char separator = '?';
  for (const auto& [name, value] : query) {
    target += separator;
    target += name + "=" + percent_encoded(value, ",");
    separator = '&';
  }
  HttpRequest request;
  request.headers["accept"] = "application/json";
  bool renewed = false;
  bool renegotiated = false;
  for (;;) {
    // A new login may have a new catalogue.
    const auto base = endpoint();
    if (!base) {
      return fail(base.error().within(request.method + " " + target));
    }
    if (!last_endpoint_.empty() && last_endpoint_ != *base) {
      ++moves_;
      log::warning(
          "the catalogue of a new login has {} at {} and no longer at {}",
          traits_.name, *base, last_endpoint_);
    }
    last_endpoint_ = *base;
    if (const std::string warning = exposure(*base);
        !warning.empty() && exposed_.size() < kMaxExposed &&
        exposed_.insert(*base).second) {
      log::warning("{}", warning);
    }
    request.url = *base + target;
    Answer answer{.request = request.method + " " + request.url, .body = {}};
    const auto failed = [&answer](const Error& error) {
      return fail(error.within(answer.request));
    };
    const ApiVersion version = version_for(needs);
    auto response = exchange(request, version, *base);
    if (!response) return fail(response.error());
    if (response->status == 200) {
      version_ = version;
      answer.body = std::move(response->body);
      return answer;
    }
    if (response->status == 401 && !std::exchange(renewed, true)) {
      const auto newer = authenticator_->renew();
      if (!newer) return failed(newer.error());
      if (*newer) continue;
    }
    if (response->status == 406 && !std::exchange(renegotiated, true)) {
      const auto another = renegotiate(version, needs);
      if (!another) return failed(another.error());
      if (*another) continue;
    }
    return failed(status_error(*response, subject, version, *base));
  }
}

Result<Login> ServiceClient::login() {
  auto where = endpoint();
  if (!where) return fail(where.error());
  Login login;
  login.auth = authenticator_->describe();
  if (std::string warning = exposure(*where); !warning.empty()) {
    login.warnings.push_back(std::move(warning));
  }
  login.endpoint = *std::move(where);
  if (const auto identity = authenticator_->identity()) {
    login.user = identity->user;
    login.scope = identity->scope;
  }
  if (version_) login.microversion = version_->to_string();
  if (offered_) login.newest_microversion = offered_->highest.to_string();
  return login;
}

}  // namespace pxegate
