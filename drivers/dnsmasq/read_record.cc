// SPDX-License-Identifier: Apache-2.0
#include "drivers/dnsmasq/read_record.h"

#include <fmt/format.h>

#include <sstream>

#include "controller/base/fd.h"

namespace pxegate {
namespace {

constexpr std::string_view kTitle = "pxegate-read";
constexpr int kVersion = 1;

}  // namespace

std::string format_record(const ReaderStates& states,
                          std::string_view boot_id) {
  std::string text = fmt::format("{} {} {}\n", kTitle, kVersion, boot_id);
  for (const auto& [id, state] : states) {
    text += fmt::format("{} {} {} {}\n", id.pid, id.start_ticks,
                        state.until.count(), state.changes);
  }
  return text;
}

ReaderStates parse_record(std::string_view text, std::string_view boot_id) {
  std::istringstream words{std::string(text)};
  std::string title;
  int version = 0;
  std::string boot;
  words >> title >> version >> boot;
  if (title != kTitle || version != kVersion || boot != boot_id) return {};
  ReaderStates states;
  ReaderId id;
  FileTime::rep until = 0;
  std::uint64_t changes = 0;
  while (words >> id.pid >> id.start_ticks >> until >> changes) {
    states[id] = {FileTime(until), changes};
  }
  return states;
}

std::string current_boot_id() {
  auto text = read_file("/proc/sys/kernel/random/boot_id", 64);
  if (!text) return {};
  while (!text->empty() && text->back() == '\n') text->pop_back();
  return *text;
}

}  // namespace pxegate
