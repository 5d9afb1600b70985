// SPDX-License-Identifier: Apache-2.0
#include "controller/driver/plugin_dir.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "controller/base/text.h"
#include "controller/driver/driver_module.h"

namespace pxegate {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".so";

// Why somebody else could change what `status` describes; empty: nobody can.
std::string foreign_hands(const struct stat& status, const std::string& path) {
  if (status.st_uid != 0 && status.st_uid != ::geteuid()) {
    return fmt::format(
        "{} belongs to user {}, who could put any code there; `chown root` it",
        path, status.st_uid);
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return fmt::format(
        "others than its owner may write to {} (mode {:04o}) and could put any "
        "code there; `chmod go-w` it",
        path, status.st_mode & 07777);
  }
  return {};
}

Result<> check_folder(const fs::path& folder, bool last) {
  struct stat status {};
  if (::stat(folder.c_str(), &status) != 0) {
    return fail_errno(folder.native(), errno);
  }
  // There nobody can rename or remove what others own.
  if (!last && status.st_uid == 0 && (status.st_mode & S_ISVTX) != 0) return {};
  const std::string problem = foreign_hands(status, folder);
  if (!problem.empty()) return fail(problem, ErrorCode::kPermission);
  return {};
}

// The directory's real path, once it and all above it are checked.
Result<fs::path> check_directory(const std::string& directory) {
  std::error_code error;
  fs::path real = fs::canonical(directory, error);
  if (error) return fail_errno(directory, error.value());
  for (fs::path folder = real;; folder = folder.parent_path()) {
    if (auto good = check_folder(folder, folder == real); !good) {
      return fail(good.error());
    }
    if (folder == folder.root_path()) break;
  }
  return real;
}

Result<std::string> read_at(int fd, const std::string& path,
                            std::uint64_t offset, std::size_t length) {
  std::string bytes(length, '\0');
  std::size_t done = 0;
  while (done < length) {
    const ssize_t got = ::pread(fd, bytes.data() + done, length - done,
                                static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("read " + path, errno);
    if (got == 0) return fail("the file became shorter just now");
    done += static_cast<std::size_t>(got);
  }
  return bytes;
}

Result<UniqueFd> open_file(const std::string& path) {
  // Not blocking: it might be a FIFO.
  UniqueFd file(
      ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file) {
    if (errno == ELOOP) {
      return fail(
          "this is a symbolic link; put the file itself there, so that one "
          "folder tells what may run",
          ErrorCode::kPermission);
    }
    return fail_errno("open", errno);
  }
  return file;
}

Result<PluginNote> check_file(int fd, const std::string& path,
                              std::string_view name) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return fail_errno("fstat", errno);
  if (!S_ISREG(status.st_mode)) {
    return fail("this is no regular file; remove it", ErrorCode::kInvalid);
  }
  const std::string problem = foreign_hands(status, "it");
  if (!problem.empty()) return fail(problem, ErrorCode::kPermission);
  FileBytes bytes;
  bytes.size = static_cast<std::uint64_t>(status.st_size);
  bytes.read = [&](std::uint64_t offset, std::size_t length) {
    return read_at(fd, path, offset, length);
  };
  auto note = read_plugin_note(bytes);
  if (note && note->name != name) {
    return fail(fmt::format("it holds the driver {}; give the file that name, "
                            "with {} behind it",
                            pxegate::quoted(note->name), kSuffix),
                ErrorCode::kInvalid);
  }
  return note;
}

Result<CheckedPlugin> check_in(const fs::path& folder, std::string_view name) {
  const std::string path = folder / fmt::format("{}{}", name, kSuffix);
  const std::string where =
      fmt::format("plugin {}", pxegate::quoted(path, 4096));
  if (!is_driver_name(name)) {
    return fail(
        fmt::format("{}: {} is no driver's name, which is made of lower-case "
                    "letters, digits, _ and -, a letter first; rename it",
                    where, quoted(name)),
        ErrorCode::kInvalid);
  }
  auto file = open_file(path);
  if (!file) return fail(file.error().within(where));
  auto note = check_file(file->get(), path, name);
  if (!note) return fail(note.error().within(where));
  return CheckedPlugin{path, std::move(*note), std::move(*file)};
}

}  // namespace

Result<CheckedPlugin> check_plugin(const std::string& directory,
                                   std::string_view name) {
  const auto folder = check_directory(directory);
  if (!folder) return fail(folder.error().within("[pxe_filter] plugin_dir"));
  return check_in(*folder, name);
}

Result<std::vector<PluginFile>> list_plugins(const std::string& directory) {
  std::vector<PluginFile> plugins;
  const auto folder = check_directory(directory);
  if (!folder && folder.error().code() != ErrorCode::kPermission) {
    return fail(folder.error().within("[pxe_filter] plugin_dir"));
  }
  std::error_code error;
  for (fs::directory_iterator
           each(folder ? *folder : fs::path(directory), error),
       end;
       !error && each != end; each.increment(error)) {
    const fs::path& path = each->path();
    if (path.extension() != kSuffix) continue;
    PluginFile plugin{path.stem(), path, {}, {}};
    if (!folder) {
      plugin.problem = folder.error().message();
    } else if (auto checked = check_in(*folder, plugin.name); checked) {
      plugin.summary = checked->note.summary;
    } else {
      plugin.problem = checked.error().message();
    }
    plugins.push_back(std::move(plugin));
  }
  if (error) {
    return fail_errno("[pxe_filter] plugin_dir " + directory, error.value());
  }
  std::ranges::sort(plugins, {}, &PluginFile::name);
  return plugins;
}

}  // namespace pxegate
