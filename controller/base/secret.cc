// SPDX-License-Identifier: Apache-2.0
#include "controller/base/secret.h"

#include <cstring>
#include <utility>

namespace pxegate {

void wipe(std::string& text) noexcept {
  // Within its capacity resize() does not allocate.
  text.resize(text.capacity());
  explicit_bzero(text.data(), text.size());
  text.clear();
}

Secret& Secret::operator=(const Secret& other) {
  if (this != &other) *this = Secret(other);
  return *this;
}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this == &other) return *this;
  clear();
  bytes_ = std::move(other.bytes_);
  other.clear();
  return *this;
}

void Secret::clear() noexcept {
  if (!bytes_.empty()) explicit_bzero(bytes_.data(), bytes_.size());
  bytes_.clear();
}

}  // namespace pxegate
