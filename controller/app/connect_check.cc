// SPDX-License-Identifier: Apache-2.0
#include "controller/app/connect_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>

#include "controller/app/sources.h"
#include "controller/app/text_table.h"

namespace pxegate {
namespace {

using std::chrono::seconds;

// What one host that says nothing may take: to resolve its name, to connect
// (with TLS twice), to log in and to answer twice (AmqpOptions::timeout each).
constexpr seconds kHostPatience{60};
// Nobody waits longer for a list of hosts.
constexpr seconds kBrokerPatience{300};
// What IronicClient takes for a list without end.
constexpr std::size_t kMaxItems = 2'000'000;

template <typename T>
Result<std::size_t> count_all(
    IronicApi& ironic, Result<Page<T>> (IronicApi::*ask)(std::string_view),
    const std::stop_token& stop) {
  std::size_t count = 0;
  std::string marker;
  while (!stop.stop_requested()) {
    const auto page = (ironic.*ask)(marker);
    if (!page) return fail(page.error());
    count += page->items.size();
    if (page->last || page->items.empty() || count > kMaxItems) return count;
    marker = page->items.back().uuid;
  }
  return fail("interrupted", ErrorCode::kCancelled);
}

void note_login(Result<Login> login, ServiceCheck& check) {
  if (!login) {
    check.problem = login.error().message();
    return;
  }
  check.login = *std::move(login);
  if (!check.login->complete) check.problem = check.login->why;
}

void count_shown(IronicApi& ironic, const std::stop_token& stop,
                 ServiceCheck& check) {
  const auto nodes = count_all(ironic, &IronicApi::nodes_page, stop);
  if (nodes) check.nodes = *nodes;
  if (!check.problem.empty()) return;
  if (!nodes) {
    check.problem = nodes.error().message();
    return;
  }
  // Whether its ports are all there is only the list itself can tell.
  if (!check.login->scope.starts_with("project ")) return;
  const auto ports = count_all(ironic, &IronicApi::ports_page, stop);
  if (ports) return;
  check.problem = ports.error().message();
  if (ports.error().code() != ErrorCode::kPermission) return;
  check.login->complete = false;
  check.login->why = check.problem;
}

BrokerCheck check_broker(const Notifications& broker, std::size_t hosts,
                         std::mutex& mutex, std::condition_variable& news,
                         const std::stop_token& stop) {
  const auto deadline =
      std::chrono::steady_clock::now() +
      std::min<seconds>(kHostPatience * hosts, kBrokerPatience);
  BrokerStatus status;
  std::unique_lock lock(mutex);
  while (true) {
    status = broker.status();
    // A queue that cannot be bound yet is a connection all the same.
    // One host of several is enough.
    const bool settled = status.connected || status.exchange_missing ||
                         status.consecutive_failures >= hosts;
    if (settled || stop.stop_requested()) break;
    if (std::chrono::steady_clock::now() >= deadline) break;
    news.wait_for(lock, std::chrono::milliseconds(100));
  }
  BrokerCheck check;
  check.endpoint = status.endpoint;
  check.connected = status.connected || status.exchange_missing;
  if (status.exchange_missing) {
    check.remark =
        "the exchange does not exist yet: Ironic has published nothing. Set "
        "[DEFAULT] notification_level = info and "
        "[oslo_messaging_notifications] driver = messagingv2 in ironic.conf, "
        "and see that [DEFAULT] control_exchange is the same here and there";
  } else if (!status.connected) {
    check.problem = fmt::format(
        "{}; expected the broker of Ironic's own [DEFAULT] transport_url. "
        "Without it a node that is inspected is noticed with the next poll",
        status.last_error.empty() ? std::string("no connection")
                                  : status.last_error);
  }
  return check;
}

// "key  value" lines, with what has no value left out.
class Lines {
 public:
  void add(std::string_view key, std::string_view value) {
    if (value.empty()) return;
    text_ += fmt::format("  {:<14}{}\n", key, printable(value));
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

std::string_view title(const ServiceCheck& check) {
  return check.service == "ironic" ? "Ironic" : "ironic-inspector";
}

}  // namespace

bool ConnectReport::good() const {
  return problems.empty() && (!broker || broker->problem.empty()) &&
         std::ranges::all_of(services, [](const ServiceCheck& check) {
           return check.problem.empty();
         });
}

ConnectReport check_connections(const LoadedConfig& loaded, const Clock& clock,
                                std::stop_token stop,
                                const ListenToBroker& listen) {
  ConnectReport report;
  const Config& config = loaded.config;
  if (loaded.from_environment) {
    report.warnings.emplace_back(
        "the login is that of OS_* in the environment, which `pxegate run` "
        "does not read: put it into the configuration, or name a cloud of "
        "/etc/openstack/clouds.yaml there ([ironic] cloud)");
  }
  const auto sources = Sources::make(config, clock, stop, {});
  if (!sources) {
    report.problems.push_back(sources.error().message());
  } else {
    ServiceCheck ironic{.service = "ironic",
                        .login_from = loaded.ironic_login,
                        .endpoint_from = loaded.ironic_endpoint,
                        .login = {},
                        .nodes = {},
                        .problem = {}};
    note_login((*sources)->log_in_to_ironic(), ironic);
    if (ironic.login) {
      count_shown((*sources)->ironic(), stop, ironic);
    }
    report.services.push_back(std::move(ironic));
    if (config.inspector_asked()) {
      ServiceCheck inspector{.service = "inspector",
                             .login_from = loaded.inspector_login,
                             .endpoint_from = loaded.inspector_endpoint,
                             .login = {},
                             .nodes = {},
                             .problem = {}};
      note_login((*sources)->log_in_to_inspector(), inspector);
      report.services.push_back(std::move(inspector));
    }
  }
  std::mutex mutex;
  std::condition_variable news;
  auto broker = listen(config, clock, [&] { news.notify_all(); });
  if (!broker) {
    report.problems.push_back(broker.error().message());
  } else if (*broker) {
    report.broker = check_broker(**broker, config.notifications.hosts.size(),
                                 mutex, news, stop);
  }
  return report;
}

std::string connect_view(const ConnectReport& report) {
  std::string text;
  for (const ServiceCheck& check : report.services) {
    Lines lines;
    lines.add("login from", check.login_from);
    if (check.login) {
      const Login& login = *check.login;
      lines.add("login", login.auth);
      lines.add("user", login.user);
      lines.add("scope", login.scope);
      lines.add("endpoint", login.endpoint);
      lines.add("endpoint from", check.endpoint_from);
      lines.add("microversion",
                login.newest_microversion.empty()
                    ? login.microversion
                    : fmt::format("{} (it has up to {})", login.microversion,
                                  login.newest_microversion));
      if (check.nodes) lines.add("nodes shown", std::to_string(*check.nodes));
      lines.add("complete", login.complete ? "yes" : "NO");
    } else {
      lines.add("endpoint from", check.endpoint_from);
    }
    if (check.login) {
      for (const std::string& warning : check.login->warnings) {
        lines.add("warning", warning);
      }
    }
    lines.add("PROBLEM", check.problem);
    text += fmt::format("\n{}\n{}", title(check), lines.text());
  }
  if (report.broker) {
    Lines lines;
    lines.add("endpoint", report.broker->endpoint);
    lines.add("connected", report.broker->connected ? "yes" : "NO");
    lines.add("remark", report.broker->remark);
    lines.add("PROBLEM", report.broker->problem);
    text += "\nmessage bus\n" + lines.text();
  }
  return text;
}

Json connect_json(const ConnectReport& report) {
  Json json = {{"good", report.good()},
               {"services", Json::array()},
               {"broker", nullptr},
               {"problems", report.problems},
               {"warnings", report.warnings}};
  for (const ServiceCheck& check : report.services) {
    Json each = {{"service", check.service},
                 {"login_from", check.login_from},
                 {"endpoint_from", check.endpoint_from},
                 {"connected", check.login.has_value()}};
    if (check.login) {
      each["auth"] = check.login->auth;
      each["user"] = check.login->user;
      each["scope"] = check.login->scope;
      each["endpoint"] = check.login->endpoint;
      each["microversion"] = check.login->microversion;
      each["newest_microversion"] = check.login->newest_microversion;
      each["complete"] = check.login->complete;
      each["warnings"] = check.login->warnings;
    }
    if (check.nodes) each["nodes"] = *check.nodes;
    each["problem"] = check.problem;
    json["services"].push_back(std::move(each));
  }
  if (report.broker) {
    json["broker"] = {{"endpoint", report.broker->endpoint},
                      {"connected", report.broker->connected},
                      {"remark", report.broker->remark},
                      {"problem", report.broker->problem}};
  }
  return json;
}

}  // namespace pxegate
