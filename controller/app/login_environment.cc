// SPDX-License-Identifier: Apache-2.0
#include "controller/app/login_environment.h"

#include <string>
#include <string_view>

namespace pxegate {

LoginEnvironment login_environment(const char* const* variables) {
  LoginEnvironment found;
  std::string home;
  std::string config_home;
  for (; variables != nullptr && *variables != nullptr; ++variables) {
    const std::string_view line(*variables);
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = line.substr(0, equals);
    const std::string_view value = line.substr(equals + 1);
    if (name == "HOME") home = value;
    if (name == "XDG_CONFIG_HOME") config_home = value;
    if (name.starts_with("OS_") && !value.empty()) {
      found.variables.try_emplace(std::string(name), value);
    }
  }
  const auto file = [&](std::string_view name) {
    const auto at = found.variables.find(name);
    return at == found.variables.end() ? std::string()
                                       : std::string(at->second.reveal());
  };
  found.clouds.clouds = file("OS_CLIENT_CONFIG_FILE");
  found.clouds.secure = file("OS_CLIENT_SECURE_FILE");
  found.user_clouds = found.clouds;
  found.user_clouds.dirs = {"."};
  if (config_home.empty() && !home.empty()) config_home = home + "/.config";
  if (!config_home.empty()) {
    found.user_clouds.dirs.push_back(config_home + "/openstack");
  }
  found.user_clouds.dirs.insert(found.user_clouds.dirs.end(),
                                found.clouds.dirs.begin(),
                                found.clouds.dirs.end());
  return found;
}

}  // namespace pxegate
