// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_BASE_LOG_H_
#define PXEGATE_CONTROLLER_BASE_LOG_H_

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "controller/base/result.h"

namespace pxegate::log {

enum class Level { kDebug, kInfo, kWarning, kError };

// Sends log lines to `file`, or to standard error where it is empty; drops
// what is below `level`. A file that cannot be opened is an error and the log
// stays where it was. Thread-safe, may be called again (log rotation).
Result<> configure(Level level, const std::string& file);

// One line; control characters in `message` are escaped, so that what came
// from outside cannot forge a line. Thread-safe.
void write(Level level, std::string_view message);

template <typename... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::kDebug, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::kWarning, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::kError, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace pxegate::log

#endif  // PXEGATE_CONTROLLER_BASE_LOG_H_
