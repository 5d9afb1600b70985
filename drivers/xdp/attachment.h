// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_XDP_ATTACHMENT_H_
#define PXEGATE_DRIVERS_XDP_ATTACHMENT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "controller/base/fd.h"
#include "controller/base/result.h"
#include "drivers/xdp/bpffs.h"
#include "drivers/xdp/dispatcher.h"
#include "drivers/xdp/xdp_driver.h"

namespace pxegate {

// The XDP program that an interface runs, as the kernel tells.
struct Occupant {
  std::uint32_t prog_id = 0;
  std::string mode;  // "native", "skb", "offloaded"
};
// nullopt where it runs none.
std::optional<Occupant> query_occupant(unsigned ifindex);

// One interface and the pinned bpf_link that holds the program on it, alone or
// in libxdp's dispatcher.
class Attachment {
 public:
  // `pins` must outlive this.
  Attachment(std::string interface, const PinDirectory& pins,
             XdpAttach attach = XdpAttach::kExclusive)
      : pins_(&pins),
        attach_(attach),
        interface_(std::move(interface)),
        pin_(pins.link_path(interface_)),
        slot_(interface_, pins) {}

  const std::string& interface() const { return interface_; }

  // kConflict, naming the program and what to do, where the interface runs an
  // XDP program that is not held by a link pinned here, and is no dispatcher
  // to share. Changes nothing.
  Result<> check_free() const;

  // The interface runs the program of this process's link or of one that is
  // pinned, be it under the name that the interface had before.
  bool ours() const;

  // Takes hold of that link, or of none.
  void adopt();

  // Makes the interface run `prog_fd` (whose id is `prog_id`) in `mode`:
  // adopts the pinned link and swaps its program in place, or makes and pins
  // a new one; in a dispatcher, adds the new program before it removes the
  // old one. Where this fails, what filtered the interface before goes on.
  // Returns what had to be put right compared with the last success, empty if
  // nothing. kNotFound: no such interface. kConflict: as check_free().
  Result<std::string> ensure(int prog_fd, std::uint32_t prog_id,
                             XdpAttachMode mode);

  // Detaches and unpins, also under a process that still holds the link.
  Result<> detach();

  // This process knows the link, pinned or not.
  bool held() const;
  // The obtained mode; empty while not attached.
  std::string mode() const;
  // Why the obtained mode or way of attaching is not the wanted one; empty
  // where it is.
  const std::string& mode_refused() const;
  // The link's interface exists and runs the link's program.
  bool active() const;

 private:
  Result<std::string> ensure_link(int prog_fd, std::uint32_t prog_id,
                                  unsigned ifindex, XdpAttachMode mode);
  Result<std::string> ensure_dispatched(int prog_fd, std::uint32_t prog_id,
                                        unsigned ifindex, XdpAttachMode mode);
  Result<std::string> enter_dispatcher(int prog_fd, std::uint32_t prog_id,
                                       unsigned ifindex, XdpAttachMode mode);
  Result<std::string> leave_dispatcher(int prog_fd, unsigned ifindex,
                                       XdpAttachMode mode);
  Result<std::string> ensure_slot(unsigned ifindex, XdpAttachMode mode);
  void refuse(std::string why);
  Result<std::string> change_mode(int prog_fd, unsigned ifindex,
                                  XdpAttachMode mode, const Occupant& occupant);
  Result<> detach_link();
  bool linked(unsigned ifindex) const;
  Result<> create(int prog_fd, unsigned ifindex, XdpAttachMode mode);
  void adopt(unsigned ifindex);
  UniqueFd find_pinned(unsigned ifindex) const;
  Result<> take_pin() const;
  Result<> pin() const;
  bool pinned() const;

  const PinDirectory* pins_;
  XdpAttach attach_;
  std::string interface_;
  std::string pin_;
  UniqueFd link_;
  DispatcherSlot slot_;
  bool was_active_ = false;
  std::string mode_refused_;
  std::string attach_refused_;
  bool stays_ = false;  // a change of the way of attaching failed
};

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_XDP_ATTACHMENT_H_
