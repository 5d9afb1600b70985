// SPDX-License-Identifier: Apache-2.0
#include "controller/driver/plugin_note.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <link.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "controller/driver/driver_module.h"

extern "C" __attribute__((visibility("hidden")))
const ElfW(Ehdr) __ehdr_start;  // NOLINT

namespace pxegate {
namespace {

using ::testing::HasSubstr;

template <typename T>
std::string bytes(const T& value) {
  std::string out(sizeof(T), '\0');
  std::memcpy(out.data(), &value, sizeof(T));
  return out;
}

// A shared object of nothing but segments of notes, and one to be mapped.
struct Object {
  ElfW(Ehdr) header{};
  std::vector<ElfW(Phdr)> segments;
  std::string content;

  Object() {
    std::memcpy(header.e_ident, __ehdr_start.e_ident, EI_NIDENT);
    header.e_type = ET_DYN;
    header.e_machine = __ehdr_start.e_machine;
    header.e_phentsize = sizeof(ElfW(Phdr));
    header.e_phoff = sizeof(header);
  }

  Object& add(std::uint32_t type, const std::string& bytes,
              std::uint64_t alignment = 4) {
    ElfW(Phdr) segment{};
    segment.p_type = type;
    segment.p_offset = content.size();
    segment.p_filesz = bytes.size();
    segment.p_align = alignment;
    segments.push_back(segment);
    content += bytes;
    return *this;
  }

  std::string write() const {
    ElfW(Ehdr) head = header;
    if (head.e_phnum == 0) {
      head.e_phnum = static_cast<std::uint16_t>(segments.size());
    }
    std::string out = bytes(head);
    const std::size_t start =
        sizeof(head) + segments.size() * sizeof(ElfW(Phdr));
    for (ElfW(Phdr) segment : segments) {
      segment.p_offset += start;
      out += bytes(segment);
    }
    return out + content;
  }
};

constexpr DriverNote kNote{.name = std::string_view("tor_switch"),
                           .summary = std::string_view("a switch")};

std::string note_of(const std::string& owner, std::uint32_t type,
                    const std::string& descriptor, std::size_t alignment = 4) {
  const auto size = static_cast<std::uint32_t>(descriptor.size());
  std::string out = bytes(static_cast<std::uint32_t>(owner.size() + 1)) +
                    bytes(size) + bytes(type) + owner + '\0';
  out.resize((out.size() + alignment - 1) / alignment * alignment);
  out += descriptor;
  out.resize((out.size() + alignment - 1) / alignment * alignment);
  return out;
}

Result<PluginNote> read(const std::string& file) {
  return read_plugin_note(bytes_of(file));
}

void expect_refused(const std::string& file, const std::string& why) {
  const auto note = read(file);
  ASSERT_FALSE(note);
  EXPECT_EQ(note.error().code(), ErrorCode::kInvalid);
  EXPECT_THAT(note.error().message(), HasSubstr(why));
}

TEST(PluginNote, TellsNameAndSummaryOfADriverForThisProgram) {
  const auto note = read(Object().add(PT_NOTE, bytes(kNote)).write());
  ASSERT_TRUE(note) << note.error().message();
  EXPECT_EQ(note->name, "tor_switch");
  EXPECT_EQ(note->summary, "a switch");
}

TEST(PluginNote, IsFoundAmongOthersInAnySegment) {
  const std::string others = note_of("GNU", 3, "an id") + note_of("", 1, "") +
                             note_of("pxegate", 2, "of another type") +
                             bytes(kNote);
  const auto note = read(Object()
                             .add(PT_LOAD, "code")
                             .add(PT_NOTE, note_of("GNU", 5, "x", 8), 8)
                             .add(PT_NOTE, others)
                             .write());
  ASSERT_TRUE(note) << note.error().message();
  EXPECT_EQ(note->name, "tor_switch");
  EXPECT_EQ(note->segments.size(), 2U);
}

TEST(PluginNote, AnotherAbiIsRefusedWhateverElseTheNoteHolds) {
  DriverNote other = kNote;
  other.abi = kDriverAbi + 1;
  expect_refused(Object().add(PT_NOTE, bytes(other)).write(),
                 fmt::format("version {} of the driver ABI", kDriverAbi + 1));
  expect_refused(
      Object().add(PT_NOTE, note_of("pxegate", 1, bytes(7U))).write(),
      "version 7 of the driver ABI");
}

TEST(PluginNote, AnotherToolchainIsRefusedAndBothAreNamed) {
  DriverNote other = kNote;
  other.toolchain = std::string_view("pxegate-9 gcc-abi-1");
  const std::string file = Object().add(PT_NOTE, bytes(other)).write();
  expect_refused(file, "pxegate-9 gcc-abi-1");
  expect_refused(file, std::string(kDriverToolchain));
}

TEST(PluginNote, TextWithoutEndOrWithControlCharactersIsRefused) {
  for (const std::size_t member :
       {offsetof(DriverNote, toolchain), offsetof(DriverNote, name),
        offsetof(DriverNote, summary)}) {
    std::string note = bytes(kNote);
    note[member] = '\x1b';
    expect_refused(Object().add(PT_NOTE, note).write(), "damaged");
    note = bytes(kNote);
    note.replace(member, member == offsetof(DriverNote, name) ? 64 : 128,
                 member == offsetof(DriverNote, name) ? 64 : 128, 'x');
    expect_refused(Object().add(PT_NOTE, note).write(), "damaged");
  }
}

TEST(PluginNote, ADescriptorOfAnotherSizeIsRefused) {
  const std::string whole = bytes(kNote).substr(offsetof(DriverNote, abi));
  for (const std::string& descriptor : {std::string(), whole.substr(0, 3),
                                        whole.substr(0, 200), whole + "more"}) {
    expect_refused(
        Object().add(PT_NOTE, note_of("pxegate", 1, descriptor)).write(),
        "damaged");
  }
}

TEST(PluginNote, SizesThatLeadOutOfTheSegmentFindNothing) {
  for (const std::size_t field : {0U, 4U}) {
    for (const std::uint32_t size : {400U, 0x7fffffffU, 0xffffffffU}) {
      std::string note = bytes(kNote);
      note.replace(field, 4, bytes(size));
      expect_refused(Object().add(PT_NOTE, note).write(), "no pxegate note");
    }
  }
}

TEST(PluginNote, WithoutANoteItIsNoDriver) {
  expect_refused(Object().add(PT_LOAD, "code").write(), "no pxegate note");
  expect_refused(Object().add(PT_NOTE, note_of("pxegatf", 1, "x")).write(),
                 "no pxegate note");
}

TEST(PluginNote, OnlyASharedObjectForThisMachineIsLookedInto) {
  Object object;
  object.add(PT_NOTE, bytes(kNote));
  const auto with = [&](auto change) {
    Object other = object;
    change(other.header);
    return other.write();
  };
  expect_refused("", "no ELF file");
  expect_refused(
      "\x7f"
      "EL",
      "no ELF file");
  expect_refused(
      "\x7f"
      "ELF",
      "cut short");
  expect_refused(with([](auto& h) { h.e_ident[EI_CLASS] ^= 3; }),
                 "another kind of processor");
  expect_refused(with([](auto& h) { h.e_ident[EI_DATA] ^= 3; }),
                 "another kind of processor");
  expect_refused(with([](auto& h) { ++h.e_machine; }),
                 "another kind of processor");
  expect_refused(with([](auto& h) { h.e_type = ET_REL; }), "no shared object");
  expect_refused(with([](auto& h) { h.e_phentsize = 1; }), "cut short");
  expect_refused(with([](auto& h) { h.e_phoff = ~std::uint64_t{0}; }),
                 "cut short");
  expect_refused(with([](auto& h) { h.e_phnum = 0xffff; }), "cut short");
}

TEST(PluginNote, AFileThatEndsBeforeWhatIsMappedOfItIsRefused) {
  for (const std::uint32_t type : {PT_LOAD, PT_DYNAMIC, PT_NOTE}) {
    Object object;
    object.add(PT_NOTE, bytes(kNote)).add(type, "0123456789abcdef");
    std::string file = object.write();
    EXPECT_TRUE(read(file));
    file.pop_back();
    expect_refused(file, "cut short");
    object.segments.back().p_filesz = ~std::uint64_t{0};
    expect_refused(object.write(), "cut short");
  }
}

TEST(PluginNote, AnyBytesEndInANoteOrAnError) {
  const std::string good = Object()
                               .add(PT_NOTE, note_of("GNU", 3, "an id"))
                               .add(PT_NOTE, bytes(kNote))
                               .write();
  std::minstd_rand random(1);
  for (int round = 0; round < 20'000; ++round) {
    std::string file = good;
    for (std::size_t changes = 1 + random() % 4; changes > 0; --changes) {
      // Most of the file is text that is only copied.
      const std::size_t at = random() % (random() % 4 == 0 ? file.size() : 300);
      file[at] = static_cast<char>(random() % 3 == 0 ? 0xff : random());
    }
    if (random() % 4 == 0) file.resize(random() % file.size());
    const auto note = read(file);
    EXPECT_TRUE(note || note.error().code() == ErrorCode::kInvalid);
  }
}

TEST(PluginNote, AReadThatFailsIsItsOwnError) {
  FileBytes file = bytes_of("");
  file.size = 1000;
  file.read = [](std::uint64_t, std::size_t) -> Result<std::string> {
    return fail("the disk is gone", ErrorCode::kFailed);
  };
  const auto note = read_plugin_note(file);
  ASSERT_FALSE(note);
  EXPECT_EQ(note.error().message(), "the disk is gone");
}

}  // namespace
}  // namespace pxegate
