// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_CLI_GRAMMAR_H_
#define PXEGATE_CONTROLLER_APP_CLI_GRAMMAR_H_

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "controller/app/control_api.h"

namespace pxegate {

enum class CliCommand {
  kRun,
  kStatus,
  kPolicy,
  kClients,
  kTop,
  kEvents,
  kSync,
  kTeardown,
  kDrivers,
  kDoctor,
  kConfigCheck,
  kConfigSample,
};

// What was given on the command line. A command's own options are unset for
// all others.
struct Arguments {
  std::vector<std::string> config_files;
  std::string config_dir;
  bool json = false;
  bool watch = false;
  bool follow = false;
  bool connect = false;
  bool denied = false;
  std::string relay;
  std::string address;
  std::string driver;
  long long sync_timeout = kDefaultSyncTimeout.count();
  bool force = false;
  bool no_probe = false;
};

struct CommandText {
  const char* name;
  const char* summary;
  const char* help;
};

// The grammar of the command line. What `--help` prints, the manual page and
// the shells' completions are all made from app().
class Grammar {
 public:
  Grammar();
  Grammar(const Grammar&) = delete;
  Grammar& operator=(const Grammar&) = delete;

  CLI::App& app() { return app_; }
  // Both are set by app().parse(), which throws CLI::ParseError where it sets
  // no command.
  CliCommand command() const { return command_; }
  const Arguments& arguments() const { return arguments_; }

 private:
  // A command that has sub-commands is none itself.
  CLI::App* add(CLI::App& parent, const CommandText& text,
                std::optional<CliCommand> command);
  void add_json(CLI::App* command);

  Arguments arguments_;
  CliCommand command_ = CliCommand::kStatus;
  CLI::App app_{
      "Decides in the kernel which machines on a provisioning network may\n"
      "network-boot, in step with OpenStack Ironic.",
      "pxegate"};
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_CLI_GRAMMAR_H_
