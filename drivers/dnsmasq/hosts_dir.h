// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_DNSMASQ_HOSTS_DIR_H_
#define PXEGATE_DRIVERS_DNSMASQ_HOSTS_DIR_H_

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/fd.h"
#include "controller/base/mac_address.h"
#include "controller/base/result.h"
#include "controller/core/policy.h"

namespace pxegate {

// Since the epoch, by the clock that stamps files (CLOCK_REALTIME, coarse).
using FileTime = std::chrono::nanoseconds;

// What stands at a name that is ours.
struct HostsEntry {
  // nullopt: not a regular file, or not one of the two texts it may hold, or
  // not for everybody to read, as for dnsmasq's user.
  std::optional<Verdict> verdict;
  // No text at all of ours or of a writer that was interrupted: somebody put
  // something else there on purpose.
  bool odd = false;
  bool directory = false;
  FileTime changed{0};  // st_ctim
};

// A file that is not ours. dnsmasq reads it all the same.
struct ForeignFile {
  std::string name;
  // Some line of it may get a machine an answer, or it cannot be told.
  bool lets_in = false;
};

struct HostsListing {
  std::map<MacAddress, HostsEntry> machines;
  std::optional<HostsEntry> unknown;  // nullopt: no such file
  std::vector<ForeignFile> foreign;   // sorted by name
};

// dnsmasq's --dhcp-hostsdir. Works on a descriptor, so that whatever happens
// to the path, one object is one directory; follows no symbolic link in it.
// All errors name the path.
class HostsDir {
 public:
  // kNotFound where it does not exist, kInvalid where it is no directory.
  static Result<HostsDir> open(const std::string& path);
  // Makes the directory, for everybody to read. Its parent has to exist.
  static Result<> make(const std::string& path);

  enum class Lock { kExclusive, kShared };
  // kConflict where another controller's lock is in the way (flock(2)); held
  // until this object goes.
  Result<> lock(Lock kind) const;

  // Whether the path still leads here.
  bool is_current() const;
  // How /proc/PID/fdinfo names this directory in an inotify watch.
  Result<std::string> watch_identity() const;

  Result<HostsListing> list() const;

  // Makes `name` hold `contents`, whatever was there but a directory. Whoever
  // reads sees the old contents or the new, nothing between: the text is
  // written to a file that dnsmasq passes over and moved into place, which is
  // one event that dnsmasq acts on (IN_MOVED_TO). Where no file can be made, as
  // on a full disk, a text of ours is still made longer, as denying does, in
  // place (IN_CLOSE_WRITE).
  Result<> write(std::string_view name, std::string_view contents) const;
  // Has dnsmasq read the file again (IN_CLOSE_WRITE), changing nothing.
  Result<> announce(const MacAddress& mac) const;
  Result<> announce(std::string_view name) const;
  // A missing file is no error.
  Result<> remove(std::string_view name) const;

  // Causes events that dnsmasq reads and passes over. Returns the time of it:
  // the event of any file changed earlier was queued earlier.
  Result<FileTime> mark() const;

  // nullopt for anything but a regular file of a moderate size.
  std::optional<std::string> read(std::string_view name) const;
  // Removes what write() left behind when its process was killed; where the
  // directory is shared, only what is older than any write() in progress.
  void remove_litter(Lock kind) const;

  const std::string& path() const { return path_; }

 private:
  HostsDir(std::string path, UniqueFd fd)
      : path_(std::move(path)), fd_(std::move(fd)) {}

  std::string at(std::string_view name) const;
  Result<> replace(std::string_view name, std::string_view contents) const;
  bool extend(std::string_view name, std::string_view contents) const;
  Result<UniqueFd> make_temporary(std::string& name) const;

  std::string path_;
  UniqueFd fd_;
};

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_DNSMASQ_HOSTS_DIR_H_
