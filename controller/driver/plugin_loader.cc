// SPDX-License-Identifier: Apache-2.0
#include "controller/driver/plugin_loader.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <link.h>

#include <exception>
#include <utility>
#include <vector>

#include "controller/base/text.h"
#include "controller/driver/guarded_driver.h"
#include "controller/driver/plugin_dir.h"

namespace pxegate {
namespace {

std::string last_dl_error() {
  const char* text = ::dlerror();  // NOLINT: thread-safe in glibc
  return text == nullptr ? "no reason given" : quoted(text, 1000);
}

// Every note of a mapped object, as PluginNote::segments has them of a file.
struct MappedNotes {
  ElfW(Addr) base = 0;
  std::vector<std::string> segments;
};

int collect_notes(dl_phdr_info* object, std::size_t /*size*/, void* result) {
  auto& notes = *static_cast<MappedNotes*>(result);
  if (object->dlpi_addr != notes.base) return 0;
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const auto& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_NOTE) continue;
    // The loader's arithmetic: the address is a number until here.
    const auto* start =
        reinterpret_cast<const char*>(notes.base + segment.p_vaddr);  // NOLINT
    notes.segments.emplace_back(start, segment.p_filesz);
  }
  return 1;
}

Result<> check_same_build(void* handle, const PluginNote& note) {
  link_map* map = nullptr;
  if (::dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0) {
    return fail("dlinfo: " + last_dl_error());
  }
  MappedNotes mapped{.base = map->l_addr, .segments = {}};
  ::dl_iterate_phdr(collect_notes, &mapped);
  if (mapped.segments != note.segments) {
    return fail(
        "the file was replaced since this process loaded it, and the old code "
        "is still in memory; restart pxegate to use the new",
        ErrorCode::kInvalidState);
  }
  return {};
}

Result<void*> map_plugin(const CheckedPlugin& plugin) {
  // All symbols now: one that is missing must not end the process later.
  void* handle = ::dlopen(plugin.path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    return fail(
        fmt::format("the dynamic linker refuses it: {}; install the libraries "
                    "that it names, or build the plugin again",
                    last_dl_error()),
        ErrorCode::kInvalid);
  }
  if (auto same = check_same_build(handle, plugin.note); !same) {
    return fail(same.error());
  }
  return handle;
}

Result<const DriverModule*> find_module(void* handle, const PluginNote& note) {
  // POSIX has it that the address of a function fits into a void*.
  const auto getter = reinterpret_cast<DriverModuleGetter>(  // NOLINT
      ::dlsym(handle, kDriverModuleSymbol));
  if (getter == nullptr) {
    return fail(fmt::format("it exports no {}(); PXEGATE_DRIVER_PLUGIN in "
                            "driver_module.h makes it",
                            kDriverModuleSymbol),
                ErrorCode::kInvalid);
  }
  const DriverModule* module = getter();
  if (module == nullptr || module->abi != kDriverAbi ||
      module->size != sizeof(DriverModule) || module->note == nullptr ||
      module->make == nullptr || module->note->name.bytes != note.name) {
    return fail(
        fmt::format("{}() does not return what PXEGATE_DRIVER_PLUGIN makes it "
                    "return; use that macro, once",
                    kDriverModuleSymbol),
        ErrorCode::kInvalid);
  }
  return module;
}

Result<std::unique_ptr<FilterDriver>> make_driver(
    const CheckedPlugin& plugin, const DriverContext& context) {
  const auto handle = map_plugin(plugin);
  if (!handle) return fail(handle.error());
  const auto module = find_module(*handle, plugin.note);
  if (!module) return fail(module.error());
  auto driver = (*module)->make(context);
  if (!driver) {
    return fail(Error("cannot make its driver: " + driver.error().message(),
                      driver.error().code()));
  }
  if (*driver == nullptr) {
    return fail(
        "its factory made no driver, and no error either; ask its vendor");
  }
  return driver;
}

}  // namespace

Result<std::unique_ptr<FilterDriver>> load_plugin(
    const std::string& directory, const DriverContext& context) {
  auto plugin = check_plugin(directory, context.name);
  if (!plugin) return fail(plugin.error());
  const std::string where = "plugin " + pxegate::quoted(plugin->path, 4096);
  auto driver = guarded(where, [&] { return make_driver(*plugin, context); });
  if (!driver) return fail(driver.error());
  return std::make_unique<GuardedDriver>(context.name, where,
                                         std::move(*driver));
}

}  // namespace pxegate
