// SPDX-License-Identifier: Apache-2.0
/*
 * The maps of version 1, byte for byte, and a program that decides about plain
 * DHCPv4 frames as version 1 did: for the test of the upgrade.
 */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct addr {
  __u8 octets[8];
  __u8 htype;
  __u8 hlen;
  __u8 pad[2];
};

struct rule {
  __u8 verdict;
  __u8 pad[3];
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 65536);
  __type(key, struct addr);
  __type(value, struct rule);
} rules SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 10);
  __type(key, __u32);
  __type(value, __u64);
} counters SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 16384);
  __uint(key_size, 12);
  __uint(value_size, 40);
} clients SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 4096);
  __uint(key_size, 4);
  __uint(value_size, 24);
} relays SEC(".maps");

volatile struct {
  __u32 abi_version;
  __u8 unknown_verdict;
  __u8 pad[3];
} settings SEC(".data.settings") = {
    .abi_version = 1,
};

/* From the start of an untagged frame whose IPv4 header has no options. */
#define PROTOCOL 23
#define DESTINATION 36
#define CHADDR 70

static __always_inline int decide(const struct addr* addr) {
  const struct rule* rule = bpf_map_lookup_elem(&rules, addr);

  if (rule) return rule->verdict == 1;
  return settings.unknown_verdict == 1;
}

SEC("xdp.frags")
int pxe_filter(struct xdp_md* ctx) {
  const __u8* data_end = (void*)(long)ctx->data_end;
  const __u8* data = (void*)(long)ctx->data;
  struct addr addr = {.htype = 1, .hlen = 6};
  __u32 verdict;
  __u64* count;

  if (data + CHADDR + 6 > data_end || data[12] != 0x08 || data[13] != 0x00 ||
      data[PROTOCOL] != 17 || data[DESTINATION] != 0 ||
      data[DESTINATION + 1] != 67)
    return XDP_PASS;
  for (int i = 0; i < 6; i++) addr.octets[i] = data[CHADDR + i];
  verdict = decide(&addr);
  count = bpf_map_lookup_elem(&counters, &verdict);
  if (count) (*count)++;
  /* So that they are this program's maps. */
  bpf_map_lookup_elem(&clients, &addr);
  bpf_map_lookup_elem(&relays, &verdict);
  return verdict ? XDP_PASS : XDP_DROP;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
