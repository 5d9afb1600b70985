// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_XDP_BPFFS_H_
#define PXEGATE_DRIVERS_XDP_BPFFS_H_

#include <string>
#include <string_view>
#include <vector>

#include "controller/base/fd.h"
#include "controller/base/result.h"

namespace pxegate {

// Where this version's maps are pinned, below pin_path.
inline constexpr std::string_view kMapsDirectory = "maps";

// The nearest ancestor of `of` that exists, itself included.
std::string existing_ancestor(const std::string& of);

// The directory that holds what the driver pins: maps by name under maps/, and
// one link per interface under links/.
class PinDirectory {
 public:
  explicit PinDirectory(std::string path);

  const std::string& path() const { return path_; }
  // `directory` is relative; empty: path() itself.
  std::string map_directory(std::string_view directory) const;
  std::string map_path(std::string_view directory, std::string_view map) const;
  // '.' and '%' of the interface's name are encoded as %2e and %25: the BPF
  // file system refuses dots.
  std::string link_path(std::string_view interface) const;

  // Makes the directories (mode 0700), and mounts a BPF file system at
  // /sys/fs/bpf where the path lies below it and none is mounted.
  // kPermission or kInvalid with the command to run where that fails.
  Result<> prepare() const;

  // Locks the directory for one controller until this object goes.
  // kConflict, naming the process, where another holds it; kNotFound where
  // there is none; kInvalid where it is not on a BPF file system. Idempotent.
  Result<> lock();
  // Also unlocks the events.
  void unlock() {
    events_lock_.reset();
    lock_.reset();
  }

  // As lock(), for whoever takes the events, with a controller or without.
  Result<> lock_events();
  bool has_events_locked() const { return static_cast<bool>(events_lock_); }

  // The BPF file system is mounted in a mount namespace that is not PID 1's,
  // and not in PID 1's: it may go with this process, and the pins with it.
  bool is_private() const;

  // Interfaces that have a link pinned here, decoded.
  std::vector<std::string> pinned_interfaces() const;

  // An empty directory beside maps/, to pin other maps in, which
  // finish_exchange() puts in the place of maps/ at one go. What was pinned
  // there and in maps/ before is gone then; what was named otherwise than
  // what is there now stays in maps/.
  Result<std::string> begin_exchange() const;
  Result<> finish_exchange() const;
  // The directory that an exchange leaves behind where it was cut short.
  std::string exchange_path() const;

  // Removes the (empty) directories; a missing one is no error.
  Result<> remove() const;

 private:
  std::string path_;
  UniqueFd lock_;
  UniqueFd events_lock_;
};

// As errno_error(); where a privilege is missing, it names the capabilities.
Error privileged_error(std::string_view what, int errnum);

// What a descriptor of a BPF object is of. The kernel describes each kind by
// a struct of its own and does not say by which it did.
enum class ObjectKind { kOther, kLink, kMap };
ObjectKind object_kind(int fd);

// For a pin that somebody else put into the directory.
Error not_ours(const std::string& path);

// Unlinks a pin; a missing one is no error.
Result<> remove_pin(const std::string& path);

// Moves a pin; what was at `to` is at `from` then. At one go.
Result<> move_pin(const std::string& from, const std::string& to);

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_XDP_BPFFS_H_
