/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PXEGATE_TESTS_FUZZ_PARSE_NATIVE_H_
#define PXEGATE_TESTS_FUZZ_PARSE_NATIVE_H_

/*
 * bpf/parse.h as an ordinary function: the kernel's parser where sanitizers
 * can watch it.
 */

#include <linux/types.h>
#include <stddef.h>

#include "bpf/pxe_filter_abi.h"

#ifdef __cplusplus
extern "C" {
#endif

enum parsed_kind { PARSED_OTHER, PARSED_REQUEST, PARSED_MALFORMED };

struct parsed {
  enum parsed_kind kind;
  /* The rest where it is a request. */
  __u8 ip_version;
  struct pxe_ip relay; /* as in struct pxe_seen */
  __u16 vlan[PXE_MAX_VLANS];
  __u32 vlans;
  __u8 message_type;
  __u16 arch;
  __u8 network_boot;      /* within scope = pxe */
  enum pxe_reason reason; /* PXE_REASON_RULE: `addr` is for a rule to name */
  struct pxe_addr addr;
};

/*
 * A frame starts at an address that leaves this remainder from 4, so that its
 * IP header is aligned. The kernel calls it NET_IP_ALIGN.
 */
#define PARSE_IP_ALIGN 2

/*
 * Reads nothing outside the `size` bytes at `frame`. `linear` of them are
 * within reach of packet pointers, as in the program; the rest is loaded.
 */
void parse_native(const __u8* frame, size_t size, size_t linear,
                  struct parsed* out);

#ifdef __cplusplus
}
#endif

#endif /* PXEGATE_TESTS_FUZZ_PARSE_NATIVE_H_ */
