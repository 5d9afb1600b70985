// SPDX-License-Identifier: Apache-2.0
#include "drivers/nftables/ruleset.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <iterator>
#include <utility>

#include "controller/base/text.h"

namespace pxegate {
namespace {

using Addresses = std::vector<std::uint64_t>;

// Before anything that nft has a name for, the lowest being conntrack's
// defragmentation at -400: what others rewrite or redirect at this hook was
// judged as it came in. What is accepted here meets their chains as before.
constexpr int kPriority = -500;

constexpr std::string_view kPorts = "{ 67, 4011 }";

std::uint64_t number_of(std::span<const std::uint8_t> octets) {
  std::uint64_t number = 0;
  for (const std::uint8_t octet : octets) number = number << 8 | octet;
  return number;
}

HardwareAddress address_of(std::uint64_t number) {
  MacAddress::Bytes bytes{};
  for (std::size_t i = bytes.size(); i-- > 0; number >>= 8) {
    bytes.at(i) = static_cast<std::uint8_t>(number);
  }
  return MacAddress(bytes);
}

// Where the headers of a request lie. The kernel takes one VLAN tag off before
// this hook, and finds IPv4 and UDP behind it; behind a second tag they have
// to be found here, for an IPv4 header without options.
class Request {
 public:
  static Request plain() { return {"", 0, 0}; }
  static Request tagged() { return {"-tagged", 4, 4 + 20}; }

  std::string chain(std::string_view name) const {
    return fmt::format("{}{}", name, suffix_);
  }
  // Bytes of the IPv4 header, of the UDP header, of the BOOTP header.
  std::string ip(unsigned offset, unsigned size) const {
    return payload("nh", ip_ + offset, size);
  }
  std::string udp(unsigned offset, unsigned size) const {
    return udp_ == 0 ? payload("th", offset, size)
                     : payload("nh", udp_ + offset, size);
  }
  std::string bootp(unsigned offset, unsigned size) const {
    return udp(8 + offset, size);
  }

  static std::string payload(std::string_view base, unsigned offset,
                             unsigned size) {
    return fmt::format("@{},{},{}", base, offset * 8, size * 8);
  }

 private:
  Request(std::string_view suffix, unsigned ip, unsigned udp)
      : suffix_(suffix), ip_(ip), udp_(udp) {}

  std::string_view suffix_;
  unsigned ip_;
  unsigned udp_;  // 0: at the transport header that the kernel found
};

std::string count_and(Verdict verdict, std::string_view reason) {
  return fmt::format("counter name \"{}\" {}", counter_name(verdict, reason),
                     verdict == Verdict::kAllow ? "accept" : "drop");
}

std::string block(std::string_view head, const std::vector<std::string>& body) {
  return fmt::format("{} {{\n{}\n}}\n", head, fmt::join(body, "\n"));
}

std::string chain(std::string_view name, const std::vector<std::string>& body) {
  return block(fmt::format("chain {}", name), body);
}

// A comparison whose header is not in the frame does not match, so what
// allows is asked only where it is known to be there.
std::string request_chains(const Request& at) {
  const std::string malformed = count_and(Verdict::kDeny, "malformed");
  const std::string denied = fmt::format("@{}", set_name(Verdict::kDeny));
  const std::string by_rule = count_and(Verdict::kDeny, "rule");
  const std::string chaddr = at.bootp(28, 6);
  const std::string end_of_chaddr = at.bootp(28 + 5, 1);
  return chain(
             at.chain("dhcp"),
             {// More fragments follow.
              at.ip(6, 2) + " & 0x2000 != 0 " + malformed,
              at.ip(2, 2) + " < 264 " + malformed,
              at.udp(4, 2) + " < 244 " + malformed,
              end_of_chaddr + " 0 goto " + at.chain("client"),
              end_of_chaddr + " != 0 goto " + at.chain("client"), malformed}) +
         chain(at.chain("client"),
               {// htype and hlen.
                at.bootp(1, 2) + " != 0x0106 goto " + at.chain("foreign"),
                fmt::format("{} {} {}", chaddr, denied, by_rule),
                fmt::format("{} @{} {}", chaddr, set_name(Verdict::kAllow),
                            count_and(Verdict::kAllow, "rule")),
                fmt::format("goto {}", kUnknownChain)}) +
         // A denied machine that gives its address another hardware type.
         chain(at.chain("foreign"),
               {fmt::format("{} {} {}", chaddr, denied, by_rule),
                fmt::format("{} 0 {} {} {}", at.bootp(24, 4),
                            Request::payload("ll", 6, 6), denied, by_rule),
                "goto unknown-foreign"});
}

// What is behind two tags or more. The kernel takes off any number of tags
// with VLAN id 0: with three tags, one of them such, nobody is honest.
std::string tagged_chain() {
  const std::string malformed = count_and(Verdict::kDeny, "malformed");
  const std::string third = "@nh,16,16 { 0x8100, 0x88a8 } ";
  std::vector<std::string> rules = {
      third + "@ll,112,16 & 0x0fff == 0 " + malformed,
      third + "@nh,0,16 & 0x0fff == 0 " + malformed,
      third + "@nh,32,16 & 0x0fff == 0 " + malformed,
      "@nh,16,16 != 0x0800 accept",
      "@nh,104,8 != 17 accept",          // not UDP
      "@nh,80,16 & 0x1fff != 0 accept",  // not the first fragment
      fmt::format("@nh,32,8 0x45 @nh,208,16 {} goto dhcp-tagged", kPorts)};
  // With options in the IPv4 header, which firmware does not send.
  for (unsigned ihl = 6; ihl <= 15; ++ihl) {
    rules.push_back(fmt::format("@nh,32,8 {:#x} {} {} {}", 0x40 | ihl,
                                Request::payload("nh", 4 + ihl * 4 + 2, 2),
                                kPorts, malformed));
  }
  return chain("tagged", rules);
}

std::string ingress_chain(const std::string& interface) {
  return chain(
      chain_name(interface),
      {fmt::format("type filter hook ingress device \"{}\" priority {}; policy "
                   "accept;",
                   interface, kPriority),
       fmt::format(
           "meta protocol ip @nh,48,16 & 0x1fff == 0 udp dport {} goto dhcp",
           kPorts),
       "meta protocol { 8021q, 8021ad } goto tagged"});
}

struct UnknownChain {
  std::string_view name;
  std::string_view reason;
};
constexpr UnknownChain kUnknownChains[] = {
    {kUnknownChain, "unknown"}, {"unknown-foreign", "foreign_htype"}};

void append_hex(std::string& text, const Addresses& addresses) {
  for (const std::uint64_t address : addresses) {
    fmt::format_to(std::back_inserter(text), "{:#014x},", address);
  }
  if (!addresses.empty()) text.pop_back();
}

std::string set_block(Verdict verdict, const Addresses& addresses) {
  std::string text =
      fmt::format("set {} {{\ntypeof @th,288,48\n", set_name(verdict));
  if (!addresses.empty()) {
    text += "elements = { ";
    append_hex(text, addresses);
    text += " }\n";
  }
  return text + "}\n";
}

void append_elements(std::string& text, std::string_view command,
                     const std::string& table, Verdict verdict,
                     const Addresses& addresses) {
  if (addresses.empty()) return;
  fmt::format_to(std::back_inserter(text), "{} element netdev {} {} {{ ",
                 command, table, set_name(verdict));
  append_hex(text, addresses);
  text += " }\n";
}

Addresses minus(const Addresses& from, const Addresses& what) {
  Addresses rest;
  std::ranges::set_difference(from, what, std::back_inserter(rest));
  return rest;
}

Addresses both(const Addresses& one, const Addresses& other) {
  Addresses common;
  std::ranges::set_intersection(one, other, std::back_inserter(common));
  return common;
}

}  // namespace

FilterContents contents_of(const Policy& policy) {
  FilterContents contents;
  contents.unknown = policy.unknown();
  for (const Policy::Entry& entry : policy.entries()) {
    if (entry.address.type() != HardwareAddress::Type::kEthernet) continue;
    (entry.verdict == Verdict::kAllow ? contents.allowed : contents.denied)
        .push_back(number_of(entry.address.octets()));
  }
  return contents;
}

Policy policy_of(const FilterContents& contents) {
  std::vector<Policy::Entry> entries;
  entries.reserve(contents.denied.size() + contents.allowed.size());
  for (const std::uint64_t number : contents.denied) {
    entries.push_back({address_of(number), Verdict::kDeny});
  }
  for (const std::uint64_t number : contents.allowed) {
    entries.push_back({address_of(number), Verdict::kAllow});
  }
  return {std::move(entries), contents.unknown};
}

Result<> check_names(const std::string& table,
                     const std::vector<std::string>& interfaces) {
  const auto in_a_name = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_';
  };
  if (table.empty() || table.size() > 64 ||
      std::isalpha(static_cast<unsigned char>(table[0])) == 0 ||
      !std::ranges::all_of(table, in_a_name)) {
    return fail(fmt::format("{} cannot name an nftables table: letters, "
                            "digits, - and _, a letter first ([nftables] "
                            "table)",
                            quoted(table)),
                ErrorCode::kInvalid);
  }
  for (const std::string& interface : interfaces) {
    const auto bad = [](unsigned char c) {
      return std::isgraph(c) == 0 || c == '"' || c == '\\' || c == '*' ||
             c == '/';
    };
    if (interface.empty() || interface.size() > 15 ||
        std::ranges::any_of(interface, bad)) {
      return fail(fmt::format("nftables cannot filter an interface named {} "
                              "([nftables] interfaces)",
                              quoted(interface)),
                  ErrorCode::kInvalid);
    }
  }
  return {};
}

std::string_view set_name(Verdict verdict) {
  return verdict == Verdict::kAllow ? "allowed" : "denied";
}

std::string counter_name(Verdict verdict, std::string_view reason) {
  return fmt::format("{}_{}", to_string(verdict), reason);
}

// '/' is in no interface's name, so no two get the same chain.
std::string chain_name(std::string_view interface) {
  std::string name = "ingress-";
  for (const char c : interface) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' ||
        c == '_' || c == '.') {
      name += c;
    } else {
      name += fmt::format("/{:02x}", static_cast<unsigned char>(c));
    }
  }
  return name;
}

std::string build_script(const std::string& table,
                         const std::vector<std::string>& interfaces,
                         const FilterContents& contents) {
  std::vector<std::string> body = {
      fmt::format("comment \"{}\"\n", kTableComment)};
  for (const auto& [verdict, reason] : {std::pair(Verdict::kDeny, "malformed"),
                                        {Verdict::kDeny, "rule"},
                                        {Verdict::kAllow, "rule"},
                                        {Verdict::kDeny, "unknown"},
                                        {Verdict::kAllow, "unknown"},
                                        {Verdict::kDeny, "foreign_htype"},
                                        {Verdict::kAllow, "foreign_htype"}}) {
    body.push_back(block("counter " + counter_name(verdict, reason), {}));
  }
  body.push_back(set_block(Verdict::kDeny, contents.denied));
  body.push_back(set_block(Verdict::kAllow, contents.allowed));
  for (const UnknownChain& unknown : kUnknownChains) {
    body.push_back(
        chain(unknown.name, {count_and(contents.unknown, unknown.reason)}));
  }
  for (const Request& request : {Request::plain(), Request::tagged()}) {
    body.push_back(request_chains(request));
  }
  body.push_back(tagged_chain());
  for (const std::string& interface : interfaces) {
    body.push_back(ingress_chain(interface));
  }
  return remove_script(table) + block("table netdev " + table, body);
}

std::string add_interface_script(const std::string& table,
                                 const std::string& interface) {
  return block("table netdev " + table, {ingress_chain(interface)});
}

// To add what may be there is no error, to delete what is not there is one.
std::string remove_script(const std::string& table) {
  return fmt::format("add table netdev {0}\ndelete table netdev {0}\n", table);
}

FilterChange change(const std::string& table, const FilterContents& from,
                    const FilterContents& to) {
  FilterChange result;
  std::string first;
  std::string second;
  for (const Verdict verdict : {Verdict::kDeny, Verdict::kAllow}) {
    const bool allow = verdict == Verdict::kAllow;
    const Addresses& had = allow ? from.allowed : from.denied;
    const Addresses& has = allow ? to.allowed : to.denied;
    const Addresses& other = allow ? to.denied : to.allowed;
    const Addresses gone = minus(had, has);
    const Addresses moved = both(gone, other);
    const Addresses removed = minus(gone, moved);
    const Addresses added = minus(has, had);
    append_elements(first, "add", table, verdict, added);
    append_elements(first, "delete", table, verdict, moved);
    append_elements(second, "delete", table, verdict, removed);
    // What is in both sets loses the place that has no say.
    const Addresses& other_had = allow ? from.denied : from.allowed;
    result.upserts += added.size() + both(moved, other_had).size();
    result.removals += removed.size();
  }
  if (from.unknown != to.unknown) {
    result.unknown_changed = true;
    for (const UnknownChain& unknown : kUnknownChains) {
      first += fmt::format(
          "flush chain netdev {0} {1}\nadd rule netdev {0} {1} {2}\n", table,
          unknown.name, count_and(to.unknown, unknown.reason));
    }
  }
  if (!result.unknown_changed) {
    first += second;
    second.clear();
  }
  for (std::string& script : {std::ref(first), std::ref(second)}) {
    if (!script.empty()) result.scripts.push_back(std::move(script));
  }
  return result;
}

}  // namespace pxegate
