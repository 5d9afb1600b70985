// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_DNSMASQ_READ_RECORD_H_
#define PXEGATE_DRIVERS_DNSMASQ_READ_RECORD_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "drivers/dnsmasq/hosts_dir.h"
#include "drivers/dnsmasq/readers.h"

namespace pxegate {

// What is known of one dnsmasq.
struct ReaderState {
  FileTime until{0};          // it knows of all changes before this time
  std::uint64_t changes = 0;  // files that it was made to read while it ran
  bool operator==(const ReaderState&) const = default;
};
using ReaderStates = std::map<ReaderId, ReaderState>;

// The file, which dnsmasq passes over, in which one controller tells the next
// what the dnsmasq that runs has proved to know.
inline constexpr std::string_view kReadRecordName = ".pxegate-read";

std::string format_record(const ReaderStates& states, std::string_view boot_id);
// Nothing for a record of another boot, or for what is none.
ReaderStates parse_record(std::string_view text, std::string_view boot_id);

// /proc/sys/kernel/random/boot_id; empty where there is none.
std::string current_boot_id();

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_DNSMASQ_READ_RECORD_H_
