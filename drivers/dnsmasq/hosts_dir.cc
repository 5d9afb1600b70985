// SPDX-License-Identifier: Apache-2.0
#include "drivers/dnsmasq/hosts_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>

#include "controller/base/text.h"
#include "drivers/dnsmasq/hosts_file.h"

namespace pxegate {
namespace {

// dnsmasq passes over names that begin with a dot.
constexpr std::string_view kTemporaryPrefix = ".pxegate-new-";
// Longer than any controller takes between making and moving a file.
constexpr std::chrono::minutes kLitterAge{10};

constexpr std::size_t kOwnLimit = 64;  // twice the longest text of ours
constexpr std::size_t kForeignLimit = 65536;
// How many foreign files are looked into; the rest count as letting in.
constexpr std::size_t kForeignLooks = 256;

struct DirectoryCloser {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, DirectoryCloser>;

FileTime changed_at(const struct stat& info) {
  return std::chrono::seconds(info.st_ctim.tv_sec) +
         std::chrono::nanoseconds(info.st_ctim.tv_nsec);
}

// dnsmasq reads as a user of its own.
bool is_for_everybody(const struct stat& info) {
  return (info.st_mode & S_IROTH) != 0;
}

// Never waits for a FIFO's other end, never follows a link.
UniqueFd open_file(int directory, const char* name, int access) {
  return UniqueFd(
      ::openat(directory, name,
               access | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

// At most `limit` bytes and one more; nullopt where reading fails.
std::optional<std::string> read_some(int fd, std::size_t limit) {
  std::string text(limit + 1, '\0');
  std::size_t have = 0;
  while (have < text.size()) {
    const ssize_t n = ::read(fd, &text[have], text.size() - have);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::nullopt;
    if (n == 0) break;
    have += static_cast<std::size_t>(n);
  }
  text.resize(have);
  return text;
}

struct Opened {
  UniqueFd fd;          // none: not a regular file, or not readable
  struct stat info {};  // of what stands at the name; st_mode 0: nothing
};

Opened open_regular(int directory, const char* name) {
  Opened opened;
  // Looked at before it is opened: opening a device may do something.
  if (::fstatat(directory, name, &opened.info, AT_SYMLINK_NOFOLLOW) != 0 ||
      !S_ISREG(opened.info.st_mode)) {
    return opened;
  }
  opened.fd = open_file(directory, name, O_RDONLY);
  if (opened.fd && (::fstat(opened.fd.get(), &opened.info) != 0 ||
                    !S_ISREG(opened.info.st_mode))) {
    opened.fd.reset();
  }
  return opened;
}

HostsEntry read_entry(int directory, const char* name,
                      std::string_view pattern) {
  const Opened opened = open_regular(directory, name);
  HostsEntry entry;
  entry.changed = changed_at(opened.info);
  entry.directory = S_ISDIR(opened.info.st_mode);
  entry.odd = true;
  if (!opened.fd) return entry;
  const auto text = read_some(opened.fd.get(), kOwnLimit);
  if (!text) return entry;
  entry.verdict = hosts::verdict_in(pattern, *text);
  // ironic-inspector truncates before it writes.
  const std::string longest = hosts::contents_for(pattern, Verdict::kDeny);
  entry.odd = !entry.verdict && !longest.starts_with(*text);
  if (!is_for_everybody(opened.info)) entry.verdict = std::nullopt;
  return entry;
}

bool foreign_lets_in(int directory, const char* name) {
  const Opened opened = open_regular(directory, name);
  // dnsmasq follows links, and reads whatever is at their end.
  if (!opened.fd) return !S_ISDIR(opened.info.st_mode);
  const auto text = read_some(opened.fd.get(), kForeignLimit);
  return !text || text->size() > kForeignLimit || hosts::lets_in(*text);
}

// The names in the directory, in no order.
Result<> for_each_name(int directory, const std::string& path,
                       const std::function<void(const char*)>& body) {
  UniqueFd fd(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail_errno("reading " + path, errno);
  const Directory names(::fdopendir(fd.get()));
  if (!names) return fail_errno("reading " + path, errno);
  static_cast<void>(fd.release());
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(names.get());
    if (entry == nullptr) break;
    body(entry->d_name);
  }
  if (errno != 0) return fail_errno("reading " + path, errno);
  return {};
}

}  // namespace

std::string HostsDir::at(std::string_view name) const {
  return fmt::format("{}/{}", path_, name);
}

Result<HostsDir> HostsDir::open(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd && errno == ENOTDIR) {
    return fail(path +
                    " is not a directory: set dhcp_hostsdir to the one that "
                    "dnsmasq has as --dhcp-hostsdir",
                ErrorCode::kInvalid);
  }
  if (!fd) return fail_errno("the hosts directory " + path, errno);
  return HostsDir(path, std::move(fd));
}

Result<> HostsDir::make(const std::string& path) {
  constexpr mode_t kMode = 0755;
  if (::mkdir(path.c_str(), kMode) != 0 && errno != EEXIST) {
    return fail(errno_error("cannot make the hosts directory " + path, errno));
  }
  ::chmod(path.c_str(), kMode);  // whatever the umask is
  return {};
}

Result<> HostsDir::lock(Lock kind) const {
  const int operation = kind == Lock::kExclusive ? LOCK_EX : LOCK_SH;
  if (::flock(fd_.get(), operation | LOCK_NB) == 0) return {};
  if (errno != EWOULDBLOCK) return fail_errno("locking " + path_, errno);
  return fail(
      fmt::format("another controller uses {}: stop it, or set "
                  "purge_dhcp_hostsdir = false in every controller that is to "
                  "share the directory",
                  path_),
      ErrorCode::kConflict);
}

bool HostsDir::is_current() const {
  struct stat here {};
  struct stat there {};
  return ::fstat(fd_.get(), &here) == 0 && here.st_nlink > 0 &&
         ::stat(path_.c_str(), &there) == 0 && here.st_dev == there.st_dev &&
         here.st_ino == there.st_ino;
}

// Some file systems tell stat(2) another device number than the kernel's
// own. A watch of our own shows how the kernel names the directory.
Result<std::string> HostsDir::watch_identity() const {
  const UniqueFd watch(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!watch) return fail_errno("inotify for " + path_, errno);
  const std::string self = fmt::format("/proc/self/fd/{}", fd_.get());
  if (::inotify_add_watch(watch.get(), self.c_str(), IN_DELETE_SELF) < 0) {
    return fail_errno("inotify for " + path_, errno);
  }
  auto info =
      read_file(fmt::format("/proc/self/fdinfo/{}", watch.get()), 65536);
  if (!info) return fail(info.error());
  const std::size_t begin = info->find(" ino:");
  const std::size_t end = info->find(" mask:");
  if (begin == std::string::npos || end == std::string::npos || end < begin) {
    return fail("/proc/self/fdinfo does not tell which directory is watched");
  }
  return info->substr(begin, end - begin + 1);
}

Result<HostsListing> HostsDir::list() const {
  HostsListing listing;
  std::vector<std::string> foreign;
  const int fd = fd_.get();
  auto done = for_each_name(fd, path_, [&](const char* name) {
    if (hosts::is_passed_over(name)) return;
    if (const auto mac = hosts::mac_of_name(name)) {
      listing.machines.emplace(*mac, read_entry(fd, name, name));
    } else if (name == hosts::kUnknownName) {
      listing.unknown = read_entry(fd, name, hosts::kUnknownPattern);
    } else {
      foreign.emplace_back(name);
    }
  });
  if (!done) return fail(done.error());
  std::ranges::sort(foreign);
  for (std::string& name : foreign) {
    const bool lets_in = listing.foreign.size() >= kForeignLooks ||
                         foreign_lets_in(fd, name.c_str());
    listing.foreign.push_back({std::move(name), lets_in});
  }
  return listing;
}

Result<UniqueFd> HostsDir::make_temporary(std::string& name) const {
  std::uint64_t number = 0;
  if (::getrandom(&number, sizeof(number), 0) != sizeof(number)) {
    return fail_errno("getrandom", errno);
  }
  name = fmt::format("{}{:016x}", kTemporaryPrefix, number);
  UniqueFd fd(::openat(fd_.get(), name.c_str(),
                       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                       0644));
  if (!fd) return fail_errno("making a file in " + path_, errno);
  return fd;
}

Result<> HostsDir::write(std::string_view name,
                         std::string_view contents) const {
  auto done = replace(name, contents);
  // On a full disk there is no room for another file, but to extend a text by
  // `,ignore` none is needed.
  if (!done && extend(name, contents)) return {};
  return done;
}

// In one write, so that whoever reads finds the old text or the new.
bool HostsDir::extend(std::string_view name, std::string_view contents) const {
  const std::string file(name);
  const Opened before = open_regular(fd_.get(), file.c_str());
  const UniqueFd fd =
      before.fd ? open_file(fd_.get(), file.c_str(), O_WRONLY) : UniqueFd();
  struct stat info {};
  if (!fd || ::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode) ||
      info.st_nlink != 1 || info.st_size == 0 || !is_for_everybody(info) ||
      static_cast<std::size_t>(info.st_size) > contents.size()) {
    return false;
  }
  return ::pwrite(fd.get(), contents.data(), contents.size(), 0) ==
         static_cast<ssize_t>(contents.size());
}

Result<> HostsDir::replace(std::string_view name,
                           std::string_view contents) const {
  std::string temporary;
  auto fd = make_temporary(temporary);
  if (!fd) return fail(fd.error());
  const ssize_t written = ::write(fd->get(), contents.data(), contents.size());
  int errnum = written < 0 ? errno : 0;
  if (written >= 0 && static_cast<std::size_t>(written) != contents.size()) {
    errnum = ENOSPC;
  }
  // dnsmasq reads it as a user of its own, whatever our umask is.
  if (errnum == 0 && ::fchmod(fd->get(), 0644) != 0) errnum = errno;
  fd->reset();
  if (errnum == 0 && ::renameat(fd_.get(), temporary.c_str(), fd_.get(),
                                std::string(name).c_str()) != 0) {
    errnum = errno;
  }
  if (errnum == 0) return {};
  ::unlinkat(fd_.get(), temporary.c_str(), 0);
  return fail_errno("writing " + at(name), errnum);
}

Result<> HostsDir::announce(const MacAddress& mac) const {
  return announce(mac.to_string());
}

Result<> HostsDir::announce(std::string_view name) const {
  const std::string file(name);
  const UniqueFd fd = open_file(fd_.get(), file.c_str(), O_WRONLY);
  if (!fd) return fail_errno("opening " + at(name), errno);
  return {};
}

Result<> HostsDir::remove(std::string_view name) const {
  if (::unlinkat(fd_.get(), std::string(name).c_str(), 0) == 0 ||
      errno == ENOENT) {
    return {};
  }
  return fail_errno("removing " + at(name), errno);
}

Result<FileTime> HostsDir::mark() const {
  std::string name;
  auto fd = make_temporary(name);
  if (!fd) return fail(fd.error());
  struct stat info {};
  const bool known = ::fstat(fd->get(), &info) == 0;
  const int errnum = errno;
  fd->reset();
  ::unlinkat(fd_.get(), name.c_str(), 0);
  if (!known) return fail_errno("the time of a file in " + path_, errnum);
  return changed_at(info);
}

std::optional<std::string> HostsDir::read(std::string_view name) const {
  const Opened opened = open_regular(fd_.get(), std::string(name).c_str());
  if (!opened.fd) return std::nullopt;
  auto text = read_some(opened.fd.get(), kForeignLimit);
  if (!text || text->size() > kForeignLimit) return std::nullopt;
  return text;
}

void HostsDir::remove_litter(Lock kind) const {
  const FileTime now = std::chrono::system_clock::now().time_since_epoch();
  static_cast<void>(for_each_name(fd_.get(), path_, [&](const char* name) {
    if (!std::string_view(name).starts_with(kTemporaryPrefix)) return;
    struct stat info {};
    if (::fstatat(fd_.get(), name, &info, AT_SYMLINK_NOFOLLOW) != 0) return;
    if (kind == Lock::kShared && now - changed_at(info) < kLitterAge) return;
    ::unlinkat(fd_.get(), name, 0);
  }));
}

}  // namespace pxegate
