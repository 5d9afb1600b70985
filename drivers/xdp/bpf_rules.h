// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_XDP_BPF_RULES_H_
#define PXEGATE_DRIVERS_XDP_BPF_RULES_H_

#include <memory>

#include "controller/base/result.h"
#include "drivers/xdp/map_set.h"
#include "drivers/xdp/mapped_array.h"
#include "drivers/xdp/rule_table.h"

namespace pxegate {

// The rules in the kernel's maps.
class BpfRules {
 public:
  // Maps the rules of `maps`, which must outlive this.
  static Result<BpfRules> open(const MapSet& maps, MappedArray::Access access);

  RuleTable& table() { return *table_; }
  const RuleTable& table() const { return *table_; }

 private:
  BpfRules(MappedArray buckets, std::unique_ptr<MoreRules> more,
           std::size_t count);

  MappedArray buckets_;
  std::unique_ptr<MoreRules> more_;
  std::unique_ptr<RuleTable> table_;
};

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_XDP_BPF_RULES_H_
