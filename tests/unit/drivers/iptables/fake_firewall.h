// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_TESTS_UNIT_DRIVERS_IPTABLES_FAKE_FIREWALL_H_
#define PXEGATE_TESTS_UNIT_DRIVERS_IPTABLES_FAKE_FIREWALL_H_

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/base/command_runner.h"
#include "controller/core/policy.h"

namespace pxegate::testing {

// iptables and ipset as far as the driver uses them: one table that changes in
// transactions, sets that change line by line, cannot be destroyed while a
// rule names them and take no more than their maxelem.
class FakeFirewall final : public CommandRunner {
 public:
  struct Set {
    std::string header;
    std::size_t capacity = 0;
    std::set<std::string> members;
  };
  using Chains = std::map<std::string, std::vector<std::string>, std::less<>>;

  Result<CommandOutput> run(const Command& command) override;

  // What `mac` meets on its way through INPUT.
  Verdict verdict(const std::string& mac) const;

  Chains chains{{"INPUT", {}}};
  std::map<std::string, Set, std::less<>> sets;
  // What this kernel and host have.
  bool has_ipset = true;      // the program
  bool has_hash_mac = true;   // the set type
  bool has_set_match = true;  // xt_set
  int busy_destroys = 0;      // so often a set is still in use
  // Answers in the place of the model, if it gives any.
  std::function<std::optional<CommandOutput>(const Command&)> instead;
  // Called after whatever a packet could see.
  std::function<void()> changed;
  std::vector<Command> commands;

  // The commands since the last call: "iptables-save", "ipset save".
  std::vector<std::string> take_names();

 private:
  CommandOutput save() const;
  CommandOutput restore(const std::string& input);
  CommandOutput ipset(const Command& command);
  CommandOutput ipset_restore(const std::string& input, bool exist);
  std::string ipset_line(const std::vector<std::string>& words, bool exist);
  bool in_use(const std::string& set) const;
  void notify() const {
    if (changed) changed();
  }
};

}  // namespace pxegate::testing

#endif  // PXEGATE_TESTS_UNIT_DRIVERS_IPTABLES_FAKE_FIREWALL_H_
