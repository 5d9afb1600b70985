// SPDX-License-Identifier: Apache-2.0
//
// The message bus: names are oslo.messaging's and Ironic's, and so are the
// defaults, but for what TLS verifies. oslo.messaging verifies nothing without
// ssl_ca_file, and Debian's no host name unless it is told to.
#include <array>
#include <utility>

#include "controller/config/option_groups.h"

namespace pxegate {
namespace {

constexpr std::array kSslAliases = {OptionAlias{"", "rabbit_use_ssl"}};
constexpr std::array kCaFileAliases = {OptionAlias{"", "kombu_ssl_ca_certs"}};
constexpr std::array kCertFileAliases = {OptionAlias{"", "kombu_ssl_certfile"}};
constexpr std::array kKeyFileAliases = {OptionAlias{"", "kombu_ssl_keyfile"}};

constexpr auto kMessagingOptions = std::to_array<Option>(
    {{.section = "oslo_messaging_rabbit",
      .name = "ssl",
      .type = OptionType::kBoolean,
      .default_text = "false",
      .help = "Speak TLS with RabbitMQ. A transport_url without a port "
              "means 5672 then too, as with oslo.messaging; RabbitMQ mostly "
              "speaks TLS on 5671.",
      .set = +[](Config& c, bool v) { c.notifications.ssl = v; },
      .aliases = kSslAliases},
     {.section = "oslo_messaging_rabbit",
      .name = "ssl_ca_file",
      .type = OptionType::kPath,
      .default_text = "",
      .help = "PEM file with the authorities that may vouch for RabbitMQ. "
              "Unset: those that the system trusts (oslo.messaging would "
              "verify nothing then).",
      .set = +[](Config& c,
                 std::string v) { c.notifications.ca_file = std::move(v); },
      .aliases = kCaFileAliases,
      .example = "/etc/ssl/certs/ca-certificates.crt"},
     {.section = "oslo_messaging_rabbit",
      .name = "ssl_cert_file",
      .type = OptionType::kPath,
      .default_text = "",
      .help = "PEM file with the certificate to show to RabbitMQ, where it "
              "wants one.",
      .set = +[](Config& c,
                 std::string v) { c.notifications.cert_file = std::move(v); },
      .aliases = kCertFileAliases},
     {.section = "oslo_messaging_rabbit",
      .name = "ssl_key_file",
      .type = OptionType::kPath,
      .default_text = "",
      .help = "PEM file with the key of ssl_cert_file.",
      .set = +[](Config& c,
                 std::string v) { c.notifications.key_file = std::move(v); },
      .aliases = kKeyFileAliases},
     {.section = "oslo_messaging_rabbit",
      .name = "ssl_enforce_hostname_verification",
      .type = OptionType::kBoolean,
      .default_text = "true",
      .help = "RabbitMQ's certificate has to be for the host that "
              "transport_url names. Debian's oslo.messaging has false where "
              "it is not set.",
      .set = +[](Config& c, bool v) { c.notifications.verify_hostname = v; }},
     {.section = "oslo_messaging_notifications",
      .name = "transport_url",
      .type = OptionType::kSecret,
      .default_text = "",
      .help = "The message bus for notifications, where it is not that of "
              "[DEFAULT] transport_url.",
      .set = +[](Config& c, Secret v) {
        c.notifications.own_transport_url = std::move(v);
      }}});

}  // namespace

std::span<const Option> messaging_options() { return kMessagingOptions; }

}  // namespace pxegate
