// SPDX-License-Identifier: Apache-2.0
/*
 * What the benchmarks compare pxegate's program with, and what they drive
 * programs with. Never installed.
 */

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "tests/bench/packet/packet_bench_abi.h"

#define DHCP_SERVER_PORT 67
#define CHADDR_OFFSET 28
#define SOURCE_OFFSET 6
#define HEADERS_SIZE 42 /* Ethernet, IPv4 without options, UDP */

SEC("xdp.frags")
int bare_pass(struct xdp_md* ctx) {
  (void)ctx;
  return XDP_PASS;
}

SEC("xdp.frags")
int bare_drop(struct xdp_md* ctx) {
  (void)ctx;
  return XDP_DROP;
}

/*
 * The shortest filter on chaddr that can be written: one lookup in a hash, one
 * counter, nothing looked at twice. With and without preallocated elements.
 */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, BENCH_MAX_RULES);
  __type(key, struct bench_addr);
  __type(value, __u32);
} ready_rules SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, BENCH_MAX_RULES);
  __type(key, struct bench_addr);
  __type(value, __u32);
} lazy_rules SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} prototype_denied SEC(".maps");

static __always_inline int prototype(struct xdp_md* ctx, void* rules) {
  const __u8* frame = (const __u8*)(long)ctx->data;
  const __u8* end = (const __u8*)(long)ctx->data_end;
  const struct ethhdr* ethernet = (const void*)frame;
  const struct iphdr* ip = (const void*)(ethernet + 1);
  const struct udphdr* udp = (const void*)(ip + 1);
  struct bench_addr addr = {.htype = 1, .hlen = ETH_ALEN};
  __u32 zero = 0;
  __u64* denied;

  if (frame + HEADERS_SIZE + CHADDR_OFFSET + ETH_ALEN > end) return XDP_PASS;
  if (ethernet->h_proto != bpf_htons(ETH_P_IP)) return XDP_PASS;
  if (ip->protocol != IPPROTO_UDP || ip->ihl != 5) return XDP_PASS;
  if (udp->dest != bpf_htons(DHCP_SERVER_PORT)) return XDP_PASS;
  __builtin_memcpy(addr.octets, frame + HEADERS_SIZE + CHADDR_OFFSET, ETH_ALEN);
  if (!bpf_map_lookup_elem(rules, &addr)) return XDP_PASS;
  denied = bpf_map_lookup_elem(&prototype_denied, &zero);
  if (denied) (*denied)++;
  return XDP_DROP;
}

SEC("xdp.frags")
int prototype_ready(struct xdp_md* ctx) { return prototype(ctx, &ready_rules); }

SEC("xdp.frags")
int prototype_lazy(struct xdp_md* ctx) { return prototype(ctx, &lazy_rules); }

/*
 * Gives the frame, a DISCOVER without VLAN tag and IPv4 options, the address of
 * another machine each time, and runs a program on it: every address once
 * before any comes again, neighbours far apart. The addresses are computed,
 * so that the shuffle itself meets no cold cache.
 */
struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, BENCH_TARGETS);
  __type(key, __u32);
  __type(value, __u32);
} targets SEC(".maps");

/* Set before each run. */
__u32 shuffle_target = 0;
__u32 shuffle_first = 0;
__u32 shuffle_count = 1;
__u32 shuffle_step = 1; /* less than shuffle_count, and coprime to it */
__u32 shuffle_position = 0;

SEC("xdp.frags")
int shuffle(struct xdp_md* ctx) {
  __u8* frame = (__u8*)(long)ctx->data;
  __u8* end = (__u8*)(long)ctx->data_end;
  __u32 position = shuffle_position + shuffle_step;
  __u32 number;
  __u8 mac[ETH_ALEN] = {BENCH_MAC_PREFIX};

  if (frame + HEADERS_SIZE + CHADDR_OFFSET + ETH_ALEN > end) return XDP_ABORTED;
  if (position >= shuffle_count) position -= shuffle_count;
  shuffle_position = position;
  number = bpf_htonl(shuffle_first + position);
  __builtin_memcpy(mac + 2, &number, sizeof(number));
  __builtin_memcpy(frame + SOURCE_OFFSET, mac, ETH_ALEN);
  __builtin_memcpy(frame + HEADERS_SIZE + CHADDR_OFFSET, mac, ETH_ALEN);
  bpf_tail_call(ctx, &targets, shuffle_target);
  return XDP_ABORTED;
}

/* Puts a frame on an interface's wire. */
__u32 flood_ifindex = 0;

SEC("xdp.frags")
int flood(struct xdp_md* ctx) {
  (void)ctx;
  return bpf_redirect(flood_ifindex, 0);
}

char _license[] SEC("license") = "Apache-2.0";
