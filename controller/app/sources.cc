// SPDX-License-Identifier: Apache-2.0
#include "controller/app/sources.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "controller/app/curl_options.h"
#include "controller/ironic/authenticator.h"
#include "controller/ironic/curl_transport.h"
#include "controller/ironic/inspector_client.h"
#include "controller/ironic/ironic_client.h"
#include "controller/ironic/keystone.h"
#include "controller/ironic/retrying_transport.h"

namespace pxegate {
namespace {

RetryOptions retry_options(const ServiceConfig& config) {
  using std::chrono::milliseconds;
  const auto delay = [](milliseconds fixed) {
    return fixed == milliseconds(0) ? std::nullopt : std::optional(fixed);
  };
  RetryOptions options;
  options.connect_retries = config.connect_retries;
  options.connect_retry_delay = delay(config.connect_retry_delay);
  options.status_code_retries = config.status_code_retries;
  options.status_code_retry_delay = delay(config.status_code_retry_delay);
  options.retriable_status_codes.assign(config.retriable_status_codes.begin(),
                                        config.retriable_status_codes.end());
  return options;
}

KeystoneOptions keystone_options(std::string_view section,
                                 const ServiceConfig& config,
                                 KeystoneMethod method) {
  KeystoneOptions options;
  options.section = section;
  options.login_from = config.login_from;
  options.method = method;
  options.auth_url = config.auth_url;
  options.user_id = config.user_id;
  options.username = config.username;
  options.user_domain_id = config.user_domain_id;
  options.user_domain_name = config.user_domain_name;
  options.password = config.password;
  options.application_credential_id = config.application_credential_id;
  options.application_credential_name = config.application_credential_name;
  options.application_credential_secret = config.application_credential_secret;
  options.token = config.token;
  options.project_id = config.project_id;
  options.project_name = config.project_name;
  options.project_domain_id = config.project_domain_id;
  options.project_domain_name = config.project_domain_name;
  options.domain_id = config.domain_id;
  options.domain_name = config.domain_name;
  options.trust_id = config.trust_id;
  options.system_scope = config.system_scope;
  options.service_type = config.service_type;
  options.service_name = config.service_name;
  options.valid_interfaces = config.valid_interfaces;
  options.region_name = config.region_name;
  return options;
}

std::optional<KeystoneMethod> keystone_method(AuthType type) {
  switch (type) {
    case AuthType::kPassword:
      return KeystoneMethod::kPassword;
    case AuthType::kApplicationCredential:
      return KeystoneMethod::kApplicationCredential;
    case AuthType::kToken:
      return KeystoneMethod::kToken;
    case AuthType::kNone:
    case AuthType::kHttpBasic:
      break;
  }
  return std::nullopt;
}

// What every request has to do with.
struct Surroundings {
  const Clock& clock;
  std::stop_token stop;
  Sources::Listeners listeners;
};

// What one is for.
struct Purpose {
  std::string section;
  bool keystone = false;
};

// Tells when a request has ended.
class TellingTransport final : public HttpTransport {
 public:
  TellingTransport(HttpTransport& transport, Purpose purpose,
                   const Surroundings& around)
      : transport_(transport),
        purpose_(std::move(purpose)),
        clock_(around.clock),
        listeners_(around.listeners) {}

  Result<HttpResponse> send(const HttpRequest& request) override {
    const Monotonic began = clock_.now();
    auto response = transport_.send(request);
    if (listeners_.observer != nullptr) {
      listeners_.observer->request_ended({purpose_.section, purpose_.keystone,
                                          request, response,
                                          clock_.now() - began});
    }
    if (listeners_.ended) listeners_.ended();
    return response;
  }

 private:
  HttpTransport& transport_;
  const Purpose purpose_;
  const Clock& clock_;
  const Sources::Listeners listeners_;
};

// Requests to one server.
struct Channel {
  std::unique_ptr<CurlTransport> curl;
  std::unique_ptr<TellingTransport> telling;
  std::unique_ptr<RetryingTransport> retrying;

  static Result<Channel> make(Purpose purpose, const ServiceConfig& config,
                              const Surroundings& around) {
    auto curl = CurlTransport::make(curl_options(config), around.stop);
    if (!curl) return fail(curl.error());
    Channel channel;
    channel.curl = std::move(*curl);
    channel.telling = std::make_unique<TellingTransport>(
        *channel.curl, std::move(purpose), around);
    channel.retrying = std::make_unique<RetryingTransport>(
        retry_options(config), *channel.telling, around.clock, around.stop);
    return channel;
  }
};

// What a client of one service rests on.
struct Connection {
  Channel service;
  std::optional<Channel> keystone;
  std::unique_ptr<Authenticator> authenticator;

  static Result<Connection> make(std::string_view section,
                                 const ServiceConfig& config,
                                 const Surroundings& around) {
    const auto within = [&](const Error& error) {
      return fail(error.within("[" + std::string(section) + "]"));
    };
    Connection made;
    auto service = Channel::make({std::string(section)}, config, around);
    if (!service) return within(service.error());
    made.service = std::move(*service);
    const auto method = keystone_method(config.auth_type);
    if (!method) {
      if (config.auth_type == AuthType::kHttpBasic) {
        made.authenticator = std::make_unique<BasicAuthenticator>(
            config.username, config.password.reveal());
      } else {
        made.authenticator = std::make_unique<NoAuthenticator>();
      }
      return made;
    }
    auto keystone = Channel::make({std::string(section), true}, config, around);
    if (!keystone) return within(keystone.error());
    made.keystone = std::move(*keystone);
    auto authenticator =
        KeystoneAuthenticator::make(keystone_options(section, config, *method),
                                    *made.keystone->retrying, around.clock);
    if (!authenticator) return fail(authenticator.error());
    made.authenticator = std::move(*authenticator);
    return made;
  }
};

}  // namespace

struct Sources::Parts {
  Connection ironic_connection;
  std::unique_ptr<IronicClient> ironic;
  Connection inspector_connection;
  std::unique_ptr<InspectorClient> inspector;
};

Result<std::unique_ptr<Sources>> Sources::make(const Config& config,
                                               const Clock& clock,
                                               std::stop_token stop,
                                               Listeners listeners) {
  if (config.ironic.endpoint_override.empty() &&
      !keystone_method(config.ironic.auth_type)) {
    return fail(
        "[ironic] endpoint_override is not set: give the URL of Ironic's API, "
        "as in http://192.0.2.1:6385",
        ErrorCode::kInvalid);
  }
  auto parts = std::make_unique<Parts>();
  const Surroundings around{clock, std::move(stop), std::move(listeners)};
  auto connection = Connection::make("ironic", config.ironic, around);
  if (!connection) return fail(connection.error());
  parts->ironic_connection = std::move(*connection);
  const Config::PxeFilter& filter = config.pxe_filter;
  IronicOptions options;
  options.endpoint = config.ironic.endpoint_override;
  options.conductor_group = filter.conductor_group;
  options.shard = filter.shard;
  options.owner = filter.owner;
  options.unknown_denied = filter.deny_unknown_macs;
  auto ironic = IronicClient::make(
      std::move(options), *parts->ironic_connection.service.retrying,
      *parts->ironic_connection.authenticator, clock);
  if (!ironic) return fail(ironic.error());
  parts->ironic = std::move(*ironic);

  if (config.inspector_asked()) {
    connection = Connection::make("inspector", config.inspector, around);
    if (!connection) return fail(connection.error());
    parts->inspector_connection = std::move(*connection);
    auto inspector = InspectorClient::make(
        {.endpoint = config.inspector.endpoint_override},
        *parts->inspector_connection.service.retrying,
        *parts->inspector_connection.authenticator, clock);
    if (!inspector) return fail(inspector.error());
    parts->inspector = std::move(*inspector);
  }
  return std::unique_ptr<Sources>(new Sources(std::move(parts)));
}

Sources::Sources(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Sources::~Sources() = default;

IronicApi& Sources::ironic() { return *parts_->ironic; }
InspectorApi* Sources::inspector() { return parts_->inspector.get(); }

Result<Login> Sources::log_in_to_ironic() { return parts_->ironic->login(); }

Result<Login> Sources::log_in_to_inspector() {
  if (!parts_->inspector) {
    return fail("ironic-inspector is not asked", ErrorCode::kInvalid);
  }
  return parts_->inspector->login();
}

}  // namespace pxegate
