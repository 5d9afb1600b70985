// SPDX-License-Identifier: Apache-2.0
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <ctime>
#include <iostream>
#include <memory>

#include "controller/app/cli.h"
#include "controller/app/connect_check.h"
#include "controller/app/controller.h"
#include "controller/app/doctor.h"
#include "controller/app/drivers.h"
#include "controller/app/login_environment.h"
#include "controller/app/offline.h"
#include "controller/app/stop_signals.h"
#include "controller/base/clock.h"
#include "controller/base/log.h"
#include "controller/config/load_config.h"

namespace {

// Sleeps until a signal ends it: false for one that means "stop". From the
// first call on these signals are only ever taken here, so that none ends the
// program in the middle of a line.
bool pause_unless_stopped(std::chrono::milliseconds duration) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int each : {SIGINT, SIGTERM, SIGHUP, SIGWINCH}) {
    sigaddset(&signals, each);
  }
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  const auto whole = std::chrono::floor<std::chrono::seconds>(duration);
  const timespec timeout{
      static_cast<std::time_t>(whole.count()),
      static_cast<long>(std::chrono::nanoseconds(duration - whole).count())};
  const int received = sigtimedwait(&signals, nullptr, &timeout);
  return received < 0 || received == SIGWINCH;
}

bool stdout_reader_left() {
  pollfd out{STDOUT_FILENO, 0, 0};
  return poll(&out, 1, 0) > 0 && (out.revents & (POLLERR | POLLHUP)) != 0;
}

std::optional<pxegate::TerminalSize> stdout_terminal() {
  winsize size{};
  if (isatty(STDOUT_FILENO) == 0) return std::nullopt;
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 ||
      size.ws_col == 0) {
    return pxegate::TerminalSize{24, 80};
  }
  return pxegate::TerminalSize{size.ws_row, size.ws_col};
}

}  // namespace

int main(int argc, char** argv) {
  // A reader that went away is an error of write(), not a reason to die.
  std::signal(SIGPIPE, SIG_IGN);
  pxegate::CliHooks hooks;
  hooks.load_config = pxegate::load_config;
  hooks.load_config_leniently = pxegate::load_config_leniently;
  hooks.sample_config = pxegate::sample_config;
  const auto environment = pxegate::login_environment(environ);
  hooks.clouds = environment.clouds;
  hooks.environment = environment.variables;
  hooks.environment_clouds = environment.user_clouds;
  hooks.run = pxegate::run_controller;
  hooks.drivers = pxegate::available_drivers;
  hooks.offline_backend = pxegate::offline_backend;
  hooks.tear_down = pxegate::tear_down_filter;
  hooks.pause = pause_unless_stopped;
  pxegate::StopSignals stop_signals;
  hooks.stop_signals = [&stop_signals] { return stop_signals.token(); };
  hooks.reader_left = stdout_reader_left;
  hooks.terminal = stdout_terminal;
  hooks.screen = pxegate::Screen::take;
  hooks.clock = std::make_shared<pxegate::SystemClock>();
  hooks.connect = [&hooks](const pxegate::LoadedConfig& loaded) {
    // The report says it all; until told otherwise the log is on stdout.
    (void)pxegate::log::configure(pxegate::log::Level::kError, {});
    return pxegate::check_connections(loaded, *hooks.clock,
                                      hooks.stop_signals());
  };
  hooks.examine = [&hooks](const pxegate::LoadedConfig& loaded,
                           const pxegate::DoctorOptions& options,
                           const pxegate::TellFinding& tell) {
    (void)pxegate::log::configure(pxegate::log::Level::kError, {});
    pxegate::examine_deployment(loaded, options, *hooks.clock,
                                hooks.stop_signals(), tell);
  };
  return pxegate::run_cli(argc, argv, std::cout, std::cerr, hooks);
}
