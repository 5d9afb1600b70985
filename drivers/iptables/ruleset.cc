// SPDX-License-Identifier: Apache-2.0
#include "drivers/iptables/ruleset.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <span>
#include <utility>

namespace pxegate {
namespace {

using Words = std::vector<std::string>;

constexpr std::string_view kInput = "INPUT";

Verdict opposite(Verdict verdict) {
  return verdict == Verdict::kAllow ? Verdict::kDeny : Verdict::kAllow;
}

std::string_view target_of(Verdict verdict) {
  return verdict == Verdict::kAllow ? "ACCEPT" : "DROP";
}

// The chain that a rule leads to, by jump or by goto; empty: none is named.
std::string_view target_chain(const Words& words) {
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    if (words[i] == "-j" || words[i] == "-g") return words[i + 1];
  }
  return {};
}

// The match for a datagram to one of `ports`, as iptables-save prints it.
std::string match_of(const std::vector<std::uint16_t>& ports) {
  return ports.size() == 1
             ? fmt::format("-m udp --dport {}", ports.front())
             : fmt::format("-m multiport --dports {}", fmt::join(ports, ","));
}

struct Jump {
  std::string interface;
  bool all_ports = false;  // else the first one only
};

// A rule that is a jump as this driver or ironic-inspector makes it, to
// `chain`; nullopt for any other. The order of the matches and a comment make
// no difference to what it does.
std::optional<Jump> read_jump(const Words& words, std::string_view chain,
                              const std::vector<std::uint16_t>& ports) {
  const std::string first = std::to_string(ports.front());
  const std::string all = fmt::format("{}", fmt::join(ports, ","));
  std::optional<std::string> interface;
  bool udp = false;
  bool to_first = false;
  bool to_all = false;
  bool jumps = false;
  if (words.size() % 2 != 0) return std::nullopt;
  for (std::size_t i = 0; i < words.size(); i += 2) {
    const std::string& option = words[i];
    const std::string& value = words[i + 1];
    if (option == "-i" && !interface) {
      interface = value;
    } else if (option == "-p" && value == "udp") {
      udp = true;
    } else if (option == "-m" &&
               (value == "udp" || value == "multiport" || value == "comment")) {
      continue;
    } else if (option == "--comment") {
      continue;
    } else if (option == "--dport" && value == first) {
      to_first = true;
    } else if (option == "--dports" && value == all) {
      to_all = true;
    } else if (option == "-j" && value == chain) {
      jumps = true;
    } else {
      return std::nullopt;
    }
  }
  if (!interface || !udp || !jumps || !(to_first || to_all)) {
    return std::nullopt;
  }
  return Jump{*std::move(interface), !to_first || ports.size() == 1};
}

// Whether some name fits both; a trailing '+' stands for anything.
bool overlap(std::string_view a, std::string_view b) {
  const bool any_a = a.ends_with('+');
  const bool any_b = b.ends_with('+');
  if (any_a) a.remove_suffix(1);
  if (any_b) b.remove_suffix(1);
  if (any_a && any_b) return a.starts_with(b) || b.starts_with(a);
  if (any_a) return b.starts_with(a);
  if (any_b) return a.starts_with(b);
  return a == b;
}

// Whether a rule of INPUT could take requests away from a jump behind it.
// Where it names another interface it cannot. Two controllers on one host,
// each for its interface, would else move their jumps in turns for ever.
bool may_see(const std::optional<Words>& words, std::string_view interface) {
  if (!words) return true;
  for (std::size_t i = 0; i + 1 < words->size(); ++i) {
    if ((*words)[i] != "-i" || (i > 0 && (*words)[i - 1] == "--comment")) {
      continue;
    }
    const bool negated = i > 0 && (*words)[i - 1] == "!";
    return negated || overlap((*words)[i + 1], interface);
  }
  return true;
}

struct Verb {
  Verdict verdict = Verdict::kDeny;
  bool rejects = false;
};

// "-j DROP" and the like, at the end of a rule.
std::optional<Verb> read_verb(std::span<const std::string> words) {
  if (words.size() < 2 || words[0] != "-j") return std::nullopt;
  const bool rejects = words[1] == "REJECT";
  const bool plain = words.size() == 2;
  const bool with_code = words.size() == 4 && words[2] == "--reject-with";
  if (rejects && (plain || with_code)) return Verb{Verdict::kDeny, true};
  if (!plain) return std::nullopt;
  if (words[1] == "DROP") return Verb{Verdict::kDeny, false};
  if (words[1] == "ACCEPT") return Verb{Verdict::kAllow, false};
  return std::nullopt;
}

// A rule before the last: who gets the other verdict.
bool read_exception(std::span<const std::string> words, ChainBody& body,
                    std::vector<Verb>& verbs) {
  if (words.size() < 4 || words[0] != "-m") return false;
  std::size_t used = 0;
  if (words[1] == "mac" && words[2] == "--mac-source" && body.set.empty()) {
    auto mac = MacAddress::parse(words[3]);
    if (!mac) return false;
    body.exceptions.push_back(*mac);
    used = 4;
  } else if (words[1] == "set" && words[2] == "--match-set" &&
             words.size() > 4 && words[4] == "src" && body.set.empty() &&
             body.exceptions.empty()) {
    body.set = words[3];
    used = 5;
  } else {
    return false;
  }
  const auto verb = read_verb(words.subspan(used));
  if (verb) verbs.push_back(*verb);
  return verb.has_value();
}

// nullopt where a rule is of another kind, or where not all exceptions have
// the verdict that unknown machines do not have.
std::optional<ChainBody> read_body(const SavedTable::Rules& rules) {
  if (rules.empty()) return std::nullopt;
  ChainBody body;
  std::vector<Verb> verbs;
  for (auto rule = rules.begin(); rule != rules.end() - 1; ++rule) {
    const auto words = split_rule(*rule);
    if (!words || !read_exception(*words, body, verbs)) return std::nullopt;
  }
  const auto words = split_rule(rules.back());
  const auto last = words ? read_verb(*words) : std::nullopt;
  if (!last) return std::nullopt;
  body.unknown = last->verdict;
  body.rejects = last->rejects;
  for (const Verb& verb : verbs) {
    if (verb.verdict == last->verdict) return std::nullopt;
    body.rejects |= verb.rejects;
  }
  std::ranges::sort(body.exceptions);
  const auto rest = std::ranges::unique(body.exceptions);
  body.exceptions.erase(rest.begin(), rest.end());
  return body;
}

// What of INPUT is ours, and whether it stands where it has to.
void read_input(const SavedTable::Rules& input, const FilterPlace& place,
                FoundFilter& found) {
  const std::string temporary = place.temporary_chain();
  bool bypassed = false;
  bool first_is_ours = false;
  for (const std::string& rule : input) {
    const auto words = split_rule(rule);
    if (words && read_jump(*words, temporary, place.ports)) {
      found.temporary_jumps.push_back(rule);
      bypassed = true;
      continue;
    }
    const auto jump =
        words ? read_jump(*words, place.chain, place.ports) : std::nullopt;
    if (!jump) {
      bypassed |= may_see(words, place.interface);
      continue;
    }
    const bool right = jump->interface == place.interface;
    first_is_ours |=
        found.jumps.empty() && right && jump->all_ports && !bypassed;
    found.jumped_to |= right;
    found.jumps.push_back(rule);
  }
  found.jump_in_place = first_is_ours && found.jumps.size() == 1;
}

// Whether ironic-inspector left these rules, finished or not.
bool half_made(const SavedTable::Rules& rules) {
  const auto is_exception = [](const std::string& rule) {
    return rule.starts_with("-m mac --mac-source ");
  };
  return read_body(rules) || std::ranges::all_of(rules, is_exception);
}

// Other rules that lead to the chain, and to ironic-inspector's next one.
void read_references(const SavedTable& table, const FilterPlace& place,
                     FoundFilter& found) {
  const std::string temporary = place.temporary_chain();
  std::size_t to_temporary = 0;
  for (const auto& [name, rules] : table.chains) {
    for (const std::string& rule : rules) {
      // Most rules of a big table name neither.
      if (rule.find(place.chain) == std::string::npos) continue;
      const auto words = split_rule(rule);
      if (!words) continue;
      const std::string_view target = target_chain(*words);
      const bool ours =
          name == kInput && read_jump(*words, place.chain, place.ports);
      if (target == place.chain && !ours) {
        found.references.push_back(fmt::format("-A {} {}", name, rule));
      }
      if (target == temporary) ++to_temporary;
    }
  }
  const SavedTable::Rules* rules = table.find(temporary);
  if (rules == nullptr || !half_made(*rules)) {
    // Somebody else's, whatever it is called.
    found.temporary_jumps.clear();
  } else {
    found.temporary_chain = to_temporary == found.temporary_jumps.size();
  }
}

void render_body(const ChainBody& body, std::string_view chain,
                 std::string& text) {
  const std::string_view other = target_of(opposite(body.unknown));
  const auto out = std::back_inserter(text);
  if (!body.set.empty()) {
    fmt::format_to(out, "-A {} -m set --match-set {} src -j {}\n", chain,
                   body.set, other);
  } else {
    for (const MacAddress& mac : body.exceptions) {
      fmt::format_to(out, "-A {} -m mac --mac-source {} -j {}\n", chain,
                     mac.to_string(), other);
    }
  }
  fmt::format_to(out, "-A {} -j {}\n", chain, target_of(body.unknown));
}

void render_deletions(const std::vector<std::string>& jumps,
                      std::string& text) {
  for (const std::string& jump : jumps) {
    fmt::format_to(std::back_inserter(text), "-D {} {}\n", kInput, jump);
  }
}

void render_temporary(const FoundFilter& found, const FilterPlace& place,
                      std::string& text) {
  render_deletions(found.temporary_jumps, text);
  if (!found.temporary_chain) return;
  fmt::format_to(std::back_inserter(text), "-F {0}\n-X {0}\n",
                 place.temporary_chain());
}

}  // namespace

ChainBody body_of(const Policy& policy) {
  ChainBody body;
  body.unknown = policy.unknown();
  for (const Policy::Entry& entry : policy.entries()) {
    if (entry.verdict == policy.unknown() ||
        entry.address.type() != HardwareAddress::Type::kEthernet) {
      continue;
    }
    MacAddress::Bytes bytes{};
    std::ranges::copy(entry.address.octets(), bytes.begin());
    body.exceptions.emplace_back(bytes);
  }
  return body;
}

Policy policy_of(const ChainBody& body) {
  std::vector<Policy::Entry> entries;
  entries.reserve(body.exceptions.size());
  for (const MacAddress& mac : body.exceptions) {
    entries.push_back({mac, opposite(body.unknown)});
  }
  return {std::move(entries), body.unknown};
}

FoundFilter find_filter(const SavedTable& table, const FilterPlace& place) {
  FoundFilter found;
  if (const auto* rules = table.find(place.chain)) {
    found.chain_exists = true;
    found.body = read_body(*rules);
  }
  if (const auto* input = table.find(kInput)) read_input(*input, place, found);
  read_references(table, place, found);
  return found;
}

std::string render_change(const FoundFilter& found, const FilterPlace& place,
                          const std::optional<ChainBody>& body) {
  std::string text = "*filter\n";
  // With --noflush, naming a chain empties it, or makes it.
  if (body) text += fmt::format(":{} - [0:0]\n", place.chain);
  if (!found.jump_in_place) {
    // All of them: the text of a later one also fits the one in its place.
    render_deletions(found.jumps, text);
    text += fmt::format("-I {} 1 -i {} -p udp {} -j {}\n", kInput,
                        place.interface, match_of(place.ports), place.chain);
  }
  render_temporary(found, place, text);
  if (body) render_body(*body, place.chain, text);
  return text + "COMMIT\n";
}

std::string render_removal(const FoundFilter& found, const FilterPlace& place) {
  std::string text = "*filter\n";
  render_deletions(found.jumps, text);
  render_temporary(found, place, text);
  if (found.chain_exists) {
    text += fmt::format("-F {}\n", place.chain);
    if (found.references.empty()) text += fmt::format("-X {}\n", place.chain);
  }
  return text + "COMMIT\n";
}

}  // namespace pxegate
