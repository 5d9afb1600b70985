// SPDX-License-Identifier: Apache-2.0
#include "controller/config/load_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "controller/base/fd.h"
#include "controller/base/text.h"
#include "controller/config/combinations.h"
#include "controller/config/nearest.h"
#include "controller/config/options.h"
#include "controller/config/oslo_ini.h"
#include "controller/config/policy_options.h"
#include "controller/config/substitute.h"

namespace pxegate {
namespace {

// Where Ironic's API listens unless told otherwise, on this host.
constexpr std::string_view kLocalIronic = "http://127.0.0.1:6385";

constexpr std::size_t kMaxConfigFile = std::size_t{4} << 20;
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

// As oslo.config compares group names: in lower case, but for DEFAULT.
std::string section_key(std::string_view section) {
  std::string key(section);
  if (key == "DEFAULT") return key;
  for (char& c : key) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return key;
}

// The options of oslo.log and keystoneauth have names with dashes, which may
// be written either way.
std::string option_key(std::string_view section, std::string_view name) {
  std::string key(name);
  if (section == "DEFAULT" || section == "ironic" || section == "inspector") {
    std::ranges::replace(key, '-', '_');
  }
  return key;
}

// How many slips still make a name look like `name` to the reader.
std::size_t slips_in(std::string_view name) { return name.size() > 5 ? 2 : 1; }

std::optional<std::string_view> near_miss(
    std::string_view name, const std::vector<std::string_view>& candidates) {
  const auto found = nearest(name, candidates, 2);
  if (!found || edit_distance(name, *found) > slips_in(*found)) return {};
  return found;
}

struct Setting {
  std::size_t file = 0;
  std::string section;  // as compared
  std::string name;     // as compared
  IniEntry entry;       // as written
};

class Loader {
 public:
  Result<LoadedConfig> load(const ConfigSources& sources) {
    read_all(sources);
    if (!problems_.empty()) {
      return fail(fmt::format("{}", fmt::join(problems_, "\n")), code_);
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
    for (const std::string& path : sources.files) read(path);
    if (!sources.dir.empty()) read_dir(sources.dir);
    for (const auto& [path, section] : sections_) {
      warn_of_near_section(path, section);
    }
    warn_of_unknown_names();
    set_options();
    // What a file that was not read would have set is not known.
    if (complete_) check_combinations();
  }

  // ---- files ----

  void read(const std::string& path) {
    const Result<std::string> text = read_file(path, kMaxConfigFile);
    if (!text) {
      unreadable(text.error().message() + "; expected a configuration file",
                 text.error().code());
      return;
    }
    IniFile ini = parse_oslo_ini(*text);
    for (const IniProblem& problem : ini.problems) {
      complete_ = false;
      problems_.push_back(
          fmt::format("{}:{}: {}", path, problem.line, problem.message));
    }
    const std::size_t file = loaded_.files.size();
    loaded_.files.push_back(path);
    for (IniSection& section : ini.sections) {
      sections_.emplace_back(path, std::move(section));
    }
    for (IniEntry& entry : ini.entries) {
      const std::string section = section_key(entry.section);
      const std::string name = option_key(section, entry.key);
      settings_.push_back({file, section, name, std::move(entry)});
    }
    warn_of_open_secret(file);
  }

  void read_dir(const std::string& dir) {
    std::vector<std::string> paths;
    std::error_code error;
    auto entry = std::filesystem::directory_iterator(dir, error);
    while (!error && entry != std::filesystem::directory_iterator()) {
      const std::filesystem::path& path = entry->path();
      // As the shell's *.conf, which leaves hidden files out.
      const bool hidden = path.filename().string().starts_with('.');
      if (path.extension() == ".conf" && !hidden) paths.push_back(path);
      entry.increment(error);
    }
    if (error) {
      const Error failure = errno_error(dir, error.value());
      unreadable(failure.message() + "; expected a directory of *.conf files",
                 failure.code());
      return;
    }
    std::ranges::sort(paths);
    for (const std::string& path : paths) read(path);
  }

  void unreadable(std::string message, ErrorCode code) {
    complete_ = false;
    problems_.push_back(std::move(message));
    if (code_ == ErrorCode::kInvalid && code != ErrorCode::kCapacity) {
      code_ = code;
    }
  }

  // ---- words ----

  std::string place(const Setting& setting) const {
    return fmt::format("{}:{}", loaded_.files[setting.file],
                       setting.entry.line);
  }

  static std::string named(std::string_view section, std::string_view name) {
    return fmt::format("[{}] {}", section, name);
  }

  static std::string named(const Setting& setting) {
    return named(setting.section, setting.entry.key);
  }

  static std::string named(const Option& option) {
    return named(option.section, option.name);
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
    if (const Setting* setting = find(option)) {
      return fmt::format("{}: {}: {}", place(*setting), named(*setting), what);
    }
    return loaded_.files.empty()
               ? fmt::format("{}: {}", named(option), what)
               : fmt::format("{}: {}: {}", loaded_.files.back(), named(option),
                             what);
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

  static bool is_known(const Setting& setting) {
    return std::ranges::any_of(options(), [&](const Option& option) {
      return is_named(option, setting);
    });
  }

  static bool is_named(const Option& option, const Setting& setting) {
    if (setting.section == option.section && setting.name == option.name) {
      return true;
    }
    return alias_of(option, setting) != nullptr;
  }

  static const OptionAlias* alias_of(const Option& option,
                                     const Setting& setting) {
    for (const OptionAlias& alias : option.aliases) {
      if (setting.section == section_of(option, alias) &&
          setting.name == alias.name) {
        return &alias;
      }
    }
    return nullptr;
  }

  static std::string_view section_of(const Option& option,
                                     const OptionAlias& alias) {
    return alias.section.empty() ? option.section : alias.section;
  }

  static std::vector<std::string_view> names_in(std::string_view section) {
    std::vector<std::string_view> names;
    for (const Option& option : options()) {
      if (option.section == section) names.push_back(option.name);
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
    for (const Setting& setting : settings_) {
      if (const IgnoredOption* ignored = find_ignored(setting)) {
        warn(setting,
             fmt::format("deprecated, and ignored: {}", ignored->instead));
        continue;
      }
      const auto names = names_in(setting.section);
      if (names.empty() || is_known(setting)) continue;
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

  void warn_of_open_secret(std::size_t file) {
    struct stat status {};
    if (::stat(loaded_.files[file].c_str(), &status) != 0) return;
    if ((status.st_mode & S_IROTH) == 0) return;
    for (const Setting& setting : settings_) {
      if (setting.file != file || setting.entry.value.empty()) continue;
      const Option* option = find_option(setting.section, setting.name);
      if (option == nullptr || option->type != OptionType::kSecret) continue;
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
        settings_.rbegin(), settings_.rend(), [&](const Setting& setting) {
          return setting.file == file && setting.section == section &&
                 setting.name == name;
        });
    return found == settings_.rend() ? nullptr : &*found;
  }

  // The line that decides about `option`; nullptr where none sets it.
  const Setting* find(const Option& option) const {
    for (std::size_t file = loaded_.files.size(); file-- > 0;) {
      if (const auto* own = find(file, option.section, option.name)) {
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
    for (std::size_t file = loaded_.files.size(); file-- > 0;) {
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
    for (const Setting& setting : settings_) {
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
    const Option* endpoint = find_option("inspector", "endpoint_override");
    const Setting* setting = find(*endpoint);
    return setting != nullptr && !setting->entry.value.empty();
  }

  bool set(const Option& option, const Setting& setting) {
    const bool secret = option.type == OptionType::kSecret;
    Expansion state;
    state.open.emplace_back(option.section, option.name);
    state.veiled = secret;
    const auto text = expand(setting.entry.value, setting.section, state);
    if (!text) {
      problem(setting, text.error().message());
      return false;
    }
    const auto done = set_option(option, *text, loaded_.config);
    if (done) return true;
    problem(setting, state.veiled && !secret
                         ? "wrong once its references are filled in; "
                           "expected " +
                               expected_text(option)
                         : done.error().message());
    return false;
  }

  void warn_of_other_names(const Option& option, const Setting& used) {
    for (const Setting& setting : settings_) {
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
    check_service("ironic", config.ironic);
    if (inspector_asked()) check_service("inspector", config.inspector);
    if (config.pxe_filter.driver == "xdp") {
      check_interfaces("xdp", config.xdp.interfaces);
    }
    if (config.pxe_filter.driver == "nftables") {
      check_interfaces("nftables", config.nftables.interfaces);
    }
    if (config.ironic.endpoint_override.empty() &&
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
    for (const Misfit& misfit : find_misfits(config)) {
      if (misfit.fatal) {
        problem_at(misfit.section, misfit.name, misfit.what);
      } else {
        warn_at(misfit.section, misfit.name, misfit.what);
      }
    }
  }

  void check_service(std::string_view section, const ServiceConfig& service) {
    const Setting* elsewhere = find_anywhere(section, "auth_section");
    if (elsewhere != nullptr && !elsewhere->entry.value.empty() &&
        section_key(elsewhere->entry.value) != section) {
      problem(*elsewhere,
              fmt::format("this version does not read logins from another "
                          "section; expected auth_type and its options in "
                          "[{}]",
                          section));
    }
    const bool basic = service.auth_type == AuthType::kHttpBasic;
    if (basic && service.username.empty() && is_right(section, "username")) {
      problem_at(section, "username",
                 "not set; expected the user for auth_type = http_basic");
    }
    if (basic && service.password.empty() && is_right(section, "password")) {
      problem_at(section, "password",
                 "not set; expected the password for auth_type = http_basic");
    }
    if (basic && service.username.find(':') != std::string::npos) {
      problem_at(section, "username",
                 fmt::format("{} holds a ':', which http_basic has no way to "
                             "send; expected a name without",
                             pxegate::quoted(service.username)));
    }
    const Option* user = find_option(section, "username");
    if (service.auth_type == AuthType::kNone && !service.username.empty() &&
        is_right(section, "auth_type")) {
      warn(*find(*user),
           "has no effect with auth_type = none; http_basic makes use of it");
    }
    if (!service.keyfile.empty() && service.certfile.empty() &&
        is_right(section, "certfile")) {
      problem_at(section, "keyfile",
                 "is of no use without certfile; expected both");
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
  std::vector<std::pair<std::string, IniSection>> sections_;  // with the file
  std::vector<Setting> settings_;  // in the order of files and lines
  std::vector<std::string> problems_;
  std::set<const Option*> wrong_;
  bool complete_ = true;  // every file was read and understood
  ErrorCode code_ = ErrorCode::kInvalid;
};

}  // namespace

Result<LoadedConfig> load_config(const ConfigSources& sources) {
  return Loader().load(sources);
}

LoadedConfig load_config_leniently(const ConfigSources& sources) {
  return Loader().load_leniently(sources);
}

}  // namespace pxegate
