// SPDX-License-Identifier: Apache-2.0
#include "controller/app/drivers.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "controller/app/builtin_drivers.h"
#include "controller/base/command_runner.h"
#include "controller/base/text.h"
#include "controller/config/options.h"
#include "controller/driver/plugin_dir.h"
#include "controller/driver/plugin_loader.h"

namespace pxegate {
namespace {

// Why a plugin must not have this name; empty: it may.
std::string taken(const std::string& name,
                  const std::vector<DriverEntry>& builtin) {
  if (std::ranges::find(builtin, name, &DriverEntry::name) != builtin.end()) {
    return "a built-in driver has this name, and is what it stands for";
  }
  // What stands in such a section would be no option of the plugin's.
  if (std::ranges::find(options(), name, &Option::section) != options().end()) {
    return fmt::format("[{}] is a section of pxegate's own", name);
  }
  return {};
}

DriverEntry plugin_entry(const PluginFile& plugin, const Config& config) {
  // Its options are those of the driver that is configured; no other plugin
  // is made.
  DriverContext context{.name = plugin.name,
                        .options = config.plugin_options,
                        .runner = std::make_shared<SystemCommandRunner>()};
  return {.name = plugin.name,
          .summary = plugin.summary,
          .origin = plugin.path,
          .make = [directory = config.pxe_filter.plugin_dir,
                   context = std::move(context)] {
            return load_plugin(directory, context);
          }};
}

}  // namespace

Result<DriverRegistry> available_drivers(const Config& config) {
  std::vector<DriverEntry> entries = builtin_drivers(config);
  std::vector<BrokenDriver> broken;
  const std::string& directory = config.pxe_filter.plugin_dir;
  auto plugins = list_plugins(directory);
  if (!plugins) {
    const bool none = plugins.error().code() == ErrorCode::kNotFound;
    if (!none) broken.push_back({"", directory, plugins.error().message()});
    return DriverRegistry::make(
        std::move(entries), std::move(broken),
        fmt::format(
            "plugins were looked for in {}: {}", quoted(directory),
            none ? "there is no such folder" : plugins.error().message()));
  }
  std::vector<DriverEntry> usable;
  for (const PluginFile& plugin : *plugins) {
    std::string problem = plugin.problem;
    if (const std::string why = taken(plugin.name, entries);
        problem.empty() && !why.empty()) {
      problem = fmt::format("plugin {}: {}; give the plugin another name",
                            quoted(plugin.path, 4096), why);
    }
    if (problem.empty()) {
      usable.push_back(plugin_entry(plugin, config));
    } else {
      broken.push_back({plugin.name, plugin.path, problem});
    }
  }
  for (DriverEntry& entry : usable) entries.push_back(std::move(entry));
  return DriverRegistry::make(
      std::move(entries), std::move(broken),
      fmt::format("plugins were looked for in {}, as NAME.so",
                  quoted(directory)));
}

}  // namespace pxegate
