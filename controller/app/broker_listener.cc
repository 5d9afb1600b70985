// SPDX-License-Identifier: Apache-2.0
#include "controller/app/broker_listener.h"

#include <utility>

#include "controller/ironic/amqp_listener.h"
#include "controller/ironic/transport_url.h"

namespace pxegate {

Result<std::unique_ptr<Notifications>> listen_to_broker(
    const Config& config, const Clock& clock, std::function<void()> wake) {
  const Config::Notifications& from = config.notifications;
  auto broker = parse_transport_url(from.transport_url);
  if (!broker) {
    return fail(broker.error().within("[DEFAULT] transport_url"));
  }
  if (!*broker) return std::unique_ptr<Notifications>();
  AmqpOptions options;
  options.broker = **std::move(broker);
  options.ssl = from.ssl;
  options.ca_file = from.ca_file;
  options.cert_file = from.cert_file;
  options.key_file = from.key_file;
  options.verify_hostname = from.verify_hostname;
  if (!from.exchange.empty()) options.exchange = from.exchange;
  if (!from.topics.empty()) options.topics = from.topics;
  auto listener =
      AmqpListener::start(std::move(options), clock, std::move(wake));
  if (!listener) {
    return fail(listener.error().within("[DEFAULT] transport_url"));
  }
  return std::unique_ptr<Notifications>(*std::move(listener));
}

}  // namespace pxegate
