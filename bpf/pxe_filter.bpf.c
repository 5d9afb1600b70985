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

static __always_inline void remember_client(const struct xdp_md *ctx,
					    const struct request *request,
					    __u32 verdict, __u64 now)
{
	struct pxe_client *known, fresh = {};
	const struct pxe_frame *frame = &request->frame;

	known = bpf_map_lookup_elem(&clients, &request->addr);
	if (known)
		__sync_fetch_and_add(&known->packets, 1);
	else
		fresh.packets = 1;
	/* A CPU race on one client mixes two of its requests; both are its. */
	struct pxe_client *client = known ? known : &fresh;

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
	if (!known)
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
	return settings.unknown_verdict == PXE_ALLOW ? PXE_ALLOW : PXE_DENY;
}

/*
 * Reads the option at `offset` behind `start` and returns the next one's
 * offset, 0 at the end. Global, so that the verifier looks at it once, for any
 * offset: inlined into a loop, a packet pointer that moves by unknown lengths
 * gives it a new state for each path and turn.
 */
__noinline __u32 read_option(struct xdp_md *ctx, __u32 start, __u32 offset,
			     struct pxe_options *options)
{
	struct pxe_walk walk = {
	    .end = (void *)(long)ctx->data_end,
	    .offset = offset,
	    .options = options,
	};

	if (!options || start > PXE_MAX_BOOTP_OFFSET + PXE_BOOTP_FIXED)
		return 0;
	walk.start = (void *)(long)ctx->data + start;
	return pxe_next_option(&walk) ? 0 : walk.offset;
}

static __always_inline void read_options(struct xdp_md *ctx,
					 struct request *request)
{
	struct pxe_walk walk = {
	    .start = request->frame.bootp + PXE_BOOTP_FIXED,
	    .end = (void *)(long)ctx->data_end,
	};
	__u64 start = walk.start - (const __u8 *)(long)ctx->data;

	if (!pxe_begin_options(&walk))
		return;
	for (int i = 0; i < PXE_MAX_OPTIONS && walk.offset; i++)
		walk.offset =
		    read_option(ctx, start, walk.offset, &request->options);
}

/*
 * Fills request from a frame whose BOOTP header may lie in a fragment of a
 * multi-buffer frame, where packet pointers do not reach. The options are
 * read from the linear part only. Zero: shorter than a BOOTP header.
 */
static __always_inline int read_request(struct xdp_md *ctx,
					struct request *request,
					struct pxe_bootp *bootp)
{
	const void *data = (void *)(long)ctx->data;
	const void *data_end = (void *)(long)ctx->data_end;
	const void *start = request->frame.bootp;
	__u64 offset;

	request->options.message_type = PXE_NO_MESSAGE_TYPE;
	request->options.arch = PXE_NO_ARCH;
	request->options.has_guid = 0;
	if (start + PXE_BOOTP_FIXED <= data_end) {
		__builtin_memcpy(bootp, start, sizeof(*bootp));
		read_options(ctx, request);
		return 1;
	}
	offset = start - data;
	if (bpf_xdp_get_buff_len(ctx) < offset + PXE_BOOTP_FIXED)
		return 0;
	return bpf_xdp_load_bytes(ctx, offset, bootp, sizeof(*bootp)) == 0;
}

SEC("xdp.frags")
int pxe_filter(struct xdp_md *ctx)
{
	const void *data = (void *)(long)ctx->data;
	const void *data_end = (void *)(long)ctx->data_end;
	struct request request;
	struct pxe_bootp bootp;
	enum pxe_found found;
	__u32 verdict;
	__u64 now;

	found = pxe_find_request(data, data_end, &request.frame);
	if (found == PXE_OTHER)
		return XDP_PASS;
	if (found == PXE_MALFORMED || !read_request(ctx, &request, &bootp)) {
		count(PXE_DENY, PXE_REASON_MALFORMED);
		return XDP_DROP;
	}
	if (bootp.op != PXE_BOOTREQUEST)
		return XDP_PASS;

	request.giaddr = bootp.giaddr;
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
