// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_CORE_IDENTIFIER_H_
#define PXEGATE_CONTROLLER_CORE_IDENTIFIER_H_

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace pxegate {

// What names a node or a port. Ironic's are UUIDs; in their usual form (lower
// case, hyphens) 16 bytes hold them, and any other text is a view, which must
// outlive this. Two are equal where their texts are. Ordered: UUIDs first, as
// their texts are, then the rest in an order of its own.
class Identifier {
 public:
  using Bits = std::array<std::uint8_t, 16>;

  constexpr Identifier() = default;
  explicit Identifier(std::string_view text);
  static Identifier uuid(const Bits& bits) {
    Identifier id;
    id.bits_ = bits;
    id.is_uuid_ = true;
    return id;
  }

  std::string to_string() const;
  bool is_uuid() const { return is_uuid_; }
  const Bits& bits() const { return bits_; }
  // Empty for a UUID.
  std::string_view text() const { return text_; }

  friend std::strong_ordering operator<=>(const Identifier& a,
                                          const Identifier& b) {
    if (a.is_uuid_ != b.is_uuid_) {
      return a.is_uuid_ ? std::strong_ordering::less
                        : std::strong_ordering::greater;
    }
    if (!a.is_uuid_) return a.text_ <=> b.text_;
    return std::memcmp(a.bits_.data(), b.bits_.data(), a.bits_.size()) <=> 0;
  }
  friend bool operator==(const Identifier& a, const Identifier& b) {
    return (a <=> b) == 0;
  }
  friend bool operator==(const Identifier& a, std::string_view b) {
    return a == Identifier(b);
  }

  struct Hash {
    std::size_t operator()(const Identifier& id) const {
      if (!id.is_uuid_) return std::hash<std::string_view>()(id.text_);
      // Random already, but for the forged ones.
      return std::hash<std::string_view>()(
          {reinterpret_cast<const char*>(id.bits_.data()), id.bits_.size()});
    }
  };

 private:
  Bits bits_{};
  std::string_view text_;
  bool is_uuid_ = false;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_CORE_IDENTIFIER_H_
