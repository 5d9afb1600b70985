// SPDX-License-Identifier: Apache-2.0
#include "drivers/xdp/mapped_array.h"

#include <sys/mman.h>

#include <cerrno>

#include "drivers/xdp/bpffs.h"

namespace pxegate {

Result<MappedArray> MappedArray::map(int fd, std::size_t size, Access access) {
  const int protection =
      access == Access::kWrite ? PROT_READ | PROT_WRITE : PROT_READ;
  void* data = ::mmap(nullptr, size, protection, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED) {
    return fail(privileged_error("mapping a BPF map into memory", errno));
  }
  return MappedArray(data, size);
}

MappedArray::~MappedArray() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

}  // namespace pxegate
