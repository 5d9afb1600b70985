// SPDX-License-Identifier: Apache-2.0
#include "drivers/iptables/xtables.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "controller/base/text.h"

namespace pxegate {
namespace {

using namespace std::chrono_literals;

// 100,000 rules are 8 MB and take a busy machine seconds; others may keep as
// many in the same table.
constexpr std::size_t kMaxOutput = std::size_t{256} << 20;
constexpr auto kTimeout = 120s;

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// The complaint in what a program printed: without warnings and advice, on
// one line.
std::string complaint(std::string_view text) {
  std::string said;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty() || line.starts_with('#') || line.starts_with("Try `")) {
      continue;
    }
    if (!said.empty()) said += "; ";
    said += line;
  }
  constexpr std::size_t kEnough = 400;
  return said.empty() ? "it said nothing" : quoted(said, kEnough);
}

Error failure(const std::string& program, const CommandOutput& output) {
  const std::string what =
      fmt::format("{} failed (exit status {}): {}", program, output.exit_status,
                  complaint(output.err));
  if (contains(output.err, "can't open lock file")) {
    return Error(what +
                     "; that file has to be one that may be opened by the "
                     "user whom the controller runs as",
                 ErrorCode::kPermission);
  }
  // Both backends translate errno into words of their own.
  if (contains(output.err, "you must be root") ||
      contains(output.err, "Permission denied") ||
      contains(output.err, "Operation not permitted")) {
    return Error(what + "; it needs CAP_NET_ADMIN and CAP_NET_RAW",
                 ErrorCode::kPermission);
  }
  if (contains(output.err, "xtables lock")) {
    return Error(what, ErrorCode::kUnavailable);
  }
  return Error(what);
}

}  // namespace

Result<std::string> run_tool(CommandRunner& runner,
                             std::vector<std::string> argv,
                             std::string_view package, std::string input) {
  const std::string program = argv.front();
  Command command;
  command.argv = std::move(argv);
  command.input = std::move(input);
  command.timeout = kTimeout;
  command.max_output = kMaxOutput;
  auto output = runner.run(command);
  if (!output) {
    if (output.error().code() != ErrorCode::kNotFound) {
      return fail(output.error());
    }
    return fail(
        fmt::format("{} is not installed, or not in PATH: install the package "
                    "{}",
                    program, package),
        ErrorCode::kNotFound);
  }
  if (output->exit_status != 0) return fail(failure(program, *output));
  if (output->truncated) {
    return fail(
        fmt::format("{} printed more than {} MiB", program, kMaxOutput >> 20),
        ErrorCode::kCapacity);
  }
  return std::move(output->out);
}

Xtables::Xtables(int ip_version, std::shared_ptr<CommandRunner> runner)
    : save_(ip_version == 6 ? "ip6tables-save" : "iptables-save"),
      restore_(ip_version == 6 ? "ip6tables-restore" : "iptables-restore"),
      runner_(std::move(runner)) {}

Result<std::string> Xtables::backend() const {
  auto said = run_tool(*runner_, {restore_, "--version"}, "iptables");
  if (!said) return fail(said.error());
  // Before 1.8 there was one backend, and nothing was said about it.
  return std::string(contains(*said, "(nf_tables)") ? "nft" : "legacy");
}

Result<SavedTable> Xtables::read() const {
  auto said = run_tool(*runner_, {save_, "-t", "filter"}, "iptables");
  if (!said) return fail(said.error());
  auto table = parse_filter_table(*said);
  if (!table) return fail(table.error().within(save_));
  return table;
}

Result<> Xtables::restore(std::string input) const {
  auto done = run_tool(*runner_, {restore_, "--noflush", "--wait=20"},
                       "iptables", std::move(input));
  if (!done) return fail(done.error());
  return {};
}

}  // namespace pxegate
