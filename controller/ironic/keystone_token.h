// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_IRONIC_KEYSTONE_TOKEN_H_
#define PXEGATE_CONTROLLER_IRONIC_KEYSTONE_TOKEN_H_

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/clock.h"
#include "controller/base/result.h"
#include "controller/ironic/authenticator.h"

namespace pxegate {

// Which endpoint of a catalogue is wanted; see KeystoneOptions.
struct EndpointFilter {
  std::string service_type;
  std::string service_name;                   // empty: any
  std::vector<std::string> valid_interfaces;  // the first that there is
  std::string region_name;                    // empty: any
};

// What Keystone says of a token that it gave out.
struct TokenFacts {
  std::chrono::milliseconds life{};  // expires_at - issued_at, positive
  Identity identity;
  std::string endpoint;    // verbatim; empty where none fits, or several do
  std::string catalogue;   // what there is instead, for messages; bounded
  bool ambiguous = false;  // several fit equally: `catalogue` has them
};

// Reads the body of a 201 from POST /v3/auth/tokens: {"token": {…}}. Holds
// one service of the catalogue at a time, and of the rest what it needs. The
// endpoint is chosen as keystoneauth1's ServiceCatalog does, but that where
// several fit equally it takes the first, in an order that Keystone does not
// promise; here none is chosen. kInvalid, telling what is wrong where, for what
// is no such answer. Does not throw.
Result<TokenFacts> read_token(std::string_view body,
                              const EndpointFilter& filter);

// "2026-11-22T08:30:00.000000Z" and the other forms of RFC 3339; nullopt for
// what is none, or no date.
std::optional<WallTime> parse_rfc3339(std::string_view text);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_IRONIC_KEYSTONE_TOKEN_H_
