// SPDX-License-Identifier: Apache-2.0
#include "controller/driver/plugin_note.h"

#include <fmt/format.h>
#include <link.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "controller/base/text.h"
#include "controller/driver/driver_module.h"

// This program's own ELF header; the linker defines it.
extern "C" __attribute__((visibility("hidden")))
const ElfW(Ehdr) __ehdr_start;  // NOLINT

namespace pxegate {
namespace {

using Header = ElfW(Ehdr);
using Segment = ElfW(Phdr);
using NoteHeader = ElfW(Nhdr);

constexpr std::size_t kMaxSegments = 128;
constexpr std::size_t kMaxNotes = std::size_t{64} << 10;  // bytes a segment

Failure invalid(std::string message) {
  return fail(std::move(message), ErrorCode::kInvalid);
}

Failure cut_short() {
  return invalid(
      "the file is cut short or damaged; install it again, under another name "
      "first and then renamed");
}

bool within(std::uint64_t offset, std::uint64_t length, std::uint64_t size) {
  return offset <= size && length <= size - offset;
}

// Copies a T out of `bytes`, which has no alignment.
template <typename T>
std::optional<T> peek(std::string_view bytes, std::size_t offset) {
  if (!within(offset, sizeof(T), bytes.size())) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

Result<Header> read_header(const FileBytes& file) {
  const Header& own = __ehdr_start;
  const auto start =
      file.read(0, std::min<std::uint64_t>(file.size, sizeof(Header)));
  if (!start) return fail(start.error());
  if (!start->starts_with(std::string_view(ELFMAG, SELFMAG))) {
    return invalid("this is no shared object (no ELF file); remove it");
  }
  const auto header = peek<Header>(*start, 0);
  if (start->size() > EI_DATA &&
      (start->at(EI_CLASS) != own.e_ident[EI_CLASS] ||
       start->at(EI_DATA) != own.e_ident[EI_DATA])) {
    return invalid(
        "this is a shared object for another kind of processor (word size or "
        "byte order); build the plugin for this machine");
  }
  if (!header) return cut_short();
  if (header->e_machine != own.e_machine) {
    return invalid(fmt::format(
        "this is a shared object for another kind of processor (ELF machine "
        "{}, here {}); build the plugin for this machine",
        header->e_machine, own.e_machine));
  }
  if (header->e_type != ET_DYN) {
    return invalid(
        "this is an ELF file, but no shared object; link the plugin with "
        "-shared (pxegate_add_driver() does)");
  }
  return *header;
}

Result<std::vector<Segment>> read_segments(const FileBytes& file) {
  const auto header = read_header(file);
  if (!header) return fail(header.error());
  const std::size_t count = header->e_phnum;
  if (header->e_phentsize != sizeof(Segment) || count == 0 ||
      count > kMaxSegments ||
      !within(header->e_phoff, count * sizeof(Segment), file.size)) {
    return cut_short();
  }
  const auto table = file.read(header->e_phoff, count * sizeof(Segment));
  if (!table) return fail(table.error());
  std::vector<Segment> segments;
  for (std::size_t i = 0; i < count; ++i) {
    const auto segment = peek<Segment>(*table, i * sizeof(Segment));
    if (!segment) return cut_short();
    const bool mapped = segment->p_type == PT_LOAD ||
                        segment->p_type == PT_DYNAMIC ||
                        segment->p_type == PT_NOTE;
    if (mapped && !within(segment->p_offset, segment->p_filesz, file.size)) {
      return cut_short();
    }
    segments.push_back(*segment);
  }
  return segments;
}

std::uint64_t padded(std::uint64_t size, std::uint64_t alignment) {
  return (size + alignment - 1) / alignment * alignment;
}

// The descriptor of pxegate's note in a segment of notes.
std::optional<std::string_view> find_note(std::string_view notes,
                                          std::uint64_t alignment) {
  alignment = alignment == 8 ? 8 : 4;
  std::uint64_t at = 0;
  while (const auto head = peek<NoteHeader>(notes, at)) {
    const std::uint64_t name = at + sizeof(NoteHeader);
    const std::uint64_t descriptor = padded(name + head->n_namesz, alignment);
    if (!within(descriptor, head->n_descsz, notes.size())) break;
    // The name's size counts its terminating zero.
    if (head->n_type == kDriverNoteType &&
        head->n_namesz == kDriverNoteName.size() + 1 &&
        notes.substr(name, kDriverNoteName.size()) == kDriverNoteName) {
      return notes.substr(descriptor, head->n_descsz);
    }
    at = padded(descriptor + head->n_descsz, alignment);
  }
  return std::nullopt;
}

// The text in a field of `size` bytes; nullopt where it has no end, or holds
// what cannot be shown.
std::optional<std::string> fixed_text(std::string_view bytes,
                                      std::size_t offset, std::size_t size) {
  const std::string_view field = bytes.substr(offset, size);
  const std::size_t end = field.find('\0');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view text = field.substr(0, end);
  const bool printable = std::ranges::all_of(text, [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f;
  });
  if (!printable) return std::nullopt;
  return std::string(text);
}

Result<PluginNote> check_note(std::string_view descriptor) {
  const auto abi = peek<std::uint32_t>(descriptor, 0);
  if (!abi) return cut_short();
  if (*abi != kDriverAbi) {
    return invalid(fmt::format(
        "the plugin speaks version {} of the driver ABI, pxegate {} speaks "
        "version {}; build the plugin against this pxegate's headers",
        *abi, PXEGATE_VERSION, kDriverAbi));
  }
  constexpr std::size_t kStart = offsetof(DriverNote, abi);
  const auto offset = [](std::size_t member) { return member - kStart; };
  if (descriptor.size() != sizeof(DriverNote) - kStart) return cut_short();
  const auto toolchain =
      fixed_text(descriptor, offset(offsetof(DriverNote, toolchain)),
                 sizeof(DriverNote::toolchain));
  const auto name = fixed_text(descriptor, offset(offsetof(DriverNote, name)),
                               sizeof(DriverNote::name));
  const auto summary =
      fixed_text(descriptor, offset(offsetof(DriverNote, summary)),
                 sizeof(DriverNote::summary));
  if (!toolchain || !name || !summary) return cut_short();
  if (*toolchain != kDriverToolchain) {
    return invalid(fmt::format(
        "the plugin was built with another toolchain or for another pxegate "
        "({}; here {}); build it again against this pxegate's headers with "
        "its compiler",
        quoted(*toolchain, 128), quoted(kDriverToolchain, 128)));
  }
  return PluginNote{.name = *name, .summary = *summary, .segments = {}};
}

}  // namespace

FileBytes bytes_of(std::string_view content) {
  return {.size = content.size(),
          .read = [content](std::uint64_t offset,
                            std::size_t length) -> Result<std::string> {
            return std::string(content.substr(offset, length));
          }};
}

Result<PluginNote> read_plugin_note(const FileBytes& file) {
  const auto segments = read_segments(file);
  if (!segments) return fail(segments.error());
  std::vector<std::string> notes;
  std::optional<std::string> descriptor;
  for (const Segment& segment : *segments) {
    if (segment.p_type != PT_NOTE) continue;
    if (segment.p_filesz > kMaxNotes) return cut_short();
    auto bytes = file.read(segment.p_offset, segment.p_filesz);
    if (!bytes) return fail(bytes.error());
    const auto found = find_note(*bytes, segment.p_align);
    if (found && !descriptor) descriptor = std::string(*found);
    notes.push_back(std::move(*bytes));
  }
  if (!descriptor) {
    return invalid(
        "this shared object is no pxegate driver: it has no pxegate note "
        "(PXEGATE_DRIVER_PLUGIN in driver_module.h writes it)");
  }
  auto note = check_note(*descriptor);
  if (note) note->segments = std::move(notes);
  return note;
}

}  // namespace pxegate
