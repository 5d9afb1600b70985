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
static enum pxe_found find_request(const struct frame* frame, size_t linear,
                                   struct pxe_frame* found) {
  __be32 aligned[(PARSE_IP_ALIGN + PXE_MAX_BOOTP_OFFSET) / 4];
  __u8* headers = (__u8*)aligned + PARSE_IP_ALIGN;
  size_t size = frame->size;
  enum pxe_found result =
      pxe_find_request(frame->bytes, frame->bytes + linear, found);

  if (result != PXE_CUT_OFF) return result;
  if (size > PXE_MAX_BOOTP_OFFSET) size = PXE_MAX_BOOTP_OFFSET;
  memcpy(headers, frame->bytes, size);
  return pxe_find_request(headers, headers + size, found);
}

void parse_native(const __u8* bytes, size_t size, size_t linear,
                  struct parsed* out) {
  struct frame frame = {bytes, size};
  struct pxe_frame found = {0};
  struct pxe_bootp bootp;
  struct pxe_options options = {.arch = PXE_NO_ARCH,
                                .message_type = PXE_NO_MESSAGE_TYPE};
  struct pxe_walk walk = {.frame = &frame, .options = &options};

  memset(out, 0, sizeof(*out));
  switch (find_request(&frame, linear, &found)) {
    case PXE_OTHER:
    case PXE_CUT_OFF:
      out->kind = PARSED_OTHER;
      return;
    case PXE_MALFORMED:
      out->kind = PARSED_MALFORMED;
      return;
    case PXE_REQUEST:
      break;
  }
  if (size < found.bootp + PXE_BOOTP_FIXED) {
    out->kind = PARSED_MALFORMED;
    return;
  }
  memcpy(&bootp, bytes + found.bootp, sizeof(bootp));
  walk.start = found.bootp + PXE_BOOTP_FIXED;
  if (pxe_begin_options(&walk)) {
    for (int i = 0; i < PXE_MAX_OPTIONS; i++)
      if (pxe_next_option(&walk)) break;
  }
  if (pxe_is_reply(&bootp, &options)) {
    out->kind = PARSED_OTHER;
    return;
  }
  out->kind = PARSED_REQUEST;
  out->bootp = found.bootp;
  out->giaddr = bootp.giaddr;
  out->vlans = found.vlans;
  for (__u32 i = 0; i < found.vlans; i++) out->vlan[i] = found.vlan[i];
  out->message_type = options.message_type;
  out->arch = options.arch;
  out->reason = pxe_client_address(&bootp, &options, &out->addr);
}
