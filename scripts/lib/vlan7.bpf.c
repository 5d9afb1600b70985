// SPDX-License-Identifier: Apache-2.0
//
// The two directions of a port of VLAN 7, for kernels that have neither VLAN
// interfaces nor bridges that filter by VLAN.

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define VLAN_ID 7
#define VLAN_ID_MASK 0x0fff

SEC("tc/tag") int tag(struct __sk_buff* frame) {
  const long failed = bpf_skb_vlan_push(frame, bpf_htons(ETH_P_8021Q), VLAN_ID);
  return failed ? TC_ACT_SHOT : TC_ACT_OK;
}

SEC("tc/untag") int untag(struct __sk_buff* frame) {
  if (!frame->vlan_present || (frame->vlan_tci & VLAN_ID_MASK) != VLAN_ID) {
    return TC_ACT_SHOT;
  }
  return bpf_skb_vlan_pop(frame) ? TC_ACT_SHOT : TC_ACT_OK;
}
