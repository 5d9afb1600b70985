// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/drivers/iptables/fake_firewall.h"

#include <algorithm>
#include <sstream>

namespace pxegate::testing {
namespace {

using Words = std::vector<std::string>;

Words words_of(const std::string& line) {
  std::istringstream stream(line);
  Words words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

// `line` without its first `count` words.
std::string rest_of(const std::string& line, std::size_t count) {
  std::size_t at = 0;
  for (std::size_t i = 0; i < count && at != std::string::npos; ++i) {
    at = line.find(' ', at);
    if (at != std::string::npos) ++at;
  }
  return at == std::string::npos ? std::string() : line.substr(at);
}

CommandOutput failed(std::string why) {
  return {.exit_status = 1, .out = {}, .err = std::move(why) + "\n"};
}

std::optional<std::string> word_after(const Words& words,
                                      std::string_view option) {
  const auto at = std::ranges::find(words, option);
  if (at == words.end() || at + 1 == words.end()) return std::nullopt;
  return *(at + 1);
}

}  // namespace

std::vector<std::string> FakeFirewall::take_names() {
  std::vector<std::string> names;
  for (const Command& command : std::exchange(commands, {})) {
    std::string name = command.argv[0];
    for (std::size_t i = 1; i < command.argv.size(); ++i) {
      if (command.argv[0] != "ipset" || command.argv[i][0] == '-') continue;
      name += " " + command.argv[i];
    }
    names.push_back(name);
  }
  return names;
}

Result<CommandOutput> FakeFirewall::run(const Command& command) {
  commands.push_back(command);
  if (instead) {
    if (auto answer = instead(command)) return *answer;
  }
  const std::string& name = command.argv[0];
  if (command.argv.back() == "--version") {
    return CommandOutput{.exit_status = 0,
                         .out = "iptables-restore v1.8.9 (nf_tables)\n",
                         .err = {}};
  }
  if (name.ends_with("-save")) return save();
  if (name.ends_with("-restore")) return restore(command.input);
  if (name == "ipset" && has_ipset) return ipset(command);
  return fail("cannot run " + name, ErrorCode::kNotFound);
}

CommandOutput FakeFirewall::save() const {
  std::string text = "# Generated\n*filter\n";
  for (const auto& [name, rules] : chains) text += ":" + name + " - [0:0]\n";
  for (const auto& [name, rules] : chains) {
    for (const std::string& rule : rules) {
      text += "-A " + name + " " + rule + "\n";
    }
  }
  return {.exit_status = 0, .out = text + "COMMIT\n", .err = {}};
}

CommandOutput FakeFirewall::restore(const std::string& input) {
  Chains next = chains;
  std::istringstream lines(input);
  bool committed = false;
  for (std::string line; std::getline(lines, line);) {
    if (line == "*filter") continue;
    if (line == "COMMIT") {
      committed = true;
      continue;
    }
    const Words words = words_of(line);
    if (line.starts_with(':')) {
      next[words[0].substr(1)].clear();
      continue;
    }
    const auto chain = next.find(words.at(1));
    if (chain == next.end()) return failed("no chain " + words[1]);
    std::string rule = rest_of(line, words[0] == "-I" ? 3 : 2);
    if (const auto set = word_after(words, "--match-set")) {
      if (!has_set_match) return failed("Couldn't load match `set'");
      if (!sets.contains(*set)) return failed("Set doesn't exist.");
    }
    if (words[0] == "-A") {
      chain->second.push_back(std::move(rule));
    } else if (words[0] == "-I") {
      chain->second.insert(chain->second.begin(), std::move(rule));
    } else if (words[0] == "-D") {
      const auto found = std::ranges::find(chain->second, rule);
      if (found == chain->second.end()) return failed("Bad rule");
      chain->second.erase(found);
    } else if (words[0] == "-F") {
      chain->second.clear();
    } else if (words[0] == "-X") {
      if (!chain->second.empty()) return failed("Directory not empty");
      for (const auto& [name, rules] : next) {
        for (const std::string& other : rules) {
          const Words parts = words_of(other);
          if (word_after(parts, "-j") == chain->first) {
            return failed("Device or resource busy");
          }
        }
      }
      next.erase(chain);
    } else {
      return failed("Unknown arg " + words[0]);
    }
  }
  if (!committed) return failed("COMMIT expected");
  chains = std::move(next);
  notify();
  return {};
}

bool FakeFirewall::in_use(const std::string& set) const {
  return std::ranges::any_of(chains, [&](const auto& chain) {
    return std::ranges::any_of(chain.second, [&](const std::string& rule) {
      return word_after(words_of(rule), "--match-set") == set;
    });
  });
}

CommandOutput FakeFirewall::ipset(const Command& command) {
  const Words& argv = command.argv;
  const bool exist = argv[1] == "-exist";
  const std::string& verb = argv.at(exist ? 2 : 1);
  if (verb == "restore") return ipset_restore(command.input, exist);
  if (verb == "list") {
    std::string names;
    for (const auto& [name, set] : sets) names += name + "\n";
    return {.exit_status = 0, .out = names, .err = {}};
  }
  if (verb == "save") {
    const auto set = sets.find(argv.back());
    if (set == sets.end()) return failed("ipset: does not exist");
    std::string text = set->second.header + "\n";
    for (const std::string& member : set->second.members) {
      text += "add " + set->first + " " + member + "\n";
    }
    return {.exit_status = 0, .out = text, .err = {}};
  }
  const std::string error = ipset_line({argv.begin() + 1, argv.end()}, exist);
  return error.empty() ? CommandOutput{} : failed(error);
}

CommandOutput FakeFirewall::ipset_restore(const std::string& input,
                                          bool exist) {
  std::istringstream lines(input);
  for (std::string line; std::getline(lines, line);) {
    const std::string error = ipset_line(words_of(line), exist);
    if (!error.empty()) return failed("ipset: " + error);
    notify();
  }
  return {};
}

// Empty: done.
std::string FakeFirewall::ipset_line(const Words& words, bool exist) {
  const std::string& name = words.at(1);
  const auto set = sets.find(name);
  if (words[0] == "create") {
    if (!has_hash_mac) return "Kernel error received: set type not supported";
    if (set != sets.end()) return exist ? "" : "set already exists";
    if (name.size() > 31) return "setname is longer than 31 characters";
    const std::string maxelem = word_after(words, "maxelem").value_or("65536");
    sets[name] = {.header = "create " + name + " hash:mac hashsize 1024 " +
                            "maxelem " + maxelem + " bucketsize 12",
                  .capacity = std::stoul(maxelem),
                  .members = {}};
    return "";
  }
  if (set == sets.end()) return "does not exist";
  std::set<std::string>& members = set->second.members;
  if (words[0] == "destroy") {
    if (in_use(name)) return "Set cannot be destroyed: it is in use";
    if (busy_destroys > 0) {
      --busy_destroys;
      return "Set cannot be destroyed: it is in use";
    }
    sets.erase(set);
  } else if (words[0] == "add") {
    if (members.contains(words[2])) return exist ? "" : "already added";
    if (members.size() >= set->second.capacity) return "set is full";
    members.insert(words[2]);
  } else if (words[0] == "del") {
    if (members.erase(words[2]) == 0 && !exist) return "not added";
  } else {
    return "Unknown command";
  }
  return "";
}

Verdict FakeFirewall::verdict(const std::string& mac) const {
  const std::function<std::optional<Verdict>(const std::string&)> walk =
      [&](const std::string& name) -> std::optional<Verdict> {
    for (const std::string& rule : chains.at(name)) {
      const Words words = words_of(rule);
      const auto source = word_after(words, "--mac-source");
      if (source && *source != mac) continue;
      const auto set = word_after(words, "--match-set");
      if (set && !sets.at(*set).members.contains(mac)) continue;
      const std::string target = word_after(words, "-j").value_or("");
      if (target == "ACCEPT") return Verdict::kAllow;
      if (target == "DROP" || target == "REJECT") return Verdict::kDeny;
      if (!chains.contains(target)) continue;
      if (const auto verdict = walk(target)) return verdict;
    }
    return std::nullopt;
  };
  return walk("INPUT").value_or(Verdict::kAllow);
}

}  // namespace pxegate::testing
