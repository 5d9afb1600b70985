// SPDX-License-Identifier: Apache-2.0
#include "controller/config/file_trust.h"

#include <fmt/format.h>
#include <unistd.h>

namespace pxegate {

std::string other_writers(const struct stat& file, uid_t us) {
  if (file.st_uid != 0 && file.st_uid != us) {
    return fmt::format(
        "belongs to user {}, who so decides which machines boot; expected a "
        "file of root's",
        file.st_uid);
  }
  if ((file.st_mode & S_IWOTH) != 0) {
    return "every user can write to this file, and so decides which machines "
           "boot; expected mode 0640 or less";
  }
  if ((file.st_mode & S_IWGRP) != 0) {
    return fmt::format(
        "group {} can write to this file, and so decides which machines boot; "
        "expected mode 0640 or less",
        file.st_gid);
  }
  return {};
}

std::string other_writers(const std::string& path) {
  struct stat file {};
  if (::stat(path.c_str(), &file) != 0) return {};
  return other_writers(file, ::geteuid());
}

bool open_to_everybody(const std::string& path) {
  struct stat file {};
  return ::stat(path.c_str(), &file) == 0 && (file.st_mode & S_IROTH) != 0;
}

}  // namespace pxegate
