// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_DRIVER_DRIVER_MODULE_H_
#define PXEGATE_CONTROLLER_DRIVER_DRIVER_MODULE_H_

// What a shared object has to hold to be a filter driver:
//
//     namespace {
//     pxegate::Result<std::unique_ptr<pxegate::FilterDriver>> make(
//         const pxegate::DriverContext& context) { … }
//     }  // namespace
//     PXEGATE_DRIVER_PLUGIN("tor_switch", "the ACL of a switch", make)
//
// The macro stands once in the plugin. It writes an ELF note, which pxegate
// reads and compares before it maps the file, so that no code of a plugin made
// for another pxegate or with another toolchain ever runs, not even a
// constructor; and the one function that pxegate looks up.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "controller/base/command_runner.h"
#include "controller/base/result.h"
#include "controller/driver/filter_driver.h"

#ifndef PXEGATE_VERSION
#error "build with pxegate's CMake package: it says which version this is"
#endif

namespace pxegate {

// What a factory is given.
struct DriverContext {
  // The plugin's name, as in [pxe_filter] driver.
  std::string name;
  // The options in the configuration's section of that name, references
  // resolved and otherwise verbatim. What they mean, and which there are, is
  // for the plugin to check: an unknown one is an operator's typing error.
  std::map<std::string, std::string> options;
  // Starts other programs; never null. Thread-safe.
  std::shared_ptr<CommandRunner> runner;
};

// Makes the driver; changes nothing in the system, since `pxegate status` calls
// it too. Errors about the options are kInvalid. May be called any number of
// times; of its drivers, one enforces at a time.
//
// A driver may throw where its functions are not noexcept: the exception is
// caught and counts as a failure of the call. Log lines go to
// controller/base/log.h. A plugin is never unloaded.
using DriverFactory =
    Result<std::unique_ptr<FilterDriver>> (*)(const DriverContext& context);

// Version of DriverNote and DriverModule. Everything else that the two sides
// share is told by kDriverToolchain.
inline constexpr std::uint32_t kDriverAbi = 2;

// All that has to be the same on both sides for C++ objects to be passed: the
// release of pxegate (its classes may change with every one), the compiler's
// ABI, the library's, and what changes the layout of standard types.
#define PXEGATE_STRING_(x) #x
#define PXEGATE_STRING(x) PXEGATE_STRING_(x)
#if defined(__clang__)
#define PXEGATE_COMPILER_ "clang"
#else
#define PXEGATE_COMPILER_ "gcc"
#endif
#if defined(_GLIBCXX_DEBUG)
#define PXEGATE_LIBRARY_MODE_ " libstdc++-debug"
#else
#define PXEGATE_LIBRARY_MODE_ ""
#endif
#if defined(__SANITIZE_ADDRESS__)
#define PXEGATE_SANITIZER_ " address-sanitizer"
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PXEGATE_SANITIZER_ " address-sanitizer"
#endif
#endif
#ifndef PXEGATE_SANITIZER_
#define PXEGATE_SANITIZER_ ""
#endif
#define PXEGATE_DRIVER_TOOLCHAIN \
  "pxegate-" PXEGATE_VERSION " " PXEGATE_COMPILER_                           \
  "-abi-" PXEGATE_STRING(__GXX_ABI_VERSION) " libstdc++-cxx11-"              \
      PXEGATE_STRING(_GLIBCXX_USE_CXX11_ABI) " c++-"                         \
          PXEGATE_STRING(__cplusplus) " expected-"                           \
              PXEGATE_STRING(TL_EXPECTED_VERSION_MAJOR) "."                  \
                  PXEGATE_STRING(TL_EXPECTED_VERSION_MINOR)                  \
                      PXEGATE_LIBRARY_MODE_ PXEGATE_SANITIZER_
inline constexpr std::string_view kDriverToolchain = PXEGATE_DRIVER_TOOLCHAIN;

// Text of at most N - 1 bytes, the rest zero. What is too long does not
// compile.
template <std::size_t N>
struct FixedText {
  consteval FixedText(std::string_view text) {  // NOLINT: as a literal
    for (std::size_t i = 0; i < text.size(); ++i) bytes[i] = text[i];
    static_cast<void>(bytes[text.size() < N ? text.size() : N]);
  }
  char bytes[N] = {};
};

inline constexpr std::string_view kDriverNoteName = "pxegate";
inline constexpr std::uint32_t kDriverNoteType = 1;

// An ELF note, in the byte order of the machine. The members up to `abi`
// never change; those behind it belong to kDriverAbi.
struct DriverNote {
  std::uint32_t name_size = 8;  // of `owner`
  std::uint32_t descriptor_size = 4 + 128 + 64 + 128;
  std::uint32_t type = kDriverNoteType;
  char owner[8] = "pxegate";
  std::uint32_t abi = kDriverAbi;
  FixedText<128> toolchain = kDriverToolchain;
  FixedText<64> name;      // the file is NAME.so
  FixedText<128> summary;  // one line for `pxegate drivers`
};
static_assert(offsetof(DriverNote, abi) == 20);
static_assert(sizeof(DriverNote) == 20 + 4 + 128 + 64 + 128);

// What the plugin's function returns. The first three members never change.
struct DriverModule {
  std::uint32_t abi = kDriverAbi;
  std::uint32_t size = sizeof(DriverModule);
  const DriverNote* note = nullptr;
  DriverFactory make = nullptr;
};

using DriverModuleGetter = const DriverModule* (*)();
inline constexpr const char* kDriverModuleSymbol = "pxegate_driver_module";

// A name is what [a-z][a-z0-9_-]* matches, 63 bytes at most: it is a file's and
// a section's name too.
constexpr bool is_driver_name(std::string_view name) {
  if (name.empty() || name.size() > 63 || name[0] < 'a' || name[0] > 'z') {
    return false;
  }
  for (const char c : name) {
    const bool good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                      c == '_' || c == '-';
    if (!good) return false;
  }
  return true;
}

}  // namespace pxegate

#define PXEGATE_DRIVER_PLUGIN(driver_name, driver_summary, driver_factory) \
  static_assert(::pxegate::is_driver_name(driver_name),                    \
                "a driver's name is [a-z][a-z0-9_-]*, 63 bytes at most");  \
  extern "C" {                                                             \
  extern const ::pxegate::DriverNote pxegate_driver_note;                  \
  __attribute__((                                                          \
      section(".note.pxegate"), aligned(4),                                \
      used)) constinit const ::pxegate::DriverNote pxegate_driver_note{    \
      .name = std::string_view(driver_name),                               \
      .summary = std::string_view(driver_summary)};                        \
  __attribute__((visibility("default"))) const ::pxegate::DriverModule*    \
  pxegate_driver_module();                                                 \
  const ::pxegate::DriverModule* pxegate_driver_module() {                 \
    static constexpr ::pxegate::DriverModule kModule{                      \
        .note = &pxegate_driver_note, .make = (driver_factory)};           \
    return &kModule;                                                       \
  }                                                                        \
  }

#endif  // PXEGATE_CONTROLLER_DRIVER_DRIVER_MODULE_H_
