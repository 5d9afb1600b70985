// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_XDP_BATCH_H_
#define PXEGATE_DRIVERS_XDP_BATCH_H_

#include <bpf/bpf.h>

#include <cerrno>
#include <vector>

#include "controller/base/result.h"

namespace pxegate {

template <typename Key, typename Value>
struct BatchedEntries {
  std::vector<Key> keys;
  std::vector<Value> values;
};

// Everything in a hash map. The kernel hands out whole hash buckets: ENOSPC
// says that the next one does not fit into what was offered.
template <typename Key, typename Value>
Result<BatchedEntries<Key, Value>> read_batched(int fd) {
  BatchedEntries<Key, Value> all;
  std::size_t chunk = 4096;
  // The position is a bucket number (4 bytes) whatever the key is.
  __u64 position = 0;
  bool started = false;
  for (;;) {
    const std::size_t have = all.keys.size();
    all.keys.resize(have + chunk);
    all.values.resize(have + chunk);
    auto count = static_cast<__u32>(chunk);
    __u64 next = 0;
    const int status = ::bpf_map_lookup_batch(
        fd, started ? &position : nullptr, &next, all.keys.data() + have,
        all.values.data() + have, &count, nullptr);
    const int errnum = status == 0 ? 0 : errno;
    if (errnum == ENOSPC) {
      all.keys.resize(have);
      all.values.resize(have);
      chunk *= 2;
      continue;
    }
    if (errnum != 0 && errnum != ENOENT) {
      return fail_errno("BPF_MAP_LOOKUP_BATCH", errnum);
    }
    all.keys.resize(have + count);
    all.values.resize(have + count);
    if (errnum == ENOENT) return all;  // that was the last one
    position = next;
    started = true;
  }
}

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_XDP_BATCH_H_
