// SPDX-License-Identifier: Apache-2.0
#include "drivers/xdp/bpf_rules.h"

#include <bpf/bpf.h>

#include <cerrno>
#include <span>
#include <utility>

#include "drivers/xdp/batch.h"

namespace pxegate {
namespace {

class BpfMoreRules final : public MoreRules {
 public:
  explicit BpfMoreRules(int fd) : fd_(fd) {}

  Result<Contents> read() const override {
    auto read = read_batched<pxe_addr, pxe_rule>(fd_);
    if (!read) return fail(read.error());
    return Contents{std::move(read->keys), std::move(read->values)};
  }

  Result<> write(const pxe_addr& key, const pxe_rule& rule) override {
    if (::bpf_map_update_elem(fd_, &key, &rule, BPF_ANY) == 0) return {};
    return fail_errno("the map more_rules", errno);
  }

  Result<> remove(const pxe_addr& key) override {
    if (::bpf_map_delete_elem(fd_, &key) == 0 || errno == ENOENT) return {};
    return fail_errno("the map more_rules", errno);
  }

 private:
  int fd_;
};

}  // namespace

BpfRules::BpfRules(MappedArray buckets, std::unique_ptr<MoreRules> more,
                   std::size_t count)
    : buckets_(std::move(buckets)),
      more_(std::move(more)),
      table_(std::make_unique<RuleTable>(
          std::span(static_cast<pxe_bucket*>(buckets_.data()), count),
          *more_)) {}

Result<BpfRules> BpfRules::open(const MapSet& maps,
                                MappedArray::Access access) {
  auto buckets = maps.max_entries(MapId::kRules);
  if (!buckets) return fail(buckets.error());
  auto mapped =
      MappedArray::map(maps.fd(MapId::kRules),
                       std::size_t{*buckets} * sizeof(pxe_bucket), access);
  if (!mapped) return fail(mapped.error().within("the rules"));
  return BpfRules(std::move(*mapped),
                  std::make_unique<BpfMoreRules>(maps.fd(MapId::kMoreRules)),
                  *buckets);
}

}  // namespace pxegate
