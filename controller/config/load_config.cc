// SPDX-License-Identifier: Apache-2.0
#include "controller/config/load_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "controller/base/secret.h"
#include "controller/base/text.h"
#include "controller/config/combinations.h"
#include "controller/config/config_files.h"
#include "controller/config/file_trust.h"
#include "controller/config/message_bus.h"
#include "controller/config/nearest.h"
#include "controller/config/options.h"
#include "controller/config/policy_options.h"
#include "controller/config/service_values.h"
#include "controller/config/substitute.h"

namespace pxegate {
namespace {

// Where Ironic's API listens unless told otherwise, on this host.
constexpr std::string_view kLocalIronic = "http://127.0.0.1:6385";

// References that one value may lead to, directly and through others.
constexpr int kMaxReferences = 200;

// No other program reads these sections, so an unknown option there is a
// mistake; the other sections of the table are shared.
constexpr std::array<std::string_view, 3> kOwnSections = {"pxe_filter", "xdp",
                                                          "nftables"};

template <typename Range>
bool contains(const Range& range, std::string_view value) {
  return std::ranges::find(range, value) != std::ranges::end(range);
}

// How many slips still make a name look like `name` to the reader.
std::size_t slips_in(std::string_view name) { return name.size() > 5 ? 2 : 1; }

std::optional<std::string_view> near_miss(
    std::string_view name, const std::vector<std::string_view>& candidates) {
  const auto found = nearest(name, candidates, 2);
  if (!found || edit_distance(name, *found) > slips_in(*found)) return {};
  return found;
}

class Loader {
 public:
  Result<LoadedConfig> load(const ConfigSources& sources) {
    read_all(sources);
    if (!problems_.empty()) {
      return fail(fmt::format("{}", fmt::join(problems_, "\n")), files_.code);
    }
    return std::move(loaded_);
  }

  LoadedConfig load_leniently(const ConfigSources& sources) {
    read_all(sources);
    loaded_.problems = std::move(problems_);
    return std::move(loaded_);
  }

 private:
  void read_all(const ConfigSources& sources) {
    for (const std::string& path : sources.files) files_.read(path);
    if (!sources.dir.empty()) files_.read_dir(sources.dir);
    loaded_.files = files_.paths;
    problems_ = files_.problems;
    find_login_sections();
    for (const auto& [path, section] : files_.sections) {
      warn_of_near_section(path, section);
    }
    warn_of_unknown_names();
    for (std::size_t file = 0; file < files_.paths.size(); ++file) {
      warn_of_other_writers(files_.paths[file]);
      warn_of_open_secret(file);
    }
    set_options();
    take_login(sources, "ironic", loaded_.config.ironic, loaded_.ironic_login);
    if (inspector_asked()) {
      take_login(sources, "inspector", loaded_.config.inspector,
                 loaded_.inspector_login);
    }
    loaded_.ironic_endpoint = endpoint_origin("ironic", loaded_.config.ironic);
    loaded_.inspector_endpoint =
        endpoint_origin("inspector", loaded_.config.inspector);
    // What a file that was not read would have set is not known.
    if (files_.complete) check_combinations();
    forget_repeated_warnings();
  }

  // ---- where logins stand ----

  void find_login_sections() {
    for (const std::string_view section : {"ironic", "inspector"}) {
      if (section == "inspector" && !inspector_asked()) continue;
      const Setting* elsewhere = find_anywhere(section, "auth_section");
      if (elsewhere == nullptr || elsewhere->entry.value.empty()) continue;
      const std::string key = section_key(elsewhere->entry.value);
      if (key == section) continue;
      const bool exists =
          std::ranges::any_of(files_.sections, [&](const auto& each) {
            return section_key(each.second.name) == key;
          });
      if (!exists) {
        problem(*elsewhere,
                fmt::format("there is no section {}; expected the one that "
                            "holds auth_type and the rest of the login",
                            pxegate::quoted(elsewhere->entry.value)));
        continue;
      }
      login_sections_.emplace(section, key);
    }
    for (Setting& setting : files_.settings) {
      if (contains_login(setting.section)) {
        std::ranges::replace(setting.name, '-', '_');
      }
    }
  }

  bool contains_login(std::string_view section) const {
    return std::ranges::any_of(login_sections_, [&](const auto& each) {
      return each.second == section;
    });
  }

  // The section in which the option stands.
  std::string_view home(const Option& option) const {
    if (!option.login) return option.section;
    const auto elsewhere = login_sections_.find(option.section);
    return elsewhere == login_sections_.end()
               ? option.section
               : std::string_view(elsewhere->second);
  }

  // What the section leaves to a cloud, or to the environment.
  void take_login(const ConfigSources& sources, std::string_view section,
                  ServiceConfig& service, std::string& origin) {
    std::set<std::string> given;
    bool login = false;
    for (const Option& option : options()) {
      if (option.section != section) continue;
      const Setting* setting = find(option);
      if (setting == nullptr || setting->entry.value.empty()) continue;
      given.emplace(option.name);
      login |= option.login || option.name == "auth_section" ||
               option.name == "cloud";
    }
    const auto elsewhere = login_sections_.find(section);
    origin = fmt::format("[{}]", elsewhere == login_sections_.end()
                                     ? section
                                     : std::string_view(elsewhere->second));
    if (!service.cloud.empty()) {
      take_cloud(section, service.cloud, sources.clouds, given, origin,
                 about(*find_option(section, "cloud"), {}));
    } else if (!login && !sources.environment.empty()) {
      take_environment(sources, section, service, given, origin);
    }
    complete(service, given.contains("auth_type"));
    const std::string here = fmt::format("[{}]", section);
    service.login_from = origin == here ? std::string() : origin;
  }

  std::string endpoint_origin(std::string_view section,
                              const ServiceConfig& service) const {
    const Option& option = *find_option(section, "endpoint_override");
    if (const auto elsewhere = places_.find(&option);
        elsewhere != places_.end()) {
      return elsewhere->second;
    }
    if (const Setting* setting = find(option);
        setting != nullptr && !setting->entry.value.empty()) {
      return place(*setting) + ": " + named(*setting);
    }
    return uses_keystone(service) ? "Keystone's catalogue"
                                  : "nothing: it is assumed";
  }

  void take_environment(const ConfigSources& sources, std::string_view section,
                        ServiceConfig& service, std::set<std::string>& given,
                        std::string& origin) {
    const auto values = environment_values(sources.environment, section);
    if (!values.empty()) {
      origin = "OS_* of the environment";
      loaded_.from_environment = true;
    }
    take(section, values, given);
    const auto cloud = sources.environment.find("OS_CLOUD");
    if (cloud == sources.environment.end() || cloud->second.empty()) return;
    loaded_.from_environment = true;
    service.cloud = cloud->second.reveal();
    take_cloud(section, service.cloud, sources.environment_clouds, given,
               origin, "OS_CLOUD of the environment: ");
  }

  void take_cloud(std::string_view section, const std::string& name,
                  const CloudFiles& where, std::set<std::string>& given,
                  std::string& origin, const std::string& named_by) {
    const auto cloud = read_cloud(name, section, where);
    if (!cloud) {
      problems_.push_back(named_by + cloud.error().message());
      wrong_.insert(find_option(section, "cloud"));
      return;
    }
    for (const std::string& warning : cloud->warnings) {
      loaded_.warnings.push_back(warning);
    }
    origin = fmt::format("cloud {} of {}", pxegate::quoted(name), cloud->file);
    take(section, cloud->values, given);
  }

  // `given` grows by what is taken.
  void take(std::string_view section, const std::vector<ServiceValue>& values,
            std::set<std::string>& given) {
    for (const ServiceValue& value : values_beside(values, given)) {
      const Option* option = find_option(section, value.option);
      const auto done =
          set_option(*option, value.text.reveal(), loaded_.config);
      if (!done) {
        problems_.push_back(value.place + ": " + done.error().message());
        wrong_.insert(option);
      }
      given.insert(value.option);
      places_[option] = value.place;
    }
  }

  // ---- words ----

  std::string place(const Setting& setting) const {
    return fmt::format("{}:{}", files_.paths[setting.file], setting.entry.line);
  }

  static std::string named(std::string_view section, std::string_view name) {
    return fmt::format("[{}] {}", section, name);
  }

  static std::string named(const Setting& setting) {
    return named(setting.section, setting.entry.key);
  }

  std::string named(const Option& option) const {
    return named(home(option), option.name);
  }

  void problem(const Setting& setting, std::string_view what) {
    problems_.push_back(
        fmt::format("{}: {}: {}", place(setting), named(setting), what));
  }

  // About an option that may not stand in any file.
  void problem(const Option& option, std::string_view what) {
    problems_.push_back(about(option, what));
  }

  std::string about(const Option& option, std::string_view what) const {
    if (const auto elsewhere = places_.find(&option);
        elsewhere != places_.end()) {
      return fmt::format("{}: {}", elsewhere->second, what);
    }
    if (const Setting* setting = find(option)) {
      return fmt::format("{}: {}: {}", place(*setting), named(*setting), what);
    }
    return files_.paths.empty() ? fmt::format("{}: {}", named(option), what)
                                : fmt::format("{}: {}: {}", files_.paths.back(),
                                              named(option), what);
  }

  // About an option that may not stand in any file.
  void warn_at(std::string_view section, std::string_view name,
               std::string_view what) {
    const Option& option = *find_option(section, name);
    loaded_.warnings.push_back(about(option, what));
  }

  void warn(const Setting& setting, std::string_view what) {
    loaded_.warnings.push_back(
        fmt::format("{}: {}: {}", place(setting), named(setting), what));
  }

  // ---- names ----

  bool is_known(const Setting& setting) const {
    return std::ranges::any_of(options(), [&](const Option& option) {
      return is_named(option, setting);
    });
  }

  bool is_named(const Option& option, const Setting& setting) const {
    if (setting.section == home(option) && setting.name == option.name) {
      return true;
    }
    return alias_of(option, setting) != nullptr;
  }

  const OptionAlias* alias_of(const Option& option,
                              const Setting& setting) const {
    for (const OptionAlias& alias : option.aliases) {
      if (setting.section == section_of(option, alias) &&
          setting.name == alias.name) {
        return &alias;
      }
    }
    return nullptr;
  }

  std::string_view section_of(const Option& option,
                              const OptionAlias& alias) const {
    return alias.section.empty() ? home(option) : alias.section;
  }

  // Of the options that stand there.
  std::vector<std::string_view> names_in(std::string_view section) const {
    std::vector<std::string_view> names;
    for (const Option& option : options()) {
      if (home(option) == section) names.push_back(option.name);
    }
    return names;
  }

  static const IgnoredOption* find_ignored(const Setting& setting) {
    const auto found =
        std::ranges::find_if(ignored_options(), [&](const IgnoredOption& each) {
          return setting.section == each.section && setting.name == each.name;
        });
    return found == ignored_options().end() ? nullptr : &*found;
  }

  void warn_of_unknown_names() {
    for (const Setting& setting : files_.settings) {
      if (const IgnoredOption* ignored = find_ignored(setting)) {
        warn(setting,
             fmt::format("deprecated, and ignored: {}", ignored->instead));
        continue;
      }
      const auto names = names_in(setting.section);
      if (names.empty() || is_known(setting)) continue;
      if (warn_of_passed_over(setting)) continue;
      const auto near = near_miss(setting.name, names);
      if (!contains(kOwnSections, setting.section)) {
        if (near) {
          warn(setting,
               fmt::format("unknown, and ignored; did you mean {}?", *near));
        }
      } else {
        const auto guess =
            near ? near : nearest(setting.name, names, setting.name.size() / 2);
        warn(setting,
             guess
                 ? fmt::format("unknown, and ignored; did you mean {}?", *guess)
                 : fmt::format("unknown, and ignored; the section has {}",
                               fmt::join(names, ", ")));
      }
    }
  }

  // Of a login that auth_section says stands elsewhere.
  bool warn_of_passed_over(const Setting& setting) {
    const auto elsewhere = login_sections_.find(setting.section);
    const Option* option = find_option(setting.section, setting.name);
    if (elsewhere == login_sections_.end() || option == nullptr) return false;
    warn(setting, fmt::format("ignored, because auth_section says that the "
                              "login stands in [{}]",
                              elsewhere->second));
    return true;
  }

  void forget_repeated_warnings() {
    std::set<std::string> seen;
    std::erase_if(loaded_.warnings, [&](const std::string& warning) {
      return !seen.insert(warning).second;
    });
  }

  void warn_of_near_section(const std::string& path,
                            const IniSection& section) {
    // Of short names too many are close to each other.
    constexpr std::size_t kShort = 5;
    std::vector<std::string_view> ours;
    for (const Option& option : options()) {
      if (option.section.size() > kShort) ours.push_back(option.section);
    }
    const std::string key = section_key(section.name);
    if (contains(ours, key)) return;
    // A plugin's section is named as the plugin.
    const Setting* driver = find(*find_option("pxe_filter", "driver"));
    if (driver != nullptr && section_key(driver->entry.value) == key) return;
    const auto near = key == "default"
                          ? std::optional<std::string_view>("DEFAULT")
                          : near_miss(key, ours);
    if (!near) return;
    loaded_.warnings.push_back(fmt::format(
        "{}:{}: section {} is unknown, and ignored; did you mean [{}]?", path,
        section.line, pxegate::quoted(section.name), *near));
  }

  void warn_of_other_writers(const std::string& path) {
    const std::string writers = other_writers(path);
    if (!writers.empty()) loaded_.warnings.push_back(path + ": " + writers);
  }

  void warn_of_open_secret(std::size_t file) {
    if (!open_to_everybody(files_.paths[file])) return;
    for (const Setting& setting : files_.settings) {
      if (setting.file != file || setting.entry.value.empty()) continue;
      const bool secret =
          std::ranges::any_of(options(), [&](const Option& each) {
            return each.type == OptionType::kSecret && is_named(each, setting);
          });
      if (!secret) continue;
      warn(setting,
           "every user can read this file; expected mode 0640 or less");
      return;
    }
  }

  // ---- values ----

  // The last line of `file` that sets this name.
  const Setting* find(std::size_t file, std::string_view section,
                      std::string_view name) const {
    const auto found = std::find_if(
        files_.settings.rbegin(), files_.settings.rend(),
        [&](const Setting& setting) {
          return setting.file == file && setting.section == section &&
                 setting.name == name;
        });
    return found == files_.settings.rend() ? nullptr : &*found;
  }

  // The line that decides about `option`; nullptr where none sets it.
  const Setting* find(const Option& option) const {
    for (std::size_t file = files_.paths.size(); file-- > 0;) {
      if (const auto* own = find(file, home(option), option.name)) {
        return own;
      }
      for (const OptionAlias& alias : option.aliases) {
        const auto* other = find(file, section_of(option, alias), alias.name);
        if (other != nullptr) return other;
      }
    }
    return nullptr;
  }

  const Setting* find_anywhere(std::string_view section,
                               std::string_view name) const {
    for (std::size_t file = files_.paths.size(); file-- > 0;) {
      if (const auto* setting = find(file, section, name)) return setting;
    }
    return nullptr;
  }

  // One value on its way through substitution.
  struct Expansion {
    std::vector<std::pair<std::string, std::string>> open;  // names, outermost
                                                            // first
    int references = 0;
    // What messages may not show has come in: a secret, or a value of which
    // nothing is known.
    bool veiled = false;
  };

  Result<std::string> expand(std::string_view text, const std::string& section,
                             Expansion& state) const {
    return substitute(text, [&](std::string_view name) {
      return dereference(name, section, state);
    });
  }

  Result<std::string> dereference(std::string_view name,
                                  const std::string& section,
                                  Expansion& state) const {
    if (++state.references > kMaxReferences) {
      return fail("refers to too many other options", ErrorCode::kInvalid);
    }
    const std::string shown =
        state.veiled ? std::string("an option") : "$" + std::string(name);
    const std::size_t dot = name.find('.');
    std::vector<std::string> sections;
    if (dot != std::string_view::npos) {
      sections = {section_key(name.substr(0, dot))};
      name.remove_prefix(dot + 1);
    } else {
      sections = {section, "DEFAULT"};
    }
    for (const std::string& in : sections) {
      const std::string key = option_key(in, name);
      const Option* option = find_option(in, key);
      const Setting* setting =
          option != nullptr ? find(*option) : find_anywhere(in, key);
      if (option == nullptr && setting == nullptr) continue;

      const std::pair<std::string, std::string> id(in, key);
      if (std::ranges::find(state.open, id) != state.open.end()) {
        return fail("refers to itself through " + shown, ErrorCode::kInvalid);
      }
      if (option == nullptr || option->type == OptionType::kSecret) {
        state.veiled = true;
      }
      state.open.push_back(id);
      auto value = setting != nullptr
                       ? expand(setting->entry.value, setting->section, state)
                       : std::string(option->default_text);
      state.open.pop_back();
      return value;
    }
    return fail(fmt::format("refers to {} that is set nowhere; expected a "
                            "reference to an option of these files, or $$ for "
                            "a plain $",
                            state.veiled ? shown : shown + ","),
                ErrorCode::kInvalid);
  }

  void set_options() {
    loaded_.config = default_config();
    for (const Option& option : options()) {
      const Setting* setting = find(option);
      if (setting == nullptr) continue;
      if (option.section == "inspector" && !inspector_asked()) continue;
      warn_of_other_names(option, *setting);
      if (!set(option, *setting)) wrong_.insert(&option);
    }
    set_plugin_options();
  }

  void set_plugin_options() {
    const std::string section = section_key(loaded_.config.pxe_filter.driver);
    if (!names_in(section).empty()) return;
    for (const Setting& setting : files_.settings) {
      if (setting.section != section) continue;
      Expansion state;
      state.open.emplace_back(setting.section, setting.name);
      state.veiled = true;  // any of them may be a secret
      auto text = expand(setting.entry.value, setting.section, state);
      if (text) {
        loaded_.config.plugin_options[setting.name] = *std::move(text);
      } else {
        problem(setting, text.error().message());
      }
    }
  }

  // What the section says matters to Ironic only, as long as it does not tell
  // pxegate to ask ironic-inspector.
  bool inspector_asked() const {
    const Setting* endpoint =
        find(*find_option("inspector", "endpoint_override"));
    if (endpoint != nullptr && !endpoint->entry.value.empty()) return true;
    const Option& ask = *find_option("pxe_filter", "ask_inspector");
    const Setting* asked = find(ask);
    Config config;
    return asked != nullptr && set_option(ask, asked->entry.value, config) &&
           config.pxe_filter.ask_inspector;
  }

  bool set(const Option& option, const Setting& setting) {
    const bool secret = option.type == OptionType::kSecret;
    Expansion state;
    state.open.emplace_back(option.section, option.name);
    state.veiled = secret;
    auto text = expand(setting.entry.value, setting.section, state);
    if (!text) {
      problem(setting, text.error().message());
      return false;
    }
    const auto done = set_option(option, *text, loaded_.config);
    if (secret) wipe(*text);
    if (done) return true;
    problem(setting, state.veiled && !secret
                         ? "wrong once its references are filled in; "
                           "expected " +
                               expected_text(option)
                         : done.error().message());
    return false;
  }

  void warn_of_other_names(const Option& option, const Setting& used) {
    for (const Setting& setting : files_.settings) {
      if (!is_named(option, setting)) continue;
      const OptionAlias* alias = alias_of(option, setting);
      const bool deprecated = alias != nullptr && alias->deprecated;
      const bool silent = alias != nullptr && !alias->deprecated;
      const bool other_name =
          setting.name != used.name || setting.section != used.section;
      if (other_name && !silent && setting.entry.value != used.entry.value) {
        warn(setting, fmt::format("ignored, because {} at {} says otherwise",
                                  named(used), place(used)));
      } else if (deprecated) {
        warn(setting, fmt::format("a deprecated name; use {}", named(option)));
      }
    }
  }

  // ---- what must fit together ----

  // Whether the value is the operator's, and not in error.
  bool is_right(std::string_view section, std::string_view name) const {
    return !wrong_.contains(find_option(section, name));
  }

  void problem_at(std::string_view section, std::string_view name,
                  std::string_view what) {
    problem(*find_option(section, name), what);
  }

  void check_combinations() {
    Config& config = loaded_.config;
    check_login("ironic", config.ironic);
    if (inspector_asked()) {
      check_login("inspector", config.inspector);
      if (config.inspector.endpoint_override.empty() &&
          !uses_keystone(config.inspector)) {
        problem_at("inspector", "endpoint_override",
                   "not set; expected the URL of ironic-inspector, since "
                   "without Keystone there is no catalogue that has it");
      }
    }
    if (config.pxe_filter.driver == "xdp") {
      check_interfaces("xdp", config.xdp.interfaces);
    }
    if (config.pxe_filter.driver == "nftables") {
      check_interfaces("nftables", config.nftables.interfaces);
    }
    if (config.ironic.endpoint_override.empty() &&
        !uses_keystone(config.ironic) && is_right("ironic", "auth_type") &&
        is_right("ironic", "cloud") &&
        is_right("ironic", "endpoint_override")) {
      config.ironic.endpoint_override = kLocalIronic;
      warn_at("ironic", "endpoint_override",
              fmt::format("not set; {} is asked", kLocalIronic));
    }
    if (const auto valid = validate(policy_options(config)); !valid) {
      problem_at("pxe_filter", "deny_unknown_macs", valid.error().message());
    }
    const Option* period = find_option("pxe_filter", "sync_period");
    if (config.pxe_filter.sync_period.count() == 0) {
      config.pxe_filter.sync_period = default_config().pxe_filter.sync_period;
      warn(*find(*period),
           fmt::format("0 does not stop the periodic sync; {} is used",
                       period->default_text));
    }
    if (!config.log_file.empty() && !config.log_dir.empty()) {
      // An absolute log_file takes the place of the directory.
      config.log_file = std::filesystem::path(config.log_dir) / config.log_file;
    }
    tell(find_misfits(config));
    if (is_right("DEFAULT", "transport_url") &&
        is_right("oslo_messaging_notifications", "transport_url")) {
      tell(settle_message_bus(config.notifications));
    }
  }

  void check_login(std::string_view section, const ServiceConfig& service) {
    const bool clear = std::ranges::none_of(wrong_, [&](const Option* option) {
      return option->section == section;
    });
    // What is wrong already explains what seems to be missing.
    if (clear) tell(find_login_misfits(section, service));
  }

  void tell(const std::vector<Misfit>& misfits) {
    for (const Misfit& misfit : misfits) {
      if (misfit.fatal) {
        problem_at(misfit.section, misfit.name, misfit.what);
      } else {
        warn_at(misfit.section, misfit.name, misfit.what);
      }
    }
  }

  // A driver's interfaces; where it has none of its own, the one that
  // ironic-inspector's users have set already.
  void check_interfaces(std::string_view section,
                        std::vector<std::string>& interfaces) {
    if (!is_right(section, "interfaces")) return;
    const std::string& fallback = loaded_.config.iptables.dnsmasq_interface;
    if (interfaces.empty() && is_right("iptables", "dnsmasq_interface")) {
      if (fallback.ends_with('+')) {
        problem_at(section, "interfaces",
                   fmt::format("not set, and [iptables] dnsmasq_interface, {}, "
                               "names no single interface; expected the "
                               "interfaces on which DHCP requests come in",
                               pxegate::quoted(fallback)));
        return;
      }
      interfaces = {fallback};
      warn_at(section, "interfaces",
              fmt::format("not set; {} is filtered, as [iptables] "
                          "dnsmasq_interface says",
                          pxegate::quoted(fallback)));
    }
    std::vector<std::string> sorted = interfaces;
    std::ranges::sort(sorted);
    const auto twice = std::ranges::adjacent_find(sorted);
    if (twice != sorted.end()) {
      problem_at(section, "interfaces",
                 fmt::format("{} is listed twice; expected each interface once",
                             pxegate::quoted(*twice)));
    }
  }

  LoadedConfig loaded_;
  ConfigFiles files_;
  // Of [ironic] and [inspector], where auth_section names another.
  std::map<std::string, std::string, std::less<>> login_sections_;
  // Of values that stand in no file of ours.
  std::map<const Option*, std::string> places_;
  std::vector<std::string> problems_;
  std::set<const Option*> wrong_;
};

}  // namespace

Result<LoadedConfig> load_config(const ConfigSources& sources) {
  return Loader().load(sources);
}

LoadedConfig load_config_leniently(const ConfigSources& sources) {
  return Loader().load_leniently(sources);
}

}  // namespace pxegate
