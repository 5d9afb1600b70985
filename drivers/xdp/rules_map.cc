// SPDX-License-Identifier: Apache-2.0
#include "drivers/xdp/rules_map.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "drivers/xdp/batch.h"

namespace pxegate {

pxe_addr to_key(const HardwareAddress& address) {
  pxe_addr key{};
  const auto octets = address.octets();
  std::ranges::copy(octets, key.octets);
  key.htype = static_cast<__u8>(address.type());
  key.hlen = static_cast<__u8>(octets.size());
  return key;
}

std::optional<HardwareAddress> from_key(const pxe_addr& key) {
  HardwareAddress address;
  if (key.htype == PXE_HTYPE_ETHERNET) {
    MacAddress::Bytes bytes{};
    std::copy_n(key.octets, bytes.size(), bytes.begin());
    address = MacAddress(bytes);
  } else {
    HardwareAddress::Guid guid{};
    std::copy_n(key.octets, guid.size(), guid.begin());
    address = HardwareAddress::infiniband(guid);
  }
  const pxe_addr canonical = to_key(address);
  if (std::memcmp(&canonical, &key, sizeof(key)) != 0) return std::nullopt;
  return address;
}

Result<RulesContents> read_rules(int fd) {
  auto read = read_batched<pxe_addr, pxe_rule>(fd);
  if (!read) return fail(read.error().within("reading the rules"));
  RulesContents contents;
  contents.entries.reserve(read->keys.size());
  for (std::size_t i = 0; i < read->keys.size(); ++i) {
    const auto address = from_key(read->keys[i]);
    const pxe_rule& rule = read->values[i];
    if (!address) {
      contents.bad_keys.push_back(read->keys[i]);
    } else if (rule.verdict == PXE_ALLOW) {
      contents.entries.push_back({*address, Verdict::kAllow});
    } else if (rule.verdict == PXE_DENY) {
      contents.entries.push_back({*address, Verdict::kDeny});
    } else {
      contents.bad_values.push_back(*address);
    }
  }
  return contents;
}

Result<> write_rules(int fd, std::span<const Policy::Entry> entries) {
  if (entries.empty()) return {};
  std::vector<pxe_addr> keys;
  std::vector<pxe_rule> rules;
  keys.reserve(entries.size());
  rules.reserve(entries.size());
  for (const Verdict verdict : {Verdict::kDeny, Verdict::kAllow}) {
    for (const Policy::Entry& entry : entries) {
      if (entry.verdict != verdict) continue;
      keys.push_back(to_key(entry.address));
      pxe_rule rule{};
      rule.verdict = verdict == Verdict::kAllow ? PXE_ALLOW : PXE_DENY;
      rules.push_back(rule);
    }
  }
  auto count = static_cast<__u32>(keys.size());
  if (::bpf_map_update_batch(fd, keys.data(), rules.data(), &count, nullptr) !=
      0) {
    return fail_errno("writing rules", errno);
  }
  return {};
}

Result<> delete_rules(int fd, std::span<const pxe_addr> keys) {
  // Not batched: a batch stops at the first key that is already gone.
  for (const pxe_addr& key : keys) {
    if (::bpf_map_delete_elem(fd, &key) != 0 && errno != ENOENT) {
      return fail_errno("deleting a rule", errno);
    }
  }
  return {};
}

}  // namespace pxegate
