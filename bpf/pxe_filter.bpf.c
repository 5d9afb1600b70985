// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Lets a DHCP request pass only if the policy allows its client. Everything
 * that is no DHCP request leaves at the first instruction that shows it, and
 * is not counted. README.md says what happens to each frame.
 */

#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/in6.h>

#include <bpf/bpf_helpers.h>

#include "bpf/parse.h"
#include "bpf/pxe_filter_abi.h"

/*
 * Sized by the controller before loading, as [xdp] max_clients asks. Mapped:
 * that aligns the buckets with cache lines, and lets the controller write a
 * slot by one store.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PXE_MIN_BUCKETS);
	__type(key, __u32);
	__type(value, struct pxe_bucket);
} rules SEC(".maps");

/* How many buckets there are, less one. */
const volatile __u32 bucket_mask = PXE_MIN_BUCKETS - 1;

/* Rules that found no room in their bucket, and those of GUIDs. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct pxe_addr);
	__type(value, struct pxe_rule);
} more_rules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pxe_counters);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PXE_TRAFFIC_PLACES + 1);
	__type(key, __u32);
	__type(value, struct pxe_traffic);
} traffic SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PXE_MAX_RECENT_CLIENTS);
	__type(key, struct pxe_addr);
	__type(value, struct pxe_client);
} clients SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PXE_MAX_RELAYS);
	__type(key, struct pxe_ip);
	__type(value, struct pxe_relay);
} relays SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, PXE_MAX_DISCOVERY_RELAYS);
	__type(key, struct pxe_network);
	__type(value, __u8);
} discovery_relays SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, PXE_EVENTS_BYTES);
} events SEC(".maps");

/* Until the controller knows better, unknown machines are denied. */
volatile struct pxe_settings settings SEC(".data.settings") = {
    .abi_version = PXE_ABI_VERSION,
    .unknown_verdict = PXE_DENY,
};

/*
 * Token buckets of the unknown clients, and of the relays, that are not among
 * the recent ones, by interface. Interfaces whose indexes agree in the last
 * bits share one.
 */
#define PXE_INTERFACE_BUCKETS 256
__u64 new_unknown_tat_ns[PXE_INTERFACE_BUCKETS];
__u64 new_relay_tat_ns[PXE_INTERFACE_BUCKETS];
/* As these, for records of those whose verdict took no token. */
__u64 unknown_record_tat_ns[PXE_INTERFACE_BUCKETS];
__u64 relay_record_tat_ns[PXE_INTERFACE_BUCKETS];

/* A request with what was read of it, on its way to the verdict. */
struct request {
	struct pxe_seen seen; /* first, for is_zero() */
	struct pxe_addr addr;
	__u64 slot;	 /* of addr where that is Ethernet, else 0 */
	__u64 others[2]; /* as slot, of other addresses that come with it */
	__u32 options;	 /* DHCPv4: where they start; 0: they were read */
	__u32 end;
	__u8 out_of_scope;
	__u8 by_other;	 /* a rule for one of `others` decided */
	__u8 took_token; /* of unknown_rate, or there is none */
};

#define PXE_NO_RULE PXE_VERDICTS

static __always_inline __u32 find_more_rules(const struct pxe_addr *addr)
{
	const struct pxe_rule *rule = bpf_map_lookup_elem(&more_rules, addr);

	if (!rule)
		return PXE_NO_RULE;
	return rule->verdict == PXE_ALLOW ? PXE_ALLOW : PXE_DENY;
}

/*
 * For the Ethernet address in `slot`. Without branches: where in its bucket a
 * rule is cannot be predicted, and a branch on it would wait for the cache
 * line before anything else goes on.
 */
static __always_inline __u32 find_slot(__u64 slot)
{
	__u32 index = pxe_bucket_index(slot, bucket_mask);
	const volatile __u64 *slots = bpf_map_lookup_elem(&rules, &index);
	struct pxe_addr addr = {};
	__u64 overflow, flags = 0;

	if (!slots)
		return PXE_DENY;
	overflow = slots[0] & PXE_SLOT_OVERFLOW;
#pragma unroll
	for (int i = 0; i < PXE_BUCKET_SLOTS; i++) {
		__u64 rule = slots[i];
		__s64 differs = (rule ^ slot) >> PXE_SLOT_SHIFT;

		/* All ones where it is the same address, else zero. */
		flags |= rule & ((differs - 1) >> 63);
	}
	flags &= PXE_SLOT_FLAGS & ~PXE_SLOT_OVERFLOW;
	if (flags)
		return flags == (PXE_SLOT_RULE | PXE_SLOT_ALLOW) ? PXE_ALLOW
								 : PXE_DENY;
	if (!overflow)
		return PXE_NO_RULE;
	for (int i = 0; i < ETH_ALEN; i++)
		addr.octets[i] = slot >> (56 - 8 * i);
	addr.htype = PXE_HTYPE_ETHERNET;
	addr.hlen = ETH_ALEN;
	return find_more_rules(&addr);
}

/*
 * A token bucket that holds `burst` of time and gives out one token per
 * `interval`: the generic cell rate algorithm (ITU-T I.371), whose theoretical
 * arrival time is all there is to remember. Zero: it is empty.
 */
static __always_inline int next_token(__u64 *tat, __u64 now, __u64 interval,
				      __u64 burst)
{
	__u64 start = *tat > now ? *tat : now;

	if (start - now + interval > burst)
		return 0;
	*tat = start + interval;
	return 1;
}

/* As next_token(), from a bucket that other CPUs take from too. */
static __always_inline int take_token(__u64 *bucket, __u64 now, __u64 interval)
{
	for (int i = 0; i < 4; i++) {
		__u64 before = *(volatile __u64 *)bucket, after = before;

		if (!next_token(&after, now, interval, PXE_SECOND_NS))
			return 0;
		if (__sync_val_compare_and_swap(bucket, before, after) ==
		    before)
			return 1;
	}
	return 0;
}

/* Of this CPU; the program cannot be interrupted by itself. */
static __always_inline int take_own_token(__u64 *bucket, __u64 now, __u64 rate)
{
	return next_token(bucket, now, PXE_SECOND_NS / rate, PXE_SECOND_NS);
}

/* Reading the clock is dear, and it stands still between ticks. */
static __always_inline __u64 read_clock(struct pxe_counters *own)
{
	__u64 tick = bpf_jiffies64();

	if (own->tick != tick) {
		own->now_ns = bpf_ktime_get_coarse_ns();
		own->tick = tick;
	}
	return own->now_ns;
}

static __always_inline int is_zero(const struct pxe_ip *ip)
{
	const __u32 *words = (const __u32 *)ip;

	return !(words[0] | words[1] | words[2] | words[3]);
}

static __always_inline int is_discovery_relay(const struct pxe_ip *relay)
{
	struct pxe_network network = {.prefix_length = 128};

	network.ip = *relay;
	return !is_zero(relay) &&
	       bpf_map_lookup_elem(&discovery_relays, &network);
}

static __always_inline int is_denied(__u64 slot)
{
	return slot && find_slot(slot) == PXE_DENY;
}

/* From a bucket that an interface's clients or relays share. */
static __always_inline int take_shared_token(__u64 *buckets,
					     const struct pxe_seen *seen,
					     __u64 now, __u64 interval)
{
	return !interval ||
	       take_token(&buckets[seen->ifindex % PXE_INTERFACE_BUCKETS], now,
			  interval);
}

static __always_inline int take_unknown_token(const struct request *request,
					      __u64 now)
{
	__u64 interval = settings.unknown_interval_ns;
	struct pxe_addr addr = request->addr;
	struct pxe_client *known;

	if (!interval)
		return 1;
	known = bpf_map_lookup_elem(&clients, &addr);
	if (known)
		return take_token(&known->unknown_tat_ns, now, interval);
	return take_shared_token(new_unknown_tat_ns, &request->seen, now,
				 interval);
}

static __always_inline int take_relay_token(const struct pxe_seen *seen,
					    __u64 now)
{
	__u64 interval = settings.relay_interval_ns;
	struct pxe_ip ip = seen->relay;
	struct pxe_relay *relay;

	if (!interval || is_zero(&ip))
		return 1;
	relay = bpf_map_lookup_elem(&relays, &ip);
	if (relay)
		return take_token(&relay->unknown_tat_ns, now, interval);
	return take_shared_token(new_relay_tat_ns, seen, now, interval);
}

/*
 * The verdict for a client that no rule names; sets seen.reason. Its own
 * function: known clients do not pay for it. Global: see next_extension(); so
 * Linux 6.1 takes no map key from what it is given, but copies.
 */
__noinline __u32 decide_unknown(struct request *request, __u64 now)
{
	struct pxe_seen *seen = &request->seen;

	if (!request)
		return PXE_DENY;
	if (settings.unknown_verdict != PXE_ALLOW)
		return PXE_DENY;
	if (is_denied(request->others[0]) || is_denied(request->others[1])) {
		seen->reason = PXE_REASON_RULE;
		request->by_other = 1;
		return PXE_DENY;
	}
	if (settings.discovery_restricted &&
	    !is_discovery_relay(&seen->relay)) {
		seen->reason = PXE_REASON_DISCOVERY;
		return PXE_DENY;
	}
	if (!take_relay_token(seen, now)) {
		seen->reason = PXE_REASON_RELAY_RATE;
		return PXE_DENY;
	}
	if (!take_unknown_token(request, now)) {
		seen->reason = PXE_REASON_UNKNOWN_RATE;
		return PXE_DENY;
	}
	request->took_token = 1;
	return PXE_ALLOW;
}

static __always_inline __u32 decide(struct request *request, __u64 now)
{
	__u64 lease_until = settings.lease_until_ns;
	struct pxe_seen *seen = &request->seen;
	__u32 verdict, action;

	if (request->out_of_scope) {
		seen->reason = PXE_REASON_SCOPE;
		return PXE_ALLOW;
	}
	if (lease_until && now >= lease_until) {
		action = settings.stale_action;
		if (action != PXE_STALE_KEEP) {
			seen->reason = PXE_REASON_STALE;
			return action == PXE_STALE_ALLOW ? PXE_ALLOW : PXE_DENY;
		}
	}
	if (seen->reason == PXE_REASON_RULE) {
		verdict = request->slot ? find_slot(request->slot)
					: find_more_rules(&request->addr);
		if (verdict != PXE_NO_RULE)
			return verdict;
		seen->reason = PXE_REASON_UNKNOWN;
	}
	return decide_unknown(request, now);
}

/*
 * Packet pointers are cheaper than the helper, but reach only the linear part
 * of a multi-buffer frame. `size` is a constant wherever this is inlined.
 */
#define PXE_MAX_OFFSET 4096
static __always_inline long pxe_load(void *packet, __u32 offset, void *to,
				     __u32 size)
{
	struct xdp_md *ctx = packet;
	const void *data_end = (void *)(long)ctx->data_end;
	const void *at = (void *)(long)ctx->data;

	if (offset < PXE_MAX_OFFSET) {
		__u32 near = offset;

		/*
		 * Linux 6.12 forgets the bounds of a number whose sum with a
		 * constant was compared: tell it again what it was just told.
		 */
		asm volatile("" : "+r"(near));
		at += near & (PXE_MAX_OFFSET - 1);
		if (at + size <= data_end) {
			__builtin_memcpy(to, at, size);
			return 0;
		}
	}
	return bpf_xdp_load_bytes(ctx, offset, to, size);
}

/*
 * Zero: the frame is shorter than its BOOTP header. Word by word: memcpy()
 * would copy bytes, not knowing that the machines this runs on load what is
 * not aligned.
 */
static __always_inline int load_bootp(struct xdp_md *ctx, __u32 offset,
				      struct pxe_bootp *bootp)
{
	const void *data_end = (void *)(long)ctx->data_end;
	const void *at = (void *)(long)ctx->data;

	if (offset < PXE_MAX_OFFSET) {
		at += offset;
		if (at + PXE_BOOTP_FIXED <= data_end) {
			*(__u32 *)bootp = *(const __u32 *)at;
			bootp->giaddr =
			    *(const __be32 *)(at + PXE_BOOTP_GIADDR);
			*(__u64 *)bootp->chaddr =
			    *(const __u64 *)(at + PXE_BOOTP_CHADDR);
			return 1;
		}
	}
	return bpf_xdp_get_buff_len(ctx) >= offset + PXE_BOOTP_FIXED &&
	       !bpf_xdp_load_bytes(ctx, offset, bootp, 4) &&
	       !bpf_xdp_load_bytes(ctx, offset + PXE_BOOTP_GIADDR,
				   &bootp->giaddr, sizeof(bootp->giaddr)) &&
	       !bpf_xdp_load_bytes(ctx, offset + PXE_BOOTP_CHADDR,
				   bootp->chaddr, sizeof(bootp->chaddr));
}

/*
 * The headers of a multi-buffer frame whose linear part ends before they do;
 * there are NICs that leave it empty. Its own function, so that other frames
 * do not pay for the copy's stack.
 */
static __noinline int find_request_in_copy(struct xdp_md *ctx,
					   struct pxe_frame *frame)
{
	__u8 headers[PXE_MAX_HEADERS] = {};
	__u64 size = bpf_xdp_get_buff_len(ctx);

	if (size < sizeof(struct ethhdr))
		return PXE_CUT_OFF;
	if (size > sizeof(headers))
		size = sizeof(headers);
	if (bpf_xdp_load_bytes(ctx, 0, headers, size))
		return PXE_CUT_OFF;
	return pxe_find_request(headers, headers + size, frame);
}

/*
 * Passes over one extension header. Global, as other functions here, so that
 * the verifier looks at it once, for any state, and not once for each path
 * and turn of the loop.
 */
__noinline int next_extension(struct xdp_md *ctx, struct pxe_frame *frame)
{
	return frame ? pxe_next_extension(ctx, frame) : PXE_MALFORMED;
}

__noinline int read_option(struct xdp_md *ctx, struct pxe_options *options)
{
	return options ? pxe_next_option(ctx, options) : 1;
}

__noinline int read_option6(struct xdp_md *ctx, struct pxe_dhcpv6 *message)
{
	return message ? pxe_next_option6(ctx, message) : 1;
}

static __always_inline void read_options(struct xdp_md *ctx,
					 struct pxe_options *options,
					 __u32 offset, __u32 end)
{
	__builtin_memset(options, 0, sizeof(*options));
	options->arch = PXE_NO_ARCH;
	options->offset = offset;
	options->end = pxe_min(end, bpf_xdp_get_buff_len(ctx));
	if (!pxe_begin_options(ctx, options)) {
		options->network_boot = 1;
		return;
	}
	for (int i = 0; i < PXE_MAX_OPTIONS; i++)
		if (read_option(ctx, options))
			break;
}

/*
 * Message type and architecture of a DHCPv4 request whose options were not
 * needed so far.
 */
__noinline int describe(struct xdp_md *ctx, struct request *request)
{
	struct pxe_options options;

	if (!request)
		return 0;
	read_options(ctx, &options, request->options, request->end);
	request->seen.arch = options.arch;
	request->seen.message_type = options.message_type;
	return 0;
}

static __noinline int report(struct request *request, struct pxe_counters *own,
			     __u64 now)
{
	__u32 verdict = request->seen.verdict;
	struct pxe_event *event;

	if (verdict >= PXE_VERDICTS)
		return 0;
	if (!take_own_token(&own->events_tat_ns[verdict], now,
			    PXE_EVENTS_PER_SECOND)) {
		own->events_limited++;
		own->events_missed++;
		return 0;
	}
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		own->events_lost++;
		own->events_missed++;
		return 0;
	}
	event->time_ns = bpf_ktime_get_ns();
	event->missed = own->events_missed;
	event->addr = request->addr;
	event->pad = 0;
	event->seen = request->seen;
	bpf_ringbuf_submit(event, 0);
	own->events_missed = 0;
	return 1;
}

/*
 * A host that makes addresses up must not wash the others out: what no rule
 * names becomes a recent client by a token only.
 */
static __always_inline int may_record_new(const struct request *request,
					  __u64 now)
{
	const struct pxe_seen *seen = &request->seen;

	if (request->took_token ||
	    (seen->reason == PXE_REASON_RULE && !request->by_other))
		return 1;
	if (seen->reason == PXE_REASON_RELAY_RATE ||
	    seen->reason == PXE_REASON_UNKNOWN_RATE)
		return 0;
	return take_shared_token(unknown_record_tat_ns, seen, now,
				 settings.unknown_interval_ns);
}

/* As may_record_new(), and whoever asks through it. */
static __always_inline int may_record_relay(const struct request *request,
					    __u64 now)
{
	const struct pxe_seen *seen = &request->seen;

	if (request->took_token)
		return 1;
	return seen->reason != PXE_REASON_RELAY_RATE &&
	       take_shared_token(relay_record_tat_ns, seen, now,
				 settings.relay_interval_ns);
}

static __noinline int record_new_client(struct xdp_md *ctx,
					struct request *request,
					struct pxe_counters *own, __u64 now)
{
	struct pxe_client client = {.last_seen_ns = now, .packets = 1};

	if (!may_record_new(request, now)) {
		own->clients_unrecorded++;
		return 0;
	}
	if (request->options)
		describe(ctx, request);
	client.seen = request->seen;
	/* Not over what another CPU has made of the same client meanwhile. */
	if (bpf_map_update_elem(&clients, &request->addr, &client, BPF_NOEXIST))
		own->clients_unrecorded++;
	return report(request, own, now);
}

/* A race of two CPUs on one client mixes two requests of the same client. */
static __always_inline int record_client(struct xdp_md *ctx,
					 struct request *request,
					 struct pxe_counters *own, __u64 now)
{
	struct pxe_client *known;

	known = bpf_map_lookup_elem(&clients, &request->addr);
	if (!known)
		return record_new_client(ctx, request, own, now);
	known->last_seen_ns = now;
	__sync_fetch_and_add(&known->packets, 1);
	if (take_token(&known->described_tat_ns, now,
		       PXE_SECOND_NS / PXE_DESCRIPTIONS_PER_SECOND)) {
		if (request->options)
			describe(ctx, request);
		known->seen = request->seen;
		return report(request, own, now);
	}
	request->seen.arch = known->seen.arch;
	request->seen.message_type = known->seen.message_type;
	known->seen = request->seen;
	return 0;
}

/* Its own function: what is not relayed does not pay for it. */
static __noinline int record_relay(const struct request *request, int may_add,
				   __u64 now)
{
	const struct pxe_ip *ip = &request->seen.relay;
	/* With an empty bucket: what made it has had its token. */
	struct pxe_relay *relay,
	    fresh = {.unknown_tat_ns = now + PXE_SECOND_NS};

	relay = bpf_map_lookup_elem(&relays, ip);
	if (!relay && may_add && may_record_relay(request, now)) {
		bpf_map_update_elem(&relays, ip, &fresh, BPF_NOEXIST);
		relay = bpf_map_lookup_elem(&relays, ip);
	}
	if (!relay)
		return 0;
	relay->last_seen_ns = now;
	__sync_fetch_and_add(&relay->packets[request->seen.verdict & 1], 1);
	return 1;
}

/* This CPU's element of the interface, where it is at that place. */
static __always_inline struct pxe_traffic *traffic_at(__u32 place,
						      __u32 ifindex)
{
	struct pxe_traffic *own;

	place %= PXE_TRAFFIC_PLACES;
	own = bpf_map_lookup_elem(&traffic, &place);
	if (!own || own->ifindex == ifindex)
		return own;
	if (own->ifindex)
		return NULL;
	own->ifindex = ifindex;
	return own;
}

/* Whose first place another interface has. */
static __noinline struct pxe_traffic *find_traffic_further(__u32 ifindex)
{
	__u32 last = PXE_TRAFFIC_PLACES;
	struct pxe_traffic *own;

	for (int i = 1; i < PXE_TRAFFIC_PROBES; i++) {
		own = traffic_at(ifindex + i, ifindex);
		if (own)
			return own;
	}
	return bpf_map_lookup_elem(&traffic, &last);
}

static __always_inline void count(struct pxe_counters *counters, __u32 ifindex,
				  __u32 relayed, __u32 verdict, __u32 reason)
{
	struct pxe_traffic *own = traffic_at(ifindex, ifindex);

	if (!own)
		own = find_traffic_further(ifindex);
	verdict &= 1;
	if (reason >= PXE_REASONS)
		return;
	counters->packets[verdict][reason]++;
	if (own)
		own->packets[relayed & 1][verdict][reason]++;
}

/* Decides, counts, remembers, reports. */
static __always_inline int judge(struct xdp_md *ctx, struct request *request)
{
	struct pxe_counters *own;
	__u32 verdict, relayed, first = 0;
	int may_record;
	__u64 now;

	own = bpf_map_lookup_elem(&counters, &first);
	if (!own)
		return XDP_DROP;
	now = read_clock(own);
	verdict = decide(request, now) & 1;
	request->seen.verdict = verdict;
	relayed = !is_zero(&request->seen.relay);
	count(own, ctx->ingress_ifindex, relayed, verdict,
	      request->seen.reason);
	may_record =
	    verdict == PXE_ALLOW ||
	    take_own_token(&own->records_tat_ns, now, PXE_RECORDS_PER_SECOND);
	if (relayed)
		record_relay(request, may_record, now);
	if (may_record)
		record_client(ctx, request, own, now);
	else
		own->clients_unrecorded++;
	return verdict == PXE_ALLOW ? XDP_PASS : XDP_DROP;
}

static __always_inline int drop_malformed(const struct xdp_md *ctx)
{
	__u32 first = 0;
	struct pxe_counters *own = bpf_map_lookup_elem(&counters, &first);

	if (own)
		count(own, ctx->ingress_ifindex, 0, PXE_DENY,
		      PXE_REASON_MALFORMED);
	return XDP_DROP;
}

static __always_inline void begin_request(const struct xdp_md *ctx,
					  const struct pxe_frame *frame,
					  struct request *request)
{
	struct pxe_seen *seen = &request->seen;

	__builtin_memset(request, 0, sizeof(*request));
	seen->ifindex = ctx->ingress_ifindex;
	seen->vlan[0] = frame->vlan[0];
	seen->vlan[1] = frame->vlan[1];
	seen->vlans = frame->vlans;
	seen->arch = PXE_NO_ARCH;
	seen->ip_version = frame->ip_version;
	request->end = frame->end;
}

__noinline int handle_dhcpv4(struct xdp_md *ctx, const struct pxe_frame *frame)
{
	int pxe_only = settings.scope == PXE_SCOPE_PXE;
	struct pxe_options options;
	struct request request;
	struct pxe_bootp bootp;

	if (!frame || !load_bootp(ctx, frame->payload, &bootp))
		return drop_malformed(ctx);
	begin_request(ctx, frame, &request);
	request.options = frame->payload + PXE_BOOTP_FIXED;
	options.has_guid = 0;
	if (bootp.op == PXE_BOOTREPLY || bootp.htype == PXE_HTYPE_INFINIBAND ||
	    pxe_only) {
		read_options(ctx, &options, request.options, request.end);
		request.options = 0;
		request.seen.arch = options.arch;
		request.seen.message_type = options.message_type;
		if (pxe_is_reply(&bootp, &options))
			return XDP_PASS;
		/* Without a type it is BOOTP, the Bootstrap Protocol. */
		request.out_of_scope =
		    pxe_only && options.complete && options.message_type &&
		    !options.network_boot && !frame->proxy_dhcp;
	}
	if (bootp.giaddr) {
		__u32 *words = (__u32 *)&request.seen.relay;

		words[2] = pxe_htonl(0xffff);
		words[3] = bootp.giaddr;
	}
	request.seen.reason =
	    pxe_client_address(&bootp, &options, &request.addr);
	if (pxe_is_ethernet(&request.addr)) {
		request.slot = pxe_slot(bootp.chaddr);
	} else {
		request.others[0] = pxe_slot(bootp.chaddr);
		if (!bootp.giaddr)
			request.others[1] = pxe_slot(frame->source);
	}
	return judge(ctx, &request);
}

/* Its own function, for the stack. */
static __noinline int read_dhcpv6(struct xdp_md *ctx,
				  const struct pxe_frame *frame,
				  struct request *request)
{
	int pxe_only = settings.scope == PXE_SCOPE_PXE;
	struct pxe_dhcpv6 message = {.arch = PXE_NO_ARCH};
	__u32 end = pxe_min(frame->end, bpf_xdp_get_buff_len(ctx));
	struct pxe_addr peer;
	__u8 type;

	if (end < frame->payload + PXE_DHCPV6_HEADER ||
	    pxe_load(ctx, frame->payload, &type, 1))
		return PXE_MALFORMED;
	if (pxe_is_reply6(type))
		return PXE_OTHER;
	if (pxe_enter_dhcpv6(ctx, &message, frame->payload, end))
		return PXE_MALFORMED;
	for (int i = 0; i < PXE_MAX_OPTIONS; i++)
		if (read_option6(ctx, &message))
			break;
	if (message.malformed || message.in_relay)
		return PXE_MALFORMED;
	request->seen.message_type = message.message_type;
	request->seen.arch = message.arch;
	request->out_of_scope =
	    pxe_only && message.complete && !message.network_boot;
	if (message.duid.htype == PXE_HTYPE_ETHERNET)
		request->others[0] = pxe_slot(message.duid.octets);
	if (!message.relays) {
		pxe_set_ethernet(&request->addr, frame->source);
		request->slot = pxe_slot(frame->source);
		request->seen.reason = PXE_REASON_RULE;
		return PXE_REQUEST;
	}
	if (pxe_read_eui64(&message.peer, &peer))
		request->others[1] = pxe_slot(peer.octets);
	request->seen.relay = message.link;
	if (is_zero(&message.link) &&
	    pxe_load(ctx, frame->ip + 8, &request->seen.relay,
		     sizeof(request->seen.relay)))
		return PXE_MALFORMED;
	request->seen.reason = pxe_relayed_client(&message, &request->addr);
	if (pxe_is_ethernet(&request->addr))
		request->slot = pxe_slot(request->addr.octets);
	return PXE_REQUEST;
}

/* Also for the stack. */
static __noinline int judge_dhcpv6(struct xdp_md *ctx, struct request *request)
{
	return judge(ctx, request);
}

__noinline int handle_dhcpv6(struct xdp_md *ctx, const struct pxe_frame *frame)
{
	struct request request;
	int found;

	if (!frame)
		return drop_malformed(ctx);
	begin_request(ctx, frame, &request);
	found = read_dhcpv6(ctx, frame, &request);
	if (found == PXE_OTHER)
		return XDP_PASS;
	if (found == PXE_MALFORMED)
		return drop_malformed(ctx);
	return judge_dhcpv6(ctx, &request);
}

/* What no plain frame needs: fragments of a NIC's, and extension headers. */
__noinline int find_request_further(struct xdp_md *ctx, struct pxe_frame *frame,
				    int found)
{
	if (!frame)
		return PXE_MALFORMED;
	if (found == PXE_CUT_OFF)
		found = find_request_in_copy(ctx, frame);
	for (int i = 0; i <= PXE_MAX_EXTENSIONS && found == PXE_EXTENSIONS; i++)
		found = next_extension(ctx, frame);
	return found;
}

SEC("xdp.frags")
int pxe_filter(struct xdp_md *ctx)
{
	const void *data_end = (void *)(long)ctx->data_end;
	const void *data = (void *)(long)ctx->data;
	struct pxe_frame frame;
	int found;

	found = pxe_find_request(data, data_end, &frame);
	if (found == PXE_OTHER)
		return XDP_PASS;
	if (found == PXE_CUT_OFF || found == PXE_EXTENSIONS)
		found = find_request_further(ctx, &frame, found);
	if (found == PXE_REQUEST)
		return frame.ip_version == 4 ? handle_dhcpv4(ctx, &frame)
					     : handle_dhcpv6(ctx, &frame);
	if (found == PXE_MALFORMED)
		return drop_malformed(ctx);
	return XDP_PASS;
}

/* The helpers called here ask for no GPL. */
char LICENSE[] SEC("license") = "Dual BSD/GPL";
