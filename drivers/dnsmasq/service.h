// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_DNSMASQ_SERVICE_H_
#define PXEGATE_DRIVERS_DNSMASQ_SERVICE_H_

#include <chrono>
#include <memory>
#include <string>

#include "controller/base/command_runner.h"
#include "controller/base/result.h"

namespace pxegate {

// The operator's commands that start and stop dnsmasq. Shell commands, as
// ironic-inspector has them; an empty one does nothing.
class DnsmasqService {
 public:
  struct ShellCommand {
    std::string option;  // "dnsmasq_start_command", for messages
    std::string text;
    std::chrono::milliseconds timeout;
  };

  DnsmasqService(ShellCommand start, ShellCommand stop,
                 std::shared_ptr<CommandRunner> runner)
      : start_(std::move(start)),
        stop_(std::move(stop)),
        runner_(std::move(runner)) {}

  bool is_ours() const { return !start_.text.empty(); }

  // Once; again only after stop(). The error has what the command complained
  // about.
  Result<> start();
  bool started() const { return started_; }
  // It is running already.
  void take_as_started() { started_ = true; }
  // A failure is logged: it may well have been stopped before.
  void stop() noexcept;
  bool can_stop() const { return !stop_.text.empty(); }

 private:
  Result<> run(const ShellCommand& command);

  const ShellCommand start_;
  const ShellCommand stop_;
  const std::shared_ptr<CommandRunner> runner_;
  bool started_ = false;
};

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_DNSMASQ_SERVICE_H_
