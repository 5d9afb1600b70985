// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_CONFIG_FILE_TRUST_H_
#define PXEGATE_CONTROLLER_CONFIG_FILE_TRUST_H_

#include <sys/stat.h>
#include <sys/types.h>

#include <string>

namespace pxegate {

// Whether others than root and `us` can change a file: who writes the
// configuration decides which machines boot. A clause about the file, with what
// was expected; empty: nobody else can. Says nothing of directories. Pure.
std::string other_writers(const struct stat& file, uid_t us);

// The same of the file at `path`; empty for one that cannot be looked at.
std::string other_writers(const std::string& path);

// Whether every user may read the file at `path`.
bool open_to_everybody(const std::string& path);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_CONFIG_FILE_TRUST_H_
