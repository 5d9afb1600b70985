// SPDX-License-Identifier: Apache-2.0
#include "drivers/xdp/bpffs.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <sstream>
#include <utility>

#include "controller/base/log.h"

namespace pxegate {
namespace {

constexpr std::string_view kBpfMount = "/sys/fs/bpf";
constexpr std::string_view kLinks = "/links";
constexpr std::string_view kExchange = "/maps-exchange";

bool on_bpffs(const std::string& path) {
  struct statfs info {};
  return ::statfs(path.c_str(), &info) == 0 && info.f_type == BPF_FS_MAGIC;
}

// Whether the file system that holds `path` is mounted in this process's mount
// namespace but not in PID 1's. False where that cannot be told.
bool mounted_privately(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return false;
  auto mounts = read_file("/proc/1/mountinfo");
  if (!mounts || mounts->empty()) return false;
  const std::string device =
      fmt::format("{}:{}", major(info.st_dev), minor(info.st_dev));
  std::istringstream lines(*mounts);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string id, parent, number;
    words >> id >> parent >> number;
    if (number == device) return false;
  }
  return true;
}

Result<> mount_bpffs() {
  const std::string target(kBpfMount);
  if (::mount("bpf", target.c_str(), "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC,
              "mode=0700") == 0) {
    log::info("mounted a BPF file system at {}", target);
    if (mounted_privately(target)) {
      log::warning(
          "that is in a mount namespace of its own, as `ip netns exec` makes "
          "them: the filter ends with it. To have the filter stay, run `mount "
          "-t bpf bpf {0}` on the host (`nsenter -t 1 -m mount -t bpf bpf "
          "{0}`) before pxegate starts",
          target);
    }
    return {};
  }
  return fail(errno_error(fmt::format("no BPF file system is mounted at {} and "
                                      "it cannot be mounted; as root, run "
                                      "`mount -t bpf bpf {}`",
                                      target, target),
                          errno));
}

Result<> make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return fail_errno(
      fmt::format("cannot make {} ([xdp] pin_path); the directory above it "
                  "needs to be writable by the user that pxegate runs as, and "
                  "no name there may have a dot",
                  path),
      errno);
}

Error not_on_bpffs(const std::string& pin_path, const std::string& where) {
  return Error(fmt::format("[xdp] pin_path = {}: {} is not on a BPF file "
                           "system; use a path below {}, or run `mount -t bpf "
                           "bpf {}`",
                           pin_path, where, kBpfMount, where),
               ErrorCode::kInvalid);
}

// Who holds the flock on `fd`: /proc/locks has "… FLOCK … <pid> <maj:min:inode>
// …" lines.
std::optional<long> lock_holder(int fd) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return std::nullopt;
  auto locks = read_file("/proc/locks");
  if (!locks) return std::nullopt;
  const std::string inode = fmt::format(":{}", info.st_ino);
  std::istringstream lines(*locks);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string number, kind, advice, access, file;
    long pid = 0;
    words >> number >> kind >> advice >> access >> pid >> file;
    if (words && kind == "FLOCK" && file.ends_with(inode)) return pid;
  }
  return std::nullopt;
}

bool is_directory_at(int fd, const std::string& path) {
  struct stat held {};
  struct stat there {};
  return ::fstat(fd, &held) == 0 && ::stat(path.c_str(), &there) == 0 &&
         held.st_ino == there.st_ino && held.st_dev == there.st_dev;
}

// Idempotent. `explain` makes the message of the process, in brackets, that
// holds the lock.
template <typename Explain>
Result<> lock_directory(const std::string& path, UniqueFd& lock,
                        Explain explain) {
  // The directory may have been removed and made again since.
  if (lock && is_directory_at(lock.get(), path)) return {};
  lock.reset();
  UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return fail_errno(path, errno);
  if (!on_bpffs(path)) return fail(not_on_bpffs(path, path));
  if (::flock(directory.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return fail_errno("cannot lock " + path, errno);
    const auto holder = lock_holder(directory.get());
    return fail(explain(holder ? fmt::format(" (process {})", *holder) : ""),
                ErrorCode::kConflict);
  }
  // Its holder may have removed it before letting go.
  if (!is_directory_at(directory.get(), path)) {
    return fail(path + " was removed meanwhile", ErrorCode::kNotFound);
  }
  lock = std::move(directory);
  return {};
}

// The names in a directory.
std::vector<std::string> names_in(const std::string& path) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator it(path, error), end;
       !error && it != end; it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  return names;
}

// What maps/ has under the same name goes, the rest moves there.
Result<> empty_into(const std::string& from, const std::string& maps) {
  for (const std::string& name : names_in(from)) {
    const std::string old_path = fmt::format("{}/{}", from, name);
    const std::string new_path = fmt::format("{}/{}", maps, name);
    struct stat info {};
    if (::stat(new_path.c_str(), &info) == 0) {
      if (auto done = remove_pin(old_path); !done) return done;
    } else if (::rename(old_path.c_str(), new_path.c_str()) != 0) {
      return fail_errno("cannot move " + old_path, errno);
    }
  }
  return {};
}

std::string encode(std::string_view interface) {
  std::string name;
  for (const char c : interface) {
    if (c == '.' || c == '%') {
      name += fmt::format("%{:02x}", static_cast<unsigned>(c));
    } else {
      name += c;
    }
  }
  return name;
}

std::string decode(std::string_view name) {
  std::string interface;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name.substr(i, 3) == "%2e") {
      interface += '.';
      i += 2;
    } else if (name.substr(i, 3) == "%25") {
      interface += '%';
      i += 2;
    } else {
      interface += name[i];
    }
  }
  return interface;
}

}  // namespace

std::string existing_ancestor(const std::string& of) {
  std::filesystem::path path(of);
  std::error_code ignored;
  while (!std::filesystem::exists(path, ignored) && path.has_relative_path()) {
    path = path.parent_path();
  }
  return path.string();
}

PinDirectory::PinDirectory(std::string path) : path_(std::move(path)) {
  while (path_.size() > 1 && path_.back() == '/') path_.pop_back();
}

std::string PinDirectory::map_directory(std::string_view directory) const {
  return directory.empty() ? path_ : fmt::format("{}/{}", path_, directory);
}

std::string PinDirectory::map_path(std::string_view directory,
                                   std::string_view map) const {
  return fmt::format("{}/{}", map_directory(directory), map);
}

std::string PinDirectory::exchange_path() const {
  return path_ + std::string(kExchange);
}

std::string PinDirectory::link_path(std::string_view interface) const {
  return fmt::format("{}{}/{}", path_, kLinks, encode(interface));
}

Result<> PinDirectory::prepare() const {
  if (path_.empty() || path_.front() != '/') {
    return fail(
        fmt::format("[xdp] pin_path = {}: expected an absolute path", path_),
        ErrorCode::kInvalid);
  }
  const std::string ancestor = existing_ancestor(path_);
  if (!on_bpffs(ancestor)) {
    if (ancestor != kBpfMount) {
      return fail(not_on_bpffs(path_, ancestor));
    }
    if (auto mounted = mount_bpffs(); !mounted) return mounted;
  }
  std::error_code error;
  const auto parent = std::filesystem::path(path_).parent_path();
  std::filesystem::create_directories(parent, error);
  if (error) {
    return fail_errno(
        fmt::format("cannot make {} ([xdp] pin_path)", parent.string()),
        error.value());
  }
  if (auto made = make_directory(path_); !made) return made;
  return make_directory(path_ + std::string(kLinks));
}

Result<> PinDirectory::lock() {
  return lock_directory(path_, lock_, [this](const std::string& holder) {
    return fmt::format(
        "another pxegate{} already enforces a policy with [xdp] pin_path = {}; "
        "stop that one first, or give this one other interfaces and another "
        "pin_path",
        holder, path_);
  });
}

Result<> PinDirectory::lock_events() {
  return lock_directory(path_ + std::string(kLinks), events_lock_,
                        [this](const std::string& holder) {
                          return fmt::format(
                              "another pxegate{} takes the events of the "
                              "filter with [xdp] pin_path = {}",
                              holder, path_);
                        });
}

bool PinDirectory::is_private() const { return mounted_privately(path_); }

std::vector<std::string> PinDirectory::pinned_interfaces() const {
  std::vector<std::string> interfaces;
  std::error_code error;
  for (std::filesystem::directory_iterator
           it(path_ + std::string(kLinks), error),
       end;
       !error && it != end; it.increment(error)) {
    interfaces.push_back(decode(it->path().filename().string()));
  }
  std::ranges::sort(interfaces);
  return interfaces;
}

Result<std::string> PinDirectory::begin_exchange() const {
  const std::string fresh = exchange_path();
  // Of a controller that was killed in between: a set that is not needed.
  for (const std::string& name : names_in(fresh)) {
    if (auto done = remove_pin(fmt::format("{}/{}", fresh, name)); !done) {
      return fail(done.error());
    }
  }
  if (auto made = make_directory(fresh); !made) return fail(made.error());
  return fresh;
}

Result<> PinDirectory::finish_exchange() const {
  const std::string fresh = exchange_path();
  const std::string maps = map_directory(kMapsDirectory);
  if (::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, maps.c_str(),
                  RENAME_EXCHANGE) == 0) {
    if (auto done = empty_into(fresh, maps); !done) return done;
    if (::rmdir(fresh.c_str()) == 0) return {};
    return fail_errno("cannot remove " + fresh, errno);
  }
  if (errno == ENOENT && ::rename(fresh.c_str(), maps.c_str()) == 0) return {};
  return fail_errno(
      fmt::format("cannot put {} in the place of {}", fresh, maps), errno);
}

Result<> PinDirectory::remove() const {
  const std::string maps = map_directory(kMapsDirectory);
  for (const std::string& path :
       {path_ + std::string(kLinks), maps, exchange_path(), path_}) {
    if (::rmdir(path.c_str()) == 0 || errno == ENOENT) continue;
    // The service's own, which systemd has made and mounted for it.
    const bool given = path == path_ && (errno == EACCES || errno == EPERM ||
                                         errno == EBUSY || errno == EROFS);
    if (!given) return fail_errno("cannot remove " + path, errno);
  }
  return {};
}

Error privileged_error(std::string_view what, int errnum) {
  Error error = errno_error(what, errnum);
  if (error.code() != ErrorCode::kPermission) return error;
  return Error(error.message() +
                   ". Run pxegate as root, or give it CAP_BPF, CAP_NET_ADMIN "
                   "and CAP_PERFMON",
               ErrorCode::kPermission);
}

ObjectKind object_kind(int fd) {
  std::error_code error;
  const auto target =
      std::filesystem::read_symlink(fmt::format("/proc/self/fd/{}", fd), error);
  if (target == "anon_inode:bpf-map") return ObjectKind::kMap;
  // As it was made, and as it is opened by a pin.
  if (target == "anon_inode:bpf_link" || target == "anon_inode:bpf-link") {
    return ObjectKind::kLink;
  }
  return ObjectKind::kOther;
}

Error not_ours(const std::string& path) {
  return Error(fmt::format("what is pinned at {} is not pxegate's and stays; "
                           "remove it with `rm {}`",
                           path, path),
               ErrorCode::kConflict);
}

Result<> remove_pin(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  return fail_errno("cannot remove the pin " + path, errno);
}

Result<> move_pin(const std::string& from, const std::string& to) {
  const unsigned flags = ::access(to.c_str(), F_OK) == 0 ? RENAME_EXCHANGE : 0;
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags) != 0) {
    return fail_errno(fmt::format("cannot move {} to {}", from, to), errno);
  }
  return {};
}

}  // namespace pxegate
