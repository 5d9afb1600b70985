// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_BASE_SECRET_H_
#define PXEGATE_CONTROLLER_BASE_SECRET_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pxegate {

// Overwrites what `text` holds, its unused capacity too, and empties it. The
// compiler cannot leave that out.
void wipe(std::string& text) noexcept;

// A password, an application credential's secret or a token: text that cannot
// get into a message by accident (there is no way to print it), and whose
// memory is overwritten when it is let go. Copies made by reveal()'s callers
// are theirs to wipe(). A plain value; not thread-safe.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view text) : bytes_(text.begin(), text.end()) {}
  ~Secret() { clear(); }
  Secret(const Secret& other) = default;
  Secret(Secret&& other) noexcept : bytes_(std::move(other.bytes_)) {
    other.clear();
  }
  Secret& operator=(const Secret& other);
  Secret& operator=(Secret&& other) noexcept;

  // Valid until this changes.
  std::string_view reveal() const { return {bytes_.data(), bytes_.size()}; }
  bool empty() const { return bytes_.empty(); }
  void clear() noexcept;

  bool operator==(const Secret& other) const = default;

 private:
  std::vector<char> bytes_;  // never small enough to live inside the object
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_BASE_SECRET_H_
