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

}  // namespace

std::string NoAuthenticator::describe() const { return "auth_type = none"; }

BasicAuthenticator::BasicAuthenticator(std::string username,
                                       std::string_view password)
    : username_(std::move(username)),
      header_("Basic " + base64(username_ + ":" + std::string(password))) {}

Result<> BasicAuthenticator::authorize(HttpRequest& request) {
  request.headers["authorization"] = header_;
  return {};
}

std::string BasicAuthenticator::describe() const {
  return "auth_type = http_basic, username = " + quoted(username_);
}

}  // namespace pxegate
