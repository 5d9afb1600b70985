/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef PXEGATE_BPF_PXE_FILTER_ABI_H
#define PXEGATE_BPF_PXE_FILTER_ABI_H

/*
 * What the kernel program and the controller share: the layout of every map.
 * Fixed widths, explicit padding that is always zero, no compiler-chosen
 * holes, so that a key compares equal byte for byte whoever wrote it.
 * Integers are in host byte order unless a field says network order. Times
 * are nanoseconds of CLOCK_MONOTONIC.
 */

#include <linux/types.h>

#ifndef __cplusplus
#define static_assert _Static_assert
#endif

/* Changes whenever a map's layout or meaning does. */
#define PXE_ABI_VERSION 2

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
	PXE_REASON_NO_CLIENT_ID,  /* InfiniBand without option 61, relayed
				     DHCPv6 without any link-layer address: as
				     unknown */
	PXE_REASON_MALFORMED,	  /* too short or self-contradictory: dropped */
	PXE_REASON_SCOPE,	  /* no network boot, and settings.scope asks
				     for nothing else: allowed */
	PXE_REASON_STALE,	  /* the lease ran out: settings.stale_action */
	PXE_REASON_DISCOVERY,	  /* unknown, and not through one of
				     discovery_relays: denied */
	PXE_REASON_RELAY_RATE,	  /* unknown, and its relay sends too many */
	PXE_REASON_UNKNOWN_RATE,  /* unknown, and there are too many such */
	PXE_REASONS,
};

/* A hardware address: key of more_rules and of the recent clients. */
struct pxe_addr {
	/* chaddr or GUID, left-aligned, rest zero */
	__u8 octets[8] __attribute__((aligned(4)));
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

/*
 * The rules of Ethernet addresses: a mapped array of buckets, each one cache
 * line. A rule is one slot, and a slot is written by one store, so that no
 * reader ever sees half a rule. Zero is an empty slot; else the address, first
 * octet highest, above PXE_SLOT_SHIFT, and PXE_SLOT_RULE with or without
 * PXE_SLOT_ALLOW below. With other bits there, but PXE_SLOT_OVERFLOW, it is a
 * deny.
 *
 * PXE_SLOT_OVERFLOW in the first slot, be that empty or not, says that rules
 * of this bucket which found no room are in more_rules. A rule never moves
 * between the two, or a reader between them would miss it.
 */
#define PXE_BUCKET_SLOTS 8
#define PXE_SLOT_SHIFT 16
#define PXE_SLOT_RULE 0x1
#define PXE_SLOT_ALLOW 0x2
#define PXE_SLOT_OVERFLOW 0x8000
#define PXE_SLOT_FLAGS 0xffff

struct pxe_bucket {
	__u64 slots[PXE_BUCKET_SLOTS];
};
static_assert(sizeof(struct pxe_bucket) == 64, "one cache line");

/* The slot of a rule that denies `mac` (six octets). */
static inline __u64 pxe_slot(const __u8 *mac)
{
	return ((__u64)mac[0] << 56 | (__u64)mac[1] << 48 |
		(__u64)mac[2] << 40 | (__u64)mac[3] << 32 |
		(__u64)mac[4] << 24 | (__u64)mac[5] << 16) |
	       PXE_SLOT_RULE;
}

/*
 * The bucket for a slot's address, where there are mask + 1 of them, a power
 * of two. Vendors count addresses up, so neighbours must not share buckets
 * more often than chance has it; murmur3's finalizer.
 */
static inline __u32 pxe_bucket_index(__u64 slot, __u32 mask)
{
	__u64 x = slot >> PXE_SLOT_SHIFT;

	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdULL;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53ULL;
	return (__u32)(x >> 32) & mask;
}

/*
 * More buckets than this waste memory, fewer overflow: with four rules to a
 * bucket two in a hundred have more than eight.
 */
#define PXE_RULES_PER_BUCKET 4
#define PXE_MIN_BUCKETS 64

#define PXE_SCOPE_DHCP 0 /* every DHCP request is gated */
#define PXE_SCOPE_PXE 1	 /* only those of a machine that network-boots */

/* stale_action */
#define PXE_STALE_DENY 0
#define PXE_STALE_ALLOW 1
#define PXE_STALE_KEEP 2

#define PXE_SECOND_NS 1000000000ULL

/*
 * Global data of the program, one instance. Each field is written by one
 * store and means something without the others.
 */
struct pxe_settings {
	__u32 abi_version;
	__u8 unknown_verdict;
	__u8 scope;
	__u8 stale_action;	   /* anything unknown counts as deny */
	__u8 discovery_restricted; /* nonzero: discovery_relays applies */
	__u64 lease_until_ns;	   /* 0: never runs out */
	/* One request per so many, PXE_SECOND_NS / rate; 0: no limit. */
	__u64 unknown_interval_ns;
	__u64 relay_interval_ns;
};
static_assert(sizeof(struct pxe_settings) == 32, "no holes");

/*
 * Counters: one element, per CPU. packets[] has one for each pair; the limits
 * are the program's own.
 */
struct pxe_counters {
	__u64 packets[PXE_VERDICTS][PXE_REASONS];
	__u64 events_lost;	  /* the ring buffer was full */
	__u64 events_limited;	  /* more than PXE_EVENTS_PER_SECOND */
	__u64 clients_unrecorded; /* more than PXE_RECORDS_PER_SECOND */
	__u64 events_tat_ns[PXE_VERDICTS];
	__u64 events_missed; /* lost or limited since the last event */
	__u64 records_tat_ns;
	__u64 tick; /* bpf_jiffies64() when now_ns was read */
	__u64 now_ns;
};
static_assert(sizeof(struct pxe_counters) == 232, "no holes");

/*
 * Requests by interface: a per-CPU array of PXE_TRAFFIC_PLACES and one more.
 * A CPU finds an interface's element at one of PXE_TRAFFIC_PROBES places,
 * from its index on (modulo), and takes the first free one; two CPUs may have
 * it at different places. What finds no room counts in the last element. The
 * controller empties those of interfaces that are gone.
 */
#define PXE_TRAFFIC_PLACES 64
#define PXE_TRAFFIC_PROBES 4
struct pxe_traffic {
	__u32 ifindex; /* 0: free; always 0 in the last element */
	__u32 pad;
	/* first index: through a relay or not; malformed ones count as not */
	__u64 packets[2][PXE_VERDICTS][PXE_REASONS];
};
static_assert(sizeof(struct pxe_traffic) == 328, "no holes");

#define PXE_MAX_VLANS 2
#define PXE_NO_ARCH 0xffff
#define PXE_NO_MESSAGE_TYPE 0

/* An IPv6 address in network order, or an IPv4 one as ::ffff:a.b.c.d. */
struct pxe_ip {
	__u8 octets[16];
};

/* A request as clients and events tell of it. */
struct pxe_seen {
	struct pxe_ip relay; /* giaddr, or the link-address (or, where that is
				zero, the sender) of DHCPv6; all zero: not
				relayed */
	__u32 ifindex;
	__u16 vlan[PXE_MAX_VLANS]; /* VLAN ids, outermost first */
	__u16 arch;	   /* RFC 4578 client architecture, or PXE_NO_ARCH */
	__u8 vlans;	   /* how many of vlan[] are set */
	__u8 message_type; /* RFC 2132 9.6, or for DHCPv6 RFC 8415 7.3, or
			      PXE_NO_MESSAGE_TYPE */
	__u8 verdict;
	__u8 reason;
	__u8 ip_version; /* 4 or 6 */
	__u8 pad;
};
static_assert(sizeof(struct pxe_seen) == 32, "no holes");

/*
 * Recent clients: an LRU hash from struct pxe_addr. `seen` is the latest
 * request, but for message type and architecture, which are read at most
 * PXE_DESCRIPTIONS_PER_SECOND times a second.
 */
struct pxe_client {
	__u64 last_seen_ns;
	__u64 packets;
	__u64 described_tat_ns;
	__u64 unknown_tat_ns;
	struct pxe_seen seen;
};
static_assert(sizeof(struct pxe_client) == 64, "one cache line");

/* Relays: an LRU hash from struct pxe_ip. */
struct pxe_relay {
	__u64 last_seen_ns;
	__u64 packets[PXE_VERDICTS];
	__u64 unknown_tat_ns;
};
static_assert(sizeof(struct pxe_relay) == 32, "no holes");

/* discovery_relays: an LPM trie; IPv4 networks below ::ffff:0:0/96. */
struct pxe_network {
	__u32 prefix_length; /* 0 to 128 */
	struct pxe_ip ip;
};
static_assert(sizeof(struct pxe_network) == 20, "no holes");

/* What the ring buffer carries. */
struct pxe_event {
	__u64 time_ns;
	__u64 missed; /* on this CPU since its last event */
	struct pxe_addr addr;
	__u32 pad;
	struct pxe_seen seen;
};
static_assert(sizeof(struct pxe_event) == 64, "no holes");

#define PXE_MAX_RECENT_CLIENTS 16384
#define PXE_MAX_RELAYS 4096
#define PXE_MAX_DISCOVERY_RELAYS 1024
#define PXE_EVENTS_BYTES (256 * 1024)

/* A client in a flood is described, and reported, so often at most. */
#define PXE_DESCRIPTIONS_PER_SECOND 10
/* Events per CPU and verdict: a flood of one cannot hide the other. */
#define PXE_EVENTS_PER_SECOND 256
/*
 * Requests denied by a rule, new clients and new relays that a CPU records: in
 * a flood, looking up the record would cost more than all the rest. Counters
 * of verdicts are exact whatever the rate.
 */
#define PXE_RECORDS_PER_SECOND 16384

#endif
