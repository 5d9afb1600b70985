// SPDX-License-Identifier: Apache-2.0
#include "controller/app/cli.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <ostream>
#include <system_error>
#include <utility>
#include <vector>

#include "controller/app/cli_grammar.h"
#include "controller/app/control_api.h"
#include "controller/app/control_client.h"
#include "controller/app/events_command.h"
#include "controller/app/json.h"
#include "controller/app/json_path.h"
#include "controller/app/text_table.h"
#include "controller/app/top_view.h"
#include "controller/base/ip_network.h"
#include "controller/base/mac_address.h"
#include "controller/base/text.h"

namespace pxegate {
namespace {

using std::chrono::seconds;

constexpr seconds kTeardownTimeout{60};
constexpr std::chrono::milliseconds kWatchInterval{1'000};

// One run of the command line.
class Session {
 public:
  Session(const CliHooks& hooks, std::ostream& out, std::ostream& err,
          const Arguments& arguments)
      : hooks_(hooks), out_(out), err_(err), arguments_(arguments) {}

  int run() {
    if (!load()) return kExitUsage;
    if (loaded_.files.empty()) {
      complain(
          fmt::format("no configuration file was read: {} does not "
                      "exist; make one with `pxegate config sample`",
                      hooks_.default_config_file));
    }
    return hooks_.run(loaded_, sources_);
  }

  int status() {
    load_leniently();
    const auto reachable = client().probe();
    if (!reachable && reachable.error().code() == ErrorCode::kNotFound) {
      return offline_status();
    }
    const auto body = client().get("/v1/status");
    if (!body) return failed(body.error());
    const auto json = parse_json(*body);
    if (!json) return failed(json.error());
    const bool wrote = emit(arguments_.json ? *body : status_view(*json));
    const bool healthy = json->is_object() && json->contains("healthy") &&
                         json->at("healthy") == true;
    return wrote && healthy ? kExitSuccess : kExitFailure;
  }

  int policy() {
    std::string path = "/v1/policy";
    std::optional<HardwareAddress> address;
    if (!arguments_.address.empty()) {
      const auto parsed = HardwareAddress::parse(arguments_.address);
      if (!parsed) return failed(parsed.error(), kExitUsage);
      address = *parsed;
      path += "?address=" + address->to_string();
    }
    load_leniently();
    const auto body = document(path, [&](const ControlBackend& backend) {
      return offline_policy(backend, address);
    });
    return show(body, address ? &address_view : &policy_view);
  }

  int clients() {
    load_leniently();
    if (arguments_.watch) return watch_clients();
    return show(clients_document(),
                [](const Json& json) { return clients_view(json); });
  }

  int top() {
    load_leniently();
    const std::unique_ptr<Screen> screen = hooks_.screen();
    TopView view;
    std::optional<TerminalSize> painted;
    while (true) {
      look(view);
      const auto size = hooks_.terminal();
      std::string frame = view.render(screen ? size : std::nullopt);
      if (screen) {
        const bool anew = !painted || !size || *painted != *size;
        painted = size;
        frame = repaint(frame, anew);
      } else if (!out_) {
        return kExitSuccess;  // the reader has gone
      }
      if (!emit(frame)) return kExitFailure;
      if (!(screen ? screen->pause(kWatchInterval)
                   : hooks_.pause(kWatchInterval))) {
        return kExitSuccess;
      }
    }
  }

  int events() {
    EventFilter filter;
    filter.denied = arguments_.denied;
    if (!arguments_.address.empty()) {
      const auto address = HardwareAddress::parse(arguments_.address);
      if (!address) return failed(address.error().within("--mac"), kExitUsage);
      filter.address = *address;
    }
    if (!arguments_.relay.empty()) {
      const auto relay = IpNetwork::parse(arguments_.relay);
      if (!relay || relay->prefix_length != 128 ||
          arguments_.relay.find('/') != std::string::npos) {
        return failed(Error("--relay: " + pxegate::quoted(arguments_.relay) +
                            " is no IP address"),
                      kExitUsage);
      }
      filter.relay = ip_to_string(relay->address);
    }
    load_leniently();
    EventsCommand command(
        {.client = client(),
         .offline = [this] { return hooks_.offline_backend(loaded_.config); },
         .stop = hooks_.stop_signals(),
         .emit = [this](const std::string& text) { return emit(text); },
         .reader_left = [this] { return !out_ || hooks_.reader_left(); },
         .complain = [this](const std::string& text) { complain(text); }},
        {.follow = arguments_.follow,
         .json = arguments_.json,
         .filter = std::move(filter)});
    return command.run() ? kExitSuccess : kExitFailure;
  }

  int sync() {
    load_leniently();
    const seconds timeout(arguments_.sync_timeout);
    // The controller keeps to the limit; ours only guards against its hanging.
    const auto body =
        client().post(fmt::format("/v1/sync?timeout={}{}", timeout.count(),
                                  arguments_.force ? "&force=1" : ""),
                      timeout + seconds(5));
    if (!body) return failed(body.error().within("sync"));
    const int shown = show(body, &sync_view);
    if (shown != kExitSuccess || !arguments_.force) return shown;
    const auto answer = parse_json(*body);
    if (answer && json_path::flag(*answer, {"forced"})) return shown;
    return failed(Error(
        "sync: the controller that runs is of an older version and does not "
        "know --force: it made an ordinary sync. Restart it with this "
        "version"));
  }

  int tear_down() {
    load_leniently();
    const auto running = client().probe();
    if (!arguments_.driver.empty()) return tear_down_other(running);
    if (running) {
      const auto body = client().post("/v1/teardown", kTeardownTimeout);
      if (!body) return failed(body.error().within("teardown"));
      return emitted(
          "The filter is removed and the controller is exiting: every machine "
          "may network-boot now.\nTo filter again: `pxegate run`\n");
    }
    if (running.error().code() != ErrorCode::kNotFound) {
      return failed(running.error());
    }
    if (const auto done = hooks_.tear_down(loaded_.config); !done) {
      return failed(done.error().within("teardown"));
    }
    return emitted(
        "The filter is removed (no controller was running): every machine may "
        "network-boot now.\nTo filter again: `pxegate run`\n");
  }

  int drivers() {
    load_leniently();
    const Config& config = loaded_.config;
    const auto registry = hooks_.drivers(config);
    if (!registry) return failed(registry.error(), kExitUsage);
    Json json = {{"drivers", Json::array()}};
    TextTable table({{"NAME"}, {"CONFIGURED"}, {"ORIGIN"}, {"SUMMARY"}});
    for (const DriverEntry& entry : registry->entries()) {
      const bool configured = entry.name == config.pxe_filter.driver;
      json["drivers"].push_back({{"name", entry.name},
                                 {"configured", configured},
                                 {"origin", entry.origin},
                                 {"summary", entry.summary}});
      table.add(
          {entry.name, configured ? "yes" : "", entry.origin, entry.summary});
    }
    for (const BrokenDriver& broken : registry->broken()) {
      // A built-in driver of that name is what is configured.
      const bool configured = broken.name == config.pxe_filter.driver &&
                              !registry->check(broken.name);
      json["drivers"].push_back({{"name", broken.name},
                                 {"configured", configured},
                                 {"origin", broken.origin},
                                 {"problem", broken.problem}});
      table.add({broken.name, configured ? "yes" : "", broken.origin,
                 "UNUSABLE: " + broken.problem});
    }
    return emitted(arguments_.json ? dump(json) + "\n" : table.render());
  }

  int doctor() {
    load_leniently(/*tell_problems=*/false);
    std::vector<Finding> findings;
    bool wrote = true;
    hooks_.examine(loaded_, {.probe = !arguments_.no_probe},
                   [&](Finding finding) {
                     if (!arguments_.json) {
                       wrote = emit(finding_view(finding)) && wrote;
                     }
                     findings.push_back(std::move(finding));
                   });
    wrote = emit(arguments_.json ? dump(findings_json(findings)) + "\n"
                                 : findings_summary(findings)) &&
            wrote;
    return wrote && all_well(findings) ? kExitSuccess : kExitFailure;
  }

  int config_check() {
    ConfigSources sources = config_sources();
    if (arguments_.connect) {
      sources.environment = hooks_.environment;
      sources.environment_clouds = hooks_.environment_clouds;
    }
    const auto loaded = hooks_.load_config(sources);
    Json json = {{"valid", false},
                 {"files", Json::array()},
                 {"warnings", Json::array()},
                 {"errors", Json::array()}};
    std::string errors;
    if (!loaded) {
      errors = loaded.error().message();
    } else {
      json["files"] = loaded->files;
      json["warnings"] = loaded->warnings;
      errors = driver_problem(loaded->config);
    }
    for (const std::string& line : CLI::detail::split(errors, '\n')) {
      if (!line.empty()) json["errors"].push_back(line);
    }
    const bool valid = errors.empty();
    json["valid"] = valid;
    if (arguments_.json) {
      bool good = true;
      if (valid && arguments_.connect) {
        const ConnectReport report = hooks_.connect(*loaded);
        good = report.good();
        json["connect"] = connect_json(report);
      }
      const bool wrote = emit(dump(json) + "\n");
      if (!valid) return kExitUsage;
      return wrote && good ? kExitSuccess : kExitFailure;
    }
    if (loaded) {
      for (const std::string& warning : loaded->warnings) {
        complain("warning: " + warning);
      }
    }
    if (!valid) {
      complain(errors);
      return kExitUsage;
    }
    std::string text;
    const std::size_t warnings = loaded->warnings.size();
    const std::string remark =
        warnings == 0
            ? "good"
            : fmt::format("usable, with {} (see above)",
                          warnings == 1 ? std::string("1 warning")
                                        : fmt::format("{} warnings", warnings));
    for (const std::string& file : loaded->files) {
      text += printable(file) + ": " + remark + "\n";
    }
    if (text.empty()) {
      text = "No configuration file was read; the defaults are good.\n";
    }
    if (!arguments_.connect) return emitted(text);
    const ConnectReport report = hooks_.connect(*loaded);
    for (const std::string& warning : report.warnings) {
      complain("warning: " + warning);
    }
    for (const std::string& problem : report.problems) complain(problem);
    const bool wrote = emit(text + connect_view(report));
    return wrote && report.good() ? kExitSuccess : kExitFailure;
  }

  int config_sample() { return emitted(hooks_.sample_config()); }

 private:
  ConfigSources config_sources() const {
    ConfigSources sources{.files = arguments_.config_files,
                          .dir = arguments_.config_dir,
                          .clouds = hooks_.clouds};
    if (sources.files.empty()) {
      std::error_code error;
      // One that cannot be looked at is for load_config() to complain about.
      if (std::filesystem::exists(hooks_.default_config_file, error) || error) {
        sources.files.push_back(hooks_.default_config_file);
      }
    }
    return sources;
  }

  bool load() {
    sources_ = config_sources();
    auto loaded = hooks_.load_config(sources_);
    if (!loaded) {
      complain(loaded.error().message());
      if (sources_.files.empty() && sources_.dir.empty()) {
        complain(fmt::format(
            "there is no configuration file {}: make one with `pxegate config "
            "sample`, or name another with --config-file",
            hooks_.default_config_file));
      }
      return false;
    }
    loaded_ = std::move(*loaded);
    return true;
  }

  void load_leniently(bool tell_problems = true) {
    sources_ = config_sources();
    loaded_ = hooks_.load_config_leniently(sources_);
    if (!tell_problems) return;
    for (const std::string& problem : loaded_.problems) {
      complain("warning: " + problem);
    }
  }

  // What a driver left that no controller uses.
  int tear_down_other(const Result<>& running) {
    const std::string& driver = arguments_.driver;
    if (running) {
      const auto used = drivers_in_use();
      if (!used) return failed(used.error().within("teardown"));
      if (std::ranges::find(*used, driver) != used->end()) {
        return failed(Error(fmt::format(
            "teardown: the running controller uses driver {}; `pxegate "
            "teardown` without --driver removes its filter and ends it",
            driver)));
      }
    } else if (running.error().code() != ErrorCode::kNotFound) {
      return failed(running.error());
    }
    loaded_.config.pxe_filter.driver = driver;
    if (const std::string problem = driver_problem(loaded_.config);
        !problem.empty()) {
      return failed(Error("--driver: " + problem), kExitUsage);
    }
    if (const auto done = hooks_.tear_down(loaded_.config); !done) {
      return failed(done.error().within("teardown"));
    }
    return emitted(
        fmt::format("The filter of driver {} is removed.{}\n", driver,
                    running ? " That of the running controller stays." : ""));
  }

  Result<std::vector<std::string>> drivers_in_use() const {
    const auto body = client().get("/v1/status");
    if (!body) return fail(body.error());
    const auto status = parse_json(*body);
    if (!status) return fail(status.error());
    std::vector<std::string> names;
    if (const auto driver = status->find("driver");
        driver != status->end() && driver->is_object() &&
        driver->contains("name") && driver->at("name").is_string()) {
      names.push_back(driver->at("name").get<std::string>());
    }
    if (const auto all = status->find("drivers");
        all != status->end() && all->is_array()) {
      for (const Json& name : *all) {
        if (name.is_string()) names.push_back(name.get<std::string>());
      }
    }
    if (names.empty()) {
      return fail("the running controller does not tell which driver it uses");
    }
    return names;
  }

  ControlClient client() const {
    return ControlClient(loaded_.config.api.socket);
  }

  // Empty where [pxe_filter] driver names a driver.
  std::string driver_problem(const Config& config) const {
    const auto registry = hooks_.drivers(config);
    if (!registry) return registry.error().message();
    const auto known = registry->check(config.pxe_filter.driver);
    return known ? std::string() : known.error().message();
  }

  // What the controller answers to GET `path`, or, while none runs, what
  // `offline` reads from the filter.
  template <typename Offline>
  Result<std::string> document(const std::string& path,
                               const Offline& offline) const {
    const auto reachable = client().probe();
    if (reachable) return client().get(path);
    if (reachable.error().code() != ErrorCode::kNotFound) {
      return fail(reachable.error());
    }
    auto backend = hooks_.offline_backend(loaded_.config);
    if (!backend) {
      return fail(Error(
          fmt::format("{}; nor can the filter itself be read: "
                      "{}",
                      reachable.error().message(), backend.error().message()),
          backend.error().code()));
    }
    return offline(**backend);
  }

  Result<std::string> offline_policy(
      const ControlBackend& backend,
      const std::optional<HardwareAddress>& address) const {
    const Instant instant = now(*hooks_.clock);
    if (address) {
      const auto seen = backend.observe();
      return dump(address_json(*address, backend.policy(),
                               seen ? &*seen : nullptr, Origin::kFilter,
                               instant)) +
             "\n";
    }
    PolicyListing listing(backend.policy(), Origin::kFilter, instant);
    std::string text;
    while (const auto piece = listing.next()) text += *piece;
    return text + "\n";
  }

  Result<std::string> clients_document() const {
    return document(
        "/v1/clients",
        [&](const ControlBackend& backend) -> Result<std::string> {
          const auto seen = backend.observe();
          if (!seen) return fail(seen.error());
          return dump(clients_json(*seen, backend.policy(), Origin::kFilter,
                                   now(*hooks_.clock))) +
                 "\n";
        });
  }

  Json offline_status_json(
      const Result<std::unique_ptr<ControlBackend>>& backend) const {
    if (backend) {
      return status_json((*backend)->status(), Origin::kFilter,
                         now(*hooks_.clock));
    }
    if (backend.error().code() == ErrorCode::kNotFound) {
      return {{"controller_running", false},
              {"healthy", false},
              {"filter_in_force", false},
              {"problems",
               {"no controller runs and no filter is in force: every machine "
                "may network-boot"}}};
    }
    return {{"controller_running", false},
            {"healthy", false},
            {"problems",
             {"no controller runs, so the filter stays as it is",
              "cannot read the filter: " + backend.error().message()}}};
  }

  int offline_status() {
    const auto backend = hooks_.offline_backend(loaded_.config);
    const Json json = offline_status_json(backend);
    emit(arguments_.json ? dump(json) + "\n" : status_view(json));
    if (!backend && backend.error().code() != ErrorCode::kNotFound) {
      failed(backend.error().within("cannot read the filter"));
    }
    return kExitFailure;
  }

  // All that is new. What cannot be had shows as missing.
  void look(TopView& view) const {
    const auto ask = [&](const std::string& path) -> Result<Json> {
      const auto body = client().get(path);
      if (!body) return fail(body.error());
      return parse_json(*body);
    };
    if (const auto running = client().probe();
        !running && running.error().code() == ErrorCode::kNotFound) {
      view.set_problem({});
      view.set_status(
          offline_status_json(hooks_.offline_backend(loaded_.config)));
      const auto seen = clients_document();
      const auto clients = seen ? parse_json(*seen) : fail(seen.error());
      if (clients) view.add_clients(*clients, hooks_.clock->now());
      return;
    }
    const auto status = ask("/v1/status");
    view.set_problem(status ? std::string() : status.error().message());
    if (status) view.set_status(*status);
    if (const auto clients = ask("/v1/clients?limit=1")) {
      view.add_clients(*clients, hooks_.clock->now());
    }
    if (const auto events = ask(fmt::format("/v1/events?after={}&run={}",
                                            view.last_event(), view.run()))) {
      view.add_events(*events);
    }
  }

  int watch_clients() {
    bool first = true;
    do {
      const auto body = clients_document();
      if (!body && first) return failed(body.error());
      const auto json = body ? parse_json(*body) : Result<Json>(Json());
      std::string frame;
      const auto terminal = hooks_.terminal();
      if (!body) {
        frame = printable(body.error().message()) + "\n";
      } else if (arguments_.json) {
        frame = *body;
      } else {
        frame = clients_view(json ? *json : Json(), terminal);
      }
      if (terminal && !arguments_.json) {
        frame = repaint(frame, first);
      } else if (!arguments_.json && !first) {
        frame.insert(0, "\n");
      }
      if (!emit(frame)) return kExitFailure;
      if (!out_) return kExitSuccess;  // the reader has gone
      first = false;
    } while (hooks_.pause(kWatchInterval));
    return kExitSuccess;
  }

  // `frame` over what stands on the terminal. It is painted over, not
  // cleared, so that it does not flicker; no mode of the terminal is changed,
  // so that nothing has to be restored however the command ends.
  static std::string repaint(const std::string& frame, bool first) {
    constexpr std::string_view kClear = "\x1b[2J";
    constexpr std::string_view kHome = "\x1b[H";
    constexpr std::string_view kClearLine = "\x1b[K";
    constexpr std::string_view kClearBelow = "\x1b[J";
    std::string out(first ? kClear : "");
    out += kHome;
    for (const char c : frame) {
      if (c == '\n') out += kClearLine;
      out += c;
    }
    out += kClearBelow;
    return out;
  }

  template <typename View>
  int show(const Result<std::string>& body, const View& view) {
    if (!body) return failed(body.error());
    if (arguments_.json) return emitted(*body);
    const auto json = parse_json(*body);
    if (!json) return failed(json.error());
    return emitted(view(*json));
  }

  // Writes a result. False, and told, where it cannot be written; a reader
  // who has seen enough is none of that.
  bool emit(const std::string& text) {
    errno = 0;
    out_ << text << std::flush;
    if (out_ || errno == EPIPE) return true;
    complain(fmt::format("cannot write the output: {}",
                         std::generic_category().message(errno)));
    return false;
  }
  int emitted(const std::string& text) {
    return emit(text) ? kExitSuccess : kExitFailure;
  }

  void complain(std::string_view message) {
    // Several problems come one a line.
    std::size_t begin = 0;
    while (begin < message.size()) {
      const std::size_t end =
          std::min(message.find('\n', begin), message.size());
      err_ << "pxegate: " << printable(message.substr(begin, end - begin))
           << "\n";
      begin = end + 1;
    }
  }

  int failed(const Error& error, int status = kExitFailure) {
    complain(error.message());
    return status;
  }

  const CliHooks& hooks_;
  std::ostream& out_;
  std::ostream& err_;
  const Arguments& arguments_;
  ConfigSources sources_;
  LoadedConfig loaded_;
};

}  // namespace

int run_cli(int argc, const char* const* argv, std::ostream& out,
            std::ostream& err, const CliHooks& hooks) try {
  Grammar grammar;
  try {
    grammar.app().parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int status = grammar.app().exit(error, out, err);
    return status == 0 ? kExitSuccess : kExitUsage;
  }
  Session session(hooks, out, err, grammar.arguments());
  switch (grammar.command()) {
    case CliCommand::kRun:
      return session.run();
    case CliCommand::kStatus:
      return session.status();
    case CliCommand::kPolicy:
      return session.policy();
    case CliCommand::kClients:
      return session.clients();
    case CliCommand::kTop:
      return session.top();
    case CliCommand::kEvents:
      return session.events();
    case CliCommand::kSync:
      return session.sync();
    case CliCommand::kTeardown:
      return session.tear_down();
    case CliCommand::kDrivers:
      return session.drivers();
    case CliCommand::kDoctor:
      return session.doctor();
    case CliCommand::kConfigCheck:
      return session.config_check();
    case CliCommand::kConfigSample:
      return session.config_sample();
  }
  return kExitFailure;
} catch (const std::exception& error) {
  err << "pxegate: " << printable(error.what()) << "\n";
  return kExitFailure;
}

}  // namespace pxegate
