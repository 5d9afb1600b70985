// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <fstream>

// Code that runs as soon as a plugin is mapped.
namespace {

[[gnu::constructor]] void leave_a_mark() {
  const char* path = std::getenv("PXEGATE_ZOO_MARKER");
  if (path != nullptr) std::ofstream(path) << "code of a plugin ran\n";
}

}  // namespace
