// SPDX-License-Identifier: Apache-2.0
#include "controller/app/broker_listener.h"

#include <utility>

#include "controller/ironic/amqp_listener.h"

namespace pxegate {

Result<std::unique_ptr<Notifications>> listen_to_broker(
    const Config& config, const Clock& clock, std::function<void()> wake) {
  const Config::Notifications& from = config.notifications;
  if (from.hosts.empty()) return std::unique_ptr<Notifications>();
  AmqpOptions options;
  options.hosts = from.hosts;
  options.virtual_host = from.virtual_host;
  options.heartbeat = from.heartbeat;
  options.ssl = from.ssl;
  options.ca_file = from.ca_file;
  options.cert_file = from.cert_file;
  options.key_file = from.key_file;
  options.verify_hostname = from.verify_hostname;
  if (!from.exchange.empty()) options.exchange = from.exchange;
  if (!from.topics.empty()) options.topics = from.topics;
  auto listener =
      AmqpListener::start(std::move(options), clock, std::move(wake));
  if (!listener) return fail(listener.error().within("the message bus"));
  return std::unique_ptr<Notifications>(*std::move(listener));
}

}  // namespace pxegate
