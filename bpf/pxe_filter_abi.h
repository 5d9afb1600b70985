/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef PXEGATE_BPF_PXE_FILTER_ABI_H
#define PXEGATE_BPF_PXE_FILTER_ABI_H

/*
 * What the kernel program and the controller share: the layout of every map.
 * Fixed widths, explicit padding that is always zero, no compiler-chosen
 * holes, so that a key compares equal byte for byte whoever wrote it.
 * Integers are in host byte order unless a field says network order.
 */

#include <linux/types.h>

#ifndef __cplusplus
#define static_assert _Static_assert
#endif

/* Changes whenever a map's layout or meaning does. */
#define PXE_ABI_VERSION 1

/* struct pxe_rule.verdict and friends. Anything else counts as deny. */
#define PXE_DENY 0
#define PXE_ALLOW 1
#define PXE_VERDICTS 2

/* Hardware types of RFC 1700 that the policy can name. */
#define PXE_HTYPE_ETHERNET 1
#define PXE_HTYPE_INFINIBAND 32

/* Why a request got its verdict; second index of the counters. */
enum pxe_reason {
	PXE_REASON_RULE,	  /* a rule names the client */
	PXE_REASON_UNKNOWN,	  /* no rule: the verdict for unknowns */
	PXE_REASON_FOREIGN_HTYPE, /* a hardware type no rule can name: as
				     unknown */
	PXE_REASON_NO_CLIENT_ID,  /* InfiniBand without option 61: as unknown */
	PXE_REASON_MALFORMED,	  /* too short or self-contradictory: dropped */
	PXE_REASONS,
};

/* Rules, and recent clients: a hardware address. */
struct pxe_addr {
	__u8 octets[8]; /* chaddr or GUID, left-aligned, rest zero */
	__u8 htype;
	__u8 hlen; /* 6 for Ethernet, 8 for a GUID, else as received */
	__u8 pad[2];
};
static_assert(sizeof(struct pxe_addr) == 12, "no holes");

struct pxe_rule {
	__u8 verdict;
	__u8 pad[3];
};
static_assert(sizeof(struct pxe_rule) == 4, "no holes");

/* Global data of the program, one instance. */
struct pxe_settings {
	__u32 abi_version;
	__u8 unknown_verdict;
	__u8 pad[3];
};
static_assert(sizeof(struct pxe_settings) == 8, "no holes");

/* Counters: a per-CPU array of __u64 packets, one for each pair. */
#define PXE_COUNTERS (PXE_VERDICTS * PXE_REASONS)
static inline __u32 pxe_counter(__u32 verdict, __u32 reason)
{
	return verdict * PXE_REASONS + reason;
}

#define PXE_MAX_VLANS 2
#define PXE_NO_ARCH 0xffff
#define PXE_NO_MESSAGE_TYPE 0

/* Recent clients: an LRU hash from struct pxe_addr. */
struct pxe_client {
	__u64 last_seen_ns; /* CLOCK_MONOTONIC */
	__u64 packets;
	__u32 giaddr; /* network order; 0: not relayed */
	__u32 ifindex;
	__u16 vlan[PXE_MAX_VLANS]; /* VLAN ids, outermost first */
	__u16 arch;	   /* RFC 4578 client architecture, or PXE_NO_ARCH */
	__u8 vlans;	   /* how many of vlan[] are set */
	__u8 message_type; /* RFC 2132 9.6, or PXE_NO_MESSAGE_TYPE */
	__u8 verdict;
	__u8 reason;
	__u8 pad[6];
};
static_assert(sizeof(struct pxe_client) == 40, "no holes");

/* Relays: an LRU hash from giaddr in network order. */
struct pxe_relay {
	__u64 last_seen_ns; /* CLOCK_MONOTONIC */
	__u64 packets[PXE_VERDICTS];
};
static_assert(sizeof(struct pxe_relay) == 24, "no holes");

#define PXE_MAX_RECENT_CLIENTS 16384
#define PXE_MAX_RELAYS 4096

#endif
