// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_CONFIG_CONFIG_FILES_H_
#define PXEGATE_CONTROLLER_CONFIG_CONFIG_FILES_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/result.h"
#include "controller/config/oslo_ini.h"

namespace pxegate {

// As oslo.config compares the names of groups: in lower case, but for DEFAULT.
std::string section_key(std::string_view section);

// The options of oslo.log and keystoneauth have names with dashes, which may
// be written either way.
std::string option_key(std::string_view section, std::string_view name);

// One line of a configuration file.
struct Setting {
  std::size_t file = 0;  // index into ConfigFiles::paths
  std::string section;   // as compared
  std::string name;      // as compared
  IniEntry entry;        // as written
};

// Configuration files as they stand. What may be a secret is overwritten when
// this goes; copies that std::string made of short values while it was moved
// are not reached.
struct ConfigFiles {
  ConfigFiles() = default;
  ConfigFiles(const ConfigFiles&) = delete;
  ConfigFiles& operator=(const ConfigFiles&) = delete;
  ~ConfigFiles();

  // Adds a file, or the *.conf files of a directory, sorted.
  void read(const std::string& path);
  void read_dir(const std::string& dir);

  std::vector<std::string> paths;                            // read, in order
  std::vector<std::pair<std::string, IniSection>> sections;  // with the file
  std::vector<Setting> settings;  // in the order of files and lines
  std::vector<std::string> problems;
  bool complete = true;  // every file was read and understood
  // Of the problems: kInvalid, unless a file could not be read.
  ErrorCode code = ErrorCode::kInvalid;

 private:
  void unreadable(std::string message, ErrorCode why);
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_CONFIG_CONFIG_FILES_H_
