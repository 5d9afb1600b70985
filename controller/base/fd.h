// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_BASE_FD_H_
#define PXEGATE_CONTROLLER_BASE_FD_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "controller/base/result.h"

namespace pxegate {

// Owns one file descriptor; -1 is "none".
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

// The whole file as bytes. A file larger than `limit` is kCapacity, a missing
// one kNotFound; messages name the path.
Result<std::string> read_file(const std::string& path,
                              std::size_t limit = std::size_t{16} << 20);

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_BASE_FD_H_
