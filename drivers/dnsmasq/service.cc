// SPDX-License-Identifier: Apache-2.0
#include "drivers/dnsmasq/service.h"

#include <fmt/format.h>

#include <string_view>

#include "controller/base/log.h"
#include "controller/base/text.h"

namespace pxegate {

Result<> DnsmasqService::run(const ShellCommand& command) {
  constexpr std::size_t kComplaint = 400;
  const std::string what =
      fmt::format("{} {}", command.option, quoted(command.text, kComplaint));
  auto output = runner_->run(
      {.argv = {"/bin/sh", "-c", command.text}, .timeout = command.timeout});
  if (!output) return fail(output.error().within(what));
  if (output->exit_status == 0) return {};
  std::string_view complaint = output->err.empty() ? output->out : output->err;
  complaint = complaint.substr(0, complaint.find_last_not_of(" \n") + 1);
  return fail(fmt::format("{}: exit status {}: {}", what, output->exit_status,
                          quoted(complaint, kComplaint)));
}

Result<> DnsmasqService::start() {
  if (started_ || !is_ours()) return {};
  if (auto done = run(start_); !done) return done;
  log::info("{} was run", start_.option);
  started_ = true;
  return {};
}

void DnsmasqService::stop() noexcept {
  started_ = false;
  if (!can_stop()) return;
  if (auto done = run(stop_); !done) {
    log::warning("{}; ignored", done.error().message());
  } else {
    log::info("{} was run", stop_.option);
  }
}

}  // namespace pxegate
