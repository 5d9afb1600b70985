// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Lets a DHCP request pass only if the policy allows its client. Everything
 * that is no DHCP request leaves at the first instruction that shows it, and
 * is not counted.
 */

#include <linux/bpf.h>
#include <linux/in.h>

#include <bpf/bpf_helpers.h>

#include "bpf/parse.h"
#include "bpf/pxe_filter_abi.h"

/* Sized by the controller before loading: [xdp] max_clients. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct pxe_addr);
	__type(value, struct pxe_rule);
} rules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PXE_COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PXE_MAX_RECENT_CLIENTS);
	__type(key, struct pxe_addr);
	__type(value, struct pxe_client);
} clients SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PXE_MAX_RELAYS);
	__type(key, __be32);
	__type(value, struct pxe_relay);
} relays SEC(".maps");

/* Until the controller knows better, unknown machines are denied. */
volatile struct pxe_settings settings SEC(".data.settings") = {
    .abi_version = PXE_ABI_VERSION,
    .unknown_verdict = PXE_DENY,
};

/* A request with what was read of it, on its way to the verdict. */
struct request {
	struct pxe_addr addr;
	__u8 chaddr[ETH_ALEN]; /* whatever its hardware type */
	__be32 giaddr;
	struct pxe_frame frame;
	struct pxe_options options;
	__u32 reason;
};

static __always_inline void count(__u32 verdict, __u32 reason)
{
	__u32 index = pxe_counter(verdict, reason);
	__u64 *packets = bpf_map_lookup_elem(&counters, &index);

	if (packets)
		(*packets)++;
}

/* Everything of a record but how many packets there were. */
static __always_inline void describe_client(struct pxe_client *client,
					    const struct xdp_md *ctx,
					    const struct request *request,
					    __u32 verdict, __u64 now)
{
	const struct pxe_frame *frame = &request->frame;

	client->last_seen_ns = now;
	client->giaddr = request->giaddr;
	client->ifindex = ctx->ingress_ifindex;
	client->vlan[0] = frame->vlans > 0 ? frame->vlan[0] : 0;
	client->vlan[1] = frame->vlans > 1 ? frame->vlan[1] : 0;
	client->vlans = frame->vlans;
	client->arch = request->options.arch;
	client->message_type = request->options.message_type;
	client->verdict = verdict;
	client->reason = request->reason;
}

/* A race of two CPUs on one client mixes two requests of the same client. */
static __always_inline void remember_client(const struct xdp_md *ctx,
					    const struct request *request,
					    __u32 verdict, __u64 now)
{
	struct pxe_client *known, fresh = {.packets = 1};

	known = bpf_map_lookup_elem(&clients, &request->addr);
	if (known) {
		describe_client(known, ctx, request, verdict, now);
		__sync_fetch_and_add(&known->packets, 1);
		return;
	}
	describe_client(&fresh, ctx, request, verdict, now);
	bpf_map_update_elem(&clients, &request->addr, &fresh, BPF_ANY);
}

static __always_inline void remember_relay(__be32 giaddr, __u32 verdict,
					   __u64 now)
{
	struct pxe_relay *known, fresh = {};

	known = bpf_map_lookup_elem(&relays, &giaddr);
	if (known) {
		known->last_seen_ns = now;
		__sync_fetch_and_add(&known->packets[verdict], 1);
		return;
	}
	fresh.last_seen_ns = now;
	fresh.packets[verdict] = 1;
	bpf_map_update_elem(&relays, &giaddr, &fresh, BPF_ANY);
}

static __always_inline int is_denied(const __u8 *mac)
{
	struct pxe_addr addr = {};
	const struct pxe_rule *rule;

	addr.htype = PXE_HTYPE_ETHERNET;
	addr.hlen = ETH_ALEN;
	__builtin_memcpy(addr.octets, mac, ETH_ALEN);
	rule = bpf_map_lookup_elem(&rules, &addr);
	return rule && rule->verdict != PXE_ALLOW;
}

/*
 * A denied machine must not get in as an unknown one by giving its address
 * another hardware type or length, or none: servers answer that as well.
 */
static __always_inline int is_denied_in_disguise(const struct request *request)
{
	if (request->addr.htype == PXE_HTYPE_ETHERNET &&
	    request->addr.hlen == ETH_ALEN)
		return 0;
	return is_denied(request->chaddr) ||
	       (!request->giaddr && is_denied(request->frame.source));
}

/* The verdict for request->addr; sets request->reason. */
static __always_inline __u32 decide(struct request *request)
{
	if (request->reason == PXE_REASON_RULE) {
		const struct pxe_rule *rule;

		rule = bpf_map_lookup_elem(&rules, &request->addr);
		if (rule)
			return rule->verdict == PXE_ALLOW ? PXE_ALLOW
							  : PXE_DENY;
		request->reason = PXE_REASON_UNKNOWN;
	}
	if (settings.unknown_verdict != PXE_ALLOW)
		return PXE_DENY;
	if (is_denied_in_disguise(request)) {
		request->reason = PXE_REASON_RULE;
		return PXE_DENY;
	}
	return PXE_ALLOW;
}

/*
 * Packet pointers are cheaper than the helper, but reach only the linear part
 * of a multi-buffer frame. `size` is a constant wherever this is inlined.
 */
static __always_inline long pxe_load(void *frame, __u32 offset, void *to,
				     __u32 size)
{
	struct xdp_md *ctx = frame;
	const void *data_end = (void *)(long)ctx->data_end;
	const void *at = (void *)(long)ctx->data;

	if (offset < PXE_MAX_OFFSET) {
		at += offset;
		if (at + size <= data_end) {
			__builtin_memcpy(to, at, size);
			return 0;
		}
	}
	return bpf_xdp_load_bytes(ctx, offset, to, size);
}

/*
 * The headers of a multi-buffer frame whose linear part ends before they do;
 * there are NICs that leave it empty. Its own function, so that other frames
 * do not pay for the copy's stack.
 */
static __noinline int find_request_in_copy(struct xdp_md *ctx,
					   struct pxe_frame *frame)
{
	__u8 headers[PXE_MAX_BOOTP_OFFSET] = {};
	__u64 size = bpf_xdp_get_buff_len(ctx);

	if (size < sizeof(struct ethhdr))
		return PXE_CUT_OFF;
	if (size > sizeof(headers))
		size = sizeof(headers);
	if (bpf_xdp_load_bytes(ctx, 0, headers, size))
		return PXE_CUT_OFF;
	return pxe_find_request(headers, headers + size, frame);
}

static __always_inline enum pxe_found find_request(struct xdp_md *ctx,
						   struct pxe_frame *frame)
{
	const void *data = (void *)(long)ctx->data;
	const void *data_end = (void *)(long)ctx->data_end;
	enum pxe_found found;

	found = pxe_find_request(data, data_end, frame);
	if (found == PXE_CUT_OFF)
		found = find_request_in_copy(ctx, frame);
	return found;
}

/*
 * Reads the option at `offset` behind `start` and returns the next one's
 * offset, 0 at the end. Global, so that the verifier looks at it once, for any
 * offset, and not once for each path and turn of the loop.
 */
__noinline __u32 read_option(struct xdp_md *ctx, __u32 start, __u32 offset,
			     struct pxe_options *options)
{
	struct pxe_walk walk = {
	    .frame = ctx,
	    .start = start,
	    .offset = offset,
	    .options = options,
	};

	if (!options)
		return 0;
	return pxe_next_option(&walk) ? 0 : walk.offset;
}

static __always_inline void read_options(struct xdp_md *ctx,
					 struct request *request)
{
	struct pxe_walk walk = {
	    .frame = ctx,
	    .start = request->frame.bootp + PXE_BOOTP_FIXED,
	};

	__builtin_memset(&request->options, 0, sizeof(request->options));
	request->options.arch = PXE_NO_ARCH;
	if (!pxe_begin_options(&walk))
		return;
	for (int i = 0; i < PXE_MAX_OPTIONS && walk.offset; i++)
		walk.offset = read_option(ctx, walk.start, walk.offset,
					  &request->options);
}

/* Zero: the frame is shorter than a BOOTP header. */
static __always_inline int read_request(struct xdp_md *ctx,
					struct request *request,
					struct pxe_bootp *bootp)
{
	__u32 offset = request->frame.bootp;

	if (bpf_xdp_get_buff_len(ctx) < offset + PXE_BOOTP_FIXED ||
	    pxe_load(ctx, offset, bootp, sizeof(*bootp)))
		return 0;
	read_options(ctx, request);
	return 1;
}

SEC("xdp.frags")
int pxe_filter(struct xdp_md *ctx)
{
	struct request request;
	struct pxe_bootp bootp;
	enum pxe_found found;
	__u32 verdict;
	__u64 now;

	found = find_request(ctx, &request.frame);
	if (found == PXE_OTHER || found == PXE_CUT_OFF)
		return XDP_PASS;
	if (found == PXE_MALFORMED || !read_request(ctx, &request, &bootp)) {
		count(PXE_DENY, PXE_REASON_MALFORMED);
		return XDP_DROP;
	}
	if (pxe_is_reply(&bootp, &request.options))
		return XDP_PASS;

	request.giaddr = bootp.giaddr;
	__builtin_memcpy(request.chaddr, bootp.chaddr, ETH_ALEN);
	request.reason =
	    pxe_client_address(&bootp, &request.options, &request.addr);
	verdict = decide(&request);
	count(verdict, request.reason);
	now = bpf_ktime_get_ns();
	remember_client(ctx, &request, verdict, now);
	if (request.giaddr)
		remember_relay(request.giaddr, verdict, now);
	return verdict == PXE_ALLOW ? XDP_PASS : XDP_DROP;
}

/* The helpers called here ask for no GPL. */
char LICENSE[] SEC("license") = "Dual BSD/GPL";
