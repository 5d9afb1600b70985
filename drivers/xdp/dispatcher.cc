// SPDX-License-Identifier: Apache-2.0
#include "drivers/xdp/dispatcher.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/capability.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <xdp/libxdp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <utility>

#include "bpf/pxe_filter_abi.h"
#include "controller/base/log.h"
#include "controller/base/text.h"
#include "pxe_filter.skel.h"

namespace pxegate {
namespace {

// Before xdp-filter, whose is 10, and whatever has the default, 50: what it
// drops nobody else need see.
constexpr unsigned kPriority = 5;

constexpr const char* kProgram = "pxe_filter";
// How libxdp calls its own.
constexpr std::string_view kDispatcherProgram = "xdp_dispatcher";

struct XdpProgramDeleter {
  void operator()(xdp_program* program) const { ::xdp_program__close(program); }
};
using XdpProgram = std::unique_ptr<xdp_program, XdpProgramDeleter>;

struct SkeletonDeleter {
  void operator()(pxe_filter* skeleton) const { pxe_filter__destroy(skeleton); }
};
using Skeleton = std::unique_ptr<pxe_filter, SkeletonDeleter>;

// libxdp, too, explains failures only by printing.
int log_libxdp(libxdp_print_level level, const char* format, va_list args) {
  if (level == LIBXDP_DEBUG) return 0;
  std::array<char, 1024> line{};
  const int size = std::vsnprintf(line.data(), line.size(), format, args);
  std::string_view text(line.data());
  while (text.ends_with('\n')) text.remove_suffix(1);
  if (size > 0 && !text.empty()) log::debug("{}", text);
  return 0;
}

// libxdp returns errors in pointers.
template <typename T>
int pointer_error(const T* pointer) {
  return pointer == nullptr ? ENOENT
                            : static_cast<int>(-::libxdp_get_error(pointer));
}

bool has_sys_admin() {
  __user_cap_header_struct header{};
  header.version = _LINUX_CAPABILITY_VERSION_3;
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> data{};
  return ::syscall(SYS_capget, &header, data.data()) == 0 &&
         (data[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective &
          CAP_TO_MASK(CAP_SYS_ADMIN)) != 0;
}

Error dispatcher_error(const std::string& what, int errnum) {
  const Error error = privileged_error(what, errnum);
  switch (errnum) {
    case EPERM:
    case EACCES:
      if (!has_sys_admin()) {
        return Error(error.message() +
                         ", and CAP_SYS_ADMIN for [xdp] attach = dispatcher",
                     error.code());
      }
      [[fallthrough]];
    case EOPNOTSUPP:
    case EINVAL:
      return Error(
          errno_error(what, errnum).message() +
              "; libxdp's dispatcher needs a kernel that lets BPF programs be "
              "extended (freplace: x86-64 since 5.10, with "
              "CONFIG_DEBUG_INFO_BTF). [xdp] attach = exclusive does not need "
              "it (debug = true shows more)",
          errno_error(what, errnum).code());
    case ENOENT:
      return Error(error.message() +
                       "; is libxdp's xdp-dispatcher.o installed, and a BPF "
                       "file system mounted at /sys/fs/bpf? (debug = true "
                       "shows more)",
                   error.code());
    case E2BIG:
      return Error(what +
                       ": libxdp's dispatcher has no place left; `xdp-loader "
                       "status` lists the programs that it calls",
                   ErrorCode::kCapacity);
    case ERANGE:
      return Error(error.message() +
                       "; is the MTU too large for the other programs? A "
                       "dispatcher takes multi-buffer frames only if all of "
                       "its programs do (xdp-filter 1.3 does not)",
                   error.code());
    default:
      return Error(error.message() + " (debug = true shows more)",
                   error.code());
  }
}

// This process's descriptors of BPF programs.
std::set<int> program_descriptors() {
  std::set<int> found;
  std::error_code error;
  for (std::filesystem::directory_iterator it("/proc/self/fd", error), end;
       !error && it != end; it.increment(error)) {
    std::error_code gone;
    if (std::filesystem::read_symlink(it->path(), gone) ==
        "anon_inode:bpf-prog") {
      found.insert(std::atoi(it->path().filename().c_str()));
    }
  }
  return found;
}

// libxdp 1.3 forgets to close the programs that it looks at: some at each
// call, which a controller that runs for months cannot afford. Closes those
// that are new when this object goes. Nobody else in this process opens
// programs meanwhile.
class LeakStopper {
 public:
  LeakStopper() : before_(program_descriptors()) {}
  ~LeakStopper() {
    for (const int fd : program_descriptors()) {
      if (!before_.contains(fd)) ::close(fd);
    }
  }
  LeakStopper(const LeakStopper&) = delete;
  LeakStopper& operator=(const LeakStopper&) = delete;

  void keep(int fd) { before_.insert(fd); }

 private:
  std::set<int> before_;
};

std::optional<DispatchedProgram> describe(int prog_fd) {
  bpf_prog_info info{};
  __u32 size = sizeof(info);
  if (::bpf_obj_get_info_by_fd(prog_fd, &info, &size) != 0) {
    return std::nullopt;
  }
  return DispatchedProgram{info.id, info.name};
}

std::string libxdp_directory() {
  const char* bpffs = ::secure_getenv(XDP_BPFFS_ENVVAR);
  return fmt::format("{}/xdp", bpffs != nullptr ? bpffs : "/sys/fs/bpf");
}

// The dispatcher that runs, without its programs.
std::optional<Dispatcher> running_dispatcher(unsigned ifindex) {
  bpf_xdp_query_opts query{};
  query.sz = sizeof(query);
  if (::bpf_xdp_query(static_cast<int>(ifindex), 0, &query) != 0) {
    return std::nullopt;
  }
  const bool native = query.drv_prog_id != 0;
  const UniqueFd fd(
      ::bpf_prog_get_fd_by_id(native ? query.drv_prog_id : query.skb_prog_id));
  const auto program = fd ? describe(fd.get()) : std::nullopt;
  if (!program || program->name != kDispatcherProgram) return std::nullopt;
  return Dispatcher{program->id, native ? "native" : "skb", {}};
}

// One for each program that goes into an interface's dispatcher.
std::optional<bpf_link_info> extension_info(int fd) {
  if (object_kind(fd) != ObjectKind::kLink) return std::nullopt;
  bpf_link_info info{};
  __u32 size = sizeof(info);
  if (::bpf_obj_get_info_by_fd(fd, &info, &size) != 0 ||
      info.type != BPF_LINK_TYPE_TRACING) {
    return std::nullopt;
  }
  return info;
}

std::optional<bpf_link_info> pinned_extension(const std::string& pin) {
  const UniqueFd fd(::bpf_obj_get(pin.c_str()));
  return fd ? extension_info(fd.get()) : std::nullopt;
}

// The link by which program `prog_id` is a part of dispatcher `target`.
UniqueFd find_extension(std::uint32_t prog_id, std::uint32_t target) {
  for (__u32 id = 0; ::bpf_link_get_next_id(id, &id) == 0;) {
    UniqueFd fd(::bpf_link_get_fd_by_id(id));
    const auto info = fd ? extension_info(fd.get()) : std::nullopt;
    if (info && info->prog_id == prog_id &&
        info->tracing.target_obj_id == target) {
      return fd;
    }
  }
  return UniqueFd();
}

std::set<std::uint32_t> maps_of(int prog_fd) {
  std::array<__u32, 64> ids{};
  bpf_prog_info info{};
  info.nr_map_ids = ids.size();
  info.map_ids = reinterpret_cast<__u64>(ids.data());
  __u32 size = sizeof(info);
  if (::bpf_obj_get_info_by_fd(prog_fd, &info, &size) != 0) return {};
  return {ids.begin(),
          ids.begin() + std::min<std::size_t>(info.nr_map_ids, ids.size())};
}

std::set<std::uint32_t> pinned_maps(const std::string& directory) {
  std::set<std::uint32_t> found;
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator it(directory, error), end;
       !error && it != end; it.increment(error)) {
    if (it->is_directory(error)) continue;
    const UniqueFd fd(::bpf_obj_get(it->path().c_str()));
    if (!fd || object_kind(fd.get()) != ObjectKind::kMap) continue;
    bpf_map_info info{};
    __u32 size = sizeof(info);
    if (::bpf_obj_get_info_by_fd(fd.get(), &info, &size) == 0) {
      found.insert(info.id);
    }
  }
  return found;
}

bool uses_any(std::uint32_t prog_id, const std::set<std::uint32_t>& maps) {
  const UniqueFd fd(::bpf_prog_get_fd_by_id(prog_id));
  return fd && std::ranges::any_of(maps_of(fd.get()), [&maps](auto id) {
           return maps.contains(id);
         });
}

// Lets the maps of `object` be those of the same names that `prog_fd` uses.
Result<> share_maps(bpf_object* object, int prog_fd) {
  for (const std::uint32_t id : maps_of(prog_fd)) {
    const UniqueFd fd(::bpf_map_get_fd_by_id(id));
    bpf_map_info info{};
    __u32 size = sizeof(info);
    if (!fd || ::bpf_obj_get_info_by_fd(fd.get(), &info, &size) != 0) {
      return fail(dispatcher_error("cannot open the filter's maps", errno));
    }
    // The kernel keeps 15 characters of a name.
    const std::string_view name(info.name);
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, object) {
      const std::string_view whole(::bpf_map__name(map));
      if (whole.substr(0, BPF_OBJ_NAME_LEN - 1) != name) continue;
      if (::bpf_map__reuse_fd(map, fd.get()) != 0) {
        return fail_errno(fmt::format("sharing the map {}", whole), errno);
      }
    }
  }
  return {};
}

Result<> remove_programs(unsigned ifindex, const std::string& mode,
                         const std::vector<std::uint32_t>& ids) {
  if (ids.empty()) return {};
  const LeakStopper stopper;
  std::vector<XdpProgram> programs;
  std::vector<xdp_program*> pointers;
  for (const std::uint32_t id : ids) {
    const UniqueFd fd(::bpf_prog_get_fd_by_id(id));
    xdp_program* program = fd ? ::xdp_program__from_fd(fd.get()) : nullptr;
    if (const int error = pointer_error(program); error != 0) {
      return fail(dispatcher_error("opening the XDP program", error));
    }
    programs.emplace_back(program);
    pointers.push_back(program);
  }
  const int error = ::xdp_program__detach_multi(
      pointers.data(), pointers.size(), static_cast<int>(ifindex),
      mode == "skb" ? XDP_MODE_SKB : XDP_MODE_NATIVE, 0);
  if (error != 0) return fail(dispatcher_error("libxdp", -error));
  return {};
}

// libxdp leaves its pins behind when an interface goes. Those of another
// interface's dispatcher are not touched: a program's id is used once.
void remove_dead_pins(std::uint32_t dispatcher) {
  const std::string suffix = fmt::format("-{}", dispatcher);
  std::error_code error;
  for (std::filesystem::directory_iterator it(libxdp_directory(), error), end;
       !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!name.starts_with("dispatch-") || !name.ends_with(suffix)) continue;
    const auto ifindex = static_cast<unsigned>(
        std::strtoul(name.c_str() + std::size("dispatch-") - 1, nullptr, 10));
    std::array<char, IF_NAMESIZE> there{};
    if (::if_indextoname(ifindex, there.data()) != nullptr) continue;
    std::filesystem::remove_all(it->path(), error);
    return;
  }
}

// Errors that another attach mode would meet too.
bool same_in_other_mode(int errnum) {
  return errnum == EBUSY || errnum == EEXIST || errnum == EPERM ||
         errnum == EACCES || errnum == ENODEV || errnum == E2BIG;
}

bool fits_mode(const std::string& obtained, XdpAttachMode wanted) {
  return wanted == XdpAttachMode::kAuto ||
         obtained == (wanted == XdpAttachMode::kSkb ? "skb" : "native");
}

}  // namespace

bool is_extension_link(int fd) { return extension_info(fd).has_value(); }

// Reads libxdp's pins as its manual describes them.
std::optional<Dispatcher> query_dispatcher(unsigned ifindex) {
  auto running = running_dispatcher(ifindex);
  while (running) {
    const std::string directory = fmt::format(
        "{}/dispatch-{}-{}", libxdp_directory(), ifindex, running->prog_id);
    for (int i = 0;; ++i) {
      const UniqueFd fd(
          ::bpf_obj_get(fmt::format("{}/prog{}-prog", directory, i).c_str()));
      const auto program = fd ? describe(fd.get()) : std::nullopt;
      if (!program) break;
      running->programs.push_back(*program);
    }
    // It may have been replaced, and its pins removed, meanwhile.
    auto again = running_dispatcher(ifindex);
    if (again && again->prog_id == running->prog_id) return running;
    running = std::move(again);
  }
  return std::nullopt;
}

// The XDP program once more, as an extension.
class DispatcherSlot::Component {
 public:
  static Result<std::unique_ptr<Component>> load(int prog_fd,
                                                 std::uint32_t prog_id) {
    Skeleton skeleton(pxe_filter__open());
    if (!skeleton) return fail_errno("opening the XDP program", errno);
    if (auto done = share_maps(skeleton->obj, prog_fd); !done) {
      return fail(done.error());
    }
    xdp_program_opts options{};
    options.sz = sizeof(options);
    options.obj = skeleton->obj;
    options.prog_name = kProgram;
    xdp_program* created = ::xdp_program__create(&options);
    if (const int error = pointer_error(created); error != 0) {
      return fail(
          dispatcher_error("libxdp cannot take the XDP program", error));
    }
    XdpProgram program(created);
    LeakStopper stopper;
    ::xdp_program__set_run_prio(program.get(), kPriority);
    // An extension has no such flag; libxdp keeps it for the dispatcher, if it
    // is told before.
    ::xdp_program__set_xdp_frags_support(program.get(), true);
    // What it is loaded to extend is of no matter: dispatchers have the same
    // signature. Loaded here, it attaches at once when it has to.
    bpf_program* extension = skeleton->progs.pxe_filter;
    ::bpf_program__set_type(extension, BPF_PROG_TYPE_EXT);
    ::bpf_program__set_expected_attach_type(extension, {});
    int error = -::bpf_program__set_attach_target(extension, prog_fd, kProgram);
    if (error == 0) {
      std::array<char, 64> frame{};
      bpf_test_run_opts run{};
      run.sz = sizeof(run);
      run.data_in = frame.data();
      run.data_size_in = frame.size();
      error = -::xdp_program__test_run(program.get(), &run, 0);
    }
    if (error != 0) {
      return fail(dispatcher_error(
          "cannot load the XDP program for libxdp's dispatcher", error));
    }
    stopper.keep(::bpf_program__fd(extension));
    stopper.keep(::xdp_program__fd(program.get()));
    return std::make_unique<Component>(std::move(skeleton), std::move(program),
                                       prog_id);
  }

  Component(Skeleton skeleton, XdpProgram program, std::uint32_t source)
      : skeleton_(std::move(skeleton)),
        program_(std::move(program)),
        source_(source) {}

  xdp_program* program() const { return program_.get(); }
  std::uint32_t id() const { return ::xdp_program__id(program_.get()); }
  // Of the XDP program that it is made from.
  std::uint32_t source() const { return source_; }

 private:
  Skeleton skeleton_;
  XdpProgram program_;  // uses skeleton_
  std::uint32_t source_;
};

DispatcherSlot::DispatcherSlot(std::string interface, const PinDirectory& pins)
    : pins_(&pins),
      interface_(std::move(interface)),
      pin_(pins.link_path(interface_)) {
  ::libxdp_set_print(log_libxdp);
}
DispatcherSlot::DispatcherSlot(DispatcherSlot&&) noexcept = default;
DispatcherSlot& DispatcherSlot::operator=(DispatcherSlot&&) noexcept = default;
DispatcherSlot::~DispatcherSlot() = default;

Result<> DispatcherSlot::prepare(int prog_fd, std::uint32_t prog_id) {
  if (component_ && component_->source() == prog_id) return {};
  auto loaded = Component::load(prog_fd, prog_id);
  if (!loaded) {
    return fail(loaded.error().within(fmt::format("interface {}", interface_)));
  }
  if (component_) former_ = component_->id();
  component_ = std::move(*loaded);
  return {};
}

std::vector<std::uint32_t> DispatcherSlot::ours(
    const Dispatcher& running) const {
  const auto pinned = pinned_extension(pin_);
  const auto maps = pinned_maps(pins_->path());
  std::vector<std::uint32_t> ids;
  for (const DispatchedProgram& program : running.programs) {
    if ((component_ && component_->id() == program.id) ||
        former_ == program.id || (pinned && pinned->prog_id == program.id) ||
        uses_any(program.id, maps)) {
      ids.push_back(program.id);
    }
  }
  return ids;
}

bool DispatcherSlot::holds(unsigned ifindex) const {
  const auto running = query_dispatcher(ifindex);
  if (!running) return false;
  if (!ours(*running).empty()) return true;
  // Without libxdp's pins the link's own pin still holds it.
  const auto pinned = pinned_extension(pin_);
  return pinned && pinned->tracing.target_obj_id == running->prog_id;
}

std::vector<std::string> DispatcherSlot::neighbours(unsigned ifindex) const {
  const auto running = query_dispatcher(ifindex);
  std::vector<std::string> names;
  if (!running) return names;
  const auto own = ours(*running);
  for (const DispatchedProgram& program : running->programs) {
    if (std::ranges::find(own, program.id) == own.end()) {
      names.push_back(program.name);
    }
  }
  return names;
}

Result<bool> DispatcherSlot::ensure(unsigned ifindex, XdpAttachMode mode) {
  auto running = query_dispatcher(ifindex);
  const std::uint32_t own = component_->id();
  if (running && running->programs.empty()) {
    const auto pinned = pinned_extension(pin_);
    if (pinned && pinned->prog_id == own &&
        pinned->tracing.target_obj_id == running->prog_id) {
      return true;
    }
    return fail(
        fmt::format("interface {}: libxdp's pins of the dispatcher (program "
                    "id {}) are gone, so that nothing can be added to it; "
                    "remove it with `xdp-loader unload {} --all`",
                    interface_, running->prog_id, interface_),
        ErrorCode::kConflict);
  }
  std::vector<std::uint32_t> before;
  if (running) {
    take_pin(*running);
    before = ours(*running);
  }
  if (running && !fits_mode(running->mode, mode) && mode_refused_.empty()) {
    if (auto done = change_mode(ifindex, mode, *running); !done) {
      return fail(done.error());
    }
    if (mode_refused_.empty()) return !before.empty();
  }
  std::erase(before, own);
  const bool called =
      running && std::ranges::any_of(running->programs, [own](const auto& it) {
        return it.id == own;
      });
  if (!called) {
    const XdpAttachMode same = running && running->mode == "skb"
                                   ? XdpAttachMode::kSkb
                                   : XdpAttachMode::kNative;
    if (auto done = attach(ifindex, running ? same : mode); !done) {
      return fail(done.error());
    }
  }
  const auto now = query_dispatcher(ifindex);
  if (auto done = remove_programs(ifindex, now ? now->mode : "", before);
      !done) {
    return fail(done.error().within(fmt::format(
        "interface {}: cannot remove what an earlier pxegate left in the "
        "dispatcher",
        interface_)));
  }
  return called || !before.empty();
}

// A renamed interface keeps its program, whose link is pinned under the old
// name.
void DispatcherSlot::take_pin(const Dispatcher& running) const {
  const auto in_force = [&running](const std::string& path) {
    const auto pinned = pinned_extension(path);
    return pinned && std::ranges::any_of(running.programs, [&](const auto& it) {
             return it.id == pinned->prog_id;
           });
  };
  if (in_force(pin_)) return;
  for (const std::string& name : pins_->pinned_interfaces()) {
    const std::string path = pins_->link_path(name);
    if (!in_force(path)) continue;
    log::info("interface {} was called {}", interface_, name);
    if (auto moved = move_pin(path, pin_); !moved) {
      log::warning("{}", moved.error().message());
    }
    return;
  }
}

Result<> DispatcherSlot::attach(unsigned ifindex, XdpAttachMode mode) {
  const LeakStopper stopper;
  const auto try_mode = [this, ifindex](xdp_attach_mode wanted) {
    return -::xdp_program__attach(component_->program(),
                                  static_cast<int>(ifindex), wanted, 0);
  };
  int error = EOPNOTSUPP;
  if (mode != XdpAttachMode::kSkb) error = try_mode(XDP_MODE_NATIVE);
  const bool fall_back =
      mode == XdpAttachMode::kAuto && error != 0 && !same_in_other_mode(error);
  if (fall_back) {
    log::info("interface {}: no native XDP ({}); using generic mode",
              interface_, errno_error("libxdp", error).message());
  }
  if (mode == XdpAttachMode::kSkb || fall_back) {
    error = try_mode(XDP_MODE_SKB);
  }
  if (error != 0) {
    return fail(dispatcher_error(
        fmt::format("interface {}: libxdp cannot attach the XDP program{}",
                    interface_,
                    mode == XdpAttachMode::kNative
                        ? " in native mode ([xdp] mode = auto would fall back)"
                        : ""),
        error));
  }
  const auto running = query_dispatcher(ifindex);
  if (!running || std::ranges::none_of(running->programs, [this](auto& it) {
        return it.id == component_->id();
      })) {
    return fail(
        fmt::format("interface {}: libxdp did not put the XDP program into a "
                    "dispatcher (is LIBXDP_SKIP_DISPATCHER set?)",
                    interface_));
  }
  return {};
}

// Native and generic programs exclude each other, so that all have to go at
// once; that is for pxegate to do only where it is alone.
Result<> DispatcherSlot::change_mode(unsigned ifindex, XdpAttachMode mode,
                                     const Dispatcher& running) {
  if (const auto others = neighbours(ifindex); !others.empty()) {
    mode_refused_ = fmt::format(
        "interface {}: the dispatcher that {} shares runs in {} mode; staying "
        "in it",
        interface_, fmt::join(others, ", "), running.mode);
    log::error("{}", mode_refused_);
    return {};
  }
  log::warning("interface {}: leaving {} mode; it is unfiltered for a moment",
               interface_, running.mode);
  if (auto done = remove_programs(ifindex, running.mode, ours(running)); !done)
    return done;
  auto attached = attach(ifindex, mode);
  if (attached) return {};
  // Better filtered in the wrong mode than not at all.
  mode_refused_ = fmt::format("{}; staying in {} mode",
                              attached.error().message(), running.mode);
  log::error("{}", mode_refused_);
  return attach(ifindex, XdpAttachMode::kAuto);
}

Result<bool> DispatcherSlot::ensure_pinned(unsigned ifindex) {
  const auto running = query_dispatcher(ifindex);
  if (!running) return false;
  const auto pinned = pinned_extension(pin_);
  if (pinned && pinned->prog_id == component_->id() &&
      pinned->tracing.target_obj_id == running->prog_id) {
    return false;
  }
  const UniqueFd link = find_extension(component_->id(), running->prog_id);
  if (!link) {
    return fail(dispatcher_error(
        fmt::format("interface {}: cannot find the link to the dispatcher",
                    interface_),
        errno));
  }
  if (auto removed = remove_pin(pin_); !removed) return fail(removed.error());
  if (::bpf_obj_pin(link.get(), pin_.c_str()) != 0) {
    return fail_errno("cannot pin the link at " + pin_, errno);
  }
  if (pinned) remove_dead_pins(pinned->tracing.target_obj_id);
  return !pinned || pinned->prog_id != component_->id();
}

Result<> DispatcherSlot::remove() {
  const auto pinned = pinned_extension(pin_);
  const unsigned by_name = ::if_nametoindex(interface_.c_str());
  Result<> result;
  struct if_nameindex* const all = ::if_nameindex();
  for (const struct if_nameindex* it = all; it != nullptr && it->if_index != 0;
       ++it) {
    const auto running = query_dispatcher(it->if_index);
    if (!running) continue;
    std::vector<std::uint32_t> ids;
    for (const DispatchedProgram& program : running->programs) {
      if ((component_ && component_->id() == program.id) ||
          (pinned && pinned->prog_id == program.id)) {
        ids.push_back(program.id);
      }
    }
    if (it->if_index == by_name) ids = ours(*running);
    auto removed = remove_programs(it->if_index, running->mode, ids);
    if (!removed && result) {
      result = fail(removed.error().within(
          fmt::format("cannot detach from interface {}", it->if_name)));
    }
  }
  ::if_freenameindex(all);
  if (!result) return result;
  if (!pinned) return {};
  if (auto removed = remove_pin(pin_); !removed) return removed;
  remove_dead_pins(pinned->tracing.target_obj_id);
  return {};
}

void DispatcherSlot::forget() { component_.reset(); }

bool DispatcherSlot::held() const { return component_ != nullptr; }

std::string DispatcherSlot::mode(unsigned ifindex) const {
  const auto running = query_dispatcher(ifindex);
  if (!running || !holds(ifindex)) return {};
  const auto others = neighbours(ifindex);
  if (others.empty()) return running->mode + " (dispatcher)";
  return fmt::format("{} (dispatcher, beside {})", running->mode,
                     fmt::join(others, ", "));
}

}  // namespace pxegate
