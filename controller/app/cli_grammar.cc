// SPDX-License-Identifier: Apache-2.0
#include "controller/app/cli_grammar.h"

#include <fmt/format.h>

#include "controller/app/control_api.h"
#include "controller/config/load_config.h"

namespace pxegate {
namespace {

// What `pxegate COMMAND --help` teaches.
constexpr CommandText kRunText = {
    "run", "Run the controller in the foreground",
    "Keeps the filter in step with Ironic until it is stopped: machines that\n"
    "Ironic is inspecting may network-boot, its other machines may not. A\n"
    "service manager is told when the filter first is as Ironic wants it.\n"
    "SIGHUP re-reads the configuration, SIGTERM stops.\n\n"
    "Example:\n"
    "  pxegate run --config-file /etc/pxegate/pxegate.conf"};
constexpr CommandText kStatusText = {
    "status", "Tell whether the filter works, and what is wrong",
    "The first line is the verdict. Then the driver and where it filters, how\n"
    "old the policy is, and how Ironic answered lately. Exit status 0 only\n"
    "when all is well: no controller, or a policy out of date, is 1.\n\n"
    "Example:\n"
    "  pxegate status || echo look at it"};
constexpr CommandText kPolicyText = {
    "policy", "Show what is enforced, and why",
    "For one hardware address: may it network-boot, why, which node it "
    "belongs\n"
    "to, and when the filter last saw it ask. Without an address: every entry\n"
    "as a table. While no controller runs, the verdicts are read from the\n"
    "filter itself; the reasons are not known then.\n\n"
    "Examples:\n"
    "  pxegate policy 52:54:00:12:34:56\n"
    "  pxegate policy | grep allow"};
constexpr CommandText kClientsText = {
    "clients", "Show who asked to boot lately",
    "DHCP clients as the filter saw them, latest first: node, relay, verdict\n"
    "and its reason, how often, how long ago, and the client's architecture;\n"
    "then relays and counters.\n\n"
    "Examples:\n"
    "  pxegate clients --watch\n"
    "  pxegate clients --json | jq '.clients[] | select(.verdict == "
    "\"deny\")'"};
constexpr CommandText kTopText = {
    "top", "Watch leaves, rates and verdicts live",
    "A live view of the terminal's size: whether all is well, each DHCP relay\n"
    "agent with how many requests a second it sends and how many are refused,\n"
    "the busiest first, and the latest verdicts. `q` or Ctrl-C ends it. Where\n"
    "the output is no terminal, a screen is printed every second.\n\n"
    "Example:\n"
    "  sudo pxegate top"};
constexpr CommandText kEventsText = {
    "events", "Show each verdict as it falls",
    "DHCP requests one a line, oldest first: when, on which interface and\n"
    "VLAN, whose, through which relay, what was asked, the client's\n"
    "architecture, the verdict and its reason. Without --follow: those that "
    "the\n"
    "controller remembers. While no controller runs they are taken from the\n"
    "filter itself, which hands out each of them once.\n\n"
    "In a flood the filter reports some of the verdicts only; a line says how\n"
    "many are missing. `pxegate clients` counts all of them.\n\n"
    "Examples:\n"
    "  pxegate events --follow --denied\n"
    "  pxegate events --follow --json | jq -r .address"};
constexpr CommandText kSyncText = {
    "sync", "Sync with Ironic now, and wait",
    "Asks the running controller to list everything from Ironic and enforce\n"
    "it at once, and tells what that changed.\n\n"
    "A list that is empty or drastically shorter than what is known is held\n"
    "back until it was confirmed twice; with --force it is believed at once.\n"
    "See in `pxegate status` what it lacks before you do that.\n\n"
    "Examples:\n"
    "  pxegate sync --timeout 120\n"
    "  sudo pxegate sync --force"};
constexpr CommandText kTeardownText = {
    "teardown", "Remove the filter; every machine may boot then",
    "Takes the filter off the network interfaces and removes all that it left\n"
    "in the system. A running controller does it and then exits with status\n"
    "0, since otherwise it would put the filter back. This opens the network\n"
    "to machines that were denied.\n\n"
    "With --driver it removes what another driver than the one in use left in\n"
    "force, and lets a running controller go on.\n\n"
    "Examples:\n"
    "  sudo pxegate teardown\n"
    "  sudo pxegate teardown --driver nftables"};
constexpr CommandText kDriversText = {
    "drivers", "List the filter drivers there are",
    "The names that [pxe_filter] driver takes, where each comes from, and\n"
    "which one is configured.\n\n"
    "Example:\n"
    "  pxegate drivers"};
constexpr CommandText kDoctorText = {
    "doctor", "Check all that a deployment gets wrong",
    "Looks at the configuration, the controller, the kernel and its BPF file\n"
    "system, privileges, each filtered interface, this host's DHCP servers "
    "and\n"
    "whether the filter is in front of them, Ironic and whether it shows "
    "every\n"
    "node, the clock, and the network. Each line says what was seen, and what\n"
    "to do about it. Run it as root. Exit status 0 when nothing is a problem\n"
    "(warnings are none), 1 otherwise.\n\n"
    "Changes nothing. It sends a DHCPDISCOVER on each filtered interface, to\n"
    "see whether another DHCP server answers; --no-probe leaves that out.\n\n"
    "Examples:\n"
    "  sudo pxegate doctor\n"
    "  sudo pxegate doctor --json | jq '.findings[] | select(.outcome != "
    "\"ok\")'"};
constexpr CommandText kConfigText = {
    "config", "Check the configuration, or print a sample",
    "Example:\n"
    "  pxegate config sample > pxegate.conf && pxegate config check "
    "--config-file pxegate.conf"};
constexpr CommandText kConfigCheckText = {
    "check", "Check the configuration",
    "Reads the configuration as `run` would and reports every problem with\n"
    "file and line. Exit status 0 when there is none (warnings are none), 2\n"
    "otherwise. Changes nothing and asks nobody.\n\n"
    "With --connect it then logs in to Ironic, to ironic-inspector and to the\n"
    "message bus where they are configured, and tells as whom, where, and\n"
    "whether all nodes are shown; exit status 1 when that is not so. Where\n"
    "[ironic] says nothing of a login, OS_* variables and OS_CLOUD are used,\n"
    "by this command alone.\n\n"
    "Examples:\n"
    "  pxegate config check --config-file /etc/pxegate/pxegate.conf\n"
    "  sudo pxegate config check --connect"};
constexpr CommandText kConfigSampleText = {
    "sample", "Print every option with its help",
    "A configuration file with every option, its help and its default,\n"
    "commented out.\n\n"
    "Example:\n"
    "  pxegate config sample > /etc/pxegate/pxegate.conf"};

}  // namespace

Grammar::Grammar() {
  // Global options may stand behind the command too.
  app_.fallthrough();
  app_.require_subcommand(1);
  app_.set_version_flag("--version", "pxegate " PXEGATE_VERSION);
  app_.add_option("--config-file", arguments_.config_files,
                  "Configuration file; may be repeated, later ones win")
      ->allow_extra_args(false)
      ->type_name("FILE");
  app_.add_option("--config-dir", arguments_.config_dir,
                  "Folder whose *.conf files are read after those, sorted")
      ->type_name("DIR");
  app_.footer(fmt::format(
      "Without --config-file, {} is read if it exists.\n"
      "`pxegate COMMAND --help` tells more about each command.\n"
      "Exit status: 0 success, 1 failure, 2 wrong usage or configuration.",
      kDefaultConfigFile));

  add(app_, kRunText, CliCommand::kRun);
  add_json(add(app_, kStatusText, CliCommand::kStatus));
  CLI::App* policy = add(app_, kPolicyText, CliCommand::kPolicy);
  policy->add_option("MAC", arguments_.address,
                     "Hardware address, as in 52:54:00:12:34:56");
  add_json(policy);
  CLI::App* clients = add(app_, kClientsText, CliCommand::kClients);
  clients->add_flag("--watch", arguments_.watch,
                    "Refresh every second until Ctrl-C");
  add_json(clients);
  add(app_, kTopText, CliCommand::kTop);
  CLI::App* events = add(app_, kEventsText, CliCommand::kEvents);
  events->add_flag("-f,--follow", arguments_.follow,
                   "Go on until Ctrl-C, through restarts of the controller");
  events->add_flag("--denied", arguments_.denied,
                   "Only requests that were denied");
  events
      ->add_option("--mac", arguments_.address,
                   "Only requests of this hardware address")
      ->type_name("MAC");
  events
      ->add_option("--relay", arguments_.relay,
                   "Only requests through the relay of this address")
      ->type_name("IP");
  add_json(events);
  CLI::App* sync = add(app_, kSyncText, CliCommand::kSync);
  sync->add_flag("--force", arguments_.force,
                 "Believe the list however short it is");
  sync->add_option("--timeout", arguments_.sync_timeout,
                   "Seconds to wait for the result")
      ->check(CLI::Range(1LL, static_cast<long long>(kMaxSyncTimeout.count())))
      ->capture_default_str();
  add_json(sync);
  CLI::App* teardown = add(app_, kTeardownText, CliCommand::kTeardown);
  teardown
      ->add_option("--driver", arguments_.driver,
                   "Remove what this driver left, instead of the one in use")
      ->type_name("NAME");
  add_json(add(app_, kDriversText, CliCommand::kDrivers));
  CLI::App* doctor = add(app_, kDoctorText, CliCommand::kDoctor);
  doctor->add_flag("--no-probe", arguments_.no_probe, "Send no DHCPDISCOVER");
  add_json(doctor);
  CLI::App* config = add(app_, kConfigText, std::nullopt);
  config->require_subcommand(1);
  CLI::App* check = add(*config, kConfigCheckText, CliCommand::kConfigCheck);
  check->add_flag("--connect", arguments_.connect,
                  "Log in to what is configured, and tell what is shown");
  add_json(check);
  add(*config, kConfigSampleText, CliCommand::kConfigSample);
}

CLI::App* Grammar::add(CLI::App& parent, const CommandText& text,
                       std::optional<CliCommand> command) {
  CLI::App* added = parent.add_subcommand(text.name, text.summary);
  added->footer(text.help);
  if (command) {
    added->callback([this, command] { command_ = *command; });
  }
  return added;
}

void Grammar::add_json(CLI::App* command) {
  command->add_flag("--json", arguments_.json, "Print JSON instead of text");
}

}  // namespace pxegate
