// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "acl.h"
#include "controller/base/command_runner.h"
#include "controller/base/log.h"
#include "controller/base/text.h"
#include "controller/driver/driver_module.h"

namespace {

using pxegate::CommandRunner;
using pxegate::ErrorCode;
using pxegate::fail;
using pxegate::Policy;
using pxegate::Result;
using tor_switch::Acl;

// Filters at a top-of-rack switch, through the vendor's agent program. All
// state is the switch's: what is in force is asked of it each time.
class TorSwitchDriver final : public pxegate::FilterDriver {
 public:
  TorSwitchDriver(std::string program, std::shared_ptr<CommandRunner> runner)
      : program_(std::move(program)), runner_(std::move(runner)) {}

  Result<> initialize() override {
    const auto found = show();
    if (!found) return fail(found.error());
    if (*found) return {};  // an earlier run's list stays in force
    return agent("apply", print(Acl{})).map([](const std::string&) {});
  }

  Result<pxegate::SyncReport> sync(const pxegate::Snapshot& desired) override {
    const auto found = show();
    if (!found) return fail(found.error());
    const Acl wanted = tor_switch::make_acl(desired);
    pxegate::SyncReport report;
    if (last_ && *found != last_) {
      report.repaired.push_back(
          "the switch's access list was not as it was left");
    }
    if (*found != wanted) {
      // The agent replaces the whole list at once, so no order is needed.
      if (auto done = agent("apply", print(wanted)); !done) {
        return fail(done.error());
      }
      const auto change =
          diff(policy_of(found->value_or(Acl{})), policy_of(wanted));
      report.upserts = change.upserts.size();
      report.removals = change.removals.size();
      report.unknown_changed = change.unknown.has_value();
      pxegate::log::debug("tor_switch: {} addresses listed",
                          wanted.entries.size());
    }
    infiniband_ = desired.policy->entries().size() > wanted.entries.size();
    last_ = wanted;
    return report;
  }

  void reset() noexcept override { last_.reset(); }

  Result<> tear_down() override {
    last_.reset();
    return agent("remove").map([](const std::string&) {});
  }

  pxegate::DriverStatus status() const override {
    pxegate::DriverStatus status;
    status.driver = "tor_switch";
    status.healthy = last_.has_value();
    status.rules = last_ ? last_->entries.size() : 0;
    status.targets = {{.name = program_,
                       .active = last_.has_value(),
                       .mode = last_ ? "switch" : "",
                       .detail = last_ ? "" : "not synchronized yet"}};
    if (infiniband_) {
      status.notices = {"InfiniBand addresses are not filtered at the switch"};
    }
    return status;
  }

  Result<Policy> installed() const override {
    const auto found = show();
    if (!found) return fail(found.error());
    if (!*found) return fail("the switch has no list", ErrorCode::kNotFound);
    return policy_of(**found);
  }

 private:
  // Runs `program action` and returns what it printed.
  Result<std::string> agent(const char* action, std::string input = {}) const {
    const std::string what = program_ + " " + action;
    const auto done = runner_->run({.argv = {program_, action},
                                    .input = std::move(input),
                                    .max_output = std::size_t{64} << 20});
    if (!done) return fail(done.error().within(what));
    if (done->exit_status != 0) {
      return fail(what + " failed with exit status " +
                  std::to_string(done->exit_status) + ": " +
                  pxegate::quoted(done->err, 500));
    }
    if (done->truncated) return fail(what + " printed too much");
    return done->out;
  }

  Result<std::optional<Acl>> show() const {
    const auto text = agent("show");
    if (!text) return fail(text.error());
    auto acl = tor_switch::parse(*text);
    if (!acl) return fail(acl.error().within(program_ + " show"));
    return acl;
  }

  const std::string program_;
  const std::shared_ptr<CommandRunner> runner_;
  std::optional<Acl> last_;  // what the last sync() left in force
  bool infiniband_ = false;
};

Result<std::unique_ptr<pxegate::FilterDriver>> make(
    const pxegate::DriverContext& context) {
  std::string program;
  for (const auto& [option, value] : context.options) {
    if (option != "program") {
      return fail("[" + context.name + "] has no option " +
                      pxegate::quoted(option) + "; it has: program",
                  ErrorCode::kInvalid);
    }
    program = value;
  }
  if (program.empty() || program[0] != '/') {
    return fail("[" + context.name + "] program = " + pxegate::quoted(program) +
                    ": set it to the absolute path of the switch's agent",
                ErrorCode::kInvalid);
  }
  if (::access(program.c_str(), X_OK) != 0) {
    return fail(pxegate::errno_error(
        "[" + context.name + "] program = " + pxegate::quoted(program), errno));
  }
  return std::make_unique<TorSwitchDriver>(std::move(program), context.runner);
}

}  // namespace

PXEGATE_DRIVER_PLUGIN("tor_switch", "an access list of the top-of-rack switch",
                      make)
