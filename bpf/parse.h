/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef PXEGATE_BPF_PARSE_H
#define PXEGATE_BPF_PARSE_H

/*
 * Finds a DHCP request in an Ethernet frame and reads what the policy needs.
 * Calls no helper and keeps no state, so that the same code is compiled for
 * the kernel and natively for the fuzzer. Every read of a header goes through
 * take(), which checks the bound first and advances then; options, which may
 * lie anywhere in a multi-buffer frame, are read by pxe_load().
 */

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <linux/types.h>

#include "bpf/pxe_filter_abi.h"

#if defined(__bpf__)
#include <bpf/bpf_endian.h>
#define pxe_ntohs bpf_ntohs
#define pxe_htons bpf_htons
#define pxe_htonl bpf_htonl
#else
#include <arpa/inet.h>
#define pxe_ntohs ntohs
#define pxe_htons htons
#define pxe_htonl htonl
#endif

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

#define PXE_PORT_DHCP_SERVER 67	 /* RFC 2131 4.1 */
#define PXE_PORT_PROXY_DHCP 4011 /* PXE 2.1, 2.2.5: the boot server */
#define PXE_IP_OFFSET 0x1fff
#define PXE_IP_MORE_FRAGMENTS 0x2000
#define PXE_VLAN_ID 0x0fff

/* 802.1Q tag behind the MAC addresses; the kernel's own is not UAPI. */
struct pxe_vlan {
	__be16 tci;
	__be16 proto;
};

/* RFC 2131 section 2, up to the end of chaddr. */
struct pxe_bootp {
	__u8 op;
	__u8 htype;
	__u8 hlen;
	__u8 hops;
	__be32 xid;
	__be16 secs;
	__be16 flags;
	__be32 ciaddr;
	__be32 yiaddr;
	__be32 siaddr;
	__be32 giaddr;
	__u8 chaddr[16];
};
static_assert(sizeof(struct pxe_bootp) == 44, "RFC 2131 figure 1");

#define PXE_BOOTREPLY 2
/* sname (64) and file (128) follow chaddr. */
#define PXE_BOOTP_FIXED (sizeof(struct pxe_bootp) + 64 + 128)
static_assert(PXE_BOOTP_FIXED == 236, "RFC 2131 figure 1");
#define PXE_DHCP_COOKIE 0x63825363 /* RFC 2131 section 3 */

#define PXE_OPT_PAD 0
#define PXE_OPT_OVERLOAD 52
#define PXE_OPT_MESSAGE_TYPE 53
#define PXE_OPT_CLIENT_ID 61
#define PXE_OPT_CLIENT_ARCH 93
#define PXE_OPT_END 255
/*
 * How many options are looked at, pads included. Firmware sends about ten,
 * and pads behind option 255.
 */
#define PXE_MAX_OPTIONS 64

/* What only a server sends: RFC 2132 9.6. */
#define PXE_DHCPOFFER 2
#define PXE_DHCPACK 5
#define PXE_DHCPNAK 6

/*
 * The kernel takes off any number of tags with VLAN id 0 (802.1Q 6.9, they
 * carry a priority only), so they must not hide a request. Nobody sends more
 * than one.
 */
#define PXE_MAX_TAGS 8

/* Ethernet, tags, the longest IPv4 header, UDP. */
#define PXE_MAX_BOOTP_OFFSET (14 + PXE_MAX_TAGS * 4 + 60 + 8)

enum pxe_found {
	PXE_OTHER,     /* no DHCP request: none of our business */
	PXE_CUT_OFF,   /* the frame ends before that is clear */
	PXE_REQUEST,   /* addressed to a DHCP server; see pxe_frame.bootp */
	PXE_MALFORMED, /* claims to be one, and no honest client sends it */
};

struct pxe_cursor {
	const __u8 *pos;
	const __u8 *end;
};

/* Where a request is in its frame, and what encloses it. */
struct pxe_frame {
	__u32 bootp; /* offset behind the UDP header; may be the frame's end */
	__u16 vlan[PXE_MAX_VLANS]; /* VLAN ids other than 0 */
	__u32 vlans;
	__u8 source[ETH_ALEN];
};

/* What the options tell. */
struct pxe_options {
	__u64 guid; /* last eight bytes of the client id, as in memory */
	__u16 arch;
	__u8 message_type; /* the last one, should there be several */
	__u8 has_guid;
	__u8 from_server; /* a message type that only a server sends */
	__u8 from_client; /* any other message type, or fields that hide one */
	__u8 complete;	  /* read up to the end option */
	__u8 pad;
};

static __always_inline const void *take(struct pxe_cursor *cursor, __u32 size)
{
	const __u8 *at = cursor->pos;

	if (at + size > cursor->end)
		return 0;
	cursor->pos = at + size;
	return at;
}

/*
 * Whoever includes this file defines how bytes of the whole frame are read:
 * copies `size` of them at `offset`, nonzero if the frame ends before.
 */
static __always_inline long pxe_load(void *frame, __u32 offset, void *to,
				     __u32 size);

/* Options are read up to here: more than any frame that firmware sends. */
#define PXE_OPTIONS_SPAN 2048
#define PXE_MAX_OFFSET                                                         \
	(PXE_MAX_BOOTP_OFFSET + PXE_BOOTP_FIXED + PXE_OPTIONS_SPAN)

static __always_inline int pxe_is_vlan(__be16 proto)
{
	return proto == pxe_htons(ETH_P_8021Q) ||
	       proto == pxe_htons(ETH_P_8021AD);
}

/*
 * Walks Ethernet, up to two VLANs, IPv4 with options, UDP.
 *
 * The kernel refuses some of what is called malformed here, but a server on a
 * raw socket reads the frame before the kernel does and may take it. The other
 * way round, the kernel puts fragments together, and cuts a frame to the
 * length in its IPv4 header: what it would deliver is not what is seen here,
 * so the BOOTP header must lie whole in an unfragmented datagram.
 */
static __always_inline enum pxe_found pxe_find_request(const void *data,
						       const void *data_end,
						       struct pxe_frame *frame)
{
	struct pxe_cursor cursor = {data, data_end};
	const struct ethhdr *eth;
	const struct iphdr *ip;
	const struct udphdr *udp;
	__be16 proto;
	__u32 header;

	eth = take(&cursor, sizeof(*eth));
	if (!eth)
		return PXE_CUT_OFF;
	proto = eth->h_proto;
	frame->vlans = 0;
	for (int i = 0; i < PXE_MAX_TAGS && pxe_is_vlan(proto); i++) {
		const struct pxe_vlan *tag;
		__u16 id;

		tag = take(&cursor, sizeof(*tag));
		if (!tag)
			return PXE_CUT_OFF;
		proto = tag->proto;
		id = pxe_ntohs(tag->tci) & PXE_VLAN_ID;
		if (!id)
			continue;
		if (frame->vlans == 0)
			frame->vlan[0] = id;
		else if (frame->vlans == 1)
			frame->vlan[1] = id;
		else
			return PXE_OTHER;
		frame->vlans++;
	}
	if (pxe_is_vlan(proto))
		return PXE_MALFORMED;
	if (proto != pxe_htons(ETH_P_IP))
		return PXE_OTHER;

	ip = take(&cursor, sizeof(*ip));
	if (!ip)
		return PXE_CUT_OFF;
	if (ip->protocol != IPPROTO_UDP)
		return PXE_OTHER;
	if (ip->frag_off & pxe_htons(PXE_IP_OFFSET))
		return PXE_OTHER;
	header = ip->ihl * 4;
	if (ip->version != 4 || header < sizeof(*ip))
		return PXE_MALFORMED;
	if (header > sizeof(*ip) && !take(&cursor, header - sizeof(*ip)))
		return PXE_CUT_OFF;

	udp = take(&cursor, sizeof(*udp));
	if (!udp)
		return PXE_CUT_OFF;
	if (udp->dest != pxe_htons(PXE_PORT_DHCP_SERVER) &&
	    udp->dest != pxe_htons(PXE_PORT_PROXY_DHCP))
		return PXE_OTHER;
	if (ip->frag_off & pxe_htons(PXE_IP_MORE_FRAGMENTS))
		return PXE_MALFORMED;
	if (pxe_ntohs(ip->tot_len) < header + sizeof(*udp) + PXE_BOOTP_FIXED)
		return PXE_MALFORMED;
	if (pxe_ntohs(udp->len) < sizeof(*udp) + PXE_BOOTP_FIXED)
		return PXE_MALFORMED;
	frame->bootp = cursor.pos - (const __u8 *)data;
	__builtin_memcpy(frame->source, eth->h_source, ETH_ALEN);
	return PXE_REQUEST;
}

/*
 * A server's message on its way to a relay agent on this host. Kea and ISC
 * dhcpd answer a DISCOVER whatever its op says, so op alone is not believed.
 */
static __always_inline int pxe_is_reply(const struct pxe_bootp *bootp,
					const struct pxe_options *options)
{
	return bootp->op == PXE_BOOTREPLY && options->complete &&
	       options->from_server && !options->from_client;
}

/*
 * The client's address as RFC 2131 has it. Returns the reason that the policy
 * falls back on where no rule can name such a client, else PXE_REASON_RULE.
 */
static __always_inline enum pxe_reason
pxe_client_address(const struct pxe_bootp *bootp,
		   const struct pxe_options *options, struct pxe_addr *addr)
{
	addr->htype = bootp->htype;
	addr->hlen = bootp->hlen;
	addr->pad[0] = 0;
	addr->pad[1] = 0;
	if (bootp->htype == PXE_HTYPE_ETHERNET && bootp->hlen == ETH_ALEN) {
		__builtin_memcpy(addr->octets, bootp->chaddr, ETH_ALEN);
		addr->octets[6] = 0;
		addr->octets[7] = 0;
		return PXE_REASON_RULE;
	}
	if (bootp->htype == PXE_HTYPE_INFINIBAND && options->has_guid) {
		__builtin_memcpy(addr->octets, &options->guid, sizeof(__u64));
		addr->hlen = sizeof(__u64);
		return PXE_REASON_RULE;
	}
	__builtin_memcpy(addr->octets, bootp->chaddr, sizeof(addr->octets));
	return bootp->htype == PXE_HTYPE_INFINIBAND ? PXE_REASON_NO_CLIENT_ID
						    : PXE_REASON_FOREIGN_HTYPE;
}

/* On the way through the options. */
struct pxe_walk {
	void *frame;  /* for pxe_load() */
	__u32 start;  /* of the cookie in the frame */
	__u32 offset; /* of the next option behind start */
	struct pxe_options *options;
};

static __always_inline int pxe_load_option(const struct pxe_walk *walk,
					   __u32 offset, void *to, __u32 size)
{
	return offset < PXE_OPTIONS_SPAN &&
	       pxe_load(walk->frame, walk->start + offset, to, size) == 0;
}

/* Whether options follow the BOOTP header; the walk stands at the first then.
 */
static __always_inline int pxe_begin_options(struct pxe_walk *walk)
{
	__be32 cookie;

	walk->offset = sizeof(cookie);
	return pxe_load_option(walk, 0, &cookie, sizeof(cookie)) &&
	       cookie == pxe_htonl(PXE_DHCP_COOKIE);
}

static __always_inline void pxe_read_message_type(const struct pxe_walk *walk,
						  __u32 offset, __u8 length)
{
	struct pxe_options *options = walk->options;
	__u8 type;

	if (length != 1 || !pxe_load_option(walk, offset, &type, 1)) {
		options->from_client = 1;
		return;
	}
	options->message_type = type;
	if (type == PXE_DHCPOFFER || type == PXE_DHCPACK || type == PXE_DHCPNAK)
		options->from_server = 1;
	else
		options->from_client = 1;
}

/*
 * Reads one option and moves on. Nonzero: that was the last one. What the
 * policy does not need is passed over, what is cut off is not read.
 */
static __always_inline int pxe_next_option(struct pxe_walk *walk)
{
	struct pxe_options *options = walk->options;
	__u32 offset = walk->offset;
	__u8 code, length, arch[2];
	__u64 guid;

	if (!pxe_load_option(walk, offset, &code, 1))
		return 1;
	if (code == PXE_OPT_END) {
		options->complete = 1;
		return 1;
	}
	if (code == PXE_OPT_PAD) {
		walk->offset = offset + 1;
		return 0;
	}
	if (!pxe_load_option(walk, offset + 1, &length, 1))
		return 1;
	offset += 2;
	walk->offset = offset + length;
	if (code == PXE_OPT_MESSAGE_TYPE) {
		pxe_read_message_type(walk, offset, length);
	} else if (code == PXE_OPT_OVERLOAD) {
		/* More options in sname and file, which are not read. */
		options->from_client = 1;
	} else if (code == PXE_OPT_CLIENT_ARCH && length >= sizeof(arch)) {
		if (pxe_load_option(walk, offset, arch, sizeof(arch)))
			options->arch = arch[0] << 8 | arch[1];
	} else if (code == PXE_OPT_CLIENT_ID && length >= sizeof(guid)) {
		offset += length - sizeof(guid);
		if (pxe_load_option(walk, offset, &guid, sizeof(guid))) {
			options->guid = guid;
			options->has_guid = 1;
		}
	}
	return 0;
}

#endif
