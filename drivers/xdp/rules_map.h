// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_XDP_RULES_MAP_H_
#define PXEGATE_DRIVERS_XDP_RULES_MAP_H_

#include <span>
#include <vector>

#include "bpf/pxe_filter_abi.h"
#include "controller/base/result.h"
#include "controller/core/policy.h"

namespace pxegate {

pxe_addr to_key(const HardwareAddress& address);
// nullopt for a key that to_key() never makes.
std::optional<HardwareAddress> from_key(const pxe_addr& key);

// What a rules map holds. Its contents are not trusted: anybody with the
// privilege can write to a pinned map.
struct RulesContents {
  std::vector<Policy::Entry> entries;
  std::vector<HardwareAddress> bad_values;  // the verdict is no verdict
  std::vector<pxe_addr> bad_keys;           // no address makes such a key
  std::size_t size() const {
    return entries.size() + bad_values.size() + bad_keys.size();
  }
};

// Batched access to the map behind `fd`, which must stay open. Each call is
// one system call per few thousand entries (BPF_MAP_*_BATCH).
Result<RulesContents> read_rules(int fd);
// Denied ones first, so that what must close is closed where it fails midway.
// kCapacity where the map is full: some of `entries` may be in by then.
Result<> write_rules(int fd, std::span<const Policy::Entry> entries);
// Missing keys are no error.
Result<> delete_rules(int fd, std::span<const pxe_addr> keys);

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_XDP_RULES_MAP_H_
