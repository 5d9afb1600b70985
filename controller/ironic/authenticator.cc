// SPDX-License-Identifier: Apache-2.0
#include "controller/ironic/authenticator.h"

#include <cstdint>
#include <utility>

#include "controller/base/text.h"

namespace pxegate {
namespace {

std::string base64(std::string_view bytes) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);  // leaves no copies behind
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::string_view group = bytes.substr(i, 3);
    std::uint32_t bits = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      bits <<= 8;
      if (j < group.size()) bits |= static_cast<unsigned char>(group[j]);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      out += j <= group.size() ? kDigits[bits >> (18 - 6 * j) & 0x3f] : '=';
    }
  }
  return out;
}

Secret basic_header(std::string_view username, std::string_view password) {
  std::string pair;
  pair.reserve(username.size() + 1 + password.size());
  pair.append(username).append(1, ':').append(password);
  std::string encoded = base64(pair);
  std::string header;
  header.reserve(6 + encoded.size());
  header.append("Basic ").append(encoded);
  Secret secret(header);
  wipe(pair);
  wipe(encoded);
  wipe(header);
  return secret;
}

}  // namespace

Result<std::string> Authenticator::endpoint() {
  return fail("this auth_type has no catalogue of endpoints",
              ErrorCode::kInvalidState);
}

std::string NoAuthenticator::describe() const { return "auth_type = none"; }

BasicAuthenticator::BasicAuthenticator(std::string username,
                                       std::string_view password)
    : username_(std::move(username)),
      header_(basic_header(username_, password)) {}

Result<> BasicAuthenticator::authorize(HttpRequest& request) {
  request.headers["authorization"] = header_.reveal();
  return {};
}

std::optional<Identity> BasicAuthenticator::identity() const {
  Identity identity;
  identity.user = username_;
  return identity;
}

std::string BasicAuthenticator::describe() const {
  return "auth_type = http_basic, username = " + quoted(username_);
}

}  // namespace pxegate
