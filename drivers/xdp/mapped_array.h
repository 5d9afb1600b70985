// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_XDP_MAPPED_ARRAY_H_
#define PXEGATE_DRIVERS_XDP_MAPPED_ARRAY_H_

#include <atomic>
#include <cstddef>
#include <utility>

#include "controller/base/result.h"

namespace pxegate {

// The values of an array map (BPF_F_MMAPABLE) as memory that is shared with
// the kernel, for as long as this lives. Whoever opens the map may change it
// at any time, so nothing there may be read twice and expected to be the same.
class MappedArray {
 public:
  enum class Access { kRead, kWrite };

  // `size` bytes of the map `fd`, which may be closed afterwards.
  static Result<MappedArray> map(int fd, std::size_t size, Access access);

  MappedArray(MappedArray&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  MappedArray& operator=(MappedArray&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~MappedArray();

  void* data() const { return data_; }

 private:
  MappedArray(void* data, std::size_t size) : data_(data), size_(size) {}

  void* data_ = nullptr;
  std::size_t size_ = 0;
};

// One load and one store, as the kernel program makes them.
template <typename T>
T load_shared(const T& from) {
  return std::atomic_ref<T>(const_cast<T&>(from))
      .load(std::memory_order_acquire);
}
template <typename T>
void store_shared(T& to, T value) {
  std::atomic_ref<T>(to).store(value, std::memory_order_release);
}

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_XDP_MAPPED_ARRAY_H_
