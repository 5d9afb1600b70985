// SPDX-License-Identifier: Apache-2.0
#include "tests/support/pcap.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>

#include "controller/base/fd.h"

namespace pxegate::testing {
namespace {

struct FileHeader {
  std::uint32_t magic = 0xa1b2c3d4;
  std::uint16_t major = 2;
  std::uint16_t minor = 4;
  std::int32_t zone = 0;
  std::uint32_t accuracy = 0;
  std::uint32_t snapshot = 65535;
  std::uint32_t link_type = 1;
};
static_assert(sizeof(FileHeader) == 24);

struct RecordHeader {
  std::uint32_t seconds = 0;
  std::uint32_t microseconds = 0;
  std::uint32_t captured = 0;
  std::uint32_t size = 0;
};
static_assert(sizeof(RecordHeader) == 16);

void put(std::ofstream& file, const void* bytes, std::size_t size) {
  file.write(static_cast<const char*>(bytes),
             static_cast<std::streamsize>(size));
}

}  // namespace

Result<> write_pcap(const std::filesystem::path& path,
                    const std::vector<Bytes>& frames) {
  std::ofstream file(path, std::ios::binary);
  const FileHeader header;
  put(file, &header, sizeof(header));
  for (const Bytes& frame : frames) {
    RecordHeader record;
    record.captured = record.size = static_cast<std::uint32_t>(frame.size());
    put(file, &record, sizeof(record));
    put(file, frame.data(), frame.size());
  }
  if (!file.flush()) return fail_errno("cannot write " + path.string(), errno);
  return {};
}

Result<std::vector<Bytes>> read_pcap(const std::filesystem::path& path) {
  const auto bytes = read_file(path);
  if (!bytes) return fail(bytes.error());
  const auto invalid = [&](std::string_view why) {
    return fail(
        fmt::format("{} is no pcap of Ethernet frames: {}", path.string(), why),
        ErrorCode::kInvalid);
  };
  FileHeader header;
  if (bytes->size() < sizeof(header)) return invalid("it is too short");
  std::memcpy(&header, bytes->data(), sizeof(header));
  if (header.magic != FileHeader{}.magic ||
      header.link_type != FileHeader{}.link_type)
    return invalid("another magic number or link type");
  std::vector<Bytes> frames;
  for (std::size_t at = sizeof(header); at < bytes->size();) {
    RecordHeader record;
    if (bytes->size() - at < sizeof(record)) return invalid("it is cut off");
    std::memcpy(&record, bytes->data() + at, sizeof(record));
    at += sizeof(record);
    if (bytes->size() - at < record.captured) return invalid("it is cut off");
    const auto begin = bytes->begin() + static_cast<std::ptrdiff_t>(at);
    frames.emplace_back(begin, begin + record.captured);
    at += record.captured;
  }
  return frames;
}

}  // namespace pxegate::testing
