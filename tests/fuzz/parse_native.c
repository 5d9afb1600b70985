/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/parse_native.h"

#include <netinet/in.h>
#include <string.h>

#include "bpf/parse.h"

struct frame {
  const __u8* bytes;
  size_t size;
};

static __always_inline long pxe_load(void* frame, __u32 offset, void* to,
                                     __u32 size) {
  const struct frame* from = frame;

  if (offset > from->size || size > from->size - offset) return -1;
  memcpy(to, from->bytes + offset, size);
  return 0;
}

/* As the program: in place, and where that ends too early, in a copy. */
static enum pxe_found find_request(struct frame* frame, size_t linear,
                                   struct pxe_frame* found) {
  __be32 aligned[(PARSE_IP_ALIGN + PXE_MAX_HEADERS + 3) / 4];
  __u8* headers = (__u8*)aligned + PARSE_IP_ALIGN;
  size_t size = frame->size;
  enum pxe_found result =
      pxe_find_request(frame->bytes, frame->bytes + linear, found);

  if (result == PXE_CUT_OFF) {
    if (size > PXE_MAX_HEADERS) size = PXE_MAX_HEADERS;
    memcpy(headers, frame->bytes, size);
    result = pxe_find_request(headers, headers + size, found);
  }
  while (result == PXE_EXTENSIONS) result = pxe_next_extension(frame, found);
  return result;
}

static void read_dhcpv4(struct frame* frame, const struct pxe_frame* found,
                        struct parsed* out) {
  struct pxe_options options = {
      .offset = found->payload + PXE_BOOTP_FIXED,
      .end = found->end,
      .arch = PXE_NO_ARCH,
  };
  struct pxe_bootp bootp;

  const __u8* at = frame->bytes + found->payload;

  memcpy(&bootp, at, 4);
  memcpy(&bootp.giaddr, at + PXE_BOOTP_GIADDR, sizeof(bootp.giaddr));
  memcpy(bootp.chaddr, at + PXE_BOOTP_CHADDR, sizeof(bootp.chaddr));
  if (pxe_begin_options(frame, &options)) {
    for (int i = 0; i < PXE_MAX_OPTIONS; i++)
      if (pxe_next_option(frame, &options)) break;
  } else {
    options.network_boot = 1;
  }
  if (pxe_is_reply(&bootp, &options)) {
    out->kind = PARSED_OTHER;
    return;
  }
  if (bootp.giaddr) {
    out->relay.octets[10] = 0xff;
    out->relay.octets[11] = 0xff;
    memcpy(out->relay.octets + 12, &bootp.giaddr, sizeof(bootp.giaddr));
  }
  out->message_type = options.message_type;
  out->arch = options.arch;
  out->network_boot = !options.complete || !options.message_type ||
                      options.network_boot || found->proxy_dhcp;
  out->reason = pxe_client_address(&bootp, &options, &out->addr);
}

static void read_dhcpv6(struct frame* frame, const struct pxe_frame* found,
                        struct parsed* out) {
  struct pxe_dhcpv6 message = {.arch = PXE_NO_ARCH};

  if (pxe_is_reply6(frame->bytes[found->payload])) {
    out->kind = PARSED_OTHER;
    return;
  }
  message.malformed =
      pxe_enter_dhcpv6(frame, &message, found->payload, found->end);
  for (int i = 0; i < PXE_MAX_OPTIONS && !message.malformed; i++)
    if (pxe_next_option6(frame, &message)) break;
  if (message.malformed || message.in_relay) {
    out->kind = PARSED_MALFORMED;
    return;
  }
  out->message_type = message.message_type;
  out->arch = message.arch;
  out->network_boot = !message.complete || message.network_boot;
  if (!message.relays) {
    pxe_set_ethernet(&out->addr, found->source);
    out->reason = PXE_REASON_RULE;
    return;
  }
  out->relay = message.link;
  if (memcmp(&message.link, &(struct pxe_ip){{0}}, sizeof(message.link)) == 0)
    memcpy(&out->relay, frame->bytes + found->ip + 8, sizeof(out->relay));
  out->reason = pxe_relayed_client(&message, &out->addr);
}

void parse_native(const __u8* bytes, size_t size, size_t linear,
                  struct parsed* out) {
  struct frame frame = {bytes, size};
  struct pxe_frame found = {0};

  memset(out, 0, sizeof(*out));
  switch (find_request(&frame, linear, &found)) {
    case PXE_OTHER:
    case PXE_CUT_OFF:
    case PXE_EXTENSIONS:
      out->kind = PARSED_OTHER;
      return;
    case PXE_MALFORMED:
      out->kind = PARSED_MALFORMED;
      return;
    case PXE_REQUEST:
      break;
  }
  if (found.end > size) found.end = size;
  if (found.end < found.payload + (found.ip_version == 4 ? PXE_BOOTP_FIXED
                                                         : PXE_DHCPV6_HEADER)) {
    out->kind = PARSED_MALFORMED;
    return;
  }
  out->kind = PARSED_REQUEST;
  out->ip_version = found.ip_version;
  out->vlans = found.vlans;
  for (__u32 i = 0; i < found.vlans; i++) out->vlan[i] = found.vlan[i];
  if (found.ip_version == 4)
    read_dhcpv4(&frame, &found, out);
  else
    read_dhcpv6(&frame, &found, out);
}
