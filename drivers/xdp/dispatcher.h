// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_XDP_DISPATCHER_H_
#define PXEGATE_DRIVERS_XDP_DISPATCHER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/base/fd.h"
#include "controller/base/result.h"
#include "drivers/xdp/bpffs.h"
#include "drivers/xdp/xdp_driver.h"

namespace pxegate {

// A program that libxdp's dispatcher calls.
struct DispatchedProgram {
  std::uint32_t id = 0;
  std::string name;
};

// libxdp's dispatcher: a small XDP program that calls others, by their
// priority, until one returns something else than what it asked to chain on.
struct Dispatcher {
  std::uint32_t prog_id = 0;
  std::string mode;  // "native" or "skb"
  // In the order of the calls. Empty where libxdp's pins of it are gone: it
  // can then be neither read nor changed.
  std::vector<DispatchedProgram> programs;
};
// nullopt where the interface runs none.
std::optional<Dispatcher> query_dispatcher(unsigned ifindex);

// Whether `fd` is a link by which a dispatcher calls a program.
bool is_extension_link(int fd);

// pxegate's place in the dispatcher of one interface. Whoever adds or removes
// a program, libxdp makes a new dispatcher with all of them and puts it in the
// place of the old one at one go; what each one replaced there, links pinned
// below /sys/fs/bpf/xdp/ hold.
class DispatcherSlot {
 public:
  // `pins` must outlive this.
  DispatcherSlot(std::string interface, const PinDirectory& pins);
  DispatcherSlot(DispatcherSlot&&) noexcept;
  DispatcherSlot& operator=(DispatcherSlot&&) noexcept;
  ~DispatcherSlot();

  // Loads the program that goes into dispatchers, on the maps of the XDP
  // program `prog_fd` (whose id is `prog_id`), and tries it in a dispatcher
  // that is on no interface. Changes nothing else. kPermission: needs
  // CAP_SYS_ADMIN, and a kernel with extension programs.
  Result<> prepare(int prog_fd, std::uint32_t prog_id);

  // The interface's dispatcher calls a program of this pin directory's: the
  // one prepared, the one whose link is pinned, or one that uses its maps.
  bool holds(unsigned ifindex) const;

  // Those that it calls besides.
  std::vector<std::string> neighbours(unsigned ifindex) const;

  // Gets the prepared program called, and only then removes what earlier
  // controllers left there. Returns whether any of them was called before.
  // kConflict: the interface runs what is no dispatcher.
  Result<bool> ensure(unsigned ifindex, XdpAttachMode mode);

  // The link is pinned; returns whether it had to be.
  Result<bool> ensure_pinned(unsigned ifindex);

  // Removes the program from the dispatcher, also under a process that still
  // holds it, from whatever interface runs it by now, and the pin. What was
  // prepared stays so.
  Result<> remove();
  void forget();

  // This process loaded the program.
  bool held() const;
  // "native (dispatcher)", with the neighbours; empty where it is in none.
  std::string mode(unsigned ifindex) const;
  // Why the obtained mode is not the wanted one; empty where it is.
  const std::string& mode_refused() const { return mode_refused_; }

 private:
  class Component;

  std::vector<std::uint32_t> ours(const Dispatcher& running) const;
  void take_pin(const Dispatcher& running) const;
  Result<> attach(unsigned ifindex, XdpAttachMode mode);
  Result<> change_mode(unsigned ifindex, XdpAttachMode mode,
                       const Dispatcher& running);

  const PinDirectory* pins_;
  std::string interface_;
  std::string pin_;
  std::unique_ptr<Component> component_;
  std::uint32_t former_ = 0;  // the program of the component before
  std::string mode_refused_;
};

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_XDP_DISPATCHER_H_
