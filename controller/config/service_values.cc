// SPDX-License-Identifier: Apache-2.0
#include "controller/config/service_values.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "controller/config/options.h"

namespace pxegate {
namespace {

struct Renamed {
  std::string_view key;
  std::string_view option;
};
// openstacksdk's words, and older ones.
constexpr auto kRenamed =
    std::to_array<Renamed>({{"api_timeout", "timeout"},
                            {"auth_plugin", "auth_type"},
                            {"auth_token", "token"},
                            {"cacert", "cafile"},
                            {"cert", "certfile"},
                            {"default_domain", "default_domain_id"},
                            {"endpoint", "endpoint_override"},
                            {"endpoint_type", "valid_interfaces"},
                            {"interface", "valid_interfaces"},
                            {"key", "keyfile"},
                            {"tenant_id", "project_id"},
                            {"tenant_name", "project_name"},
                            {"user_name", "username"},
                            {"verify", "insecure"}});

// Besides the login.
constexpr auto kOfAll = std::to_array<std::string_view>(
    {"cafile", "certfile", "insecure", "keyfile", "region_name", "timeout",
     "valid_interfaces"});
constexpr auto kOfOne = std::to_array<std::string_view>(
    {"connect_retries", "connect_retry_delay", "endpoint_override",
     "region_name", "service_name", "service_type", "status_code_retries",
     "status_code_retry_delay", "valid_interfaces"});

// Naming one of a kind replaces the others.
constexpr auto kUsers =
    std::to_array<std::string_view>({"user_id", "username"});
constexpr auto kApplicationCredentials = std::to_array<std::string_view>(
    {"application_credential_id", "application_credential_name"});
constexpr auto kScopes = std::to_array<std::string_view>(
    {"domain_id", "domain_name", "project_id", "project_name", "system_scope",
     "trust_id"});

bool contains(std::span<const std::string_view> names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

ServiceValue* find(std::vector<ServiceValue>& values, std::string_view option) {
  const auto found = std::ranges::find(values, option, &ServiceValue::option);
  return found == values.end() ? nullptr : &*found;
}

void drop(std::vector<ServiceValue>& values,
          std::span<const std::string_view> names) {
  std::erase_if(values, [&](const ServiceValue& value) {
    return contains(names, value.option);
  });
}

void move_domain(std::vector<ServiceValue>& values) {
  if (find(values, "project_id") == nullptr &&
      find(values, "project_name") == nullptr) {
    return;
  }
  for (const std::string_view kind : {"id", "name"}) {
    const auto name = [&](std::string_view prefix) {
      return std::string(prefix) + "domain_" + std::string(kind);
    };
    const ServiceValue* domain = find(values, name(""));
    if (domain == nullptr) continue;
    const ServiceValue moved = *domain;
    for (const std::string_view whose : {"user_", "project_"}) {
      const std::string prefix(whose);
      if (find(values, prefix + "domain_id") == nullptr &&
          find(values, prefix + "domain_name") == nullptr) {
        values.push_back({name(whose), moved.text, moved.place});
      }
    }
    std::erase_if(values, [&](const ServiceValue& value) {
      return value.option == name("");
    });
  }
}

}  // namespace

ServiceKey service_key(std::string_view section, std::string_view key) {
  const bool ironic = section == "ironic";
  const std::string_view prefix =
      ironic ? "baremetal_" : "baremetal_introspection_";
  const bool own = key.starts_with(prefix);
  if (own) key.remove_prefix(prefix.size());
  const auto renamed = std::ranges::find(kRenamed, key, &Renamed::key);
  const bool alias = renamed != kRenamed.end();
  const std::string_view name = alias ? renamed->option : key;
  const Option* option = find_option(section, name);
  if (option == nullptr) return {};
  const bool known =
      own ? contains(kOfOne, name)
          // An endpoint for all services can only be that of one.
          : option->login || contains(kOfAll, name) ||
                (ironic && name == "endpoint_override");
  if (!known) return {};
  return {option->name, own, alias, alias && key == "verify"};
}

Secret service_text(const ServiceKey& key, std::string_view text) {
  if (key.option == "valid_interfaces" && text.ends_with("URL")) {
    text.remove_suffix(3);
  }
  if (!key.negated) return Secret(text);
  const auto is = [&](std::string_view word) {
    return std::ranges::equal(text, word, [](char a, char b) {
      return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b;
    });
  };
  if (is("true") || is("yes") || is("on") || is("1")) return Secret("false");
  if (is("false") || is("no") || is("off") || is("0")) return Secret("true");
  return Secret(text);
}

std::vector<ServiceValue> environment_values(const Environment& environment,
                                             std::string_view section) {
  std::vector<ServiceValue> values;
  // The best of the variables for one option.
  std::map<std::string_view, std::pair<int, ServiceValue>> best;
  for (const auto& [name, text] : environment) {
    if (!name.starts_with("OS_") || text.empty()) continue;
    std::string key = name.substr(3);
    for (char& c : key) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    const ServiceKey known = service_key(section, key);
    if (known.option.empty()) continue;
    const int rank = (known.own ? 2 : 0) + (known.alias ? 0 : 1);
    const auto [at, added] = best.try_emplace(known.option);
    if (!added && at->second.first >= rank) continue;
    at->second = {
        rank,
        {std::string(known.option), service_text(known, text.reveal()),
         name + " of the environment"}};
  }
  values.reserve(best.size());
  for (auto& [option, found] : best) values.push_back(std::move(found.second));
  return values;
}

std::vector<ServiceValue> values_beside(std::vector<ServiceValue> values,
                                        const std::set<std::string>& given) {
  move_domain(values);
  const auto replaced = [&](std::span<const std::string_view> names) {
    const bool any = std::ranges::any_of(names, [&](std::string_view name) {
      return given.contains(std::string(name));
    });
    if (any) drop(values, names);
  };
  replaced(kUsers);
  replaced(kApplicationCredentials);
  replaced(kScopes);
  std::erase_if(values, [&](const ServiceValue& value) {
    return given.contains(value.option);
  });
  return values;
}

void complete(ServiceConfig& service, bool auth_type_given) {
  if (!auth_type_given && !service.auth_url.empty()) {
    if (!service.application_credential_secret.empty()) {
      service.auth_type = AuthType::kApplicationCredential;
    } else if (!service.token.empty() && service.password.empty()) {
      service.auth_type = AuthType::kToken;
    } else {
      service.auth_type = AuthType::kPassword;
    }
  }
  const auto fill = [&](std::string& id, std::string& name) {
    if (!id.empty() || !name.empty()) return;
    id = service.default_domain_id;
    name = id.empty() ? service.default_domain_name : std::string();
  };
  fill(service.user_domain_id, service.user_domain_name);
  fill(service.project_domain_id, service.project_domain_name);
}

}  // namespace pxegate
