// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_BASE_COMMAND_RUNNER_H_
#define PXEGATE_CONTROLLER_BASE_COMMAND_RUNNER_H_

#include <chrono>
#include <string>
#include <vector>

#include "controller/base/result.h"

namespace pxegate {

struct Command {
  std::vector<std::string> argv;  // argv[0] is looked up in PATH; no shell
  std::string input = {};         // given on standard input
  std::chrono::milliseconds timeout{30'000};
  std::size_t max_output = std::size_t{1} << 20;  // bytes, of each stream
};

struct CommandOutput {
  int exit_status = 0;     // 128 + signal where a signal ended the child
  std::string out;         // at most max_output bytes each; the rest is read
  std::string err;         // and dropped
  bool truncated = false;  // some of either was dropped
};

// Starts other programs. The only place that does.
class CommandRunner {
 public:
  virtual ~CommandRunner() = default;

  // Runs `command` to its end. A child that could not be started, or that
  // was killed because it ran out of time (kUnavailable), is an error; a
  // non-zero exit status is not. A process that the child leaves running in
  // the background is not waited for. Thread-safe.
  virtual Result<CommandOutput> run(const Command& command) = 0;
};

// Children get an empty signal mask, default signal dispositions, none of
// this process's descriptors but the three standard ones, and a process group
// of their own, which is killed as a whole on timeout.
class SystemCommandRunner final : public CommandRunner {
 public:
  Result<CommandOutput> run(const Command& command) override;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_BASE_COMMAND_RUNNER_H_
