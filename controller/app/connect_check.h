// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_CONNECT_CHECK_H_
#define PXEGATE_CONTROLLER_APP_CONNECT_CHECK_H_

#include <cstddef>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "controller/app/broker_listener.h"
#include "controller/app/json.h"
#include "controller/base/clock.h"
#include "controller/config/load_config.h"
#include "controller/ironic/login.h"

namespace pxegate {

// `pxegate config check --connect`: whether the services that the
// configuration names let us in and show all there is. No secrets in any of it.

struct ServiceCheck {
  std::string service;        // "ironic", "inspector"
  std::string login_from;     // where the login stands
  std::string endpoint_from;  // what says where the service is
  std::optional<Login> login;
  std::optional<std::size_t> nodes;  // that are shown; of Ironic only
  std::string problem;               // and what to do; empty: none
};

struct BrokerCheck {
  std::string endpoint;  // without credentials
  bool connected = false;
  std::string remark;   // worth knowing, though nothing is wrong
  std::string problem;  // and what to do; empty: none
};

struct ConnectReport {
  std::vector<ServiceCheck> services;
  std::optional<BrokerCheck> broker;  // nullopt: none is configured
  std::vector<std::string> problems;  // of the whole
  std::vector<std::string> warnings;

  bool good() const;
};

// Asks them, one after the other; takes as long as their timeouts allow, and
// for a login of one project as long as a full list does. A stop requested on
// `stop` ends it. `listen` makes what listens to the broker.
ConnectReport check_connections(
    const LoadedConfig& loaded, const Clock& clock, std::stop_token stop,
    const ListenToBroker& listen = listen_to_broker);

// For people, and for programs.
std::string connect_view(const ConnectReport& report);
Json connect_json(const ConnectReport& report);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_CONNECT_CHECK_H_
