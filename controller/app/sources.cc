// SPDX-License-Identifier: Apache-2.0
#include "controller/app/sources.h"

#include <utility>

#include "controller/ironic/authenticator.h"
#include "controller/ironic/curl_transport.h"
#include "controller/ironic/inspector_client.h"
#include "controller/ironic/ironic_client.h"

namespace pxegate {
namespace {

CurlOptions curl_options(const ServiceConfig& config) {
  CurlOptions options;
  options.cafile = config.cafile;
  options.certfile = config.certfile;
  options.keyfile = config.keyfile;
  options.insecure = config.insecure;
  options.timeout = config.timeout;
  return options;
}

std::unique_ptr<Authenticator> make_authenticator(const ServiceConfig& config) {
  switch (config.auth_type) {
    case AuthType::kHttpBasic:
      return std::make_unique<BasicAuthenticator>(config.username,
                                                  config.password.reveal());
    case AuthType::kPassword:
    case AuthType::kApplicationCredential:
    case AuthType::kToken:
    case AuthType::kNone:
      break;
  }
  return std::make_unique<NoAuthenticator>();
}

}  // namespace

struct Sources::Parts {
  std::unique_ptr<CurlTransport> ironic_transport;
  std::unique_ptr<Authenticator> ironic_authenticator;
  std::unique_ptr<IronicClient> ironic;
  std::unique_ptr<CurlTransport> inspector_transport;
  std::unique_ptr<Authenticator> inspector_authenticator;
  std::unique_ptr<InspectorClient> inspector;
};

Result<std::unique_ptr<Sources>> Sources::make(const Config& config,
                                               const Clock& clock,
                                               std::stop_token stop) {
  if (config.ironic.endpoint_override.empty()) {
    return fail(
        "[ironic] endpoint_override is not set: give the URL of Ironic's API, "
        "as in http://192.0.2.1:6385",
        ErrorCode::kInvalid);
  }
  for (const ServiceConfig* service : {&config.ironic, &config.inspector}) {
    if (service->auth_type != AuthType::kNone &&
        service->auth_type != AuthType::kHttpBasic) {
      return fail(
          "auth_type: this version does not log in at Keystone; expected none "
          "or http_basic",
          ErrorCode::kInvalid);
    }
  }
  auto parts = std::make_unique<Parts>();
  auto transport = CurlTransport::make(curl_options(config.ironic), stop);
  if (!transport) return fail(transport.error().within("[ironic]"));
  parts->ironic_transport = std::move(*transport);
  parts->ironic_authenticator = make_authenticator(config.ironic);
  auto ironic = IronicClient::make(
      {.endpoint = config.ironic.endpoint_override}, *parts->ironic_transport,
      *parts->ironic_authenticator, clock);
  if (!ironic) return fail(ironic.error());
  parts->ironic = std::move(*ironic);

  if (!config.inspector.endpoint_override.empty()) {
    transport = CurlTransport::make(curl_options(config.inspector), stop);
    if (!transport) return fail(transport.error().within("[inspector]"));
    parts->inspector_transport = std::move(*transport);
    parts->inspector_authenticator = make_authenticator(config.inspector);
    auto inspector = InspectorClient::make(
        {.endpoint = config.inspector.endpoint_override},
        *parts->inspector_transport, *parts->inspector_authenticator, clock);
    if (!inspector) return fail(inspector.error());
    parts->inspector = std::move(*inspector);
  }
  return std::unique_ptr<Sources>(new Sources(std::move(parts)));
}

Sources::Sources(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Sources::~Sources() = default;

IronicApi& Sources::ironic() { return *parts_->ironic; }
InspectorApi* Sources::inspector() { return parts_->inspector.get(); }

}  // namespace pxegate
