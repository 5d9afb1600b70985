// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_IPTABLES_XTABLES_H_
#define PXEGATE_DRIVERS_IPTABLES_XTABLES_H_

#include <memory>
#include <string>
#include <vector>

#include "controller/base/command_runner.h"
#include "controller/base/result.h"
#include "drivers/iptables/saved_table.h"

namespace pxegate {

// Runs `argv` and gives what it printed. A program that is not installed is
// kNotFound and the message names `package`; one that says no for want of a
// privilege is kPermission; one that does not get the lock is kUnavailable.
// Output too long to be read whole is kCapacity.
Result<std::string> run_tool(CommandRunner& runner,
                             std::vector<std::string> argv,
                             std::string_view package, std::string input = {});

// iptables-save and iptables-restore, or ip6tables' own, of whatever backend
// PATH leads to. Each call starts one process.
class Xtables {
 public:
  Xtables(int ip_version, std::shared_ptr<CommandRunner> runner);

  // "nft" or "legacy".
  Result<std::string> backend() const;
  // One consistent state of the table.
  Result<SavedTable> read() const;
  // Takes effect as a whole or not at all, and leaves what `input` does not
  // name. Waits for the lock that the legacy backend's programs share.
  Result<> restore(std::string input) const;

 private:
  const std::string save_;
  const std::string restore_;
  const std::shared_ptr<CommandRunner> runner_;
};

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_IPTABLES_XTABLES_H_
