// SPDX-License-Identifier: Apache-2.0
#include "drivers/xdp/attachment.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/if_link.h>
#include <net/if.h>

#include <cerrno>
#include <utility>

#include "controller/base/log.h"
#include "controller/base/text.h"

namespace pxegate {
namespace {

// nullopt where `fd` is no XDP link.
std::optional<bpf_link_info> link_info(int fd) {
  if (object_kind(fd) != ObjectKind::kLink) return std::nullopt;
  bpf_link_info info{};
  __u32 size = sizeof(info);
  if (::bpf_obj_get_info_by_fd(fd, &info, &size) != 0 ||
      info.type != BPF_LINK_TYPE_XDP) {
    return std::nullopt;
  }
  return info;
}

std::string mode_name(unsigned attach_mode) {
  switch (attach_mode) {
    case XDP_ATTACHED_DRV:
      return "native";
    case XDP_ATTACHED_SKB:
      return "skb";
    case XDP_ATTACHED_HW:
      return "offloaded";
    default:
      return "several";
  }
}

std::string program_name(std::uint32_t id) {
  const UniqueFd fd(::bpf_prog_get_fd_by_id(id));
  bpf_prog_info info{};
  __u32 size = sizeof(info);
  if (!fd || ::bpf_obj_get_info_by_fd(fd.get(), &info, &size) != 0) {
    return fmt::format("with id {}", id);
  }
  return fmt::format("{} (id {})", quoted(info.name), id);
}

// The link that makes interface `ifindex` run a program. nullopt: the program
// is held by none, or the privilege to look is missing.
std::optional<std::uint32_t> holding_link(unsigned ifindex,
                                          const Occupant& occupant) {
  for (__u32 id = 0; ::bpf_link_get_next_id(id, &id) == 0;) {
    const UniqueFd fd(::bpf_link_get_fd_by_id(id));
    const auto info = fd ? link_info(fd.get()) : std::nullopt;
    if (info && info->xdp.ifindex == ifindex &&
        info->prog_id == occupant.prog_id) {
      return id;
    }
  }
  return std::nullopt;
}

Error occupied(const std::string& interface, unsigned ifindex,
               const Occupant& occupant) {
  if (query_dispatcher(ifindex)) {
    return Error(
        fmt::format("interface {} already runs libxdp's dispatcher with other "
                    "XDP programs (`xdp-loader status {}` lists them); [xdp] "
                    "attach = dispatcher shares it with them",
                    interface, interface),
        ErrorCode::kConflict);
  }
  const auto link = holding_link(ifindex, occupant);
  const std::string removal =
      link ? fmt::format(
                 "`bpftool link detach id {}` (`bpftool link list` "
                 "shows who holds it)",
                 *link)
           : fmt::format("`ip link set dev {} xdp off`", interface);
  return Error(
      fmt::format("interface {} already runs the XDP program {} in {} mode, "
                  "which is not this pxegate's and is not replaced; `bpftool "
                  "net show dev {}` tells more. Stop the program's owner, or "
                  "remove it with {}",
                  interface, program_name(occupant.prog_id), occupant.mode,
                  interface, removal),
      ErrorCode::kConflict);
}

// Whether link `fd` is what makes interface `ifindex` run a program.
bool holds(int fd, unsigned ifindex) {
  const auto info = link_info(fd);
  if (!info || info->xdp.ifindex != ifindex) return false;
  const auto occupant = query_occupant(ifindex);
  return occupant && occupant->prog_id == info->prog_id;
}

bool fits(const std::string& mode, XdpAttachMode wanted) {
  switch (wanted) {
    case XdpAttachMode::kAuto:
      return true;
    case XdpAttachMode::kNative:
      return mode == "native";
    case XdpAttachMode::kSkb:
      return mode == "skb";
  }
  return false;
}

// Creates the link; the negative errno on failure.
int create_link(int prog_fd, unsigned ifindex, unsigned flags) {
  bpf_link_create_opts options{};
  options.sz = sizeof(options);
  options.flags = flags;
  return ::bpf_link_create(prog_fd, static_cast<int>(ifindex), BPF_XDP,
                           &options);
}

// Errors that another attach mode would meet too.
bool same_in_any_mode(int errnum) {
  return errnum == EBUSY || errnum == EEXIST || errnum == EPERM ||
         errnum == EACCES || errnum == ENODEV;
}

}  // namespace

std::optional<Occupant> query_occupant(unsigned ifindex) {
  bpf_xdp_query_opts options{};
  options.sz = sizeof(options);
  if (::bpf_xdp_query(static_cast<int>(ifindex), 0, &options) != 0) {
    return std::nullopt;
  }
  if (options.attach_mode == XDP_ATTACHED_NONE) return std::nullopt;
  std::uint32_t id = options.prog_id;
  for (const std::uint32_t other :
       {options.drv_prog_id, options.skb_prog_id, options.hw_prog_id}) {
    if (id == 0) id = other;
  }
  return Occupant{id, mode_name(options.attach_mode)};
}

Result<> Attachment::check_free() const {
  const unsigned ifindex = ::if_nametoindex(interface_.c_str());
  if (ifindex == 0) return {};
  const auto occupant = query_occupant(ifindex);
  if (!occupant || ours()) return {};
  if (attach_ == XdpAttach::kDispatcher && query_dispatcher(ifindex)) return {};
  return fail(occupied(interface_, ifindex, *occupant));
}

bool Attachment::ours() const {
  const unsigned ifindex = ::if_nametoindex(interface_.c_str());
  if (ifindex == 0) return false;
  return (link_ && holds(link_.get(), ifindex)) || find_pinned(ifindex) ||
         slot_.holds(ifindex);
}

void Attachment::adopt() {
  const unsigned ifindex = ::if_nametoindex(interface_.c_str());
  if (ifindex != 0) adopt(ifindex);
}

Result<std::string> Attachment::ensure(int prog_fd, std::uint32_t prog_id,
                                       XdpAttachMode mode) {
  const unsigned ifindex = ::if_nametoindex(interface_.c_str());
  if (ifindex == 0) {
    link_.reset();
    return fail(fmt::format("no such network interface: {}; waiting for it "
                            "([xdp] interfaces)",
                            quoted(interface_)),
                ErrorCode::kNotFound);
  }
  adopt(ifindex);
  if (attach_ == XdpAttach::kDispatcher || (!link_ && slot_.holds(ifindex))) {
    return ensure_dispatched(prog_fd, prog_id, ifindex, mode);
  }
  return ensure_link(prog_fd, prog_id, ifindex, mode);
}

Result<std::string> Attachment::ensure_link(int prog_fd, std::uint32_t prog_id,
                                            unsigned ifindex,
                                            XdpAttachMode mode) {
  std::string repaired;
  if (link_) {
    const auto occupant = query_occupant(ifindex);
    if (occupant && !fits(occupant->mode, mode) && mode_refused_.empty()) {
      return change_mode(prog_fd, ifindex, mode, *occupant);
    }
    if (occupant && occupant->prog_id != prog_id) {
      if (::bpf_link_update(link_.get(), prog_fd, nullptr) != 0) {
        return fail_errno(
            fmt::format("interface {}: cannot put the XDP program into the "
                        "link pinned at {}",
                        interface_, pin_),
            errno);
      }
      if (was_active_) {
        repaired = fmt::format("interface {} ran another program", interface_);
      }
    }
  }
  if (!link_) {
    if (auto created = create(prog_fd, ifindex, mode); !created) {
      return fail(created.error());
    }
    if (was_active_) {
      repaired = fmt::format("interface {} was no longer filtered", interface_);
    }
  }
  if (!pinned()) {
    if (auto done = take_pin(); !done) return fail(done.error());
  }
  if (!pinned()) {
    if (auto done = pin(); !done) return fail(done.error());
    if (was_active_ && repaired.empty()) {
      repaired = fmt::format("the pin of interface {} was gone", interface_);
    }
  }
  was_active_ = true;
  return repaired;
}

Result<std::string> Attachment::ensure_dispatched(int prog_fd,
                                                  std::uint32_t prog_id,
                                                  unsigned ifindex,
                                                  XdpAttachMode mode) {
  if (link_) return enter_dispatcher(prog_fd, prog_id, ifindex, mode);
  const auto occupant = query_occupant(ifindex);
  if (occupant && !query_dispatcher(ifindex)) {
    return fail(occupied(interface_, ifindex, *occupant));
  }
  if (auto done = slot_.prepare(prog_fd, prog_id); !done) {
    return fail(done.error());
  }
  if (attach_ == XdpAttach::kExclusive && !stays_) {
    const auto others = slot_.neighbours(ifindex);
    if (others.empty()) return leave_dispatcher(prog_fd, ifindex, mode);
    refuse(
        fmt::format("interface {} also runs {}: staying in libxdp's "
                    "dispatcher until that is unloaded",
                    interface_, fmt::join(others, ", ")));
  }
  return ensure_slot(ifindex, mode);
}

Result<std::string> Attachment::ensure_slot(unsigned ifindex,
                                            XdpAttachMode mode) {
  std::string repaired;
  auto called = slot_.ensure(ifindex, mode);
  if (!called) return fail(called.error());
  if (!*called && was_active_) {
    repaired = fmt::format("interface {} was no longer filtered", interface_);
  }
  auto pinned = slot_.ensure_pinned(ifindex);
  if (!pinned) return fail(pinned.error());
  if (*pinned && was_active_ && repaired.empty()) {
    repaired = fmt::format("the pin of interface {} was gone", interface_);
  }
  was_active_ = true;
  return repaired;
}

// A link cannot be replaced by a dispatcher nor the other way round, since
// libxdp attaches without one: there is a moment with neither. All that can
// fail before it is tried before it.
Result<std::string> Attachment::enter_dispatcher(int prog_fd,
                                                 std::uint32_t prog_id,
                                                 unsigned ifindex,
                                                 XdpAttachMode mode) {
  if (stays_) return ensure_link(prog_fd, prog_id, ifindex, mode);
  if (auto ready = slot_.prepare(prog_fd, prog_id); !ready) {
    stays_ = true;
    refuse(fmt::format("{}; staying without libxdp's dispatcher",
                       ready.error().message()));
    return ensure_link(prog_fd, prog_id, ifindex, mode);
  }
  log::warning(
      "interface {}: changing to libxdp's dispatcher; it is unfiltered for a "
      "moment",
      interface_);
  if (auto detached = detach_link(); !detached) return fail(detached.error());
  auto done = ensure_slot(ifindex, mode);
  if (done) return std::string();
  stays_ = true;
  refuse(fmt::format("{}; staying without libxdp's dispatcher",
                     done.error().message()));
  return ensure_link(prog_fd, prog_id, ifindex, mode);
}

Result<std::string> Attachment::leave_dispatcher(int prog_fd, unsigned ifindex,
                                                 XdpAttachMode mode) {
  log::warning(
      "interface {}: leaving libxdp's dispatcher; it is unfiltered for a "
      "moment",
      interface_);
  if (auto removed = slot_.remove(); !removed) return fail(removed.error());
  auto created = create(prog_fd, ifindex, mode);
  if (created) created = pin();
  if (!created) {
    stays_ = true;
    refuse(fmt::format("{}; staying in libxdp's dispatcher",
                       created.error().message()));
    return ensure_slot(ifindex, mode);
  }
  attach_refused_.clear();
  slot_.forget();
  was_active_ = true;
  return std::string();
}

void Attachment::refuse(std::string why) {
  if (why != attach_refused_) log::error("{}", why);
  attach_refused_ = std::move(why);
}

Result<std::string> Attachment::change_mode(int prog_fd, unsigned ifindex,
                                            XdpAttachMode mode,
                                            const Occupant& occupant) {
  log::warning("interface {}: leaving {} mode; it is unfiltered for a moment",
               interface_, occupant.mode);
  if (auto detached = detach_link(); !detached) return fail(detached.error());
  auto created = create(prog_fd, ifindex, mode);
  if (!created) {
    // Better filtered in the wrong mode than not at all.
    mode_refused_ = fmt::format("{}; staying in {} mode",
                                created.error().message(), occupant.mode);
    log::error("{}", mode_refused_);
    created = create(prog_fd, ifindex, XdpAttachMode::kAuto);
  }
  if (created) created = pin();
  if (!created) return fail(created.error());
  was_active_ = true;
  return std::string();
}

// Leaves the link that filters the interface in link_, this process's or the
// pinned one. None: the interface went away or was made anew, somebody
// detached the link, or another controller made its own meanwhile.
void Attachment::adopt(unsigned ifindex) {
  if (link_ && holds(link_.get(), ifindex)) return;
  link_ = find_pinned(ifindex);
}

// A renamed interface keeps its link, which is pinned under the old name.
UniqueFd Attachment::find_pinned(unsigned ifindex) const {
  UniqueFd own(::bpf_obj_get(pin_.c_str()));
  if (own && holds(own.get(), ifindex)) return own;
  for (const std::string& name : pins_->pinned_interfaces()) {
    UniqueFd link(::bpf_obj_get(pins_->link_path(name).c_str()));
    if (link && holds(link.get(), ifindex)) return link;
  }
  return UniqueFd();
}

// The link of an interface that was renamed is pinned under the old name. The
// pin that was here may be another interface's, with which it swaps names: it
// must not go, even if no interface has its name just now.
Result<> Attachment::take_pin() const {
  const auto own = link_info(link_.get());
  for (const std::string& name : pins_->pinned_interfaces()) {
    const std::string path = pins_->link_path(name);
    if (path == pin_ || !own) continue;
    const UniqueFd there(::bpf_obj_get(path.c_str()));
    const auto info = there ? link_info(there.get()) : std::nullopt;
    if (!info || info->id != own->id) continue;
    log::info("interface {} was called {}", interface_, name);
    return move_pin(path, pin_);
  }
  return {};
}

Result<> Attachment::create(int prog_fd, unsigned ifindex, XdpAttachMode mode) {
  int fd = -EOPNOTSUPP;
  if (mode != XdpAttachMode::kSkb) {
    fd = create_link(prog_fd, ifindex, XDP_FLAGS_DRV_MODE);
  }
  const bool fall_back =
      mode == XdpAttachMode::kAuto && fd < 0 && !same_in_any_mode(-fd);
  if (fall_back) {
    log::info("interface {}: no native XDP ({}); using generic mode",
              interface_, errno_error("driver", -fd).message());
  }
  if (mode == XdpAttachMode::kSkb || fall_back) {
    fd = create_link(prog_fd, ifindex, XDP_FLAGS_SKB_MODE);
  }
  if (fd >= 0) {
    link_.reset(fd);
    return {};
  }
  if (fd == -EBUSY || fd == -EEXIST) {
    if (const auto occupant = query_occupant(ifindex)) {
      return fail(occupied(interface_, ifindex, *occupant));
    }
  }
  return fail_errno(
      fmt::format("interface {}: cannot attach the XDP program{}", interface_,
                  mode == XdpAttachMode::kNative
                      ? " in native mode ([xdp] mode = auto would fall back)"
                      : ""),
      -fd);
}

Result<> Attachment::pin() const {
  if (auto removed = remove_pin(pin_); !removed) return removed;
  if (::bpf_obj_pin(link_.get(), pin_.c_str()) != 0) {
    return fail_errno("cannot pin the link at " + pin_, errno);
  }
  return {};
}

bool Attachment::pinned() const {
  const UniqueFd there(::bpf_obj_get(pin_.c_str()));
  if (!there) return false;
  const auto a = link_info(there.get());
  const auto b = link_info(link_.get());
  return a && b && a->id == b->id;
}

Result<> Attachment::detach() {
  const UniqueFd pinned(::bpf_obj_get(pin_.c_str()));
  const bool extension = pinned && is_extension_link(pinned.get());
  if (pinned && !extension && !link_info(pinned.get())) {
    return fail(not_ours(pin_));
  }
  const unsigned ifindex = ::if_nametoindex(interface_.c_str());
  if (extension || slot_.held() || (ifindex != 0 && slot_.holds(ifindex))) {
    if (auto removed = slot_.remove(); !removed) return removed;
    slot_.forget();
  }
  return detach_link();
}

Result<> Attachment::detach_link() {
  const UniqueFd pinned(::bpf_obj_get(pin_.c_str()));
  Result<> detached;
  for (const int fd : {link_.get(), pinned.get()}) {
    // ENOLINK, also from a link whose interface is gone: already detached.
    if (fd >= 0 && link_info(fd) && ::bpf_link_detach(fd) != 0 &&
        errno != ENOLINK) {
      detached =
          fail_errno("cannot detach from interface " + interface_, errno);
    }
  }
  if (!detached) return detached;
  link_.reset();
  return remove_pin(pin_);
}

bool Attachment::held() const {
  const unsigned ifindex = ::if_nametoindex(interface_.c_str());
  return link_ || slot_.held() || (ifindex != 0 && slot_.holds(ifindex));
}

const std::string& Attachment::mode_refused() const {
  if (!attach_refused_.empty()) return attach_refused_;
  return mode_refused_.empty() ? slot_.mode_refused() : mode_refused_;
}

bool Attachment::linked(unsigned ifindex) const {
  const UniqueFd there(link_ ? -1 : ::bpf_obj_get(pin_.c_str()));
  const int fd = link_ ? link_.get() : there.get();
  return fd >= 0 && holds(fd, ifindex);
}

bool Attachment::active() const {
  const unsigned ifindex = ::if_nametoindex(interface_.c_str());
  return ifindex != 0 && (linked(ifindex) || slot_.holds(ifindex));
}

std::string Attachment::mode() const {
  const unsigned ifindex = ::if_nametoindex(interface_.c_str());
  if (ifindex == 0) return {};
  if (!linked(ifindex)) return slot_.mode(ifindex);
  const auto occupant = query_occupant(ifindex);
  return occupant ? occupant->mode : std::string();
}

}  // namespace pxegate
