// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_NFTABLES_NFT_CONTEXT_H_
#define PXEGATE_DRIVERS_NFTABLES_NFT_CONTEXT_H_

#include <cstdint>
#include <string>

#include "controller/base/result.h"

namespace pxegate {

// nftables as the calling thread's network namespace has it. Each call opens
// and closes what it needs, so that it always meets the present state: a
// libnftables context keeps a cache. Stateless; calls may not overlap, since
// libnftables has global state.

// Runs `script`, in nft's own language, as one transaction: all of it takes
// effect at once or none of it does.
Result<> run_nft(const std::string& script);

// Has the kernel check `script` and forget it: nothing takes effect.
Result<> check_nft(const std::string& script);

enum class NftOutput {
  kTerse,    // neither elements of sets nor values of counters
  kCounters  // no elements of sets
};

// What a `list` command prints. kNotFound where the thing listed is missing.
Result<std::string> list_nft(const std::string& command, NftOutput output);

// The generation of the namespace's ruleset: each transaction, whoever makes
// it, raises it by one (NFT_MSG_GETGEN). An interface that goes need not.
// kPermission without CAP_NET_ADMIN, kFailed on a kernel without nf_tables.
Result<std::uint32_t> nft_generation();

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_NFTABLES_NFT_CONTEXT_H_
