/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PXEGATE_TESTS_BENCH_PACKET_PACKET_BENCH_ABI_H_
#define PXEGATE_TESTS_BENCH_PACKET_PACKET_BENCH_ABI_H_

#include <linux/types.h>

/* As many as pxegate's default [xdp] max_clients. */
#define BENCH_MAX_RULES 262144
#define BENCH_TARGETS 8
/* The first two octets of each machine's address; its number follows. */
#define BENCH_MAC_PREFIX 0x02, 0x00

/* A hardware address, padded with zeroes. */
struct bench_addr {
  __u8 octets[8];
  __u8 htype;
  __u8 hlen;
  __u8 pad[2];
};

#endif
