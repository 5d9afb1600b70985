// SPDX-License-Identifier: Apache-2.0
#include "acl.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "controller/base/text.h"

namespace tor_switch {
namespace {

using pxegate::HardwareAddress;
using pxegate::MacAddress;
using pxegate::Policy;
using pxegate::Result;
using pxegate::Verdict;

// It comes from Ironic, where anybody who may write ports can have put
// anything; it has to stay a part of one word, and short.
bool is_word(const std::string& text) {
  return !text.empty() && text.size() <= 63 &&
         std::ranges::all_of(text, [](char c) {
           return c > ' ' && c < 0x7f && c != '"' && c != '\\';
         });
}

std::string port_of(const std::string& local_link_connection) {
  const auto link = nlohmann::json::parse(local_link_connection, nullptr,
                                          /*allow_exceptions=*/false);
  const auto member = [&](const char* name) {
    const auto found = link.is_object() ? link.find(name) : link.end();
    return link.is_object() && found != link.end() && found->is_string()
               ? found->get<std::string>()
               : std::string();
  };
  const std::string port = member("port_id");
  const std::string on = member("switch_id");
  return is_word(port) && is_word(on) ? on + "/" + port : std::string();
}

std::optional<Verdict> to_verdict(const std::string& word) {
  if (word == "allow") return Verdict::kAllow;
  if (word == "deny") return Verdict::kDeny;
  return std::nullopt;
}

// One line without its end; false where it is none of a list.
bool read_line(const std::vector<std::string>& words, Acl& acl) {
  if (words.size() < 2 || words.size() > 3) return false;
  const auto mac = MacAddress::parse(words[1]);
  const auto verdict = to_verdict(words[0]);
  if (!mac || !verdict) return false;
  const std::string port = words.size() == 3 ? words[2] : std::string();
  return acl.entries.try_emplace(*mac, Acl::Entry{*verdict, port}).second;
}

}  // namespace

Acl make_acl(const pxegate::Snapshot& desired) {
  Acl acl;
  acl.others = desired.policy->unknown();
  for (const Policy::Entry& entry : desired.policy->entries()) {
    if (entry.address.type() != HardwareAddress::Type::kEthernet) continue;
    const auto port = desired.inventory->find_port(entry.address);
    const auto mac = MacAddress::parse(entry.address.to_string());
    if (!mac) continue;
    acl.entries[*mac] = {entry.verdict,
                         port ? port_of(port->local_link_connection) : ""};
  }
  return acl;
}

std::string print(const Acl& acl) {
  std::ostringstream out;
  out << "default " << to_string(acl.others) << "\n";
  for (const auto& [mac, entry] : acl.entries) {
    out << to_string(entry.verdict) << " " << mac.to_string();
    if (!entry.port.empty()) out << " " << entry.port;
    out << "\n";
  }
  return out.str();
}

Result<std::optional<Acl>> parse(std::string_view text) {
  if (text.empty()) return std::nullopt;
  std::istringstream in{std::string(text)};
  std::optional<Acl> acl;
  for (std::string line; std::getline(in, line);) {
    std::istringstream fields(line);
    std::vector<std::string> words;
    for (std::string word; fields >> word;) words.push_back(word);
    if (!acl && words.size() == 2 && words[0] == "default") {
      if (const auto others = to_verdict(words[1])) {
        acl = Acl{*others, {}};
        continue;
      }
    }
    if (!acl || !read_line(words, *acl)) {
      return pxegate::fail(
          "no line of an access list: " + pxegate::quoted(line),
          pxegate::ErrorCode::kInvalid);
    }
  }
  return acl;
}

Policy policy_of(const Acl& acl) {
  std::vector<Policy::Entry> entries;
  for (const auto& [mac, entry] : acl.entries) {
    entries.push_back({mac, entry.verdict});
  }
  return Policy(std::move(entries), acl.others);
}

}  // namespace tor_switch
