// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_CONFIG_OPTION_CHECKS_H_
#define PXEGATE_CONTROLLER_CONFIG_OPTION_CHECKS_H_

#include <string_view>

#include "controller/base/result.h"

namespace pxegate {

// What a value of the option table must satisfy besides its type. Pure. An
// error is kInvalid and says what is wrong with the value, quoting it, as a
// clause without the option's name.

Result<> check_word(std::string_view value);      // no blank, not empty
Result<> check_exchange(std::string_view value);  // a name of AMQP's
// The same, with a priority behind it.
Result<> check_topic(std::string_view value);
Result<> check_provision_state(std::string_view value);  // one of Ironic's
Result<> check_interface(std::string_view value);        // of the network
// What iptables takes for -i: a trailing '+' stands for anything.
Result<> check_interface_pattern(std::string_view value);
Result<> check_chain(std::string_view value);     // of iptables, to be ours
Result<> check_nft_name(std::string_view value);  // of a table
Result<> check_absolute_path(std::string_view value);
Result<> check_socket_path(std::string_view value);  // of a Unix socket
Result<> check_listen(std::string_view value);       // empty or host:port
// An IP network whose relays are meant: one of IPv6 that takes all of IPv4 in
// is a mistake.
Result<> check_relay_network(std::string_view value);
Result<> check_endpoint_interface(std::string_view value);  // of a catalogue
Result<> check_system_scope(std::string_view value);        // empty or "all"
Result<> check_status_code(std::string_view value);         // of an HTTP error
// Empty, or http(s) without user, query and fragment. Never quotes what may
// hold a secret.
Result<> check_url(std::string_view value);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_CONFIG_OPTION_CHECKS_H_
