// SPDX-License-Identifier: Apache-2.0
#include "controller/app/unit_drop_in.h"

#include <fmt/format.h>

#include <filesystem>
#include <string_view>
#include <vector>

#include "controller/app/driver_needs.h"

namespace pxegate {
namespace {

// One word of a unit (systemd.syntax(7), systemd.service(5)).
std::string word(std::string_view text, bool command) {
  std::string out;
  bool plain = true;
  for (const char c : text) {
    if (c == '%') {
      out += "%%";
    } else if (c == '$' && command) {
      out += "$$";
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
      plain = false;
    } else {
      out += c;
      plain = plain && c != ' ' && c != '\t' && c != '\'' && c != ';';
    }
  }
  return plain ? out : "\"" + out + "\"";
}

// Of a file that need not be there: its directory.
std::string directory_of(const std::string& file) {
  return std::filesystem::path(file).parent_path().string();
}

}  // namespace

std::string unit_drop_in(const Config& config) {
  const auto known = driver_needs(config);
  const DriverNeeds needs = known.value_or(DriverNeeds{});
  std::string capabilities;
  for (const Capability& capability : needs.capabilities) {
    capabilities +=
        fmt::format("{}{}", capabilities.empty() ? "" : " ", capability.name);
  }
  std::string out = fmt::format(
      "# Made by pxegate's generator: what driver {} needs.\n[Service]\n",
      known ? config.pxe_filter.driver : "(not built in)");
  const auto set = [&out](std::string_view key,
                          const std::vector<std::string>& values) {
    out += fmt::format("{}=\n", key);
    for (const std::string& value : values) {
      if (!value.empty()) out += fmt::format("{}={}\n", key, value);
    }
  };
  set("CapabilityBoundingSet", {capabilities});
  set("AmbientCapabilities", {capabilities});
  if (needs.root) {
    out += "User=root\nGroup=pxegate\nProtectKernelTunables=no\n";
  }
  std::vector<std::string> commands;
  for (const auto& command : needs.prepare) {
    std::string line = "+";
    for (const std::string& each : command) {
      if (line != "+") line += " ";
      line += word(each, true);
    }
    commands.push_back(std::move(line));
  }
  set("ExecStartPre", commands);
  std::vector<std::string> writable;
  for (const std::string& path : needs.writable) {
    writable.push_back("-" + path);
  }
  for (const std::string& file : {config.log_file, config.api.socket}) {
    if (!file.empty() && file.front() == '/') {
      writable.push_back("-" + directory_of(file));
    }
  }
  for (std::string& path : writable) path = word(path, false);
  set("ReadWritePaths", writable);
  std::vector<std::string> calls = {"@system-service",
                                    "~@privileged @resources "
                                    "process_vm_readv process_vm_writev"};
  for (const std::string_view call : needs.system_calls) {
    calls.emplace_back(call);
  }
  set("SystemCallFilter", calls);
  return out;
}

}  // namespace pxegate
