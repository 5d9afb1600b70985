// SPDX-License-Identifier: Apache-2.0
#include "drivers/dnsmasq/readers.h"

#include <dirent.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <ctime>
#include <filesystem>
#include <map>
#include <memory>
#include <sstream>
#include <string_view>
#include <utility>

namespace pxegate {
namespace {

constexpr std::size_t kProcFile = std::size_t{1} << 20;
// PROC_PID_INIT_INO: where all processes can be seen.
constexpr ino_t kFirstPidNamespace = 0xEFFFFFFC;

template <typename Number>
std::optional<Number> to_number(std::string_view text) {
  Number number{};
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return number;
}

// Names in a directory of /proc that are numbers. `denied` becomes true where
// it may not be read.
std::vector<int> numbers_in(const std::string& path, bool& denied) {
  std::vector<int> numbers;
  std::error_code error;
  std::filesystem::directory_iterator it(path, error);
  denied = denied || error == std::errc::permission_denied;
  for (; !error && it != std::filesystem::directory_iterator();
       it.increment(error)) {
    if (auto number = to_number<int>(it->path().filename().native())) {
      numbers.push_back(*number);
    }
  }
  return numbers;
}

// The fields of /proc/PID/stat behind the command, the third first.
std::vector<std::string> stat_fields(pid_t pid) {
  const auto text = read_file(fmt::format("/proc/{}/stat", pid), kProcFile);
  if (!text) return {};
  const std::size_t end = text->rfind(')');
  if (end == std::string::npos) return {};
  std::istringstream words(text->substr(end + 1));
  std::vector<std::string> fields;
  for (std::string word; words >> word;) fields.push_back(std::move(word));
  return fields;
}

std::uint64_t stat_number(const std::vector<std::string>& fields,
                          std::size_t number) {
  constexpr std::size_t kFirst = 3;
  if (fields.size() <= number - kFirst) return 0;
  return to_number<std::uint64_t>(fields[number - kFirst]).value_or(0);
}

std::chrono::nanoseconds now_by(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return std::chrono::seconds(now.tv_sec) +
         std::chrono::nanoseconds(now.tv_nsec);
}

// By number: the headers of glibc 2.36 declare these for C only.
UniqueFd open_process(pid_t pid) {
  return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}
UniqueFd duplicate_fd(const UniqueFd& process, int fd) {
  return UniqueFd(
      static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), fd, 0)));
}

// The descriptor of `pid` whose watches include the directory. By its fdinfo,
// which takes CAP_SYS_PTRACE and no more.
std::optional<int> watching_fd(pid_t pid, const std::string& identity,
                               bool& denied) {
  const std::string folder = fmt::format("/proc/{}/fdinfo", pid);
  for (const int fd : numbers_in(folder, denied)) {
    const auto info = read_file(fmt::format("{}/{}", folder, fd), kProcFile);
    if (info && info->find("\ninotify wd:") != std::string::npos &&
        info->find(identity) != std::string::npos) {
      return fd;
    }
    denied = denied || (!info && info.error().code() == ErrorCode::kPermission);
  }
  return std::nullopt;
}

std::string unseen_processes() {
  struct stat info {};
  if (::stat("/proc/self/ns/pid", &info) != 0) return "there is no /proc";
  if (info.st_ino != kFirstPidNamespace) {
    return "this controller is in a PID namespace of its own and may not see "
           "dnsmasq";
  }
  if (::access("/proc/1/comm", R_OK) != 0) {
    return "/proc hides other users' processes (hidepid)";
  }
  return {};
}

// A line of /proc/PID/status, without its name.
std::string status_line(std::string_view status, std::string_view name) {
  const std::string key = fmt::format("\n{}:", name);
  std::size_t begin = status.find(key);
  if (begin == std::string_view::npos) return {};
  begin += key.size();
  return std::string(status.substr(begin, status.find('\n', begin) - begin));
}

struct Credentials {
  uid_t uid = 0;
  std::vector<gid_t> groups;
  bool overrides = false;  // CAP_DAC_OVERRIDE or CAP_DAC_READ_SEARCH
};

std::optional<Credentials> credentials_of(pid_t pid) {
  const auto status = read_file(fmt::format("/proc/{}/status", pid), kProcFile);
  if (!status) return std::nullopt;
  Credentials who;
  std::uint64_t unused = 0;
  // Real, effective, saved, file system: the last counts for files.
  std::istringstream(status_line(*status, "Uid")) >> unused >> unused >>
      unused >> who.uid;
  gid_t group = 0;
  std::istringstream(status_line(*status, "Gid")) >> unused >> unused >>
      unused >> group;
  who.groups.push_back(group);
  std::istringstream more(status_line(*status, "Groups"));
  while (more >> group) who.groups.push_back(group);
  std::uint64_t capabilities = 0;
  std::istringstream(status_line(*status, "CapEff")) >> std::hex >>
      capabilities;
  constexpr std::uint64_t kDacBits = (1U << 1) | (1U << 2);
  who.overrides = (capabilities & kDacBits) != 0;
  return who;
}

bool permits(const struct stat& info, const Credentials& who, mode_t bit) {
  if (who.overrides) return true;
  if (info.st_uid == who.uid) return (info.st_mode & (bit << 6)) != 0;
  if (std::ranges::count(who.groups, info.st_gid) > 0) {
    return (info.st_mode & (bit << 3)) != 0;
  }
  return (info.st_mode & bit) != 0;
}

}  // namespace

bool Reader::alive() const {
  pollfd waiting{.fd = process_.get(), .events = POLLIN, .revents = 0};
  return ::poll(&waiting, 1, 0) == 0;
}

std::size_t Reader::unread() const {
  int bytes = 0;
  if (::ioctl(queue_.get(), FIONREAD, &bytes) != 0 || bytes < 0) return 0;
  return static_cast<std::size_t>(bytes);
}

std::uint64_t Reader::cpu_ticks() const {
  constexpr std::size_t kUserTime = 14;
  constexpr std::size_t kSystemTime = 15;
  const auto fields = stat_fields(id_.pid);
  return stat_number(fields, kUserTime) + stat_number(fields, kSystemTime);
}

FileTime Reader::started() const {
  const auto per_second = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  const std::chrono::nanoseconds after_boot(id_.start_ticks * 1'000'000'000 /
                                            per_second);
  return now_by(CLOCK_REALTIME) - now_by(CLOCK_BOOTTIME) + after_boot;
}

std::optional<std::string> Reader::barred_from(
    const std::string& directory) const {
  const auto who = credentials_of(id_.pid);
  if (!who) return std::nullopt;
  std::error_code error;
  const auto path = std::filesystem::canonical(directory, error);
  std::filesystem::path folder;
  for (const auto& part : path) {
    folder /= part;
    const bool last = folder == path;
    struct stat info {};
    if (::stat(folder.c_str(), &info) != 0) continue;
    if (!permits(info, *who, 01) || (last && !permits(info, *who, 04))) {
      return fmt::format(
          "dnsmasq (pid {}, uid {}) may not {} {}: chmod o+{} {}", id_.pid,
          who->uid, last ? "read" : "enter", folder.native(), last ? "rx" : "x",
          folder.native());
    }
  }
  return std::nullopt;
}

ReaderScan find_readers(const std::string& watch_identity) {
  constexpr std::string_view kCommand = "dnsmasq\n";
  ReaderScan scan;
  bool unreadable_proc = false;
  bool denied = false;
  for (const pid_t pid : numbers_in("/proc", unreadable_proc)) {
    const auto command = read_file(fmt::format("/proc/{}/comm", pid), 256);
    if (!command || *command != kCommand) continue;
    constexpr std::size_t kStartTime = 22;
    UniqueFd process = open_process(pid);
    const ReaderId id{pid, stat_number(stat_fields(pid), kStartTime)};
    if (!process || id.start_ticks == 0) continue;
    const auto fd = watching_fd(pid, watch_identity, denied);
    if (!fd) continue;
    UniqueFd queue = duplicate_fd(process, *fd);
    denied = denied || (!queue && errno == EPERM);
    if (queue)
      scan.readers.emplace_back(id, std::move(process), std::move(queue));
  }
  if (denied) {
    scan.blind =
        "the queue of a dnsmasq may not be looked at: give this controller "
        "CAP_SYS_PTRACE, or run it as root";
  } else if (scan.readers.empty()) {
    scan.blind = unseen_processes();
  }
  return scan;
}

}  // namespace pxegate
