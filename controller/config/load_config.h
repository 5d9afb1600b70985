// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_CONFIG_LOAD_CONFIG_H_
#define PXEGATE_CONTROLLER_CONFIG_LOAD_CONFIG_H_

#include <string>
#include <string_view>
#include <vector>

#include "controller/base/result.h"
#include "controller/config/clouds.h"
#include "controller/config/config.h"
#include "controller/config/service_values.h"

namespace pxegate {

inline constexpr std::string_view kDefaultConfigFile =
    "/etc/pxegate/pxegate.conf";

// --config-file and --config-dir as OpenStack services have them.
struct ConfigSources {
  std::vector<std::string> files;  // in order, later wins
  // Its *.conf files, sorted, after `files`; empty: none.
  std::string dir = {};
  // For [ironic] and [inspector] cloud.
  CloudFiles clouds = {};
  // For a login by hand: taken where a section says nothing of a login and
  // names no cloud. Empty: only what the files say counts.
  Environment environment = {};
  // For OS_CLOUD among these.
  CloudFiles environment_clouds = {};
};

struct LoadedConfig {
  Config config;
  // What the operator should know though nothing is wrong enough to stop:
  // unknown options with the nearest name, deprecated names. Each says file,
  // line and option.
  std::vector<std::string> warnings;
  // Of load_config_leniently() only: what load_config() would have failed for.
  std::vector<std::string> problems;
  // Where the login stands, for people: "[ironic] of /etc/…", "OS_* …".
  std::string ironic_login;
  std::string inspector_login;
  // And what says where the service is.
  std::string ironic_endpoint;
  std::string inspector_endpoint;
  bool from_environment = false;  // a login or a part of it
  // The files read, in order.
  std::vector<std::string> files;
};

// Reads and checks everything. Files of Ironic and ironic-inspector load as
// they stand: sections and options that are not pxegate's are passed over in
// silence, unless their name looks like a slip for one that is. Where an
// option is set several times the last file wins, within a file its current
// name before a deprecated one, and then the last line. [inspector] is read
// only if its endpoint_override, or [pxe_filter] ask_inspector, is set. The
// options of a login are read from the section that auth_section names; what
// the section of a service does not set is taken from its cloud in
// clouds.yaml. What a file written for
// ironic-inspector does not say is taken from what it does, with a warning: the
// interfaces of the xdp and nftables drivers from [iptables] dnsmasq_interface;
// and Ironic is then asked on this host. On failure the message lists every
// problem found, one a line, each with file, line, option and what was expected
// (kInvalid; kNotFound or kPermission where a file could not be read).
// Secrets never appear in messages.
Result<LoadedConfig> load_config(const ConfigSources& sources);

// As load_config(), for commands that only look at a filter or remove it: an
// option with a problem has its default, and the problems are told besides.
LoadedConfig load_config_leniently(const ConfigSources& sources);

// The sample configuration: every option of the table with its help, type,
// default and choices, commented out, but for `driver = xdp`. Unedited it
// loads with two warnings, of what is assumed for [xdp] interfaces and
// [ironic] endpoint_override; with those set, without any.
std::string sample_config();

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_CONFIG_LOAD_CONFIG_H_
