// SPDX-License-Identifier: Apache-2.0
#include "drivers/iptables/ipset.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "controller/base/text.h"
#include "drivers/iptables/saved_table.h"
#include "drivers/iptables/xtables.h"

namespace pxegate {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kPackage = "ipset";

// ipset's own default is the least; a set is hashed as it grows, so that room
// costs nothing.
std::size_t capacity_for(std::size_t members) {
  constexpr std::size_t kLeast = 65536;
  return std::max(kLeast, 2 * members);
}

std::optional<std::size_t> number(std::string_view text) {
  std::size_t value = 0;
  constexpr std::size_t kLongest = 10;  // maxelem has 32 bits
  if (text.empty() || text.size() > kLongest) return std::nullopt;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = 10 * value + static_cast<std::size_t>(c - '0');
  }
  return value;
}

// "create NAME hash:mac hashsize 1024 maxelem 65536 …"
Result<> read_header(const std::vector<std::string>& words, MacSet& set) {
  if (words.size() < 3 || words[2] != "hash:mac") {
    return fail("it is not of type hash:mac", ErrorCode::kInvalid);
  }
  for (std::size_t i = 3; i < words.size(); ++i) {
    if (words[i] == "timeout") {
      return fail("its members expire", ErrorCode::kInvalid);
    }
    if (words[i] != "maxelem" || i + 1 == words.size()) continue;
    set.capacity = number(words[i + 1]).value_or(0);
  }
  return {};
}

}  // namespace

Result<MacSet> parse_ipset_save(std::string_view output) {
  MacSet set;
  bool created = false;
  while (!output.empty()) {
    const std::size_t end = output.find('\n');
    const std::string_view line = output.substr(0, end);
    output.remove_prefix(end == std::string_view::npos ? output.size()
                                                       : end + 1);
    if (line.empty()) continue;
    const auto words = split_rule(line);
    if (words && !created && words->size() > 1 && (*words)[0] == "create") {
      if (auto read = read_header(*words, set); !read) {
        return fail(read.error());
      }
      created = true;
      continue;
    }
    auto mac = words && created && words->size() == 3 && (*words)[0] == "add"
                   ? MacAddress::parse((*words)[2])
                   : fail("no member", ErrorCode::kInvalid);
    if (!mac) {
      return fail(
          "ipset printed a line that is not understood: " + quoted(line),
          ErrorCode::kInvalid);
    }
    set.members.push_back(*mac);
  }
  if (!created) return fail("ipset printed no set", ErrorCode::kInvalid);
  std::ranges::sort(set.members);
  const auto rest = std::ranges::unique(set.members);
  set.members.erase(rest.begin(), rest.end());
  return set;
}

std::string render_set(std::string_view name,
                       const std::vector<MacAddress>& members) {
  std::string text = fmt::format("create {} hash:mac maxelem {}\n", name,
                                 capacity_for(members.size()));
  for (const MacAddress& mac : members) {
    fmt::format_to(std::back_inserter(text), "add {} {}\n", name,
                   mac.to_string());
  }
  return text;
}

// A name has 31 bytes at most (IPSET_MAXNAMELEN) and a chain's 23.
IpsetStore::IpsetStore(const std::string& chain, int ip_version,
                       std::shared_ptr<CommandRunner> runner)
    : first_(fmt::format("{}-{}a", chain, ip_version)),
      second_(fmt::format("{}-{}b", chain, ip_version)),
      probe_(fmt::format("{}-{}p", chain, ip_version)),
      runner_(std::move(runner)) {}

void IpsetStore::probe() {
  auto done =
      run_tool(*runner_, {"ipset", "-exist", "restore"}, kPackage,
               fmt::format("create {0} hash:mac\ndestroy {0}\n", probe_));
  available_ = done.has_value();
  // Where there is no such type, there are no such sets either.
  clean_ = !available_;
  problem_ = done ? std::string() : done.error().message();
}

void IpsetStore::give_up(std::string problem) {
  available_ = false;
  problem_ = std::move(problem);
}

bool IpsetStore::owns(std::string_view name) const {
  return name == first_ || name == second_;
}

Result<MacSet> IpsetStore::read(const std::string& name) const {
  auto said = run_tool(*runner_, {"ipset", "save", name}, kPackage);
  if (!said) return fail(said.error());
  auto set = parse_ipset_save(*said);
  if (!set) return fail(set.error().within("set " + name));
  return set;
}

Result<std::string> IpsetStore::make(const std::vector<MacAddress>& members,
                                     const std::string& in_use) {
  clean_ = false;
  Result<> outcome;
  for (const std::string* name : {&first_, &second_}) {
    if (*name == in_use) continue;
    // One that an earlier run left behind, if any. A rule may use it that
    // nobody told of: then it is still there, and `create` fails.
    static_cast<void>(
        run_tool(*runner_, {"ipset", "destroy", *name}, kPackage));
    auto done = run_tool(*runner_, {"ipset", "restore"}, kPackage,
                         render_set(*name, members));
    if (done) return *name;
    outcome = fail(done.error());
  }
  return fail(outcome.error());
}

Result<> IpsetStore::change(const std::string& name,
                            const std::vector<MacAddress>& add,
                            const std::vector<MacAddress>& remove,
                            Step order) const {
  std::string additions;
  for (const MacAddress& mac : add) {
    additions += fmt::format("add {} {}\n", name, mac.to_string());
  }
  std::string removals;
  for (const MacAddress& mac : remove) {
    removals += fmt::format("del {} {}\n", name, mac.to_string());
  }
  auto done = run_tool(
      *runner_, {"ipset", "-exist", "restore"}, kPackage,
      order == Step::kAddFirst ? additions + removals : removals + additions);
  if (!done) return fail(done.error());
  return {};
}

Result<> IpsetStore::destroy_unused(std::string_view in_use) {
  auto listed = run_tool(*runner_, {"ipset", "list", "-n"}, kPackage);
  // Without ipset, or without a kernel that has it, there are no sets.
  if (!listed) return {};
  std::set<std::string, std::less<>> there;
  for (std::string_view rest = *listed; !rest.empty();) {
    const std::size_t end = rest.find('\n');
    there.emplace(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  Result<> outcome;
  for (const std::string* name : {&first_, &second_, &probe_}) {
    if (*name == in_use || !there.contains(*name)) continue;
    // The nft backend lets go of a set a moment after the rule went.
    constexpr int kTries = 20;
    Result<std::string> done = fail("never tried");
    for (int i = 0; i < kTries && !done; ++i) {
      if (i > 0) std::this_thread::sleep_for(50ms);
      done = run_tool(*runner_, {"ipset", "destroy", *name}, kPackage);
    }
    if (!done) outcome = fail(done.error().within("set " + *name));
  }
  clean_ = outcome.has_value();
  return outcome;
}

}  // namespace pxegate
