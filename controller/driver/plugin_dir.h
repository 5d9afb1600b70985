// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_DRIVER_PLUGIN_DIR_H_
#define PXEGATE_CONTROLLER_DRIVER_PLUGIN_DIR_H_

#include <string>
#include <string_view>
#include <vector>

#include "controller/base/fd.h"
#include "controller/base/result.h"
#include "controller/driver/plugin_note.h"

namespace pxegate {

// A plugin's file that passed all checks which can be made without running
// it. `file` keeps it open.
struct CheckedPlugin {
  std::string path;  // without symbolic links
  PluginNote note;
  UniqueFd file;
};

// Looks at the plugin NAME.so in `directory`. Code from there runs with this
// process's privileges, so only root, or the user this process runs as, may be
// able to put it there: that has to own the file and every folder on the way,
// and nobody else may write to them (but to a folder above with the sticky
// bit, as /tmp). Symbolic links to files are refused. kNotFound where there is
// no such file, kPermission where others could have put it there, else
// kInvalid; the messages name the file.
Result<CheckedPlugin> check_plugin(const std::string& directory,
                                   std::string_view name);

// One *.so of a plugin directory.
struct PluginFile {
  std::string name;  // the file's, without ".so"
  std::string path;
  std::string summary;
  std::string problem;  // why it cannot be used; empty: it can
};

// Looks at all of them, ordered by name; runs nothing of them. No directory,
// no plugins: that is kNotFound.
Result<std::vector<PluginFile>> list_plugins(const std::string& directory);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_DRIVER_PLUGIN_DIR_H_
