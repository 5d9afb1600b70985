// SPDX-License-Identifier: Apache-2.0
#include "controller/app/doctor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "controller/app/connect_check.h"
#include "controller/app/control_client.h"
#include "controller/app/curl_options.h"
#include "controller/app/driver_needs.h"
#include "controller/app/drivers.h"
#include "controller/app/json_path.h"
#include "controller/app/offline.h"
#include "controller/app/text_table.h"
#include "controller/base/text.h"
#include "controller/doctor/clock_check.h"
#include "controller/doctor/dhcp_probe.h"
#include "controller/doctor/dhcp_servers.h"

namespace pxegate {
namespace {

using Outcome = Finding::Outcome;

// dnsmasq pings an address for up to three seconds before it offers it.
constexpr std::chrono::milliseconds kProbePatience{6'000};
constexpr std::string_view kConfigRemedy =
    "`pxegate config sample` shows every option with its help";

std::string_view to_word(Outcome outcome) {
  switch (outcome) {
    case Outcome::kGood:
      return "ok";
    case Outcome::kWarning:
      return "warning";
    case Outcome::kProblem:
      return "PROBLEM";
    case Outcome::kUnknown:
      return "unknown";
  }
  return "unknown";
}

// What iptables takes for -i: a trailing '+' stands for anything.
std::set<std::string> matching(const std::string& pattern) {
  std::set<std::string> names;
  const auto links = pattern.ends_with('+') ? read_link_stack()
                                            : Result<LinkStack>(LinkStack{});
  if (links) {
    for (const auto& [name, below] : *links) {
      if (name.starts_with(pattern.substr(0, pattern.size() - 1))) {
        names.insert(name);
      }
    }
  }
  if (names.empty()) names.insert(pattern);
  return names;
}

// Where the driver filters by interface, and what says so.
Gate gate_of(const Config& config) {
  const std::string& driver = config.pxe_filter.driver;
  const auto all = [](const std::vector<std::string>& names) {
    return std::set<std::string>(names.begin(), names.end());
  };
  if (driver == "xdp")
    return {driver, all(config.xdp.interfaces), "[xdp] interfaces"};
  if (driver == "nftables") {
    return {driver, all(config.nftables.interfaces), "[nftables] interfaces"};
  }
  if (driver == "iptables") {
    return {driver, matching(config.iptables.dnsmasq_interface),
            "[iptables] dnsmasq_interface"};
  }
  return {driver, {}, ""};
}

void examine_configuration(const LoadedConfig& loaded,
                           const TellFinding& tell) {
  const std::string check = "configuration";
  bool well = true;
  for (const std::string& each : loaded.problems) {
    tell(problem(check, each, std::string(kConfigRemedy)));
    well = false;
  }
  for (const std::string& each : loaded.warnings) {
    tell(warning(check, each, std::string(kConfigRemedy)));
    well = false;
  }
  if (loaded.files.empty()) {
    tell(problem(
        check,
        fmt::format("no file was read: there is no {}", kDefaultConfigFile),
        "make one with `pxegate config sample`, or name it with "
        "--config-file"));
    return;
  }
  if (!well) return;
  tell(good(check, fmt::format("{}", fmt::join(loaded.files, ", "))));
}

// Of the controller, or of this command where none runs.
void examine_privileges(const Config& config, int pid,
                        const TellFinding& tell) {
  const std::string check = "privileges";
  const auto needs = driver_needs(config);
  if (!needs) return;
  const auto missing = missing_capabilities(needs->capabilities, pid);
  const std::string driver = config.pxe_filter.driver;
  if (missing.empty()) {
    std::vector<std::string_view> names;
    for (const Capability& each : needs->capabilities) {
      names.push_back(each.name);
    }
    return tell(good(check, names.empty()
                                ? fmt::format("driver {} needs none", driver)
                                : fmt::format("driver {} has what it needs: {}",
                                              driver, fmt::join(names, ", "))));
  }
  const std::string lacking = fmt::format("{}", fmt::join(missing, ", "));
  if (pid == 0) {
    return tell(not_known(
        check,
        fmt::format("this command lacks {}, so not all can be looked at",
                    lacking),
        "run it as root"));
  }
  tell(problem(check,
               fmt::format("process {} lacks {}, which driver {} needs", pid,
                           lacking, driver),
               "`systemctl daemon-reload && systemctl restart pxegate` gives "
               "the service what its driver needs; others: run it as root"));
}

Finding examine_unattended(const Config& config) {
  const std::string check = "controller";
  const std::string remedy =
      "systemctl start pxegate (or `pxegate run` in the foreground)";
  const auto filter = offline_backend(config);
  if (!filter) {
    return problem(check,
                   "none runs, and no filter is in force: every machine may "
                   "network-boot",
                   remedy);
  }
  const ControllerStatus status = (*filter)->status();
  return problem(check,
                 fmt::format("none runs: the filter goes on with an old policy "
                             "({} allowed, {} denied)",
                             status.allowed, status.denied),
                 remedy);
}

void examine_controller(const Config& config, const TellFinding& tell) {
  const std::string check = "controller";
  const ControlClient client(config.api.socket);
  const auto reachable = client.probe();
  if (!reachable && reachable.error().code() == ErrorCode::kNotFound) {
    tell(examine_unattended(config));
    return examine_privileges(config, 0, tell);
  }
  const auto body =
      reachable ? client.get("/v1/status") : fail(reachable.error());
  const auto status = body ? parse_json(*body) : fail(body.error());
  if (!status) {
    return tell(not_known(check, status.error().message(),
                          "run it as root, or as a member of the group that "
                          "owns the socket"));
  }
  examine_privileges(
      config, static_cast<int>(json_path::count(*status, {"pid"})), tell);
  bool well = true;
  const auto each = [&](std::string_view list, Outcome outcome) {
    for (const Json& text : json_path::list(*status, {list})) {
      if (!text.is_string()) continue;
      tell({check, outcome, text.get<std::string>(),
            "`pxegate status` tells more"});
      well = false;
    }
  };
  each("problems", Outcome::kProblem);
  each("degraded", Outcome::kWarning);
  const std::string driver = json_path::text(*status, {"driver", "name"});
  if (driver != config.pxe_filter.driver) {
    tell(warning(check,
                 fmt::format("it runs driver {}, the configuration says {}",
                             driver, config.pxe_filter.driver),
                 "kill -HUP its process, or `systemctl reload pxegate`"));
    well = false;
  }
  if (!well) return;
  tell(good(check, fmt::format("process {} enforces {} rules with driver {}",
                               json_path::count(*status, {"pid"}),
                               json_path::count(*status, {"driver", "rules"}),
                               driver)));
}

void examine_driver(const Config& config, const TellFinding& tell) {
  const std::string check = "driver";
  const std::string& name = config.pxe_filter.driver;
  auto registry = available_drivers(config);
  auto driver =
      registry ? registry->create(name)
               : Result<std::unique_ptr<FilterDriver>>(fail(registry.error()));
  if (!driver) {
    return tell(problem(check, driver.error().message(),
                        "`pxegate drivers` lists what [pxe_filter] driver "
                        "may be"));
  }
  if (name == "noop") {
    tell(warning(check, "noop filters nothing: every machine may network-boot",
                 "[pxe_filter] driver = xdp"));
  } else {
    tell(good(check, name));
  }
  for (Finding& finding : (*driver)->examine()) tell(std::move(finding));
}

void examine_dhcp_servers(const Gate& gate, const TellFinding& tell) {
  const auto scan = find_dhcp_servers();
  const auto addressed = scan ? addressed_interfaces() : fail(scan.error());
  const auto links = addressed ? read_link_stack() : fail(addressed.error());
  if (!links) {
    return tell(not_known("DHCP server", links.error().message(), ""));
  }
  for (Finding& finding : judge_dhcp_servers(*scan, *addressed, *links, gate)) {
    tell(std::move(finding));
  }
}

// What the clock of the host behind `endpoint` says, by an answer to anybody.
Finding examine_clock(const std::string& endpoint, const ServiceConfig& service,
                      const Clock& clock, const std::stop_token& stop) {
  std::optional<WallTime> server;
  const WallTime before = clock.wall();
  if (!endpoint.empty()) {
    auto transport = CurlTransport::make(curl_options(service), stop);
    HttpRequest request;
    request.url = endpoint;
    const auto answer =
        transport ? (*transport)->send(request) : fail(transport.error());
    if (answer) {
      const auto date = answer->headers.find("date");
      if (date != answer->headers.end()) server = http_date(date->second);
    }
  }
  return judge_clock(server, before, clock.wall(), clock_is_synchronized());
}

Finding service_finding(const ServiceCheck& service) {
  const std::string check =
      service.service == "ironic" ? "Ironic" : "ironic-inspector";
  if (!service.problem.empty()) {
    return problem(check, service.problem,
                   "`pxegate config check --connect` tells as whom and where "
                   "it asks; docs: login.md");
  }
  const std::string endpoint =
      service.login ? service.login->endpoint : std::string();
  return good(check, service.nodes
                         ? fmt::format("{} shows all of its {}", endpoint,
                                       count_text(*service.nodes, "node"))
                         : fmt::format("{} answers", endpoint));
}

void examine_services(const LoadedConfig& loaded, const Clock& clock,
                      const std::stop_token& stop, const TellFinding& tell) {
  const ConnectReport report = check_connections(loaded, clock, stop);
  for (const std::string& each : report.problems) {
    tell(problem("Ironic", each, std::string(kConfigRemedy)));
  }
  std::string endpoint;
  for (const ServiceCheck& service : report.services) {
    tell(service_finding(service));
    if (!service.login) continue;
    for (const std::string& each : service.login->warnings) {
      tell(warning(service.service == "ironic" ? "Ironic" : "ironic-inspector",
                   each, ""));
    }
    if (service.service == "ironic") endpoint = service.login->endpoint;
  }
  if (report.broker) {
    const BrokerCheck& broker = *report.broker;
    const std::string check = "message bus";
    if (!broker.problem.empty()) {
      tell(warning(check, broker.problem,
                   "docs: notifications.md; Ironic is polled meanwhile"));
    } else if (!broker.remark.empty()) {
      tell(warning(check, broker.remark, "docs: notifications.md"));
    } else {
      tell(good(check, broker.endpoint + " lets us listen"));
    }
  }
  tell(examine_clock(endpoint, loaded.config.ironic, clock, stop));
}

void examine_network(const Gate& gate, const std::stop_token& stop,
                     const TellFinding& tell) {
  const auto offers = probe_dhcp(gate.filtered, kProbePatience, stop);
  const auto own = own_addresses();
  tell(judge_offers(offers, own ? *own : std::set<std::string>(),
                    gate.filtered));
}

}  // namespace

void examine_deployment(const LoadedConfig& loaded,
                        const DoctorOptions& options, const Clock& clock,
                        const std::stop_token& stop, const TellFinding& tell) {
  const Gate gate = gate_of(loaded.config);
  examine_configuration(loaded, tell);
  examine_controller(loaded.config, tell);
  examine_driver(loaded.config, tell);
  if (!gate.filtered.empty()) examine_dhcp_servers(gate, tell);
  if (stop.stop_requested()) return;
  examine_services(loaded, clock, stop, tell);
  if (stop.stop_requested() || !options.probe || gate.filtered.empty()) return;
  examine_network(gate, stop, tell);
}

std::string finding_view(const Finding& finding) {
  std::string text =
      fmt::format("{:<8} {:<22} {}\n", to_word(finding.outcome),
                  printable(finding.check), printable(finding.seen));
  if (!finding.remedy.empty() && finding.outcome != Outcome::kGood) {
    text +=
        fmt::format("{:<8} {:<22} do: {}\n", "", "", printable(finding.remedy));
  }
  return text;
}

std::string findings_summary(const std::vector<Finding>& findings) {
  const auto count = [&](Outcome outcome) {
    return static_cast<std::size_t>(
        std::ranges::count(findings, outcome, &Finding::outcome));
  };
  std::string text = fmt::format(
      "\n{}, {}, {} good", count_text(count(Outcome::kProblem), "problem"),
      count_text(count(Outcome::kWarning), "warning"), count(Outcome::kGood));
  const std::size_t unknown = count(Outcome::kUnknown);
  if (unknown > 0) text += fmt::format(", {} could not be looked at", unknown);
  return text + ".\n";
}

bool all_well(const std::vector<Finding>& findings) {
  return std::ranges::none_of(findings, [](const Finding& finding) {
    return finding.outcome == Outcome::kProblem;
  });
}

Json findings_json(const std::vector<Finding>& findings) {
  Json json = {{"good", all_well(findings)}, {"findings", Json::array()}};
  for (const Finding& finding : findings) {
    const std::string outcome = lower_case(to_word(finding.outcome));
    json["findings"].push_back({{"check", finding.check},
                                {"outcome", outcome},
                                {"seen", finding.seen},
                                {"do", finding.remedy}});
  }
  return json;
}

}  // namespace pxegate
