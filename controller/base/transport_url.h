// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_BASE_TRANSPORT_URL_H_
#define PXEGATE_CONTROLLER_BASE_TRANSPORT_URL_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "controller/base/result.h"
#include "controller/base/secret.h"

namespace pxegate {

// One broker, and who to be there.
struct BrokerHost {
  std::string host;  // a name or an address, IPv6 without brackets
  std::optional<std::uint16_t> port;  // none: 5672, with TLS too
  // Where the URL has none, `guest` with the password `guest`, as kombu does:
  // credentials of one host are not another's.
  std::string username;
  Secret password;

  bool operator==(const BrokerHost&) const = default;
};

// What an oslo.messaging transport URL says.
struct TransportUrl {
  std::vector<BrokerHost> hosts;   // at least one
  std::string virtual_host = "/";  // also where the URL has none
  // Options of [oslo_messaging_rabbit] in the query, which go before those of
  // the section.
  std::optional<bool> ssl;
  std::optional<std::string> ssl_ca_file;
  std::optional<std::string> ssl_cert_file;
  std::optional<std::string> ssl_key_file;
  std::optional<bool> ssl_enforce_hostname_verification;
  std::optional<std::chrono::seconds> heartbeat_timeout_threshold;  // 1 to 300

  bool operator==(const TransportUrl&) const = default;
};

// Reads oslo.messaging's form,
//
//   rabbit://user:password@host:port,user:password@host:port/vhost?ssl=1
//
// as oslo_messaging/transport.py and its RabbitMQ driver do: user, password
// and vhost are percent-decoded once, a name before `+` is the driver's, other
// options in the query are ignored. (kombu decodes the virtual host once more:
// one with a % in it needs %2525 there and %25 here.) nullopt, "there is no
// broker", for an empty URL, fake:// and kombu+memory://. Otherwise kInvalid,
// saying what is wrong in which host, by its number, as a clause about the URL;
// never with any of the text between scheme and path, where the passwords are.
// Pure.
Result<std::optional<TransportUrl>> parse_transport_url(const Secret& url);

// "host:5672", "[2001:db8::1]:5671".
std::string host_and_port(const std::string& host, std::uint16_t port);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_BASE_TRANSPORT_URL_H_
