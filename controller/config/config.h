// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_CONFIG_CONFIG_H_
#define PXEGATE_CONTROLLER_CONFIG_CONFIG_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "controller/base/ip_network.h"
#include "controller/base/secret.h"
#include "controller/base/transport_url.h"

namespace pxegate {

// How to log in. The names of keystoneauth's plug-ins that stand for one kind:
// kPassword is password and v3password, kToken is token and v3token.
enum class AuthType {
  kNone,
  kHttpBasic,
  kPassword,
  kApplicationCredential,
  kToken
};
enum class XdpMode { kAuto, kNative, kSkb };
enum class OnExit { kKeep, kDetach };
enum class NicSharing { kExclusive, kDispatcher };
enum class GateScope { kDhcp, kPxe };
enum class StaleAction { kDeny, kKeep, kAllow };
enum class IpVersion { k4, k6 };

// How to reach one OpenStack service: [ironic] and [inspector], option names
// of keystoneauth. What a clouds.yaml or the environment say is in it already.
// Which fields may be set together is checked on load (combinations.h); an
// empty string is one that is not set.
struct ServiceConfig {
  AuthType auth_type = AuthType::kNone;

  // Logging in at Keystone.
  std::string auth_url;  // with or without /v3
  std::string username;  // of HTTP Basic too
  std::string user_id;
  std::string user_domain_id;  // default_domain_* is applied on load
  std::string user_domain_name;
  Secret password;
  std::string project_id;
  std::string project_name;
  std::string project_domain_id;  // default_domain_* is applied on load
  std::string project_domain_name;
  std::string domain_id;
  std::string domain_name;
  std::string default_domain_id;
  std::string default_domain_name;
  std::string system_scope;  // "all" or empty
  std::string trust_id;
  std::string application_credential_id;
  std::string application_credential_name;
  Secret application_credential_secret;
  Secret token;

  // The service's address: this one, or else what Keystone's catalogue holds.
  std::string endpoint_override;
  std::string service_type;
  std::string service_name;
  std::vector<std::string> valid_interfaces;  // the first that there is
  std::string region_name;

  // TLS, and how long to wait. They hold for Keystone as well.
  std::string cafile;  // empty: the system's
  std::string certfile;
  std::string keyfile;  // empty: certfile holds the key too
  bool insecure = false;
  std::chrono::seconds timeout{30};

  // More tries within one request. A delay of zero starts at half a second
  // and doubles, up to a minute, as keystoneauth's unset one does.
  std::uint32_t connect_retries = 0;
  std::chrono::milliseconds connect_retry_delay{0};
  std::uint32_t status_code_retries = 0;
  std::chrono::milliseconds status_code_retry_delay{0};
  std::vector<std::uint16_t> retriable_status_codes;

  // Where the login was read, for messages: "[ironic]", "cloud …"; empty: here.
  std::string login_from;
  std::string auth_section;  // where the login was read; empty: here
  std::string cloud;         // of clouds.yaml; empty: none

  bool operator==(const ServiceConfig&) const = default;
};

// Every setting, typed and checked. Defaults, ranges and help stand in the
// option table (options.h) and nowhere else: what is here is overwritten by
// the table's defaults on load. A plain value.
struct Config {
  // [DEFAULT]
  bool debug = false;
  std::string log_file;  // empty: standard error; log_dir is applied to it
  std::string log_dir;

  struct PxeFilter {
    std::string driver;
    std::chrono::seconds sync_period{};
    std::chrono::seconds poll_interval{};
    bool deny_unknown_macs = false;
    std::vector<std::string> supported_inspect_interfaces;
    std::vector<std::string> open_provision_states;
    bool skip_managed = false;
    std::string plugin_dir;
    // What of Ironic this controller is about; empty: everything.
    std::string conductor_group;
    std::string shard;
    std::string owner;
    std::string physical_network;
    // A full list with less than so much of the ports of the one before, in
    // percent, is held back until it is confirmed. 0: never.
    std::uint32_t min_list_percent = 50;
    // Ask ironic-inspector too, without [inspector] endpoint_override.
    bool ask_inspector = false;
    bool operator==(const PxeFilter&) const = default;
  } pxe_filter;

  ServiceConfig ironic;
  ServiceConfig inspector;  // the table's defaults, unless it is asked

  bool inspector_asked() const {
    return pxe_filter.ask_inspector || !inspector.endpoint_override.empty();
  }

  // Ironic's message bus, in oslo.messaging's and Ironic's words.
  struct Notifications {
    Secret transport_url;      // of [DEFAULT]; may be "fake://"
    Secret own_transport_url;  // of [oslo_messaging_notifications]: goes first
    bool ssl = false;  // of [oslo_messaging_rabbit], as the four below it
    std::string ca_file;
    std::string cert_file;
    std::string key_file;
    bool verify_hostname = true;
    std::string exchange;             // control_exchange
    std::vector<std::string> topics;  // versioned_notifications_topics

    // What follows, filled in on load (message_bus.h): what the URL says, whose
    // query goes before [oslo_messaging_rabbit].
    std::vector<BrokerHost> hosts;  // empty: there is no broker
    std::string virtual_host;
    std::chrono::seconds heartbeat{10};
    bool operator==(const Notifications&) const = default;
  } notifications;

  struct Xdp {
    std::vector<std::string> interfaces;
    XdpMode mode = XdpMode::kAuto;
    OnExit on_exit = OnExit::kKeep;
    std::string pin_path;
    std::uint32_t max_clients = 0;
    NicSharing attach = NicSharing::kExclusive;
    GateScope scope = GateScope::kDhcp;
    std::chrono::seconds stale_after{};
    StaleAction stale_action = StaleAction::kDeny;
    std::vector<IpNetwork> discovery_relays;
    std::uint32_t unknown_rate = 0;  // requests a second; 0: any number
    std::uint32_t relay_rate = 0;
    bool operator==(const Xdp&) const = default;
  } xdp;

  struct Iptables {
    std::string dnsmasq_interface;
    std::string firewall_chain;
    std::vector<std::string> ethoib_interfaces;  // for every driver
    IpVersion ip_version = IpVersion::k4;
    bool operator==(const Iptables&) const = default;
  } iptables;

  struct Dnsmasq {
    std::string dhcp_hostsdir;
    bool purge_dhcp_hostsdir = true;
    std::string start_command;
    std::string stop_command;
    bool operator==(const Dnsmasq&) const = default;
  } dnsmasq;

  struct Nftables {
    std::vector<std::string> interfaces;
    std::string table;
    bool operator==(const Nftables&) const = default;
  } nftables;

  // What stands in the section that is named as [pxe_filter] driver, where
  // that is none of the table's: a plugin's options, checked by nobody yet.
  std::map<std::string, std::string> plugin_options;

  struct Api {
    std::string socket;
    std::string listen;  // "address:port"; empty: no TCP
    bool operator==(const Api&) const = default;
  } api;

  // [auto_discovery] enabled, or [processing] node_not_found_hook not empty.
  bool discovery = false;

  bool operator==(const Config&) const = default;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_CONFIG_CONFIG_H_
