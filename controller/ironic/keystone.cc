// SPDX-License-Identifier: Apache-2.0
#include "controller/ironic/keystone.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "controller/base/log.h"
#include "controller/base/text.h"
#include "controller/ironic/http_answer.h"
#include "controller/ironic/keystone_token.h"

namespace pxegate {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using namespace std::chrono_literals;

constexpr std::size_t kMaxAnswer = std::size_t{32} << 20;
constexpr std::size_t kMaxToken = std::size_t{32} << 10;
// keystoneauth1's MIN_TOKEN_LIFE_SECONDS.
constexpr milliseconds kMargin{120'000};

constexpr milliseconds kFirstDelay{1'000};
constexpr milliseconds kLongestDelay{60'000};
constexpr milliseconds kFirstRefusedDelay{30'000};
constexpr milliseconds kLongestRefusedDelay{900'000};
constexpr milliseconds kBetweenRequestedLogins{10'000};
// Between two renewals of tokens that the service refused.
constexpr milliseconds kFirstRenewalPause{1'000};
constexpr milliseconds kLongestRenewalPause{60'000};

milliseconds doubled(milliseconds first, unsigned times, milliseconds longest) {
  milliseconds delay = first;
  for (; times > 0 && delay < longest; --times) delay *= 2;
  return std::min(delay, longest);
}

// Builds the text of a JSON object in memory that never moves, so that no
// copies of it stay behind.
class JsonText {
 public:
  explicit JsonText(std::size_t room) { text_.reserve(room); }
  ~JsonText() { wipe(text_); }
  JsonText(const JsonText&) = delete;
  JsonText& operator=(const JsonText&) = delete;

  JsonText& raw(std::string_view json) {
    text_ += json;
    return *this;
  }
  JsonText& string(std::string_view value) {
    static constexpr std::string_view kHex = "0123456789abcdef";
    text_ += '"';
    for (const char c : value) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte < 0x20) {
        text_ += "\\u00";
        text_ += kHex[byte >> 4];
        text_ += kHex[byte & 0xf];
      } else {
        if (c == '"' || c == '\\') text_ += '\\';
        text_ += c;
      }
    }
    text_ += '"';
    return *this;
  }
  // "name": "value"
  JsonText& member(std::string_view name, std::string_view value) {
    return string(name).raw(":").string(value);
  }
  // {"id": …}, or {"name": …}
  JsonText& reference(std::string_view id, std::string_view name) {
    raw("{");
    id.empty() ? member("name", name) : member("id", id);
    return raw("}");
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

std::size_t room_for(const KeystoneOptions& options) {
  std::size_t bytes = 0;
  for (const std::string* text :
       {&options.user_id, &options.username, &options.user_domain_id,
        &options.user_domain_name, &options.application_credential_id,
        &options.application_credential_name, &options.project_id,
        &options.project_name, &options.project_domain_id,
        &options.project_domain_name, &options.domain_id, &options.domain_name,
        &options.trust_id}) {
    bytes += text->size();
  }
  for (const Secret* secret :
       {&options.password, &options.application_credential_secret,
        &options.token}) {
    bytes += secret->reveal().size();
  }
  return 6 * bytes + 1024;  // "\u0000" is the longest that a byte becomes
}

// The inside of {"user": {…}}.
void add_user(JsonText& json, const KeystoneOptions& options) {
  if (!options.user_id.empty()) {
    json.member("id", options.user_id);
    return;
  }
  json.member("name", options.username).raw(R"(,"domain":)");
  json.reference(options.user_domain_id, options.user_domain_name);
}

void add_scope(JsonText& json, const KeystoneOptions& options) {
  if (!options.project_id.empty() || !options.project_name.empty()) {
    json.raw(R"(,"scope":{"project":{)");
    if (!options.project_id.empty()) {
      json.member("id", options.project_id);
    } else {
      json.member("name", options.project_name).raw(R"(,"domain":)");
      json.reference(options.project_domain_id, options.project_domain_name);
    }
    json.raw("}}");
  } else if (!options.domain_id.empty() || !options.domain_name.empty()) {
    json.raw(R"(,"scope":{"domain":)");
    json.reference(options.domain_id, options.domain_name).raw("}");
  } else if (!options.trust_id.empty()) {
    json.raw(R"(,"scope":{"OS-TRUST:trust":{)");
    json.member("id", options.trust_id).raw("}}");
  } else if (!options.system_scope.empty()) {
    json.raw(R"(,"scope":{"system":{"all":true}})");
  }
}

std::string login_body(const KeystoneOptions& options) {
  JsonText json(room_for(options));
  json.raw(R"({"auth":{"identity":{"methods":[)");
  switch (options.method) {
    case KeystoneMethod::kPassword:
      json.raw(R"("password"],"password":{"user":{)");
      add_user(json, options);
      json.raw(",").member("password", options.password.reveal()).raw("}}}");
      break;
    case KeystoneMethod::kApplicationCredential:
      json.raw(R"("application_credential"],"application_credential":{)");
      if (!options.application_credential_id.empty()) {
        json.member("id", options.application_credential_id);
      } else {
        json.member("name", options.application_credential_name);
        json.raw(R"(,"user":{)");
        add_user(json, options);
        json.raw("}");
      }
      json.raw(",").member("secret",
                           options.application_credential_secret.reveal());
      json.raw("}}");
      break;
    case KeystoneMethod::kToken:
      json.raw(R"("token"],"token":{)");
      json.member("id", options.token.reveal()).raw("}}");
      break;
  }
  add_scope(json, options);
  return json.raw("}}").take();
}

std::string_view auth_type(KeystoneMethod method) {
  switch (method) {
    case KeystoneMethod::kPassword:
      return "password";
    case KeystoneMethod::kApplicationCredential:
      return "v3applicationcredential";
    case KeystoneMethod::kToken:
      return "token";
  }
  return "";
}

// What to look at when Keystone refuses.
std::string_view options_to_check(const KeystoneOptions& options) {
  switch (options.method) {
    case KeystoneMethod::kPassword:
      return options.user_id.empty()
                 ? "username, user_domain_name (or _id), password"
                 : "user_id, password";
    case KeystoneMethod::kApplicationCredential:
      return "application_credential_id (or _name and user), "
             "application_credential_secret";
    case KeystoneMethod::kToken:
      return "token (it may have expired)";
  }
  return "";
}

std::string_view scope_to_check(const KeystoneOptions& options) {
  if (!options.project_id.empty()) return "project_id";
  if (!options.project_name.empty()) return "project_name";
  if (!options.domain_id.empty()) return "domain_id";
  if (!options.domain_name.empty()) return "domain_name";
  if (!options.trust_id.empty()) return "trust_id";
  return options.system_scope.empty() ? "" : "system_scope";
}

// These options of the login, as whoever is to correct them finds them.
std::string found_at(const KeystoneOptions& options, std::string_view names) {
  const std::string& from = options.login_from;
  if (from.empty()) return fmt::format("[{}] {}", options.section, names);
  return from.starts_with('[') ? fmt::format("{} {}", from, names)
                               : fmt::format("{} ({})", names, from);
}

Result<std::string> token_url(const KeystoneOptions& options) {
  const auto invalid = [&](std::string_view problem) {
    return fail(fmt::format("{} {}", found_at(options, "auth_url"), problem),
                ErrorCode::kInvalid);
  };
  if (options.auth_url.empty()) return invalid("is not set");
  auto url = service_url(options.auth_url);
  if (!url) return invalid(url.error().message());
  if (url->ends_with("/v2.0")) {
    return invalid("is that of Identity API v2.0, which is no more: use /v3");
  }
  if (!url->ends_with("/v3")) *url += "/v3";
  return *url + "/auth/tokens";
}

}  // namespace

Result<> validate(const KeystoneOptions& options) {
  const auto invalid = [&](std::string_view problem) {
    return fail(found_at(options, problem), ErrorCode::kInvalid);
  };
  if (auto url = token_url(options); !url) return fail(url.error());

  const bool named_user = !options.username.empty();
  const bool user = named_user || !options.user_id.empty();
  const bool needs_user =
      options.method == KeystoneMethod::kPassword ||
      (options.method == KeystoneMethod::kApplicationCredential &&
       options.application_credential_id.empty());
  if (options.method == KeystoneMethod::kPassword && options.password.empty()) {
    return invalid("password is not set");
  }
  if (options.method == KeystoneMethod::kApplicationCredential) {
    if (options.application_credential_secret.empty()) {
      return invalid("application_credential_secret is not set");
    }
    if (options.application_credential_id.empty() &&
        options.application_credential_name.empty()) {
      return invalid("application_credential_id is not set");
    }
  }
  if (options.method == KeystoneMethod::kToken && options.token.empty()) {
    return invalid("token is not set");
  }
  if (needs_user && !user) return invalid("username or user_id is not set");
  if (needs_user && options.user_id.empty() && options.user_domain_id.empty() &&
      options.user_domain_name.empty()) {
    return invalid(
        "username is unique within a domain only: set user_domain_name or "
        "user_domain_id");
  }

  const bool project =
      !options.project_id.empty() || !options.project_name.empty();
  const bool domain =
      !options.domain_id.empty() || !options.domain_name.empty();
  const int scopes = int{project} + int{domain} +
                     int{!options.trust_id.empty()} +
                     int{!options.system_scope.empty()};
  if (!options.system_scope.empty() && options.system_scope != "all") {
    return invalid("system_scope is " + pxegate::quoted(options.system_scope) +
                   ", only all is possible");
  }
  if (scopes > 1) {
    return invalid(
        "has more than one of project_name (or _id), domain_name (or _id), "
        "trust_id and system_scope: a login is for one of them");
  }
  if (options.method == KeystoneMethod::kApplicationCredential) {
    if (scopes > 0) {
      return invalid(
          "has a scope besides the application credential, which has its "
          "project in it: unset project_name (or _id), domain_name (or _id), "
          "trust_id and system_scope");
    }
  } else if (scopes == 0) {
    return invalid(
        "says for what to log in by none of system_scope (all), project_name "
        "(or _id), domain_name (or _id) and trust_id: Ironic shows nothing "
        "to such a login");
  }
  if (options.project_id.empty() && !options.project_name.empty() &&
      options.project_domain_id.empty() &&
      options.project_domain_name.empty()) {
    return invalid(
        "project_name is unique within a domain only: set "
        "project_domain_name or project_domain_id");
  }
  // These stand with the service.
  for (const auto& [name, empty] :
       {std::pair("service_type", options.service_type.empty()),
        std::pair("valid_interfaces", options.valid_interfaces.empty())}) {
    if (!empty) continue;
    return fail(fmt::format("[{}] {} is empty", options.section, name),
                ErrorCode::kInvalid);
  }
  return {};
}

struct KeystoneAuthenticator::State {
  State(KeystoneOptions chosen, std::string where, HttpTransport& http,
        const Clock& time)
      : options(std::move(chosen)),
        url(std::move(where)),
        transport(http),
        clock(time) {}

  Result<> have_token();
  Result<> log_in();
  Result<> accept(HttpResponse& response, Monotonic began);
  Error refusal(const HttpResponse& response) const;
  void remember_failure(const Error& error);
  Error still_failing(Monotonic now) const;
  bool is_secret(std::string_view text) const;

  const KeystoneOptions options;
  const std::string url;
  HttpTransport& transport;
  const Clock& clock;

  Secret token;  // empty: none
  Monotonic renew_at;
  Monotonic dead_at;
  TokenFacts facts;
  std::uint64_t logins = 0;

  std::optional<Error> last_error;  // of the latest login, if it failed
  unsigned failures = 0;            // in a row
  unsigned refusals = 0;            // of them, in a row, refused
  Monotonic next_login;
  Monotonic keystone_asked_for;         // no login sooner
  std::optional<Monotonic> retried_at;  // at an operator's request

  unsigned renewals = 0;  // that followed each other too quickly
  std::optional<Monotonic> renewed_at;
};

Result<std::unique_ptr<KeystoneAuthenticator>> KeystoneAuthenticator::make(
    KeystoneOptions options, HttpTransport& transport, const Clock& clock) {
  if (auto valid = validate(options); !valid) return fail(valid.error());
  auto url = token_url(options);
  if (!url) return fail(url.error());
  return std::unique_ptr<KeystoneAuthenticator>(
      new KeystoneAuthenticator(std::make_unique<State>(
          std::move(options), *std::move(url), transport, clock)));
}

KeystoneAuthenticator::KeystoneAuthenticator(std::unique_ptr<State> state)
    : state_(std::move(state)) {}
KeystoneAuthenticator::~KeystoneAuthenticator() = default;

// After this, unless it fails, there is a token that is not dead.
Result<> KeystoneAuthenticator::State::have_token() {
  const Monotonic now = clock.now();
  const bool alive = !token.empty() && now < dead_at;
  if (alive && now < renew_at) return {};
  if (last_error && now < next_login) {
    if (alive) return {};
    return fail(still_failing(now));
  }
  auto done = log_in();
  if (done) return {};
  if (done.error().code() == ErrorCode::kCancelled) return done;
  remember_failure(done.error());
  if (!token.empty() && clock.now() < dead_at) {
    log::warning("{}; the token is still good for a while",
                 done.error().message());
    return {};
  }
  token.clear();
  return done;
}

void KeystoneAuthenticator::State::remember_failure(const Error& error) {
  const bool refused = error.code() == ErrorCode::kPermission;
  refusals = refused ? refusals + 1 : 0;
  milliseconds delay =
      refused ? doubled(kFirstRefusedDelay, refusals - 1, kLongestRefusedDelay)
              : doubled(kFirstDelay, failures, kLongestDelay);
  ++failures;
  const Monotonic now = clock.now();
  keystone_asked_for = now + error.retry_after().value_or(0s);
  last_error = error;
  next_login = std::max(now + delay, keystone_asked_for);
}

Error KeystoneAuthenticator::State::still_failing(Monotonic now) const {
  const auto left = std::chrono::ceil<seconds>(next_login - now);
  return Error(fmt::format("{} (next try in {} s, or with `pxegate sync` or "
                           "SIGHUP)",
                           last_error->message(), left.count()),
               last_error->code())
      .retry_after(left);
}

bool KeystoneAuthenticator::State::is_secret(std::string_view text) const {
  return std::ranges::any_of(
      std::array{&options.password, &options.application_credential_secret,
                 &options.token, &token},
      [text](const Secret* secret) {
        return !secret->empty() &&
               text.find(secret->reveal()) != std::string_view::npos;
      });
}

Result<> KeystoneAuthenticator::State::log_in() {
  HttpRequest request;
  request.method = "POST";
  request.url = url;
  request.headers["accept"] = "application/json";
  request.headers["content-type"] = "application/json";
  request.body = login_body(options);
  const Monotonic began = clock.now();
  auto response = transport.send(request);
  wipe(request.body);
  if (!response) {
    const Error& error = response.error();
    if (error.code() != ErrorCode::kUnavailable) return fail(error);
    return fail(Error(
        fmt::format("{} (is Keystone running at {} = {}?)", error.message(),
                    found_at(options, "auth_url"), options.auth_url),
        error.code()));
  }
  const auto accepted = accept(*response, began);
  if (const auto header = response->headers.find("x-subject-token");
      header != response->headers.end()) {
    wipe(header->second);
  }
  if (!accepted) return fail(accepted.error().within("POST " + url));
  return {};
}

Error KeystoneAuthenticator::State::refusal(
    const HttpResponse& response) const {
  const int status = response.status;
  std::string message = status_text(status);
  const std::string fault = fault_of(response.body);
  // Of anything else nothing is repeated: what we sent may be in it.
  if (!fault.empty() && !is_secret(fault)) {
    message += ": " + pxegate::quoted(fault, 300);
  }
  if (status == 401 || status == 403) {
    const std::string_view scope = scope_to_check(options);
    std::string names(options_to_check(options));
    if (!scope.empty()) names += fmt::format(" and {}", scope);
    message += fmt::format("; check {}: Keystone does not say which",
                           found_at(options, names));
  } else if (status >= 300 && status < 400) {
    message += fmt::format(
        "; redirects are not followed with credentials, set {} to where "
        "Keystone is",
        found_at(options, "auth_url"));
  } else if (status == 404) {
    message +=
        fmt::format("; check {}: there seems to be no Keystone with API v3",
                    found_at(options, "auth_url"));
  }
  return Error(message, status_error_code(status))
      .retry_after(retry_after_of(response, clock.wall()));
}

Result<> KeystoneAuthenticator::State::accept(HttpResponse& response,
                                              Monotonic began) {
  if (response.status != 201 && response.status != 200) {
    return fail(refusal(response));
  }
  const std::string* given = find_header(response, "x-subject-token");
  const auto unfit = [](char c) { return c <= ' ' || c == 0x7f; };
  if (given == nullptr || given->empty() || given->size() > kMaxToken ||
      std::ranges::any_of(*given, unfit)) {
    return fail("Keystone's answer has no token in its header X-Subject-Token",
                ErrorCode::kInvalid);
  }
  if (response.body.size() > kMaxAnswer) {
    return fail(
        fmt::format("Keystone's answer is longer than {} bytes", kMaxAnswer),
        ErrorCode::kCapacity);
  }
  auto read =
      read_token(response.body, {.service_type = options.service_type,
                                 .service_name = options.service_name,
                                 .valid_interfaces = options.valid_interfaces,
                                 .region_name = options.region_name});
  if (!read) return fail(read.error());
  token = Secret(*given);
  facts = *std::move(read);
  dead_at = began + facts.life;
  renew_at = dead_at - std::min(kMargin, facts.life / 4);
  ++logins;
  last_error.reset();
  failures = 0;
  refusals = 0;
  if (logins == 1) {
    log::info("[{}] logged in to Keystone as {}, {}; the token holds for {} s",
              options.section, pxegate::quoted(facts.identity.user),
              pxegate::quoted(facts.identity.scope), facts.life.count() / 1000);
  }
  return {};
}

Result<> KeystoneAuthenticator::authorize(HttpRequest& request) {
  if (auto have = state_->have_token(); !have) return have;
  request.headers["x-auth-token"] = state_->token.reveal();
  return {};
}

Result<bool> KeystoneAuthenticator::renew() {
  State& state = *state_;
  const Monotonic now = state.clock.now();
  // A service that refuses every token must not make us ask for one more each
  // time.
  const milliseconds pause =
      doubled(kFirstRenewalPause, state.renewals, kLongestRenewalPause);
  if (state.renewed_at) {
    if (now - *state.renewed_at < pause) return false;
    const bool calm = now - *state.renewed_at > 2 * kLongestRenewalPause;
    state.renewals = calm ? 0 : state.renewals + 1;
  }
  state.renewed_at = now;
  state.token.clear();
  if (auto have = state.have_token(); !have) return fail(have.error());
  return true;
}

void KeystoneAuthenticator::retry_login() {
  State& state = *state_;
  const Monotonic now = state.clock.now();
  if (!state.last_error || now >= state.next_login) return;
  if (state.retried_at && now - *state.retried_at < kBetweenRequestedLogins) {
    return;
  }
  state.retried_at = now;
  state.next_login = std::min(state.next_login, state.keystone_asked_for);
}

std::string KeystoneAuthenticator::describe() const {
  const KeystoneOptions& options = state_->options;
  std::string text = fmt::format("auth_type = {}", auth_type(options.method));
  const auto add = [&text](std::string_view name, const std::string& value) {
    if (!value.empty())
      text += fmt::format(", {} = {}", name, pxegate::quoted(value));
  };
  if (options.method == KeystoneMethod::kApplicationCredential) {
    add("application_credential_id", options.application_credential_id);
    if (options.application_credential_id.empty()) {
      add("application_credential_name", options.application_credential_name);
    }
  }
  if (options.method == KeystoneMethod::kPassword) {
    add("user_id", options.user_id);
    if (options.user_id.empty()) add("username", options.username);
  }
  const std::string_view scope = scope_to_check(options);
  if (scope == "project_id") add(scope, options.project_id);
  if (scope == "project_name") add(scope, options.project_name);
  if (scope == "domain_id") add(scope, options.domain_id);
  if (scope == "domain_name") add(scope, options.domain_name);
  if (scope == "trust_id") add(scope, options.trust_id);
  if (scope == "system_scope") text += ", system_scope = all";
  return text;
}

Result<std::string> KeystoneAuthenticator::endpoint() {
  if (auto have = state_->have_token(); !have) return fail(have.error());
  const TokenFacts& facts = state_->facts;
  if (!facts.endpoint.empty()) return facts.endpoint;
  const KeystoneOptions& options = state_->options;
  std::vector<std::string> interfaces;
  for (const std::string& name : options.valid_interfaces) {
    interfaces.push_back(pxegate::quoted(name));
  }
  std::string wanted = fmt::format("service_type = {}, valid_interfaces = {}",
                                   pxegate::quoted(options.service_type),
                                   fmt::join(interfaces, ", "));
  if (!options.region_name.empty()) {
    wanted += ", region_name = " + pxegate::quoted(options.region_name);
  }
  if (!options.service_name.empty()) {
    wanted += ", service_name = " + pxegate::quoted(options.service_name);
  }
  if (facts.ambiguous) {
    return fail(fmt::format(
        "Keystone's catalogue has several endpoints for [{0}] {1}: {2}. Set "
        "[{0}] region_name (or service_name) to one of them, or "
        "endpoint_override",
        options.section, wanted, facts.catalogue));
  }
  return fail(
      fmt::format("Keystone's catalogue has no endpoint for [{0}] {1}; "
                  "it has {2}. Correct these, or set [{0}] "
                  "endpoint_override",
                  options.section, wanted, facts.catalogue));
}

bool KeystoneAuthenticator::confidential() const {
  return state_->url.starts_with("https://");
}

std::uint64_t KeystoneAuthenticator::generation() const {
  return state_->logins;
}

std::optional<Identity> KeystoneAuthenticator::identity() const {
  if (state_->token.empty()) return std::nullopt;
  return state_->facts.identity;
}

}  // namespace pxegate
