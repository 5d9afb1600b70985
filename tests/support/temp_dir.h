// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_TESTS_SUPPORT_TEMP_DIR_H_
#define PXEGATE_TESTS_SUPPORT_TEMP_DIR_H_

#include <stdlib.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>

namespace pxegate::testing {

// A fresh directory, removed with all that is in it. Throws where it cannot
// be made, which fails the test.
class TempDir {
 public:
  TempDir() {
    std::string path =
        std::filesystem::temp_directory_path() / "pxegate-test-XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) {
      throw std::system_error(errno, std::generic_category(), path);
    }
    path_ = path;
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::string operator/(std::string_view name) const { return path_ / name; }

  // Writes a file of that name and returns its path.
  std::string write(std::string_view name, std::string_view content) const {
    std::string path = *this / name;
    std::ofstream file(path, std::ios::binary);
    file.exceptions(std::ios::badbit | std::ios::failbit);
    file << content;
    return path;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace pxegate::testing

#endif  // PXEGATE_TESTS_SUPPORT_TEMP_DIR_H_
