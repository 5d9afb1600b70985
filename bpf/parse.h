/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef PXEGATE_BPF_PARSE_H
#define PXEGATE_BPF_PARSE_H

/*
 * Finds a DHCP request in an Ethernet frame and reads what the policy needs.
 * Calls no helper and keeps no state, so that the same code is compiled for
 * the kernel and natively for the fuzzer. The headers that every frame has
 * are read through take(), which checks the bound first and advances then;
 * what may lie anywhere in a multi-buffer frame is read by pxe_load().
 */

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
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

#define PXE_PORT_DHCP_SERVER 67	   /* RFC 2131 4.1 */
#define PXE_PORT_PROXY_DHCP 4011   /* PXE 2.1, 2.2.5: the boot server */
#define PXE_PORT_DHCPV6_SERVER 547 /* RFC 8415 7.2 */
#define PXE_IP_OFFSET 0x1fff
#define PXE_IP_MORE_FRAGMENTS 0x2000
#define PXE_VLAN_ID 0x0fff

/* 802.1Q tag behind the MAC addresses; the kernel's own is not UAPI. */
struct pxe_vlan {
	__be16 tci;
	__be16 proto;
};

/* The first eight bytes of any IPv6 extension header: RFC 8200 section 4. */
struct pxe_extension {
	__u8 next;
	__u8 length; /* reserved in a Fragment header */
	__be16 fragment;
	__u32 rest;
};
#define PXE_IPV6_OFFSET 0xfff8
#define PXE_IPV6_MORE_FRAGMENTS 0x0001

#define PXE_EXT_FRAGMENT 44
#define PXE_EXT_AUTHENTICATION 51
/* Nobody sends half as many; RFC 8504 5.3 lets a node limit them. */
#define PXE_MAX_EXTENSIONS 8
#define PXE_MAX_EXTENSION_BYTES 1024

/*
 * What is needed of the BOOTP header (RFC 2131 section 2), each of the three
 * parts as it stands in the packet.
 */
struct pxe_bootp {
	__u8 op;
	__u8 htype;
	__u8 hlen;
	__u8 hops;
	__be32 giaddr;
	__u8 chaddr[8]; /* of sixteen */
};
static_assert(sizeof(struct pxe_bootp) == 16, "no holes");

#define PXE_BOOTP_GIADDR 24
#define PXE_BOOTP_CHADDR 28
/* Everything up to the options; sname (64) and file (128) are the most. */
#define PXE_BOOTP_FIXED 236
#define PXE_BOOTREPLY 2
#define PXE_DHCP_COOKIE 0x63825363 /* RFC 2131 section 3 */

#define PXE_OPT_PAD 0
#define PXE_OPT_OVERLOAD 52
#define PXE_OPT_MESSAGE_TYPE 53
#define PXE_OPT_VENDOR_CLASS 60
#define PXE_OPT_CLIENT_ID 61
#define PXE_OPT_USER_CLASS 77
#define PXE_OPT_CLIENT_ARCH 93
#define PXE_OPT_IPXE 175
#define PXE_OPT_END 255
/*
 * How many options are looked at, pads and ends included. Firmware sends about
 * ten, and pads behind option 255.
 */
#define PXE_MAX_OPTIONS 64

/* What only a server sends: RFC 2132 9.6. */
#define PXE_DHCPOFFER 2
#define PXE_DHCPACK 5
#define PXE_DHCPNAK 6

/* RFC 8415 7.3 and 21; RFC 5970, 6939, 7341. */
#define PXE_DHCPV6_ADVERTISE 2
#define PXE_DHCPV6_REPLY 7
#define PXE_DHCPV6_RECONFIGURE 10
#define PXE_DHCPV6_RELAY_FORW 12
#define PXE_DHCPV6_RELAY_REPL 13
#define PXE_DHCPV6_DHCPV4_QUERY 20
#define PXE_DHCPV6_DHCPV4_RESPONSE 21
#define PXE_OPT6_CLIENT_ID 1
#define PXE_OPT6_RELAY_MESSAGE 9
#define PXE_OPT6_USER_CLASS 15
#define PXE_OPT6_VENDOR_CLASS 16
#define PXE_OPT6_CLIENT_ARCH 61
#define PXE_OPT6_LINK_LAYER 79
#define PXE_DUID_LLT 1
#define PXE_DUID_LL 3
#define PXE_DHCPV6_HEADER 4
#define PXE_MAX_RELAY_FORW 4
/* RFC 4391 9.1.1: queue pair and GID, whose last half is the GUID. */
#define PXE_INFINIBAND_ALEN 20

/* RFC 8415 section 9. */
struct pxe_relay_forw {
	__u8 type;
	__u8 hops;
	struct pxe_ip link;
	struct pxe_ip peer;
};
static_assert(sizeof(struct pxe_relay_forw) == 34, "RFC 8415 section 9");

/*
 * The kernel takes off any number of tags with VLAN id 0 (802.1Q 6.9, they
 * carry a priority only), so they must not hide a request. Nobody sends more
 * than one.
 */
#define PXE_MAX_TAGS 8

/* Ethernet, tags, the longest IP header without extensions, UDP. */
#define PXE_MAX_HEADERS (14 + PXE_MAX_TAGS * 4 + 60 + 8)

enum pxe_found {
	PXE_OTHER,	/* no DHCP request: none of our business */
	PXE_CUT_OFF,	/* the frame ends before that is clear */
	PXE_EXTENSIONS, /* pxe_next_extension() can tell */
	PXE_REQUEST,	/* addressed to a DHCP server; see pxe_frame.payload */
	PXE_MALFORMED,	/* claims to be one, and no honest client sends it */
};

struct pxe_cursor {
	const __u8 *pos;
	const __u8 *end;
};

/* Where a request is in its frame, and what encloses it. */
struct pxe_frame {
	__u32 ip;      /* offset of the IP header */
	__u32 payload; /* behind the UDP header; may be the frame's end */
	__u32 end;     /* as IP and UDP have it; the frame may end before */
	__u32 vlans;
	__u16 vlan[PXE_MAX_VLANS]; /* VLAN ids other than 0 */
	__u8 source[ETH_ALEN];
	__u8 ip_version;
	__u8 proxy_dhcp;     /* to port 4011 */
	__u8 next_header;    /* IPv6: of what is at `payload` */
	__u8 first_fragment; /* IPv6 */
	__u8 extensions;     /* IPv6: how many were passed over */
};

/* What the options tell, and how far they are read. */
struct pxe_options {
	__u64 guid;   /* last eight bytes of the client id, as in memory */
	__u32 offset; /* of the next option, in the frame */
	__u32 end;
	__u16 arch;
	__u8 message_type; /* the last one, should there be several */
	__u8 has_guid;
	__u8 from_server; /* a message type that only a server sends */
	__u8 from_client; /* any other message type, or fields that hide one */
	__u8 complete;	  /* read up to the end option, and none is hidden */
	__u8 network_boot;
};

/* A DHCPv6 message and those around it, and how far they are read. */
struct pxe_dhcpv6 {
	struct pxe_ip link; /* of the innermost relay, as peer and client */
	struct pxe_ip peer;
	__u32 offset; /* of the next option, in the frame */
	__u32 end;    /* of the message that it is in */
	__u32 inner;  /* the message in its relay-message option; 0: none */
	__u32 inner_end;
	__u32 relays;		/* how many enclose it */
	struct pxe_addr client; /* option 79; htype 0: none */
	struct pxe_addr duid;	/* its link-layer address; htype 0: none */
	__u16 arch;
	__u8 message_type; /* the client's own; what counts in RELAY-FORW is */
	__u8 in_relay;	   /* that this is set */
	__u8 complete;	   /* read to the client's last option */
	__u8 network_boot;
	__u8 malformed;
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
static __always_inline long pxe_load(void *packet, __u32 offset, void *to,
				     __u32 size);

static __always_inline int pxe_is_vlan(__be16 proto)
{
	return proto == pxe_htons(ETH_P_8021Q) ||
	       proto == pxe_htons(ETH_P_8021AD);
}

static __always_inline __u32 pxe_min(__u32 a, __u32 b)
{
	return a < b ? a : b;
}

/*
 * The kernel refuses some of what is called malformed here, but a server on a
 * raw socket reads the frame before the kernel does and may take it. The other
 * way round, the kernel puts fragments together, and cuts a frame to the
 * lengths in its headers: what it would deliver is not what is seen here, so
 * the BOOTP header must lie whole in an unfragmented datagram, and nothing
 * behind the datagram is read.
 */
static __always_inline enum pxe_found pxe_find_dhcpv4(struct pxe_cursor *cursor,
						      struct pxe_frame *frame)
{
	const struct iphdr *ip;
	const struct udphdr *udp;
	__u32 header, ip_end, udp_end;

	ip = take(cursor, sizeof(*ip));
	if (!ip)
		return PXE_CUT_OFF;
	if (ip->protocol != IPPROTO_UDP)
		return PXE_OTHER;
	if (ip->frag_off & pxe_htons(PXE_IP_OFFSET))
		return PXE_OTHER;
	header = ip->ihl * 4;
	if (ip->version != 4 || header < sizeof(*ip))
		return PXE_MALFORMED;
	if (header > sizeof(*ip) && !take(cursor, header - sizeof(*ip)))
		return PXE_CUT_OFF;

	udp = take(cursor, sizeof(*udp));
	if (!udp)
		return PXE_CUT_OFF;
	if (udp->dest != pxe_htons(PXE_PORT_DHCP_SERVER) &&
	    udp->dest != pxe_htons(PXE_PORT_PROXY_DHCP))
		return PXE_OTHER;
	if (ip->frag_off & pxe_htons(PXE_IP_MORE_FRAGMENTS))
		return PXE_MALFORMED;
	frame->ip_version = 4;
	frame->proxy_dhcp = udp->dest == pxe_htons(PXE_PORT_PROXY_DHCP);
	frame->payload = frame->ip + header + sizeof(*udp);
	ip_end = frame->ip + pxe_ntohs(ip->tot_len);
	udp_end = frame->ip + header + pxe_ntohs(udp->len);
	frame->end = pxe_min(ip_end, udp_end);
	return frame->end < frame->payload + PXE_BOOTP_FIXED ? PXE_MALFORMED
							     : PXE_REQUEST;
}

/* The UDP header, wherever it was found; `frame->end` is IPv6's so far. */
static __always_inline enum pxe_found
pxe_judge_udp6(const struct udphdr *udp, __u32 offset, struct pxe_frame *frame)
{
	if (udp->dest != pxe_htons(PXE_PORT_DHCPV6_SERVER))
		return PXE_OTHER;
	if (frame->first_fragment)
		return PXE_MALFORMED;
	frame->payload = offset + sizeof(*udp);
	frame->end = pxe_min(frame->end, offset + pxe_ntohs(udp->len));
	return frame->end < frame->payload + PXE_DHCPV6_HEADER ? PXE_MALFORMED
							       : PXE_REQUEST;
}

static __always_inline int pxe_is_extension(__u8 header)
{
	return header == IPPROTO_HOPOPTS || header == IPPROTO_ROUTING ||
	       header == PXE_EXT_FRAGMENT || header == PXE_EXT_AUTHENTICATION ||
	       header == IPPROTO_DSTOPTS || header == 135 /* Mobility */ ||
	       header == 139 /* HIP */ || header == 140 /* Shim6 */;
}

static __always_inline enum pxe_found pxe_find_dhcpv6(struct pxe_cursor *cursor,
						      struct pxe_frame *frame)
{
	const struct ipv6hdr *ip;
	const struct udphdr *udp;

	ip = take(cursor, sizeof(*ip));
	if (!ip)
		return PXE_CUT_OFF;
	if (ip->version != 6)
		return PXE_MALFORMED;
	frame->ip_version = 6;
	frame->proxy_dhcp = 0;
	frame->first_fragment = 0;
	frame->extensions = 0;
	frame->next_header = ip->nexthdr;
	frame->payload = frame->ip + sizeof(*ip);
	frame->end = frame->payload + pxe_ntohs(ip->payload_len);
	if (ip->nexthdr != IPPROTO_UDP)
		return pxe_is_extension(ip->nexthdr) ? PXE_EXTENSIONS
						     : PXE_OTHER;
	udp = take(cursor, sizeof(*udp));
	if (!udp)
		return PXE_CUT_OFF;
	return pxe_judge_udp6(udp, frame->payload, frame);
}

/*
 * Walks Ethernet, up to two VLANs, IPv4 with options or IPv6, UDP. After
 * PXE_EXTENSIONS, `frame` is what pxe_next_extension() goes on with.
 */
static __always_inline enum pxe_found pxe_find_request(const void *data,
						       const void *data_end,
						       struct pxe_frame *frame)
{
	struct pxe_cursor cursor = {data, data_end};
	enum pxe_found found;
	const struct ethhdr *eth;
	__be16 proto;

	eth = take(&cursor, sizeof(*eth));
	if (!eth)
		return PXE_CUT_OFF;
	proto = eth->h_proto;
	frame->vlans = 0;
	frame->vlan[0] = 0;
	frame->vlan[1] = 0;
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
	frame->ip = cursor.pos - (const __u8 *)data;
	if (proto == pxe_htons(ETH_P_IP))
		found = pxe_find_dhcpv4(&cursor, frame);
	else if (proto == pxe_htons(ETH_P_IPV6))
		found = pxe_find_dhcpv6(&cursor, frame);
	else
		return PXE_OTHER;
	if (found == PXE_REQUEST || found == PXE_EXTENSIONS)
		__builtin_memcpy(frame->source, eth->h_source, ETH_ALEN);
	return found;
}

/*
 * A first fragment has all headers (RFC 7112). What lies behind its end, as
 * IPv6 tells it, is not among them: it is never put together with the rest.
 */
static __always_inline int pxe_load_header(void *packet,
					   const struct pxe_frame *frame,
					   __u32 offset, void *to, __u32 size)
{
	if (frame->first_fragment && offset + size > frame->end)
		return -1;
	return pxe_load(packet, offset, to, size);
}

static __always_inline enum pxe_found pxe_cut_off(const struct pxe_frame *frame)
{
	return frame->first_fragment ? PXE_MALFORMED : PXE_CUT_OFF;
}

/*
 * Goes on where pxe_find_request() found extension headers: passes over one,
 * or reads what follows the last. PXE_EXTENSIONS: go on, which it never says
 * more than PXE_MAX_EXTENSIONS times.
 */
static __always_inline enum pxe_found
pxe_next_extension(void *packet, struct pxe_frame *frame)
{
	struct pxe_extension extension;
	__u8 header = frame->next_header;
	__u32 offset = frame->payload;
	struct udphdr udp;
	__u32 size;

	if (header == IPPROTO_UDP) {
		if (pxe_load_header(packet, frame, offset, &udp, sizeof(udp)))
			return pxe_cut_off(frame);
		return pxe_judge_udp6(&udp, offset, frame);
	}
	if (!pxe_is_extension(header))
		return PXE_OTHER;
	if (frame->extensions++ == PXE_MAX_EXTENSIONS)
		return PXE_MALFORMED;
	if (pxe_load_header(packet, frame, offset, &extension,
			    sizeof(extension)))
		return pxe_cut_off(frame);
	size = (extension.length + 1) * 8;
	if (header == PXE_EXT_AUTHENTICATION)
		size = (extension.length + 2) * 4;
	if (header == PXE_EXT_FRAGMENT) {
		size = sizeof(extension);
		if (extension.fragment & pxe_htons(PXE_IPV6_OFFSET))
			return PXE_OTHER;
		if (extension.fragment & pxe_htons(PXE_IPV6_MORE_FRAGMENTS))
			frame->first_fragment = 1;
	}
	frame->next_header = extension.next;
	frame->payload = offset + size;
	if (frame->payload >
	    frame->ip + sizeof(struct ipv6hdr) + PXE_MAX_EXTENSION_BYTES)
		return PXE_MALFORMED;
	return PXE_EXTENSIONS;
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

/* Of the DHCPv6 message that a frame carries, whatever that encloses. */
static __always_inline int pxe_is_reply6(__u8 type)
{
	return type == PXE_DHCPV6_ADVERTISE || type == PXE_DHCPV6_REPLY ||
	       type == PXE_DHCPV6_RECONFIGURE ||
	       type == PXE_DHCPV6_RELAY_REPL ||
	       type == PXE_DHCPV6_DHCPV4_RESPONSE;
}

static __always_inline void pxe_set_ethernet(struct pxe_addr *addr,
					     const __u8 *mac)
{
	__builtin_memset(addr, 0, sizeof(*addr));
	__builtin_memcpy(addr->octets, mac, ETH_ALEN);
	addr->htype = PXE_HTYPE_ETHERNET;
	addr->hlen = ETH_ALEN;
}

static __always_inline int pxe_is_ethernet(const struct pxe_addr *addr)
{
	return addr->htype == PXE_HTYPE_ETHERNET && addr->hlen == ETH_ALEN;
}

/*
 * The client's address as RFC 2131 has it. Returns the reason that the policy
 * falls back on where no rule can name such a client, else PXE_REASON_RULE.
 */
static __always_inline enum pxe_reason
pxe_client_address(const struct pxe_bootp *bootp,
		   const struct pxe_options *options, struct pxe_addr *addr)
{
	if (bootp->htype == PXE_HTYPE_ETHERNET && bootp->hlen == ETH_ALEN) {
		pxe_set_ethernet(addr, bootp->chaddr);
		return PXE_REASON_RULE;
	}
	addr->htype = bootp->htype;
	addr->hlen = bootp->hlen;
	addr->pad[0] = 0;
	addr->pad[1] = 0;
	if (bootp->htype == PXE_HTYPE_INFINIBAND && options->has_guid) {
		__builtin_memcpy(addr->octets, &options->guid, sizeof(__u64));
		addr->hlen = sizeof(__u64);
		return PXE_REASON_RULE;
	}
	__builtin_memcpy(addr->octets, bootp->chaddr, sizeof(addr->octets));
	return bootp->htype == PXE_HTYPE_INFINIBAND ? PXE_REASON_NO_CLIENT_ID
						    : PXE_REASON_FOREIGN_HTYPE;
}

/* Zero unless an interface identifier was made of an Ethernet address. */
static __always_inline int pxe_read_eui64(const struct pxe_ip *ip,
					  struct pxe_addr *addr)
{
	const __u8 *id = ip->octets + 8;
	const __u8 mac[ETH_ALEN] = {id[0] ^ 0x02, id[1], id[2],
				    id[5],	  id[6], id[7]};

	if (id[3] != 0xff || id[4] != 0xfe)
		return 0;
	pxe_set_ethernet(addr, mac);
	return 1;
}

/* As pxe_client_address(), of a relayed client. */
static __always_inline enum pxe_reason
pxe_relayed_client(const struct pxe_dhcpv6 *message, struct pxe_addr *addr)
{
	if (message->client.htype) {
		*addr = message->client;
		return PXE_REASON_RULE;
	}
	if (message->duid.htype) {
		*addr = message->duid;
		return PXE_REASON_RULE;
	}
	if (pxe_read_eui64(&message->peer, addr))
		return PXE_REASON_RULE;
	/* Half of its IPv6 address, so that the record tells who it was. */
	__builtin_memset(addr, 0, sizeof(*addr));
	__builtin_memcpy(addr->octets, message->peer.octets + 8,
			 sizeof(addr->octets));
	return PXE_REASON_NO_CLIENT_ID;
}

static __always_inline int pxe_begins_with(void *packet, __u32 offset,
					   __u32 length, const char *text,
					   __u32 size)
{
	char there[10];

	if (length < size || pxe_load(packet, offset, there, size))
		return 0;
	for (__u32 i = 0; i < size; i++)
		if (there[i] != text[i])
			return 0;
	return 1;
}

/* UEFI 2.10 24.7 for HTTPClient. */
static __always_inline int pxe_is_boot_class(void *packet, __u32 offset,
					     __u32 length)
{
	return pxe_begins_with(packet, offset, length, "PXEClient", 9) ||
	       pxe_begins_with(packet, offset, length, "HTTPClient", 10);
}

static __always_inline int pxe_is_ipxe(void *packet, __u32 offset, __u32 length)
{
	return pxe_begins_with(packet, offset, length, "iPXE", 4);
}

static __always_inline int pxe_load_option(void *packet,
					   const struct pxe_options *options,
					   __u32 offset, void *to, __u32 size)
{
	return offset + size <= options->end &&
	       pxe_load(packet, offset, to, size) == 0;
}

/*
 * Whether options follow the BOOTP header between options->offset and end; the
 * offset is that of the first one then.
 */
static __always_inline int pxe_begin_options(void *packet,
					     struct pxe_options *options)
{
	__be32 cookie;

	if (!pxe_load_option(packet, options, options->offset, &cookie,
			     sizeof(cookie)) ||
	    cookie != pxe_htonl(PXE_DHCP_COOKIE))
		return 0;
	options->offset += sizeof(cookie);
	return 1;
}

static __always_inline void pxe_read_message_type(void *packet,
						  struct pxe_options *options,
						  __u32 offset, __u8 length)
{
	__u8 type;

	if (length != 1 ||
	    !pxe_load_option(packet, options, offset, &type, 1)) {
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
static __always_inline int pxe_next_option(void *packet,
					   struct pxe_options *options)
{
	__u32 offset = options->offset;
	__u8 head[2], arch[2];
	__u32 length;
	__u64 guid;

	if (!pxe_load_option(packet, options, offset, head, 1))
		return 1;
	if (head[0] == PXE_OPT_END) {
		options->complete = 1;
		return 1;
	}
	if (head[0] == PXE_OPT_PAD) {
		options->offset = offset + 1;
		return 0;
	}
	if (!pxe_load_option(packet, options, offset, head, 2))
		return 1;
	length = head[1];
	offset += 2;
	options->offset = offset + length;
	if (options->offset > options->end)
		length = 0;
	switch (head[0]) {
	case PXE_OPT_MESSAGE_TYPE:
		pxe_read_message_type(packet, options, offset, length);
		break;
	case PXE_OPT_OVERLOAD:
		/* More options in sname and file, which are not read. */
		options->from_client = 1;
		options->network_boot = 1;
		break;
	case PXE_OPT_CLIENT_ARCH:
		options->network_boot = 1;
		if (length >= sizeof(arch) &&
		    pxe_load_option(packet, options, offset, arch,
				    sizeof(arch)))
			options->arch = arch[0] << 8 | arch[1];
		break;
	case PXE_OPT_CLIENT_ID:
		if (length < sizeof(guid))
			break;
		offset += length - sizeof(guid);
		if (pxe_load_option(packet, options, offset, &guid,
				    sizeof(guid))) {
			options->guid = guid;
			options->has_guid = 1;
		}
		break;
	case PXE_OPT_VENDOR_CLASS:
		if (pxe_is_boot_class(packet, offset, length))
			options->network_boot = 1;
		break;
	case PXE_OPT_USER_CLASS:
		/* iPXE's has no length in front, RFC 3004's has. */
		if (pxe_is_ipxe(packet, offset, length) ||
		    (length && pxe_is_ipxe(packet, offset + 1, length - 1)))
			options->network_boot = 1;
		break;
	case PXE_OPT_IPXE:
		options->network_boot = 1;
		break;
	}
	return 0;
}

/* Zero where the address is of a kind that no rule can name. */
static __always_inline int pxe_load_link_layer(void *packet, __u16 htype,
					       __u32 offset, __u32 length,
					       struct pxe_addr *addr)
{
	__u8 mac[ETH_ALEN];
	__u64 guid;

	if (htype == PXE_HTYPE_ETHERNET && length == ETH_ALEN) {
		if (pxe_load(packet, offset, mac, sizeof(mac)))
			return 0;
		pxe_set_ethernet(addr, mac);
		return 1;
	}
	if (htype == PXE_HTYPE_INFINIBAND &&
	    (length == sizeof(guid) || length == PXE_INFINIBAND_ALEN)) {
		if (pxe_load(packet, offset + length - sizeof(guid), &guid,
			     sizeof(guid)))
			return 0;
		__builtin_memset(addr, 0, sizeof(*addr));
		__builtin_memcpy(addr->octets, &guid, sizeof(guid));
		addr->htype = PXE_HTYPE_INFINIBAND;
		addr->hlen = sizeof(guid);
		return 1;
	}
	return 0;
}

static __always_inline int pxe_load_u16(void *packet, __u32 offset, __u16 *to)
{
	__be16 value;

	if (pxe_load(packet, offset, &value, sizeof(value)))
		return 0;
	*to = pxe_ntohs(value);
	return 1;
}

/* RFC 8415 11.2 and 11.4. */
static __always_inline void pxe_read_duid(void *packet,
					  struct pxe_dhcpv6 *message,
					  __u32 offset, __u32 length)
{
	__u16 type, htype;
	__u32 head;

	if (length < 4 || !pxe_load_u16(packet, offset, &type) ||
	    !pxe_load_u16(packet, offset + 2, &htype))
		return;
	if (type != PXE_DUID_LLT && type != PXE_DUID_LL)
		return;
	head = type == PXE_DUID_LLT ? 8 : 4;
	if (length > head)
		pxe_load_link_layer(packet, htype, offset + head, length - head,
				    &message->duid);
}

/* Enters the message at `offset`. Nonzero: it is malformed. */
static __always_inline int pxe_enter_dhcpv6(void *packet,
					    struct pxe_dhcpv6 *message,
					    __u32 offset, __u32 end)
{
	struct pxe_relay_forw relay;
	__u8 type;

	if (end < offset + PXE_DHCPV6_HEADER ||
	    pxe_load(packet, offset, &type, 1))
		return 1;
	message->end = end;
	if (type != PXE_DHCPV6_RELAY_FORW) {
		message->message_type = type;
		/* Whose DHCPv4 message is not looked into. */
		message->network_boot = type == PXE_DHCPV6_DHCPV4_QUERY;
		message->in_relay = 0;
		message->offset = offset + PXE_DHCPV6_HEADER;
		return 0;
	}
	if (message->relays == PXE_MAX_RELAY_FORW ||
	    end < offset + sizeof(relay) ||
	    pxe_load(packet, offset, &relay, sizeof(relay)))
		return 1;
	message->relays++;
	message->in_relay = 1;
	message->offset = offset + sizeof(relay);
	message->inner = 0;
	message->link = relay.link;
	message->peer = relay.peer;
	message->client.htype = 0;
	return 0;
}

static __always_inline int pxe_read_relay_option(void *packet,
						 struct pxe_dhcpv6 *message,
						 __u16 code, __u32 offset,
						 __u32 length)
{
	__u16 htype;

	if (code == PXE_OPT6_RELAY_MESSAGE) {
		if (message->inner || length < PXE_DHCPV6_HEADER)
			return 1;
		message->inner = offset;
		message->inner_end = offset + length;
	} else if (code == PXE_OPT6_LINK_LAYER && length > sizeof(htype) &&
		   pxe_load_u16(packet, offset, &htype)) {
		pxe_load_link_layer(packet, htype, offset + sizeof(htype),
				    length - sizeof(htype), &message->client);
	}
	return 0;
}

static __always_inline void pxe_read_client_option(void *packet,
						   struct pxe_dhcpv6 *message,
						   __u16 code, __u32 offset,
						   __u32 length)
{
	switch (code) {
	case PXE_OPT6_CLIENT_ID:
		pxe_read_duid(packet, message, offset, length);
		break;
	case PXE_OPT6_CLIENT_ARCH:
		message->network_boot = 1;
		if (length >= sizeof(message->arch))
			pxe_load_u16(packet, offset, &message->arch);
		break;
	case PXE_OPT6_VENDOR_CLASS:
		/* Enterprise number and length in front. */
		if (length > 6 &&
		    pxe_is_boot_class(packet, offset + 6, length - 6))
			message->network_boot = 1;
		break;
	case PXE_OPT6_USER_CLASS:
		if (length > 2 && pxe_is_ipxe(packet, offset + 2, length - 2))
			message->network_boot = 1;
		break;
	}
}

/* Reads one option, or the end of a message, and moves on. Nonzero: done. */
static __always_inline int pxe_next_option6(void *packet,
					    struct pxe_dhcpv6 *message)
{
	struct {
		__be16 code;
		__be16 length;
	} head;
	__u32 offset = message->offset, length;

	if (message->end < offset + sizeof(head)) {
		if (!message->in_relay) {
			message->complete = 1;
			return 1;
		}
		if (message->inner &&
		    !pxe_enter_dhcpv6(packet, message, message->inner,
				      message->inner_end))
			return 0;
		message->malformed = 1;
		return 1;
	}
	if (pxe_load(packet, offset, &head, sizeof(head))) {
		message->malformed = message->in_relay;
		return 1;
	}
	offset += sizeof(head);
	length = pxe_ntohs(head.length);
	if (message->end < offset + length) {
		message->malformed = message->in_relay;
		return 1;
	}
	message->offset = offset + length;
	if (!message->in_relay) {
		pxe_read_client_option(packet, message, pxe_ntohs(head.code),
				       offset, length);
		return 0;
	}
	if (!pxe_read_relay_option(packet, message, pxe_ntohs(head.code),
				   offset, length))
		return 0;
	message->malformed = 1;
	return 1;
}

#endif
