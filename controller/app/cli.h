// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_CLI_H_
#define PXEGATE_CONTROLLER_APP_CLI_H_

#include <chrono>
#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "controller/app/connect_check.h"
#include "controller/app/control_backend.h"
#include "controller/app/doctor.h"
#include "controller/app/screen.h"
#include "controller/app/views.h"
#include "controller/base/clock.h"
#include "controller/base/result.h"
#include "controller/config/config.h"
#include "controller/config/load_config.h"
#include "controller/driver/registry.h"

namespace pxegate {

inline constexpr int kExitSuccess = 0;
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;  // the command line or the configuration

// What the commands rest on. main() fills all of it in; a test fills in
// fakes. Only what a command needs is called.
struct CliHooks {
  std::function<Result<LoadedConfig>(const ConfigSources&)> load_config;
  // For the commands that only look at a filter, or remove it: at 3 a.m. a
  // wrong line in the configuration must not keep anybody from that.
  std::function<LoadedConfig(const ConfigSources&)> load_config_leniently;
  std::function<std::string()> sample_config;
  // What the environment says of logins. `clouds` holds for every command,
  // the rest for `config check --connect` alone: what a shell happens to have
  // set must not decide what a service does.
  CloudFiles clouds;
  Environment environment;
  CloudFiles environment_clouds;
  std::function<ConnectReport(const LoadedConfig&)> connect;
  std::function<void(const LoadedConfig&, const DoctorOptions&,
                     const TellFinding&)>
      examine;
  // Used where --config-file is not given, if it exists.
  std::string default_config_file{kDefaultConfigFile};

  // The controller, until it ends; gives the exit status.
  std::function<int(const LoadedConfig&, const ConfigSources&)> run;
  std::function<Result<DriverRegistry>(const Config&)> drivers;
  // The filter as an earlier run left it, read without changing it, while no
  // controller runs: status() fills in `driver`, `allowed`, `denied` and
  // `unknown`; policy() has an empty inventory and no `as_of`. sync() and
  // tear_down() are not called.
  std::function<Result<std::unique_ptr<ControlBackend>>(const Config&)>
      offline_backend;
  // Removes the filter while no controller runs.
  std::function<Result<>(const Config&)> tear_down;

  // Waits before the next refresh; false when the user wants to stop. May
  // return early when the terminal was resized.
  std::function<bool(std::chrono::milliseconds)> pause;
  // Takes the terminal for a command that repaints it; null where there is
  // none.
  std::function<std::unique_ptr<Screen>()> screen;
  // From the first call on what ends a command by Ctrl-C, SIGTERM or SIGHUP
  // requests a stop instead.
  std::function<std::stop_token()> stop_signals;
  // Whether nobody can read `out` any more, also before anything is written.
  std::function<bool()> reader_left;
  // The terminal that `out` is; nullopt where it is none.
  std::function<std::optional<TerminalSize>()> terminal;
  std::shared_ptr<const Clock> clock;
};

// The command line `pxegate ...`: does what it says, results on `out`, errors
// on `err`, and returns the exit status. A reader of `out` that has gone
// (`| head`) is no error. Does not throw.
int run_cli(int argc, const char* const* argv, std::ostream& out,
            std::ostream& err, const CliHooks& hooks);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_CLI_H_
