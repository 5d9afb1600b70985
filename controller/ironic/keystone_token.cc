// SPDX-License-Identifier: Apache-2.0
#include "controller/ironic/keystone_token.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "controller/base/text.h"

namespace pxegate {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr std::size_t kMaxDepth = 32;
// Of one service, or of all the rest.
constexpr std::size_t kMaxValues = 20'000;
constexpr std::size_t kMaxText = 1024;
constexpr std::size_t kMaxUrl = 2048;
constexpr std::size_t kMaxListed = 12;
constexpr std::size_t kMaxRoles = 100;
// Nobody's clock is needed for longer.
constexpr milliseconds kLongestLife = std::chrono::hours{24 * 365};

// What service-types-authority, and those who deployed before it, call the
// same service; the proper name first.
constexpr std::array<std::array<std::string_view, 2>, 2> kSameType = {
    {{"baremetal", "bare-metal"},
     {"baremetal-introspection", "introspection"}}};

// 0: what was asked for, else the place among its other names; nullopt:
// another service.
std::optional<std::size_t> type_rank(std::string_view wanted,
                                     std::string_view type) {
  if (type == wanted) return 0;
  for (const auto& names : kSameType) {
    if (std::ranges::find(names, wanted) == names.end()) continue;
    const auto found = std::ranges::find(names, type);
    if (found == names.end()) return std::nullopt;
    return static_cast<std::size_t>(found - names.begin()) + 1;
  }
  return std::nullopt;
}

std::string_view plain_interface(std::string_view name) {
  if (name.ends_with("URL")) name.remove_suffix(3);
  return name;
}

// The member of an object that is text; empty where there is none.
std::string text_of(const json& object, const char* name,
                    std::size_t limit = kMaxText) {
  if (!object.is_object()) return {};
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string()) return {};
  const auto& text = found->get_ref<const std::string&>();
  return text.size() <= limit ? text : std::string();
}

const json* member(const json& object, const char* name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

// Picks the endpoint while services pass by.
class Choice {
 public:
  explicit Choice(const EndpointFilter& filter) : filter_(filter) {}

  void consider(const json& service) {
    const std::string type = text_of(service, "type");
    const auto rank = type_rank(filter_.service_type, type);
    if (!rank) {
      if (others_.size() < kMaxListed) others_.insert(type);
      return;
    }
    const std::string name = text_of(service, "name");
    const bool other_name = !filter_.service_name.empty() && !name.empty() &&
                            name != filter_.service_name;
    const json* endpoints = member(service, "endpoints");
    if (endpoints == nullptr || !endpoints->is_array()) return;
    for (const json& endpoint : *endpoints) {
      const std::string interface = text_of(endpoint, "interface");
      std::string region = text_of(endpoint, "region_id");
      if (region.empty()) region = text_of(endpoint, "region");
      if (similar_.size() < kMaxListed) {
        similar_.push_back(fmt::format("{} {} in {}", pxegate::quoted(type),
                                       pxegate::quoted(interface),
                                       pxegate::quoted(region)));
        if (!name.empty()) similar_.back() += " named " + pxegate::quoted(name);
      }
      if (other_name) continue;
      if (!filter_.region_name.empty() && region != filter_.region_name) {
        continue;
      }
      std::string url = text_of(endpoint, "url", kMaxUrl);
      if (url.empty()) continue;
      const auto wanted = std::ranges::find_if(
          filter_.valid_interfaces, [&](const std::string& candidate) {
            return plain_interface(candidate) == plain_interface(interface);
          });
      if (wanted == filter_.valid_interfaces.end()) continue;
      const Rank found{*rank, static_cast<std::size_t>(
                                  wanted - filter_.valid_interfaces.begin())};
      if (best_ && *best_ < found) continue;
      if (!best_ || found < *best_) fits_.clear();
      best_ = found;
      while (url.ends_with('/')) url.pop_back();
      std::string where =
          pxegate::quoted(url) + " in " + pxegate::quoted(region);
      if (!name.empty()) where += " named " + pxegate::quoted(name);
      if (fits_.size() < kMaxListed) fits_.emplace(std::move(url), where);
    }
  }

  void finish(TokenFacts& facts) {
    facts.ambiguous = fits_.size() > 1;
    if (fits_.size() == 1) facts.endpoint = fits_.begin()->first;
    if (facts.ambiguous) {
      std::vector<std::string> rivals;
      for (const auto& [url, where] : fits_) rivals.push_back(where);
      facts.catalogue = fmt::format("{}", fmt::join(rivals, ", "));
    } else if (!similar_.empty()) {
      facts.catalogue = fmt::format("{}", fmt::join(similar_, ", "));
    } else if (!others_.empty()) {
      std::vector<std::string> types;
      for (const std::string& type : others_)
        types.push_back(pxegate::quoted(type));
      facts.catalogue = fmt::format("services {}", fmt::join(types, ", "));
    } else {
      facts.catalogue = "nothing";
    }
  }

 private:
  using Rank = std::pair<std::size_t, std::size_t>;  // of type and interface

  const EndpointFilter& filter_;
  std::optional<Rank> best_;
  std::map<std::string, std::string> fits_;  // best_: URL, and where it is
  std::vector<std::string> similar_;
  std::set<std::string> others_;
};

// nlohmann's parser calls these as it goes; returning false ends it. Depth 1
// is inside the outer object, 2 inside the token, 3 inside its catalogue and
// 4 inside a service.
class TokenReader final : public json::json_sax_t {
 public:
  explicit TokenReader(Choice& choice) : choice_(choice) {}

  bool null() override { return value(nullptr); }
  bool boolean(bool v) override { return value(v); }
  bool number_integer(std::int64_t v) override { return value(v); }
  bool number_unsigned(std::uint64_t v) override { return value(v); }
  bool number_float(double v, const std::string&) override { return value(v); }
  bool string(std::string& v) override { return value(std::move(v)); }
  bool binary(json::binary_t&) override { return reject("holds binary data"); }
  bool start_object(std::size_t) override { return start(json::object()); }
  bool start_array(std::size_t) override { return start(json::array()); }
  bool end_object() override { return end(); }
  bool end_array() override { return end(); }

  bool key(std::string& name) override {
    if (skipping_ > 0) return true;
    if (depth_ == 1) {
      skip_next_ = name != "token";
    } else if (depth_ == 2) {
      static constexpr std::array kWanted = {
          "user",  "project", "domain",    "system",
          "roles", "catalog", "issued_at", "expires_at"};
      skip_next_ = std::ranges::find(kWanted, name) == kWanted.end();
    }
    key_ = std::move(name);
    return true;
  }

  bool parse_error(std::size_t, const std::string&,
                   const json::exception&) override {
    return reject("is no JSON, or cut off");
  }

  Result<json> finish() && {
    if (problem_) return fail(*problem_, ErrorCode::kInvalid);
    if (!token_seen_) {
      return fail("has no object \"token\"", ErrorCode::kInvalid);
    }
    return std::move(token_);
  }

 private:
  bool reject(std::string problem) {
    if (!problem_) problem_ = std::move(problem);
    return false;
  }

  bool value(json v) {
    if (skipping_ > 0 || std::exchange(skip_next_, false)) return true;
    if (depth_ < 2) return reject("has no object \"token\"");
    if (in_catalogue_ && depth_ == 3) {
      return reject("has a service in its catalogue that is no object");
    }
    return keep(std::move(v)) != nullptr;
  }

  bool start(json container) {
    if (++depth_ > kMaxDepth) return reject("is nested too deeply");
    if (skipping_ > 0 || std::exchange(skip_next_, false)) {
      ++skipping_;
      return true;
    }
    if (depth_ == 1) {
      return container.is_object() || reject("is no JSON object");
    }
    if (depth_ == 2) {
      if (!container.is_object() || std::exchange(token_seen_, true)) {
        return reject("has no object \"token\", or two");
      }
      token_ = std::move(container);
      open_.assign(1, &token_);
      return true;
    }
    if (depth_ == 3 && key_ == "catalog") {
      in_catalogue_ = container.is_array();
      return in_catalogue_ || reject("has a catalogue that is no list");
    }
    if (in_catalogue_ && depth_ == 4) {
      if (!container.is_object()) {
        return reject("has a service in its catalogue that is no object");
      }
      service_ = std::move(container);
      rest_values_ = std::exchange(values_, 0);
      open_.push_back(&service_);
      return true;
    }
    json* kept = keep(std::move(container));
    if (kept != nullptr) open_.push_back(kept);
    return kept != nullptr;
  }

  bool end() {
    --depth_;
    if (skipping_ > 0) {
      --skipping_;
      return true;
    }
    if (depth_ == 0) return true;
    if (in_catalogue_ && depth_ == 2) {
      in_catalogue_ = false;
      return true;
    }
    open_.pop_back();
    if (in_catalogue_ && depth_ == 3) {
      choice_.consider(service_);
      values_ = rest_values_;
    }
    return true;
  }

  // Puts `v` where it belongs; nullptr when there is too much.
  json* keep(json v) {
    if (++values_ > kMaxValues) {
      reject(fmt::format("holds more than {} values in one place", kMaxValues));
      return nullptr;
    }
    json& parent = *open_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(v));
      return &parent.back();
    }
    return &(parent[key_] = std::move(v));
  }

  Choice& choice_;
  std::optional<std::string> problem_;
  std::size_t depth_ = 0;
  bool skip_next_ = false;    // the value of an unwanted key comes next
  std::size_t skipping_ = 0;  // open containers of an unwanted value
  bool token_seen_ = false;
  bool in_catalogue_ = false;
  json token_;
  json service_;
  std::string key_;
  std::vector<json*> open_;  // an array never grows while one in it is open
  std::size_t values_ = 0;
  std::size_t rest_values_ = 0;
};

// "name", or else the id.
std::string name_of(const json& object) {
  std::string name = text_of(object, "name");
  return name.empty() ? text_of(object, "id") : name;
}

Identity identity_of(const json& token) {
  Identity identity;
  if (const json* user = member(token, "user")) identity.user = name_of(*user);
  if (const json* system = member(token, "system")) {
    const json* all = member(*system, "all");
    identity.system = all != nullptr && all->is_boolean() && all->get<bool>();
  }
  if (const json* project = member(token, "project")) {
    // Without an id it is still one: never empty where there is a project.
    identity.project_id = text_of(*project, "id");
    if (identity.project_id.empty()) identity.project_id = "?";
    identity.scope = "project " + name_of(*project);
    identity.system = false;
  } else if (identity.system) {
    identity.scope = "system";
  } else if (const json* domain = member(token, "domain")) {
    identity.scope = "domain " + name_of(*domain);
  } else {
    identity.scope = "unscoped";
  }
  const json* roles = member(token, "roles");
  if (roles == nullptr || !roles->is_array()) return identity;
  for (const json& role : *roles) {
    if (identity.roles.size() == kMaxRoles) break;
    identity.roles.push_back(name_of(role));
  }
  return identity;
}

}  // namespace

std::optional<WallTime> parse_rfc3339(std::string_view text) {
  std::size_t at = 0;
  // A number of exactly that many digits.
  const auto number = [&](std::size_t digits) -> std::optional<int> {
    if (text.size() - at < digits) return std::nullopt;
    int value = 0;
    for (const std::size_t end = at + digits; at < end; ++at) {
      if (text[at] < '0' || text[at] > '9') return std::nullopt;
      value = value * 10 + (text[at] - '0');
    }
    return value;
  };
  const auto is = [&](char c) {
    if (at == text.size() || text[at] != c) return false;
    ++at;
    return true;
  };
  const auto year = number(4);
  if (!year || !is('-')) return std::nullopt;
  const auto month = number(2);
  if (!month || !is('-')) return std::nullopt;
  const auto day = number(2);
  if (!day || (!is('T') && !is('t') && !is(' '))) return std::nullopt;
  const auto hour = number(2);
  if (!hour || !is(':')) return std::nullopt;
  const auto minute = number(2);
  if (!minute || !is(':')) return std::nullopt;
  const auto second = number(2);
  if (!second) return std::nullopt;
  std::chrono::microseconds fraction{0};
  if (is('.')) {
    const std::size_t begin = at;
    std::chrono::microseconds unit{100'000};
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
      fraction += (text[at] - '0') * unit;
      unit /= 10;
    }
    if (at == begin) return std::nullopt;
  }
  std::chrono::minutes offset{0};
  if (!is('Z') && !is('z')) {
    const bool east = is('+');
    if (!east && !is('-')) return std::nullopt;
    const auto hours = number(2);
    if (!hours || !is(':')) return std::nullopt;
    const auto minutes = number(2);
    if (!minutes || *hours > 23 || *minutes > 59) return std::nullopt;
    offset = std::chrono::hours{*hours} + std::chrono::minutes{*minutes};
    if (!east) offset = -offset;
  }
  const std::chrono::year_month_day date{
      std::chrono::year{*year},
      std::chrono::month{static_cast<unsigned>(*month)},
      std::chrono::day{static_cast<unsigned>(*day)}};
  // Outside of these years nanoseconds since 1970 do not fit.
  if (at != text.size() || !date.ok() || *year < 1970 || *year > 2260 ||
      *hour > 23 || *minute > 59 || *second > 60) {
    return std::nullopt;
  }
  return std::chrono::sys_days{date} + std::chrono::hours{*hour} +
         std::chrono::minutes{*minute} + std::chrono::seconds{*second} +
         fraction - offset;
}

Result<TokenFacts> read_token(std::string_view body,
                              const EndpointFilter& filter) {
  Choice choice(filter);
  TokenReader reader(choice);
  json::sax_parse(body, &reader);
  const auto token = std::move(reader).finish();
  if (!token) {
    return fail("Keystone's answer " + token.error().message(),
                ErrorCode::kInvalid);
  }
  const auto time = [&](const char* name) -> Result<WallTime> {
    const std::string text = text_of(*token, name);
    const auto parsed = parse_rfc3339(text);
    if (parsed) return *parsed;
    return fail(fmt::format("Keystone's answer has no time as token.{} but {}",
                            name, pxegate::quoted(text)),
                ErrorCode::kInvalid);
  };
  const auto issued = time("issued_at");
  if (!issued) return fail(issued.error());
  const auto expires = time("expires_at");
  if (!expires) return fail(expires.error());
  TokenFacts facts;
  facts.life =
      std::min(std::chrono::duration_cast<milliseconds>(*expires - *issued),
               kLongestLife);
  if (facts.life <= milliseconds{0}) {
    return fail(
        "Keystone's answer is a token that expired before it was issued",
        ErrorCode::kInvalid);
  }
  facts.identity = identity_of(*token);
  choice.finish(facts);
  return facts;
}

}  // namespace pxegate
