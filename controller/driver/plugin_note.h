// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_DRIVER_PLUGIN_NOTE_H_
#define PXEGATE_CONTROLLER_DRIVER_PLUGIN_NOTE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/result.h"

namespace pxegate {

// What a plugin says of itself, read from its file without running any of it.
struct PluginNote {
  std::string name;
  std::string summary;
  // Every note of the file: of two builds they differ, since the linker's
  // build id is among them.
  std::vector<std::string> segments;
};

// A file of `size` bytes. `read` gives exactly `length` bytes from `offset`;
// it is not asked for what lies beyond `size`.
struct FileBytes {
  std::uint64_t size = 0;
  std::function<Result<std::string>(std::uint64_t offset, std::size_t length)>
      read;
};
FileBytes bytes_of(std::string_view content);  // refers to `content`

// The driver note of an ELF shared object that this process could load, and
// that was made for this very program. Believes nothing in the file: whatever
// it holds, the result is a note or an error (kInvalid) that says what is
// wrong and what to do. Also refuses a file that ends before what the loader
// would map of it does: touching that would kill the process.
Result<PluginNote> read_plugin_note(const FileBytes& file);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_DRIVER_PLUGIN_NOTE_H_
