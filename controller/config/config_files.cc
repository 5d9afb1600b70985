// SPDX-License-Identifier: Apache-2.0
#include "controller/config/config_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "controller/base/fd.h"
#include "controller/base/secret.h"

namespace pxegate {
namespace {

constexpr std::size_t kMaxConfigFile = std::size_t{4} << 20;

}  // namespace

std::string section_key(std::string_view section) {
  std::string key(section);
  if (key == "DEFAULT") return key;
  for (char& c : key) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return key;
}

std::string option_key(std::string_view section, std::string_view name) {
  std::string key(name);
  if (section == "DEFAULT" || section == "ironic" || section == "inspector") {
    std::ranges::replace(key, '-', '_');
  }
  return key;
}

ConfigFiles::~ConfigFiles() {
  for (Setting& setting : settings) wipe(setting.entry.value);
}

void ConfigFiles::read(const std::string& path) {
  Result<std::string> text = read_file(path, kMaxConfigFile);
  if (!text) {
    unreadable(text.error().message() + "; expected a configuration file",
               text.error().code());
    return;
  }
  IniFile ini = parse_oslo_ini(*text);
  wipe(*text);
  for (const IniProblem& problem : ini.problems) {
    complete = false;
    problems.push_back(
        fmt::format("{}:{}: {}", path, problem.line, problem.message));
  }
  const std::size_t file = paths.size();
  paths.push_back(path);
  for (IniSection& section : ini.sections) {
    sections.emplace_back(path, std::move(section));
  }
  // Growing would leave copies behind.
  settings.reserve(settings.size() + ini.entries.size());
  for (IniEntry& entry : ini.entries) {
    const std::string section = section_key(entry.section);
    const std::string name = option_key(section, entry.key);
    settings.push_back({file, section, name, entry});
    wipe(entry.value);
  }
}

void ConfigFiles::read_dir(const std::string& dir) {
  std::vector<std::string> found;
  std::error_code error;
  auto entry = std::filesystem::directory_iterator(dir, error);
  while (!error && entry != std::filesystem::directory_iterator()) {
    const std::filesystem::path& path = entry->path();
    // As the shell's *.conf, which leaves hidden files out.
    const bool hidden = path.filename().string().starts_with('.');
    if (path.extension() == ".conf" && !hidden) found.push_back(path);
    entry.increment(error);
  }
  if (error) {
    const Error failure = errno_error(dir, error.value());
    unreadable(failure.message() + "; expected a directory of *.conf files",
               failure.code());
    return;
  }
  std::ranges::sort(found);
  for (const std::string& path : found) read(path);
}

void ConfigFiles::unreadable(std::string message, ErrorCode why) {
  complete = false;
  problems.push_back(std::move(message));
  if (code == ErrorCode::kInvalid && why != ErrorCode::kCapacity) code = why;
}

}  // namespace pxegate
